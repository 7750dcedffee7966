//! The fields of an endpoint as requests give them: types with their bounds, and the checks of what they mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

use crate::{
    domain::{
        endpoint::EndpointStatus,
        endpoint_url::{EndpointUrl, MAX_URL_LENGTH},
        request_headers::{CustomHeader, CustomHeaderError},
        schedule::RetrySchedule,
        subscription::Subscription,
    },
    http::{
        Api,
        bounded::{Items, Line, Prose, Ranged},
        duration_range::Within,
        problem::{Kind, Problem},
        text::{SubscriptionText, Text, words},
    },
};

const MOST_ENTRIES: usize = 50;

/// Whether an endpoint is sent anything, without the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// It is.
    Enabled,
    /// Deliveries are queued and held.
    Paused,
    /// Nothing new is queued.
    Disabled,
}

impl EndpointState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

impl From<&EndpointStatus> for EndpointState {
    fn from(status: &EndpointStatus) -> Self {
        match status {
            EndpointStatus::Enabled => Self::Enabled,
            EndpointStatus::Paused => Self::Paused,
            EndpointStatus::Disabled { .. } => Self::Disabled,
        }
    }
}

words! {
    EndpointStateText = EndpointState, "EndpointStatus", "Whether an endpoint is sent anything.", [
        EndpointState::Enabled, EndpointState::Paused, EndpointState::Disabled];
}

/// An endpoint's URL, not yet checked.
#[derive(Debug, Clone)]
pub struct UrlField(String);
/// Its subscriptions.
pub type EventTypesField = Items<SubscriptionText, 1, 100>;
/// Its description.
pub type DescriptionField = Prose<1000>;
/// Its own schedule.
pub type ScheduleField = Items<Wait, 0, 20>;
/// Attempts under way at a time.
pub type MaxInFlightField = Ranged<1, 1000>;
/// Attempts a second.
pub type RateLimitField = Ranged<1, 10_000>;
/// For whoever made it: short texts by name.
pub type MetadataField = Entries<64, 500>;
/// Its own request headers, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct HeadersField(BTreeMap<String, String>);

/// A wait of a schedule.
pub type Wait = Within<0, 2_592_000_000>;
/// Of an attempt, from look-up to the last byte.
pub type TimeoutField = Within<100, 300_000>;

impl<'de> Deserialize<'de> for UrlField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Line::<MAX_URL_LENGTH>::deserialize(deserializer).map(|Line(text)| Self(text))
    }
}

impl PartialSchema for UrlField {
    fn schema() -> RefOr<Schema> {
        // What every URL that is taken has; the rest is more than a pattern can say.
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(MAX_URL_LENGTH));
        text.pattern(Some(r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\#\u0000-\u001f\u007f-\u009f]+$")).build().into()
    }
}

impl ToSchema for UrlField {}

impl<'de> Deserialize<'de> for HeadersField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let headers = BTreeMap::deserialize(deserializer)?;
        if headers.len() > MOST_ENTRIES {
            return Err(de::Error::custom(format_args!("must have at most {MOST_ENTRIES} headers")));
        }
        Ok(Self(headers))
    }
}

impl PartialSchema for HeadersField {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).max_length(Some(128));
        let name = name.pattern(Some("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")).build();
        let value = ObjectBuilder::new().schema_type(Type::String).max_length(Some(2_048));
        let value: RefOr<Schema> = value.pattern(Some("^([!-~]([ -~]*[!-~])?)?$")).build().into();
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property_names(Some(name))
            .additional_properties(Some(value))
            .max_properties(Some(MOST_ENTRIES))
            .build()
            .into()
    }
}

impl ToSchema for HeadersField {}

/// An object of up to 50 texts: names of up to `NAME` characters, values of up to `VALUE`.
#[derive(Debug, Clone, Default)]
pub struct Entries<const NAME: usize, const VALUE: usize>(pub BTreeMap<String, String>);

impl<'de, const NAME: usize, const VALUE: usize> Deserialize<'de> for Entries<NAME, VALUE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries: BTreeMap<Key<NAME>, Prose<VALUE>> = BTreeMap::deserialize(deserializer)?;
        if entries.len() > MOST_ENTRIES {
            return Err(de::Error::custom(format_args!("must have at most {MOST_ENTRIES} entries")));
        }
        Ok(Self(entries.into_iter().map(|(Key(name), Prose(value))| (name, value)).collect()))
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<const MAX: usize>(String);

impl<'de, const MAX: usize> Deserialize<'de> for Key<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Line::<MAX>::deserialize(deserializer).map(|Line(name)| Self(name))
    }
}

impl<const NAME: usize, const VALUE: usize> PartialSchema for Entries<NAME, VALUE> {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(name) = Line::<NAME>::schema() else { return ObjectBuilder::new().build().into() };
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property_names(Some(name))
            .additional_properties(Some(Prose::<VALUE>::schema()))
            .max_properties(Some(MOST_ENTRIES))
            .build()
            .into()
    }
}

impl<const NAME: usize, const VALUE: usize> ToSchema for Entries<NAME, VALUE> {}

/// The normalised URL.
pub fn checked_url(api: &Api, UrlField(text): &UrlField) -> Result<String, Problem> {
    EndpointUrl::parse(text, api.settings().allow_http)
        .map(|url| url.to_string())
        .map_err(|error| Problem::refused("/url", format!("the URL {error}")))
}

/// The subscriptions, each of which some event type must match.
pub fn checked_event_types(api: &Api, Items(given): EventTypesField) -> Result<Vec<Subscription>, Problem> {
    let subscriptions: Vec<_> = given.into_iter().map(|Text(subscription)| subscription).collect();
    match subscriptions.iter().position(|subscription| !api.catalog().has_match(subscription)) {
        Some(index) => {
            let detail = format!("no event type of the catalog matches `{}`", subscriptions[index]);
            Err(Problem::refused(format!("/event_types/{index}"), detail))
        }
        None => Ok(subscriptions),
    }
}

/// The headers, none of which may be one of ours or the connection's.
pub fn checked_headers(HeadersField(given): HeadersField) -> Result<Vec<CustomHeader>, Problem> {
    let mut headers: Vec<CustomHeader> = Vec::with_capacity(given.len());
    for (name, value) in given {
        let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        let header = CustomHeader::new(&name, &value).map_err(|error| {
            let kind = match error {
                CustomHeaderError::Reserved => Kind::Unprocessable,
                CustomHeaderError::Name | CustomHeaderError::Value => Kind::InvalidField,
            };
            Problem::field(kind, &pointer, format!("`{name}` {error}"))
        })?;
        if headers.iter().any(|earlier| earlier.name() == header.name()) {
            return Err(Problem::refused(pointer, "the header is given twice, in other case"));
        }
        headers.push(header);
    }
    Ok(headers)
}

/// The schedule.
pub fn checked_schedule(Items(waits): ScheduleField) -> Result<RetrySchedule, Problem> {
    let waits = waits.into_iter().map(|Within(wait)| wait).collect();
    RetrySchedule::new(waits).map_err(|error| Problem::field(Kind::InvalidField, "/retry_schedule", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked_by_name() {
        let of = |pairs: &[(&str, &str)]| {
            HeadersField(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(checked_headers(of(&[("X-A", "1"), ("authorization", "Bearer x")])).unwrap().len(), 2);
        let fault = |pairs| checked_headers(of(pairs)).map(drop).unwrap_err();
        assert_eq!(fault(&[("Host", "x")]).kind(), Kind::Unprocessable);
        assert_eq!(fault(&[("a/b", "x")]).pointer(), Some("/headers/a~1b"));
        assert_eq!(fault(&[("X-A", "1"), ("x-a", "2")]).kind(), Kind::Unprocessable);
        assert_eq!(fault(&[("X-A", "a\nb")]).kind(), Kind::InvalidField);
    }

    #[test]
    fn entries_are_bounded_in_number_and_length() {
        let read = |text: &str| serde_json::from_str::<MetadataField>(text).is_ok();
        assert!(read(r#"{"team":"blue","empty":""}"#));
        let many: BTreeMap<String, String> = (0..51).map(|n| (n.to_string(), String::new())).collect();
        assert!(!read(&serde_json::to_string(&many).unwrap()));
        for bad in [r#"{"":"x"}"#, r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a\u0000":"x"}"#, r#"["a"]"#] {
            assert!(!read(bad), "{bad}");
        }
        assert!(!read(&format!(r#"{{"{}":""}}"#, "k".repeat(65))));
        assert!(!read(&format!(r#"{{"k":"{}"}}"#, "v".repeat(501))));
    }
}
