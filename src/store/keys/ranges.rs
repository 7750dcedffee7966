//! Families of keys that begin alike, and the ends of ranges.

use super::{EndStatus, class_byte, join, kind, status_byte, time_bytes};
use crate::{
    domain::{
        account::Account,
        event_type::EventTypeName,
        ids::{DeliveryId, EndpointId, EventKey},
        time::Timestamp,
    },
    store::DueClass,
};

/// The bytes that the keys of a family begin with.
pub type Prefix = Vec<u8>;

/// The keys of one kind.
pub fn all_of(kind: u8) -> Prefix {
    vec![kind]
}

/// The ranges of keys that are of no kind.
pub fn between_kinds() -> impl Iterator<Item = (Prefix, Vec<u8>)> {
    let kinds = std::iter::once(None).chain(kind::ALL.into_iter().map(Some));
    kinds.zip(kind::ALL.into_iter().map(Some).chain([None])).map(|(before, behind)| {
        let from = before.map_or_else(Vec::new, |kind| end_of(&all_of(kind)));
        (from, behind.map_or_else(|| vec![u8::MAX; 64], all_of))
    })
}

/// The log of an endpoint: its `Q` rows.
pub fn queue_of(endpoint: EndpointId) -> Prefix {
    join(kind::QUEUE, &[&endpoint.to_be_bytes()])
}

/// An endpoint's pending deliveries that are not fresh: its `R` rows.
pub fn retrying_of(endpoint: EndpointId) -> Prefix {
    join(kind::RETRYING, &[&endpoint.to_be_bytes()])
}

/// An endpoint's due rows of one class.
pub fn due_of(endpoint: EndpointId, class: DueClass) -> Prefix {
    join(kind::DUE, &[&endpoint.to_be_bytes(), &[class_byte(class)]])
}

/// Where an endpoint's due rows of one class that are later than `until` begin.
pub fn due_after(endpoint: EndpointId, class: DueClass, until: Timestamp) -> Vec<u8> {
    let next = Timestamp::from_millis(until.as_millis().saturating_add(1));
    let mut key = due_of(endpoint, class);
    if next == until {
        return end_of(&key);
    }
    key.extend_from_slice(&time_bytes(next));
    key
}

/// The deliveries in one of the indexed states.
pub fn status_of(status: EndStatus) -> Prefix {
    vec![kind::STATUS, status_byte(status)]
}

/// The deliveries whose last answer had this code.
pub fn code_of(code: u16) -> Prefix {
    join(kind::CODE, &[&code.to_be_bytes()])
}

/// The deliveries that replays made for an event.
pub fn extras_of(event: EventKey) -> Prefix {
    join(kind::EXTRA, &[&event.to_be_bytes()])
}

/// The attempts of a delivery that have rows of their own.
pub fn attempts_of(delivery: DeliveryId) -> Prefix {
    join(kind::ATTEMPT, &[&delivery.to_be_bytes()])
}

/// The events of an account other than `default`.
pub fn events_of(account: &Account) -> Prefix {
    join(kind::OF_ACCOUNT, &[account.as_str().as_bytes(), &[0]])
}

/// The blocks of ids in which there is something of a type.
pub fn of_type(name: &EventTypeName) -> Prefix {
    join(kind::OF_TYPE, &[name.as_str().as_bytes(), &[0]])
}

/// Where blocks of ids begin.
pub fn blocks() -> Prefix {
    vec![kind::OF_TYPE, 0]
}

/// The first key behind all that begin with this prefix.
pub fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // No kind is 0xff, so that this is never reached; an end behind every key is right all the same.
    vec![u8::MAX; 64]
}

/// A prefix and an id.
pub fn with_id(prefix: &[u8], id: u128) -> Vec<u8> {
    [prefix, &id.to_be_bytes()].concat()
}

/// The id that a key ends with.
pub fn last_id(key: &[u8]) -> Option<u128> {
    key.last_chunk().map(|bytes| u128::from_be_bytes(*bytes))
}
