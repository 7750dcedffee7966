//! Which part of a list is asked for, and by what it is chosen.

use std::collections::BTreeSet;

use crate::domain::{
    account::Account,
    delivery::DeliveryStatus,
    event_type::EventTypeName,
    ids::{EndpointId, EventId, EventKey},
    subscription::Subscription,
    time::Timestamp,
};

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<K> {
    /// At most so many.
    pub limit: usize,
    /// Only what comes after this one in the list's order.
    pub after: Option<K>,
}

/// A part of a list. It can hold fewer than asked for although more follow: each read is bounded.
#[derive(Debug, Clone)]
pub struct Page<T, K> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<K>,
}

/// Which events are asked for.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this type.
    pub event_type: Option<EventTypeName>,
    /// Of this account.
    pub account: Option<Account>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// In this state.
    pub status: Option<DeliveryStatus>,
    /// To this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// Of this type.
    pub event_type: Option<EventTypeName>,
    /// Of this account.
    pub account: Option<Account>,
    /// Whose last answer had this code.
    pub response_code: Option<u16>,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// Made before this time.
    pub until: Option<Timestamp>,
}

/// What an endpoint may have missed.
#[derive(Debug, Clone)]
pub struct MissedQuestion {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Whose it is.
    pub account: Account,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Only these types, unless empty.
    pub only: BTreeSet<EventTypeName>,
    /// Accepted at this time or later.
    pub since: Timestamp,
    /// Accepted before this time.
    pub until: Timestamp,
    /// Only events after this one.
    pub after: Option<EventKey>,
}

/// Which audit entries are asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// About things of this account.
    pub account: Option<Account>,
    /// Of this action.
    pub action: Option<String>,
    /// On this subject.
    pub subject: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}
