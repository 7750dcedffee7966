//! Events with so many deliveries that these are sent first, and written into their endpoints' queues a moment later, when
//! the writer has nothing else to do: a queue's row is a place of its own in the tree, so a thousand of them take longer
//! than all else that an event needs. A mark in the store says of which events they are still to be written, and goes
//! with the last of them: a start that finds it begins anew with the event's first.
//!
//! Whoever reads a queue finds these deliveries here, as if their rows were there: see [`Shared::queue`].
//!
//! [`Shared::queue`]: super::shared::Shared::queue

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    Change, StoreError,
    engine::{Engine, Order},
    keys::{self, Row, kind},
    reading, recipients,
    shared::EngineRows,
    work::Work,
};
use crate::domain::{
    event::Event,
    ids::{DeliveryId, EndpointId, EventKey},
};

/// When more deliveries than this are here, some are written though the writer has other work.
const MOST_DELIVERIES: usize = 16_384;
/// So many are written at a time: who posts an event meanwhile waits for them.
const PART: usize = 400;

/// The marked events.
pub struct Unplaced {
    placed_at_once: usize,
    events: Mutex<BTreeMap<EventKey, Places>>,
}

/// Where the deliveries of one event belong, from one of them on.
struct Places {
    first: u128,
    endpoints: Vec<EndpointId>,
}

impl Places {
    /// Each endpoint with its delivery's id.
    fn all(&self) -> impl Iterator<Item = (EndpointId, u128)> {
        self.endpoints.iter().copied().zip(self.first..)
    }

    /// The id behind the last.
    fn end(&self) -> u128 {
        self.first.saturating_add(u128::try_from(self.endpoints.len()).unwrap_or(u128::MAX))
    }
}

/// Some places of one event, to be written together.
pub struct Part {
    event: EventKey,
    places: Vec<(EndpointId, u128)>,
    is_last: bool,
}

impl Part {
    /// Writes them, and after the last takes the mark away.
    pub fn write(&self, work: &mut Work) {
        for (endpoint, id) in &self.places {
            work.put(Row::Queue(*endpoint, DeliveryId::from_u128(*id)).key(), Vec::new());
        }
        if self.is_last {
            work.delete(Row::Unplaced(self.event).key());
        }
    }
}

impl Unplaced {
    /// Reads the marks. One whose event cannot be read stays where it is.
    pub fn load(engine: &dyn Engine, placed_at_once: usize) -> Result<Self, StoreError> {
        let mut events = BTreeMap::new();
        let rows = EngineRows(engine);
        let marks = keys::all_of(kind::UNPLACED);
        for entry in engine.range(&marks, &keys::end_of(&marks), Order::Ascending) {
            let Some((Row::Unplaced(key), _)) = Row::parse(&entry?.key) else { continue };
            let read =
                reading::event(&rows, key).map(|found| found.map(|(stored, _)| recipients::listed(&rows, stored)));
            match read {
                Ok(Some(stored)) if !stored.endpoints.is_empty() => {
                    let first = stored.event.first_delivery.as_u128();
                    events.insert(key, Places { first, endpoints: stored.endpoints });
                }
                Ok(_) => tracing::error!(event = %key, "nobody knows any more to whom this event goes"),
                Err(error) => tracing::error!(%error, "an event can no longer be sent to those who have not got it"),
            }
        }
        Ok(Self { placed_at_once, events: Mutex::new(events) })
    }

    fn events(&self) -> MutexGuard<'_, BTreeMap<EventKey, Places>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this event is one of these when it is new. The only delivery of a test waits by a row of its own.
    pub fn is_for(&self, event: &Event) -> bool {
        !event.test && usize::try_from(event.delivery_count).is_ok_and(|count| count > self.placed_at_once)
    }

    /// Takes over what a batch adds, before anybody can find it in the engine.
    pub fn take(&self, changes: &[Change]) {
        for change in changes {
            let Change::Accepted { event, deliveries, .. } = change else { continue };
            if self.is_for(event) {
                let endpoints = deliveries.iter().map(|delivery| delivery.endpoint_id).collect();
                self.events().insert(event.key, Places { first: event.first_delivery.as_u128(), endpoints });
            }
        }
    }

    /// The deliveries to one endpoint, above `after` and up to `last`, ascending.
    pub fn of(&self, endpoint: EndpointId, after: u128, last: u128) -> Vec<u128> {
        let events = self.events();
        // Most who ask have passed most events.
        let behind = events.values().filter(|places| places.first <= last && places.end() > after.saturating_add(1));
        let to_it = behind.flat_map(|places| places.all().filter(|(of, _)| *of == endpoint));
        to_it.map(|(_, id)| id).filter(|id| after < *id && *id <= last).collect()
    }

    /// Whether this event is one of them.
    pub fn has(&self, event: EventKey) -> bool {
        self.events().contains_key(&event)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events().is_empty()
    }

    /// Whether there are so many that writing them should not wait any longer.
    pub fn are_many(&self) -> bool {
        self.events().values().map(|places| places.endpoints.len()).sum::<usize>() > MOST_DELIVERIES
    }

    /// What is to be written next.
    pub fn next_part(&self) -> Option<Part> {
        let events = self.events();
        let (event, places) = events.first_key_value()?;
        let is_last = places.endpoints.len() <= PART;
        Some(Part { event: *event, places: places.all().take(PART).collect(), is_last })
    }

    /// Their rows are there.
    pub fn placed(&self, part: &Part) {
        let mut events = self.events();
        if part.is_last {
            events.remove(&part.event);
        } else if let Some(places) = events.get_mut(&part.event) {
            places.endpoints.drain(..part.places.len());
            places.first = part.places.last().map_or(places.first, |(_, id)| id + 1);
        }
    }
}
