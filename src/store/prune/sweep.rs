//! Events in the order of their keys, each with its deliveries: those of the same time lie together, so all are read
//! along ranges, and nothing is looked up by itself but what a replay made.

use std::ops::Range;

use super::super::{
    StoreError, codec,
    engine::{Entries, Entry, Order},
    keys::{self, Prefix, Row, kind},
    reading, recipients,
    shared::Shared,
    stored::{StoredDelivery, StoredEvent},
};
use crate::domain::{
    delivery::DeliveryStatus,
    ids::{DeliveryId, EventKey},
    time::Timestamp,
};

/// So many entries are passed over before a new look-up is made.
const STEPS: usize = 16;

/// A walk over the events; each question must be about a later one than that before.
pub struct Sweep<'a> {
    shared: &'a Shared,
    events: Cursor<'a>,
    deliveries: Cursor<'a>,
    extras: Cursor<'a>,
}

impl<'a> Sweep<'a> {
    /// From the first that is asked for.
    pub fn new(shared: &'a Shared) -> Self {
        let cursor = |kind| Cursor { shared, all: keys::all_of(kind), entries: None, head: None, ended: false };
        Self { shared, events: cursor(kind::EVENT), deliveries: cursor(kind::DELIVERY), extras: cursor(kind::EXTRA) }
    }

    /// The first event at or after this one.
    pub fn event(&mut self, from: u128) -> Result<Option<StoredEvent>, StoreError> {
        let shared = self.shared;
        let mut from = Row::Event(EventKey::from_u128(from)).key();
        while let Some(entry) = self.events.seek(&from)? {
            // What is damaged stays, and does not keep what is behind it.
            if let Some(stored) = shared.past_damage(decoded(entry))? {
                return Ok(Some(stored));
            }
            from.clone_from(&entry.key);
            from.push(0);
        }
        Ok(None)
    }

    /// An event's deliveries, if nothing of them waits and all were completed before this time. `true`: a replay made it.
    pub fn all_over(
        &mut self,
        stored: &StoredEvent,
        before: Timestamp,
    ) -> Result<Option<Vec<(StoredDelivery, bool)>>, StoreError> {
        let shared = self.shared;
        let event = &stored.event;
        let is_over = |stored: &StoredDelivery| {
            stored.delivery.status != DeliveryStatus::Pending
                && stored.asked.is_empty()
                && stored.delivery.completed_at.is_none_or(|completed_at| completed_at < before)
        };
        let mut deliveries = Vec::new();
        let Range { start: mut from, end } = stored.deliveries();
        while from < end {
            let found = self.deliveries.seek(&Row::Delivery(DeliveryId::from_u128(from)).key())?;
            let id = found.and_then(|entry| keys::last_id(&entry.key)).unwrap_or(end);
            for without_record in (from..id.min(end)).map(DeliveryId::from_u128) {
                let fresh = match recipients::fresh_delivery(shared, stored, without_record) {
                    // One that cannot wait any more is for a check to name; it does not keep its event for ever.
                    Ok(fresh) => fresh.filter(|fresh| shared.may_wait(fresh.delivery.endpoint_id, without_record)),
                    damaged => return shared.past_damage(damaged).map(|_| None),
                };
                if fresh.is_some() {
                    return Ok(None);
                }
            }
            let Some(entry) = found.filter(|_| id < end) else { break };
            let Some(stored) = shared.past_damage(decoded(entry))? else { return Ok(None) };
            if !is_over(&stored) {
                return Ok(None);
            }
            deliveries.push((stored, false));
            from = id.saturating_add(1);
        }
        let mut from = keys::extras_of(event.key);
        let end = keys::end_of(&from);
        while let Some(entry) = self.extras.seek(&from)?.filter(|entry| entry.key < end) {
            let id = DeliveryId::from_u128(keys::last_id(&entry.key).unwrap_or(0));
            from.clone_from(&entry.key);
            from.push(0);
            let stored = match reading::delivery(shared, id) {
                Ok(Some((stored, _))) => stored,
                Ok(None) => continue,
                damaged => return shared.past_damage(damaged).map(|_| None),
            };
            if !is_over(&stored) {
                return Ok(None);
            }
            deliveries.push((stored, true));
        }
        Ok(Some(deliveries))
    }
}

fn decoded<R: codec::Record>(entry: &Entry) -> Result<Option<R>, StoreError> {
    let read = codec::decode(&entry.key, &entry.value).map_err(|error| error.at(&entry.key));
    read.map(|(record, _)| Some(record))
}

/// Reads one kind of rows along keys that rise from call to call.
struct Cursor<'a> {
    shared: &'a Shared,
    all: Prefix,
    entries: Option<Entries<'a>>,
    head: Option<Entry>,
    /// There is nothing more. An engine may look for it anew at each question.
    ended: bool,
}

impl Cursor<'_> {
    /// The first entry at or after this key.
    fn seek(&mut self, key: &[u8]) -> Result<Option<&Entry>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let mut steps = 0;
        while self.head.as_ref().is_none_or(|head| head.key.as_slice() < key) {
            let entries = match &mut self.entries {
                Some(entries) if steps < STEPS => entries,
                entries => {
                    steps = 0;
                    entries.insert(self.shared.engine.range(key, &keys::end_of(&self.all), Order::Ascending))
                }
            };
            steps += 1;
            self.head = entries.next().transpose()?;
            if self.head.is_none() {
                self.ended = true;
                return Ok(None);
            }
        }
        Ok(self.head.as_ref())
    }
}
