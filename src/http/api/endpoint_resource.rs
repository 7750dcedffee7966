//! An endpoint as it is answered: never with its secret, with the settings that hold for it, and with its health.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{deliveries::REDACTED, endpoint_fields::EndpointStateText};
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointHealth, EndpointStatus},
        schedule::RetrySchedule,
    },
    http::{
        Api,
        text::{AccountText, DurationText, EndpointIdText, SecretText, SubscriptionText, Text, TimeText},
    },
};

/// A customer's URL with its subscriptions and settings. A setting that is null is the server's default.
#[derive(Serialize, ToSchema)]
#[schema(as = Endpoint)]
pub struct EndpointResource {
    id: EndpointIdText,
    account: AccountText,
    /// In its normal form.
    #[schema(example = "https://example.com/webhooks")]
    url: String,
    event_types: Vec<SubscriptionText>,
    description: String,
    status: EndpointStateText,
    /// Why it is disabled; null unless it is.
    #[schema(required)]
    disabled_reason: Option<String>,
    /// Headers of its own on every request, by name in lower case. Values are shown to `admin` alone.
    #[schema(example = json!({"x-team": "***"}))]
    headers: BTreeMap<String, String>,
    #[schema(required)]
    timeout: Option<DurationText>,
    #[schema(required)]
    retry_schedule: Option<Vec<DurationText>>,
    #[schema(required, example = 8)]
    max_in_flight: Option<u16>,
    /// Attempts started a second, at most; null for no limit.
    #[schema(required, example = 50)]
    rate_limit: Option<u32>,
    /// One delivery in flight, the oldest event first; a retrying one holds the rest.
    ordered: bool,
    metadata: BTreeMap<String, String>,
    effective: EffectiveResource,
    health: HealthResource,
    created_at: TimeText,
    updated_at: TimeText,
}

/// The settings that hold for an endpoint: its own, or the server's defaults.
#[derive(Serialize, ToSchema)]
#[schema(as = EffectiveSettings)]
pub struct EffectiveResource {
    timeout: DurationText,
    retry_schedule: Vec<DurationText>,
    /// 1 if it is ordered.
    #[schema(example = 8)]
    max_in_flight: u16,
    /// Null for no limit.
    #[schema(required, example = 50)]
    rate_limit: Option<u32>,
}

/// What an endpoint's deliveries show of its health.
#[derive(Serialize, ToSchema)]
#[schema(as = EndpointHealth)]
pub struct HealthResource {
    /// Its pending deliveries.
    #[schema(example = 0)]
    pending: u64,
    /// Since when every attempt has failed; null after a success.
    #[schema(required)]
    failing_since: Option<TimeText>,
    /// The last 2xx.
    #[schema(required)]
    last_success_at: Option<TimeText>,
    /// The last attempt that was none.
    #[schema(required)]
    last_error: Option<LastErrorResource>,
}

/// The last failed attempt of an endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = LastError)]
pub struct LastErrorResource {
    at: TimeText,
    /// The answer's code, or what went wrong.
    #[schema(example = "answered 503")]
    message: String,
}

/// A new endpoint, with its secret this once.
#[derive(Serialize, ToSchema)]
#[schema(as = EndpointWithSecret)]
pub struct NewEndpointResource {
    #[serde(flatten)]
    pub endpoint: EndpointResource,
    pub secret: SecretText,
}

impl EndpointResource {
    /// The resource, with header values if the token may see secrets.
    pub fn new(api: &Api, endpoint: &Endpoint, sees_secrets: bool) -> Self {
        let effective = api.registry().defaults().effective(endpoint);
        let shown = |value: &str| if sees_secrets { value.to_owned() } else { REDACTED.to_owned() };
        let headers = endpoint.headers.iter().map(|header| (header.name().to_owned(), shown(header.value()))).collect();
        Self {
            id: Text(endpoint.id),
            account: Text(endpoint.account.clone()),
            url: endpoint.url.clone(),
            event_types: endpoint.event_types.iter().cloned().map(Text).collect(),
            description: endpoint.description.clone(),
            status: Text((&endpoint.status).into()),
            disabled_reason: match &endpoint.status {
                EndpointStatus::Disabled { reason } => Some(reason.clone()),
                EndpointStatus::Enabled | EndpointStatus::Paused => None,
            },
            headers,
            timeout: endpoint.timeout.map(Text),
            retry_schedule: endpoint.retry_schedule.as_ref().map(waits),
            max_in_flight: endpoint.max_in_flight,
            rate_limit: endpoint.rate_limit,
            ordered: endpoint.ordered,
            metadata: endpoint.metadata.clone(),
            effective: EffectiveResource {
                timeout: Text(effective.timeout),
                retry_schedule: waits(&effective.retry_schedule),
                max_in_flight: effective.max_in_flight,
                rate_limit: effective.rate_limit,
            },
            health: api.store().health(endpoint.id).into(),
            created_at: Text(endpoint.created_at),
            updated_at: Text(endpoint.updated_at),
        }
    }
}

impl From<EndpointHealth> for HealthResource {
    fn from(health: EndpointHealth) -> Self {
        Self {
            pending: health.pending,
            failing_since: health.failing_since.map(Text),
            last_success_at: health.last_success_at.map(Text),
            last_error: health.last_error.map(|error| LastErrorResource { at: Text(error.at), message: error.message }),
        }
    }
}

fn waits(schedule: &RetrySchedule) -> Vec<DurationText> {
    schedule.waits().iter().copied().map(Text).collect()
}
