//! Domain values as JSON text: one place says how each is read, written and described in the OpenAPI document, so that
//! what is accepted, what is answered and what is documented cannot drift apart.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, SchemaFormat,
        schema::{Schema, Type},
    },
};

use crate::domain::{
    account::Account,
    attempt::{ErrorKind, Trigger},
    delivery::DeliveryStatus,
    duration::HumanDuration,
    event_type::EventTypeName,
    ids::{AuditId, DeliveryId, EndpointId, EventId, TokenId},
    signature::SigningSecret,
    subscription::Subscription,
    time::Timestamp,
    token::Role,
};

/// A value that is one JSON string.
pub trait TextForm: Sized {
    /// Its name among the document's schemas.
    const NAME: &'static str;
    /// The value of a text, or a sentence about what it must be.
    fn read(text: &str) -> Result<Self, String>;
    /// Its one text.
    fn write(&self) -> Cow<'_, str>;
    /// What the document says of it.
    fn describe() -> ObjectBuilder;
}

/// A value in its text form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<T>(pub T);

impl<T: TextForm> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.write())
    }
}

impl<'de, T: TextForm> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<T: TextForm> de::Visitor<'_> for Reader<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::read(text).map(Text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Reader(PhantomData))
    }
}

impl<T: TextForm> PartialSchema for Text<T> {
    fn schema() -> RefOr<Schema> {
        T::describe().schema_type(Type::String).build().into()
    }
}

impl<T: TextForm> ToSchema for Text<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(T::NAME)
    }
}

macro_rules! parsed {
    ($($alias:ident = $type:ty, $name:literal, $doc:literal, |$o:ident| $describe:expr;)+) => {$(
        #[doc = concat!($doc, " As text.")]
        pub type $alias = Text<$type>;

        impl TextForm for $type {
            const NAME: &'static str = $name;
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <$type as std::str::FromStr>::Err| error.to_string())
            }
            fn write(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
            fn describe() -> ObjectBuilder {
                let $o = ObjectBuilder::new().description(Some($doc));
                $describe
            }
        }
    )+};
}

/// The text of an identifier that the store mints: see `domain::ids`.
macro_rules! minted {
    ($($alias:ident = $type:ty, $name:literal, $doc:literal, $pattern:literal, $example:literal;)+) => {
        parsed! {$(
            $alias = $type, $name, $doc,
            |o| o.pattern(Some($pattern)).examples([$example]);
        )+}
    };
}

minted! {
    DeliveryIdText = DeliveryId, "DeliveryId", "The id of a delivery.",
        "^dlv_[0-7][0-9A-HJKMNP-TV-Z]{25}$", "dlv_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB";
    EndpointIdText = EndpointId, "EndpointId", "The id of an endpoint.",
        "^ep_[0-7][0-9A-HJKMNP-TV-Z]{25}$", "ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB";
    TokenIdText = TokenId, "TokenId", "The id of a token; not the token itself.",
        "^tok_[0-7][0-9A-HJKMNP-TV-Z]{25}$", "tok_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB";
    AuditIdText = AuditId, "AuditId", "The id of an audit log entry.",
        "^aud_[0-7][0-9A-HJKMNP-TV-Z]{25}$", "aud_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB";
}

parsed! {
    EventIdText = EventId, "EventId", "The id of an event: minted, or the producer's own.",
        |o| o.pattern(Some("^evt_[A-Za-z0-9_-]{1,64}$")).examples(["evt_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB"]);
    AccountText = Account, "Account", "The name of an account, a customer of the platform.",
        |o| o.pattern(Some("^[A-Za-z0-9_.:-]{1,64}$")).examples(["default"]);
    EventTypeText = EventTypeName, "EventTypeName", "The dotted name of an event type, at most 128 characters.",
        |o| o.pattern(Some(r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")).max_length(Some(128)).examples(["batch.completed"]);
    SubscriptionText = Subscription, "Subscription", "What to hear of: the name of an event type, a prefix like `batch.*`, or `*`.",
        |o| o.pattern(Some(r"^(\*|[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?)$")).max_length(Some(128)).examples(["batch.*"]);
    DurationText = HumanDuration, "Duration", "A whole number and a unit: `ms`, `s`, `m`, `h` or `d`.",
        |o| o.pattern(Some("^[0-9]+(ms|s|m|h|d)$")).examples(["30s"]);
    TimeText = Timestamp, "Time", "A time of RFC 3339, from 1970 on; in answers in UTC with milliseconds.",
        |o| o.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .pattern(Some(concat!(
                "^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?",
                "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
            )))
            .examples(["2026-01-25T00:00:00.000Z"]);
}

/// A signing secret as text, for those alone who may see it.
pub type SecretText = Text<SigningSecret>;

impl TextForm for SigningSecret {
    const NAME: &'static str = "SigningSecret";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: crate::domain::signature::SecretError| error.to_string())
    }

    fn write(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.expose())
    }

    fn describe() -> ObjectBuilder {
        // 24 to 64 bytes in padded base 64: groups of 4 characters for 3 bytes, the last of which may be padded.
        const PATTERN: &str = concat!(
            "^whsec_(",
            "([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?",
            "|([A-Za-z0-9+/]{4}){21}[A-Za-z0-9+/][AQgw]==)$"
        );
        ObjectBuilder::new()
            .description(Some("A signing secret: `whsec_` and the standard base64 of 24 to 64 bytes."))
            .pattern(Some(PATTERN))
            .examples(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    }
}

macro_rules! words {
    ($($alias:ident = $type:ty, $name:literal, $doc:literal, [$($value:expr),+ $(,)?];)+) => {$(
        #[doc = concat!($doc, " As text.")]
        pub type $alias = $crate::http::text::Text<$type>;

        impl $crate::http::text::TextForm for $type {
            const NAME: &'static str = $name;
            fn read(text: &str) -> Result<Self, String> {
                let all = [$($value),+];
                all.into_iter().find(|value| value.as_str() == text).ok_or_else(|| {
                    let words = all.map(|value| format!("`{}`", value.as_str()));
                    format!("must be one of {}", words.join(", "))
                })
            }
            fn write(&self) -> std::borrow::Cow<'_, str> {
                std::borrow::Cow::Borrowed(self.as_str())
            }
            fn describe() -> utoipa::openapi::ObjectBuilder {
                utoipa::openapi::ObjectBuilder::new().description(Some($doc)).enum_values(Some([$($value),+].map(|value| value.as_str())))
            }
        }
    )+};
}
pub(crate) use words;

words! {
    DeliveryStatusText = DeliveryStatus, "DeliveryStatus", "Where a delivery stands.", [
        DeliveryStatus::Pending, DeliveryStatus::Delivered, DeliveryStatus::Failed, DeliveryStatus::Canceled];
    TriggerText = Trigger, "Trigger", "Why an attempt is made.", [
        Trigger::Schedule, Trigger::Manual, Trigger::Replay, Trigger::Test, Trigger::Rotation];
    ErrorKindText = ErrorKind, "ErrorKind", "What kept an attempt from having an answer.", [
        ErrorKind::Timeout, ErrorKind::Dns, ErrorKind::Connect, ErrorKind::Tls, ErrorKind::Blocked,
        ErrorKind::Protocol, ErrorKind::Interrupted];
    RoleText = Role, "Role", "What a token may do: everything, everything but secrets and changes, or posting events.", [
        Role::Admin, Role::Read, Role::Ingest];
}
