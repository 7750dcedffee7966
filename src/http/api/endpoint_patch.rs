//! `PATCH /v1/endpoints/{id}`: checked first as a whole, then applied by the registry to the endpoint as it is then.

use serde::Deserialize;
use utoipa::ToSchema;

use super::endpoint_fields::{
    DescriptionField, EndpointState, EndpointStateText, Entries, EventTypesField, HeadersField, MaxInFlightField,
    MetadataField, RateLimitField, ScheduleField, TimeoutField, UrlField, checked_event_types, checked_headers,
    checked_schedule, checked_url,
};
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointStatus},
        request_headers::CustomHeader,
        schedule::RetrySchedule,
        subscription::Subscription,
        time::Timestamp,
    },
    http::{
        Api,
        bounded::{Field, Prose, Ranged, not_null},
        duration_range::Within,
        problem::Problem,
        text::Text,
    },
};

/// What is to change. What is left out stays as it is; null goes back to the default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "paused", "timeout": "5s", "retry_schedule": null}))]
pub struct EndpointPatch {
    #[serde(default, deserialize_with = "not_null")]
    #[schema(inline, value_type = UrlField, required = false)]
    url: Option<UrlField>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(inline, value_type = EventTypesField, required = false)]
    event_types: Option<EventTypesField>,
    /// `paused` holds deliveries; `disabled` queues nothing new.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = EndpointStateText, required = false)]
    status: Option<EndpointStateText>,
    #[serde(default)]
    #[schema(inline, value_type = Option<DescriptionField>)]
    description: Field<DescriptionField>,
    #[serde(default)]
    #[schema(inline, value_type = Option<HeadersField>)]
    headers: Field<HeadersField>,
    #[serde(default)]
    #[schema(inline, value_type = Option<TimeoutField>)]
    timeout: Field<TimeoutField>,
    #[serde(default)]
    #[schema(inline, value_type = Option<ScheduleField>)]
    retry_schedule: Field<ScheduleField>,
    #[serde(default)]
    #[schema(inline, value_type = Option<MaxInFlightField>)]
    max_in_flight: Field<MaxInFlightField>,
    #[serde(default)]
    #[schema(inline, value_type = Option<RateLimitField>)]
    rate_limit: Field<RateLimitField>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    ordered: Field<bool>,
    #[serde(default)]
    #[schema(inline, value_type = Option<MetadataField>)]
    metadata: Field<MetadataField>,
}

/// A change that was checked.
pub struct Change {
    fields: Vec<&'static str>,
    url: Option<String>,
    event_types: Option<Vec<Subscription>>,
    status: Option<EndpointState>,
    description: Field<DescriptionField>,
    headers: Field<Vec<CustomHeader>>,
    timeout: Field<TimeoutField>,
    retry_schedule: Field<RetrySchedule>,
    max_in_flight: Field<MaxInFlightField>,
    rate_limit: Field<RateLimitField>,
    ordered: Field<bool>,
    metadata: Field<MetadataField>,
}

impl Change {
    /// Checks what the fields mean.
    pub fn check(api: &Api, patch: EndpointPatch) -> Result<Self, Problem> {
        Ok(Self {
            fields: given(&patch),
            url: patch.url.map(|url| checked_url(api, &url)).transpose()?,
            event_types: patch.event_types.map(|given| checked_event_types(api, given)).transpose()?,
            status: patch.status.map(|Text(state)| state),
            description: patch.description,
            headers: patch.headers.try_map(checked_headers)?,
            timeout: patch.timeout,
            retry_schedule: patch.retry_schedule.try_map(checked_schedule)?,
            max_in_flight: patch.max_in_flight,
            rate_limit: patch.rate_limit,
            ordered: patch.ordered,
            metadata: patch.metadata,
        })
    }

    /// The names of the fields that were given.
    pub fn fields(&self) -> &[&'static str] {
        &self.fields
    }

    /// Changes the endpoint. `disabled_by`: the reason, if that is what it does.
    pub fn apply(self, endpoint: &mut Endpoint, now: Timestamp, disabled_by: &str) {
        if let Some(url) = self.url {
            endpoint.url = url;
        }
        if let Some(event_types) = self.event_types {
            endpoint.event_types = event_types;
        }
        if let Some(state) = self.status
            && state != EndpointState::from(&endpoint.status)
        {
            endpoint.status = match state {
                EndpointState::Enabled => EndpointStatus::Enabled,
                EndpointState::Paused => EndpointStatus::Paused,
                EndpointState::Disabled => EndpointStatus::Disabled { reason: disabled_by.to_owned() },
            };
        }
        self.description.apply(&mut endpoint.description, String::new(), |Prose(text)| text);
        self.headers.apply(&mut endpoint.headers, Vec::new(), |headers| headers);
        self.timeout.apply(&mut endpoint.timeout, None, |Within(timeout)| Some(timeout));
        self.retry_schedule.apply(&mut endpoint.retry_schedule, None, Some);
        self.max_in_flight.apply(&mut endpoint.max_in_flight, None, |number| Some(Ranged::get(number)));
        self.rate_limit.apply(&mut endpoint.rate_limit, None, |number| Some(Ranged::get(number)));
        self.ordered.apply(&mut endpoint.ordered, false, |ordered| ordered);
        self.metadata.apply(&mut endpoint.metadata, std::collections::BTreeMap::new(), |Entries(entries)| entries);
        endpoint.updated_at = now;
    }
}

fn given(patch: &EndpointPatch) -> Vec<&'static str> {
    let EndpointPatch {
        url,
        event_types,
        status,
        description,
        headers,
        timeout,
        retry_schedule,
        max_in_flight,
        rate_limit,
        ordered,
        metadata,
    } = patch;
    let fields = [
        ("url", url.is_some()),
        ("event_types", event_types.is_some()),
        ("status", status.is_some()),
        ("description", description.is_given()),
        ("headers", headers.is_given()),
        ("timeout", timeout.is_given()),
        ("retry_schedule", retry_schedule.is_given()),
        ("max_in_flight", max_in_flight.is_given()),
        ("rate_limit", rate_limit.is_given()),
        ("ordered", ordered.is_given()),
        ("metadata", metadata.is_given()),
    ];
    fields.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
}
