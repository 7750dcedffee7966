//! Rows that lead to events and deliveries: each is taken off the tally, and has no value where none belongs.

use super::Check;
use crate::store::{
    keys::{self, Row, kind},
    scan::NamedRow,
    stored::Link,
};

/// Their kinds, in the order of keys.
pub const KINDS: [u8; 9] = [
    kind::CODE,
    kind::PRODUCER_ID,
    kind::IDEMPOTENCY,
    kind::OF_ACCOUNT,
    kind::QUEUE,
    kind::RETRYING,
    kind::STATUS,
    kind::DUE,
    kind::EXTRA,
];

impl Check<'_> {
    pub(super) fn indexes(&mut self) {
        for of_kind in KINDS {
            let mut cursor = self.cursor(of_kind);
            while let Some(NamedRow { row, entry, .. }) = cursor.take(self) {
                if matches!(row, Row::ProducerId(_) | Row::Idempotency(_)) {
                    match Self::decoded::<Link>(&entry) {
                        Ok((Link(key), _)) => self.tally.take_off(&keys::with_id(&entry.key, key.as_u128())),
                        Err(error) => self.find_error(&row, &error),
                    }
                    continue;
                }
                self.demand(entry.value.is_empty(), &row, "it has a value");
                self.tally.take_off(&entry.key);
            }
        }
    }
}
