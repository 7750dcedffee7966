//! Keys in words, for messages to people: ids only, never content.

use super::Row;
use crate::domain::ids::EventKey;

/// A key in words.
pub fn describe(key: &[u8]) -> String {
    let Some((row, part)) = Row::parse(key) else {
        return format!("an unknown row ({} bytes, first byte {:?})", key.len(), key.first());
    };
    let text = match &row {
        Row::Event(event) => format!("event {event}"),
        Row::Body(event) => format!("the body of event {event}"),
        Row::Recipients(event) => format!("the list of those that event {event} goes to"),
        Row::Unplaced(event) => {
            format!("the mark that the places of the deliveries of event {event} are to be written")
        }
        Row::Delivery(id) => format!("delivery {id}"),
        Row::Attempt(id, number) => format!("attempt {number} of delivery {id}"),
        Row::Queue(endpoint, id) => format!("the place of delivery {id} in the log of endpoint {endpoint}"),
        Row::Due(endpoint, due) => format!(
            "the {} attempt of delivery {} to endpoint {endpoint} that is due at {}",
            due.trigger.as_str(),
            due.delivery,
            due.at
        ),
        Row::Retrying(endpoint, id) => {
            format!("the place of delivery {id} among those that endpoint {endpoint} waits for")
        }
        Row::Status(status, id) => format!("the place of delivery {id} among those that are {status:?}"),
        Row::Code(code, id) => format!("the place of delivery {id} among those that were answered with {code}"),
        Row::Extra(event, id) => format!("the link from event {event} to its replayed delivery {id}"),
        Row::OfAccount(account, event) => format!("the place of event {event} in the log of account {account}"),
        Row::OfType(name, first) => format!(
            "the place of the block of ids from {} on among those that hold something of type {name}",
            EventKey::from_u128(*first)
        ),
        Row::Block(first) => format!("the beginning of a block of ids with {}", EventKey::from_u128(*first)),
        Row::ProducerId(id) => format!("the producer's event id {id}"),
        Row::Idempotency(_) => "an idempotency key".to_owned(),
        Row::Endpoint(id) => format!("endpoint {id}"),
        Row::Progress(id) => format!("the progress of endpoint {id}"),
        Row::Journal(slot) => format!("slot {slot} of the newer progress of endpoints"),
        Row::EventType(name) => format!("event type {name}"),
        Row::Token(id) => format!("token {id}"),
        Row::Session(_) => "a session of the dashboard".to_owned(),
        Row::Audit(id) => format!("audit entry {id}"),
        Row::Traffic(id) => format!("the hourly counts of endpoint {id}"),
        Row::Minute(minute) => format!("the counts of minute {minute}"),
        Row::Meta => "the totals".to_owned(),
    };
    if part == 0 { text } else { format!("{text} (part {part})") }
}

/// A place among the keys in words: the end of a range need not be a key.
pub fn describe_place(key: &[u8]) -> String {
    if Row::parse(key).is_some() {
        return describe(key);
    }
    // What reads as a row but for what stands behind it, or lacks the end that it would need.
    let padded = (0..key.len()).rev().map(|length| key.get(..length).unwrap_or_default());
    let nearest = padded.map(<[u8]>::to_vec).find(|key| Row::parse(key).is_some());
    nearest.map_or_else(
        || match key.first() {
            Some(kind) => format!("the keys that begin with {:?}", char::from(*kind)),
            None => "the first key".to_owned(),
        },
        |key| describe(&key),
    )
}
