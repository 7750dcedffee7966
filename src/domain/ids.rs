//! Identifiers: a prefix that says what is named, and 128 bits that sort by time (ULID).
//! An event's id may be the producer's own; everything else is minted by the store, in commit order.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::time::Timestamp;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not start with the prefix of the kind that was asked for.
    #[error("must start with `{0}`")]
    Prefix(&'static str),
    /// What follows the prefix is not 26 characters of Crockford's base 32.
    #[error("must be `{0}` and 26 characters of base 32")]
    Malformed(&'static str),
    /// A producer's own event id with characters or a length that are not allowed.
    #[error("must be `evt_` and 1 to 64 letters, digits, `_` or `-`")]
    EventId,
}

macro_rules! time_ordered_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(u128);

        impl $name {
            /// What its text starts with.
            pub const PREFIX: &'static str = $prefix;
            /// The smallest and the largest value, as bounds of a range.
            pub const MIN: Self = Self(0);
            /// See [`Self::MIN`].
            pub const MAX: Self = Self(u128::MAX);

            /// The id of this value; its upper 48 bits are Unix milliseconds.
            #[must_use]
            pub const fn from_u128(value: u128) -> Self {
                Self(value)
            }

            /// The value, of which [`Self::from_u128`] makes the same id.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// The bytes of a store key: they sort as the ids do.
            #[must_use]
            pub const fn to_be_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// The id whose key bytes these are.
            #[must_use]
            pub const fn from_be_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// The smallest id minted at this millisecond or later.
            #[must_use]
            pub fn first_at(time: Timestamp) -> Self {
                Self(u128::from(time.as_millis().clamp(0, MAX_ULID_MILLIS).cast_unsigned()) << 80)
            }

            /// When it was minted.
            #[must_use]
            pub fn minted_at(self) -> Timestamp {
                Timestamp::from_millis(i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, Ulid(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let rest = text.strip_prefix($prefix).ok_or(IdError::Prefix($prefix))?;
                parse_ulid(rest).map(Self).ok_or(IdError::Malformed($prefix))
            }
        }
    };
}

const MAX_ULID_MILLIS: i64 = (1 << 48) - 1;

/// Exactly one text for one value: upper case, no look-alikes, no overflow.
fn parse_ulid(text: &str) -> Option<u128> {
    let ulid = Ulid::from_string(text).ok()?;
    (ulid.to_string() == text).then_some(ulid.0)
}

time_ordered_id!(
    /// Where an event stands in the order of acceptance. The text of a generated [`EventId`] is made of it.
    EventKey,
    "evt_"
);
time_ordered_id!(
    /// One event on its way to one endpoint.
    DeliveryId,
    "dlv_"
);
time_ordered_id!(
    /// A customer's URL with its subscriptions, secret and settings.
    EndpointId,
    "ep_"
);
time_ordered_id!(
    /// An API token (its name, not its secret text).
    TokenId,
    "tok_"
);
time_ordered_id!(
    /// One entry of the audit log.
    AuditId,
    "aud_"
);

/// An event's id as receivers see it: minted, or a producer's own. Clones share the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(Arc<str>);

impl EventId {
    /// The id that is minted for an event with this key.
    #[must_use]
    pub fn generated(key: EventKey) -> Self {
        Self(key.to_string().into())
    }

    /// The text, `evt_…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key, if the text has the form of a minted id; a producer's own id may have that form too.
    #[must_use]
    pub fn key_if_generated(&self) -> Option<EventKey> {
        self.0.parse().ok()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let rest = text.strip_prefix("evt_").ok_or(IdError::EventId)?;
        let sound =
            (1..=64).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if sound { Ok(Self(text.into())) } else { Err(IdError::EventId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text_and_sorts_by_time() {
        let id = DeliveryId::from_u128((1_706_140_800_123 << 80) | 7);
        let text = id.to_string();
        assert_eq!(text.len(), 4 + 26);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_lowercase().parse::<DeliveryId>(), Err(IdError::Malformed("dlv_")));
        assert_eq!("ep_01HN".parse::<DeliveryId>(), Err(IdError::Prefix("dlv_")));
        assert_eq!("dlv_8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<DeliveryId>(), Err(IdError::Malformed("dlv_")));
        assert_eq!(id.minted_at(), Timestamp::from_millis(1_706_140_800_123));
        assert!(DeliveryId::first_at(id.minted_at()) < id);
        assert!(DeliveryId::first_at(Timestamp::from_millis(1_706_140_800_124)) > id);
        assert_eq!(DeliveryId::from_be_bytes(id.to_be_bytes()), id);
    }

    #[test]
    fn a_producers_event_id_is_checked() {
        for good in ["evt_1", "evt_order-42_a", &format!("evt_{}", "x".repeat(64))] {
            assert_eq!(good.parse::<EventId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "evt_", "1", "EVT_1", "evt_a b", "evt_ä", "evt_a.b", &format!("evt_{}", "x".repeat(65))] {
            assert_eq!(bad.parse::<EventId>(), Err(IdError::EventId), "{bad}");
        }
        let key = EventKey::from_u128(1 << 90);
        assert_eq!(EventId::generated(key).key_if_generated(), Some(key));
    }
}
