//! A customer's URL with its subscriptions, secret and settings, and what is known of its health.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    duration::HumanDuration,
    event_type::EventTypeName,
    ids::EndpointId,
    request_headers::CustomHeader,
    schedule::RetrySchedule,
    signature::{SecretRing, SigningSecret},
    subscription::Subscription,
    time::Timestamp,
};

/// Whether an endpoint is sent anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointStatus {
    /// It is.
    Enabled,
    /// Deliveries are queued and held.
    Paused,
    /// Nothing new is queued; what was queued is held.
    Disabled {
        /// Why, for people: who did it, or what the receiver answered.
        reason: String,
    },
}

impl EndpointStatus {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled { .. } => "disabled",
        }
    }
}

/// Why an endpoint does not get an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The event is another account's.
    OtherAccount,
    /// The endpoint is disabled.
    Disabled,
    /// None of its subscriptions matches the event's type.
    NotSubscribed,
}

impl Obstacle {
    const ALL: [Self; 3] = [Self::OtherAccount, Self::Disabled, Self::NotSubscribed];
}

/// An endpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub account: Account,
    /// Where requests go; it was checked where it entered.
    pub url: String,
    /// What it wants to hear of; at least one.
    pub event_types: Vec<Subscription>,
    /// For people.
    pub description: String,
    /// Its secrets.
    pub secrets: SecretRing,
    /// Headers of its own on every request.
    pub headers: Vec<CustomHeader>,
    /// Its own time-out of an attempt.
    pub timeout: Option<HumanDuration>,
    /// Its own schedule.
    pub retry_schedule: Option<RetrySchedule>,
    /// Its own limit of attempts under way at a time.
    pub max_in_flight: Option<u16>,
    /// Attempts started a second, at most.
    pub rate_limit: Option<u32>,
    /// One delivery in flight, the oldest event first, a retrying one holds the rest.
    pub ordered: bool,
    /// For whoever made it.
    pub metadata: BTreeMap<String, String>,
    /// Whether it is sent anything.
    pub status: EndpointStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Endpoint {
    /// A new one, enabled, with nothing that it need not have.
    #[must_use]
    pub fn new(
        id: EndpointId,
        account: Account,
        url: String,
        event_types: Vec<Subscription>,
        secret: SigningSecret,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            account,
            url,
            event_types,
            description: String::new(),
            secrets: SecretRing::new(secret),
            headers: Vec::new(),
            timeout: None,
            retry_schedule: None,
            max_in_flight: None,
            rate_limit: None,
            ordered: false,
            metadata: BTreeMap::new(),
            status: EndpointStatus::Enabled,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether a new event of this account and type is queued for it.
    #[must_use]
    pub fn takes(&self, account: &Account, event_type: &EventTypeName) -> bool {
        self.obstacles(account, event_type).next().is_none()
    }

    /// Why a new event of this account and type is not queued for it: every reason; none if it is.
    pub fn obstacles<'a>(
        &'a self,
        account: &'a Account,
        event_type: &'a EventTypeName,
    ) -> impl Iterator<Item = Obstacle> + 'a {
        Obstacle::ALL.into_iter().filter(move |obstacle| match obstacle {
            Obstacle::OtherAccount => self.account != *account,
            Obstacle::Disabled => matches!(self.status, EndpointStatus::Disabled { .. }),
            Obstacle::NotSubscribed => !self.subscribes(event_type),
        })
    }

    /// Whether one of its subscriptions matches.
    #[must_use]
    pub fn subscribes(&self, event_type: &EventTypeName) -> bool {
        self.subscription_to(event_type).is_some()
    }

    /// The first of its subscriptions that matches.
    #[must_use]
    pub fn subscription_to(&self, event_type: &EventTypeName) -> Option<&Subscription> {
        self.event_types.iter().find(|subscription| subscription.matches(event_type))
    }
}

/// The settings that an endpoint has where it names none of its own: the server's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointDefaults {
    /// Of an attempt, from look-up to the last byte.
    pub timeout: HumanDuration,
    /// Between attempts.
    pub retry_schedule: RetrySchedule,
    /// Attempts under way at a time.
    pub max_in_flight: u16,
}

/// The settings that hold for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSettings {
    /// Of an attempt, from look-up to the last byte.
    pub timeout: HumanDuration,
    /// Between attempts.
    pub retry_schedule: RetrySchedule,
    /// Attempts under way at a time; 1 if ordered.
    pub max_in_flight: u16,
    /// Attempts started a second, at most.
    pub rate_limit: Option<u32>,
}

impl EndpointDefaults {
    /// What holds for this endpoint.
    #[must_use]
    pub fn effective(&self, endpoint: &Endpoint) -> EffectiveSettings {
        EffectiveSettings {
            timeout: endpoint.timeout.unwrap_or(self.timeout),
            retry_schedule: endpoint.retry_schedule.clone().unwrap_or_else(|| self.retry_schedule.clone()),
            max_in_flight: if endpoint.ordered { 1 } else { endpoint.max_in_flight.unwrap_or(self.max_in_flight) },
            rate_limit: endpoint.rate_limit,
        }
    }
}

/// What an endpoint's deliveries show of its health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointHealth {
    /// Its pending deliveries.
    pub pending: u64,
    /// Since when every attempt has failed; `None` after a success.
    pub failing_since: Option<Timestamp>,
    /// The last 2xx.
    pub last_success_at: Option<Timestamp>,
    /// The last attempt that was none.
    pub last_error: Option<LastError>,
}

/// The last failed attempt of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When it was known.
    pub at: Timestamp,
    /// What happened: the answer's code, or the error.
    pub message: String,
}
