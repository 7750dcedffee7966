//! Rows that lead to events and deliveries: each is taken off the tally, and has no value where none belongs.

use std::ops::Range;

use super::Check;
use crate::{
    domain::ids::DeliveryId,
    store::{
        delivery_rows::index_rows,
        keys::{self, Row, kind},
        reading,
        scan::NamedRow,
        stored::{Link, StoredDelivery},
    },
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
    /// The marks that stand for rows which are still to be written.
    pub(super) fn unplaced(&mut self) {
        let mut marks = self.cursor(kind::UNPLACED);
        while let Some(NamedRow { row, entry, .. }) = marks.take(self) {
            let Row::Unplaced(key) = row else { continue };
            self.demand(entry.value.is_empty(), &row, "it has a value");
            match reading::event(&self.rows, key) {
                Ok(Some((stored, _))) => {
                    let Range { start, end } = stored.deliveries();
                    self.unplaced.insert(start, end);
                }
                Ok(None) => self.demand(false, &row, "the event is missing"),
                // Named when the event's own row is read.
                Err(_) => drop(self.unplaced.insert(key.as_u128(), u128::MAX)),
            }
        }
    }

    /// Whether this delivery need not be in its queue yet.
    pub(super) fn is_unplaced(&self, id: DeliveryId) -> bool {
        let id = id.as_u128();
        self.unplaced.range(..=id).next_back().is_some_and(|(_, end)| id < *end)
    }

    /// The rows that should lead to a delivery.
    pub(super) fn index_rows(&self, stored: &StoredDelivery) -> Vec<Row> {
        let mut rows = index_rows(stored);
        if self.is_unplaced(stored.delivery.id) {
            rows.retain(|row| !matches!(row, Row::Queue(..)));
        }
        rows
    }

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
                // Some of a marked event may be written already.
                if !matches!(row, Row::Queue(_, id) if self.is_unplaced(id)) {
                    self.tally.take_off(&entry.key);
                }
            }
        }
    }
}
