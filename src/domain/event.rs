//! One thing that happened, and the bytes that every attempt sends: built once, exact to the byte (contract, section 2).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    event_type::EventTypeName,
    ids::{DeliveryId, EventId, EventKey},
    time::Timestamp,
};

/// An event as it is stored, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the order of acceptance.
    pub key: EventKey,
    /// Its id, minted or the producer's own.
    pub id: EventId,
    /// What happened.
    pub event_type: EventTypeName,
    /// To whom.
    pub account: Account,
    /// When it happened, as the producer says; receivers see whole seconds.
    pub created: Timestamp,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Made by an endpoint's test, not by a producer: replay leaves it out.
    pub test: bool,
    /// The deliveries that were made with it have consecutive ids from this one on.
    pub first_delivery: DeliveryId,
    /// How many of those there are. Replays may have added others.
    pub delivery_count: u32,
}

/// The bytes of a request's body, shared by all that send them. `Debug` shows the length alone.
#[derive(Clone, PartialEq, Eq)]
pub struct EventBody {
    bytes: Bytes,
    object_start: usize,
}

/// What ends every body after `data.object`.
const TAIL: &str = "}}";

impl EventBody {
    /// The body of an event; `object` is the JSON text of an object, which is taken over byte for byte.
    #[must_use]
    pub fn new(id: &EventId, event_type: &EventTypeName, created: Timestamp, object: &str) -> Self {
        // Neither an id nor a type's name has a character that JSON would escape.
        let head =
            format!(r#"{{"id":"{id}","type":"{event_type}","created":{},"data":{{"object":"#, created.as_seconds());
        let mut bytes = Vec::with_capacity(head.len() + object.len() + TAIL.len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(object.as_bytes());
        bytes.extend_from_slice(TAIL.as_bytes());
        Self { bytes: bytes.into(), object_start: head.len() }
    }

    /// The body that was stored; `None` if the place of the object lies outside it.
    #[must_use]
    pub fn from_stored(bytes: Bytes, object_start: usize) -> Option<Self> {
        (object_start + TAIL.len() <= bytes.len()).then_some(Self { bytes, object_start })
    }

    /// What is sent.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where `data.object` begins in it.
    #[must_use]
    pub fn object_start(&self) -> usize {
        self.object_start
    }

    /// `data.object` as the producer sent it.
    #[must_use]
    pub fn object(&self) -> Bytes {
        self.bytes.slice(self.object_start..self.bytes.len() - TAIL.len())
    }
}

impl std::fmt::Debug for EventBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventBody({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_exact_to_the_byte() {
        let object = r#"{ "n": 1.10, "s":"\u00e9" , "big":123456789012345678901234567890 }"#;
        let body = EventBody::new(
            &"evt_1".parse().unwrap(),
            &"batch.completed".parse().unwrap(),
            Timestamp::from_millis(1_706_140_800_999),
            object,
        );
        let expected =
            format!(r#"{{"id":"evt_1","type":"batch.completed","created":1706140800,"data":{{"object":{object}}}}}"#);
        assert_eq!(body.bytes(), expected.as_bytes());
        assert_eq!(body.object(), object.as_bytes());
        let stored = EventBody::from_stored(body.bytes().clone(), body.object_start());
        assert_eq!(stored, Some(body.clone()));
        assert_eq!(EventBody::from_stored(body.bytes().clone(), body.bytes().len()), None);
    }
}
