//! Retention: from the oldest on, events whose deliveries are all over go, with all that belongs to them. What to
//! remove is looked for on the caller's side, a bounded piece at a time, and checked again in the writer. The walk
//! remembers its place; old events that still wait are walked over again only in a new round, now and then.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    Store, StoreError, audit,
    commit::RequestKind,
    delivery_rows,
    engine::Order,
    keys::{self, Row, kind},
    reading::{self, Rows},
    shared::Shared,
    statistics,
    stored::{Latest, Life, StoredDelivery, StoredEvent},
    work::Work,
};
use crate::domain::{
    delivery::DeliveryStatus,
    ids::{DeliveryId, EndpointId, EventId, EventKey},
    time::Timestamp,
};

/// A step looks at so many events.
const STEP_EVENTS: usize = 1_000;
/// And removes no further one when it has so many rows to remove.
const STEP_ROWS: usize = 300;
/// So many deleted endpoints are let go in one step.
const STEP_ENDPOINTS: usize = 50;
/// The time between two rounds from the very first event on is this part of the retention …
const ROUNDS: u32 = 24;
/// … but within these bounds.
const ROUND_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));

const PRUNE: RequestKind = RequestKind { waits: true, grows: false, alone: true };

/// Where the walk is.
#[derive(Debug, Default)]
pub struct Walk(Mutex<Place>);

#[derive(Debug, Default, Clone, Copy)]
struct Place {
    /// All events before this one were looked at in this round.
    next: u128,
    /// When the round began, on the clock that only measures distances.
    began: Option<Timestamp>,
}

/// What one look found.
struct Candidates {
    events: Vec<EventKey>,
    next: u128,
    at_end: bool,
}

impl Store {
    /// Deletes some of what was completed before `before`; true while there may be more.
    pub async fn prune(&self, before: Timestamp) -> Result<bool, StoreError> {
        let place = self.prune_place(before);
        let candidates = self.read(move |store| look(store.shared(), place.next, before)).await?;
        let (events, at_end) = (candidates.events, candidates.at_end);
        let removed = self.write(PRUNE, move |work| remove(work, &events, before, at_end)).await?;
        // What the writer did not get to is looked at again.
        let next = removed.not_reached.map_or(candidates.next, EventKey::as_u128);
        self.walk().set(Place { next, ..place });
        Ok(removed.not_reached.is_some() || !at_end || removed.more)
    }

    fn prune_place(&self, before: Timestamp) -> Place {
        let now = self.shared().clock.steady();
        let retention = self.shared().clock.wall().since(before);
        let (shortest, longest) = ROUND_BOUNDS;
        let round = (retention / ROUNDS).clamp(shortest, longest);
        let place = self.walk().get();
        match place.began {
            Some(began) if now.since(began) < round => place,
            _ => Place { next: 0, began: Some(now) },
        }
    }
}

impl Walk {
    fn get(&self) -> Place {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, place: Place) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

fn look(shared: &Shared, from: u128, before: Timestamp) -> Result<Candidates, StoreError> {
    let mut found = Candidates { events: Vec::new(), next: from, at_end: true };
    let mut rows = 0;
    let now = shared.clock.wall();
    let ids = shared.ids_after(&keys::all_of(kind::EVENT), from.saturating_sub(1), u128::MAX);
    for (looked_at, id) in ids.enumerate() {
        if looked_at >= STEP_EVENTS || rows >= STEP_ROWS {
            found.at_end = false;
            break;
        }
        let id = id?;
        let key = EventKey::from_u128(id);
        // What is damaged stays, and does not keep what is behind it.
        let Some((stored, _)) = shared.past_damage(reading::event(shared, key))? else { continue };
        let accepted_at = stored.event.accepted_at;
        if (before..=now).contains(&accepted_at) {
            break;
        }
        found.next = id.saturating_add(1);
        if accepted_at > now {
            // The clock was ahead when it was accepted, and was set back: what follows may be older.
            continue;
        }
        if let Some(deliveries) = all_over(shared, shared, &stored, before)? {
            rows += 3 + 3 * deliveries.len();
            found.events.push(key);
        }
    }
    Ok(found)
}

/// An event's deliveries, if nothing of them waits and all were completed before this time.
fn all_over(
    rows: &impl Rows,
    shared: &Shared,
    stored: &StoredEvent,
    before: Timestamp,
) -> Result<Option<Vec<(StoredDelivery, bool)>>, StoreError> {
    let event = &stored.event;
    let first = event.first_delivery.as_u128();
    let block = (0..event.delivery_count).map(|n| Ok::<_, StoreError>((first.saturating_add(u128::from(n)), false)));
    let extras = shared.family(&keys::extras_of(event.key), Order::Ascending);
    let extras = extras.map(|entry| Ok((keys::last_id(&entry?.key).unwrap_or(0), true)));
    let mut deliveries = Vec::new();
    for item in block.chain(extras) {
        let (id, extra) = item?;
        // One that is missing is for a check to name; it does not keep its event for ever.
        let stored = match reading::delivery(rows, DeliveryId::from_u128(id)) {
            Ok(Some((stored, _))) => stored,
            Ok(None) => continue,
            damaged => return shared.past_damage(damaged).map(|_| None),
        };
        let over = stored.delivery.status != DeliveryStatus::Pending
            && stored.asked.is_empty()
            && stored.delivery.completed_at.is_none_or(|completed_at| completed_at < before);
        if !over {
            return Ok(None);
        }
        deliveries.push((stored, extra));
    }
    Ok(Some(deliveries))
}

struct Removed {
    not_reached: Option<EventKey>,
    more: bool,
}

fn remove(work: &mut Work, events: &[EventKey], before: Timestamp, at_end: bool) -> Result<Removed, StoreError> {
    for key in events {
        if work.len() >= STEP_ROWS {
            return Ok(Removed { not_reached: Some(*key), more: true });
        }
        let shared = work.shared;
        let Some((stored, _)) = shared.past_damage(reading::event(work, *key))? else { continue };
        let Some(deliveries) = all_over(work, shared, &stored, before)? else { continue };
        for (delivery, extra) in &deliveries {
            remove_delivery(work, delivery, *extra)?;
        }
        remove_event(work, &stored)?;
    }
    let mut more = false;
    if at_end && work.len() < STEP_ROWS {
        more |= audit::prune(work, before, STEP_ROWS)?;
        more |= statistics::prune(work, STEP_ROWS)?;
        more |= let_endpoints_go(work)?;
    }
    Ok(Removed { not_reached: None, more })
}

fn remove_delivery(work: &mut Work, stored: &StoredDelivery, extra: bool) -> Result<(), StoreError> {
    let delivery = &stored.delivery;
    // A single attempt that lies with its delivery has no rows.
    if delivery.attempts_made > 1 || stored.latest == Latest::Apart {
        let shared = work.shared;
        for entry in shared.family(&keys::attempts_of(delivery.id), Order::Ascending) {
            work.delete(entry?.key);
        }
    }
    if extra {
        work.delete(Row::Extra(delivery.event_key, delivery.id).key());
    }
    delivery_rows::delete(work, stored)
}

fn remove_event(work: &mut Work, stored: &StoredEvent) -> Result<(), StoreError> {
    let event = &stored.event;
    if event.id != EventId::generated(event.key) {
        work.delete(Row::ProducerId(event.id.clone()).key());
    }
    if let Some(digest) = stored.idempotency {
        work.delete(Row::Idempotency(digest).key());
    }
    if !event.account.is_default() {
        work.delete(Row::OfAccount(event.account.clone(), event.key).key());
    }
    if !stored.body_is_inline() {
        let shared = work.shared;
        for part in shared.family(&Row::Body(event.key).key(), Order::Ascending) {
            work.delete(part?.key);
        }
    }
    work.delete(Row::Event(event.key).key());
    work.meta.stored.events = work.meta.stored.events.saturating_sub(1);
    Ok(())
}

/// Forgets deleted endpoints of which nothing is left.
fn let_endpoints_go(work: &mut Work) -> Result<bool, StoreError> {
    let shared = work.shared;
    let dropped: Vec<EndpointId> = {
        let view = shared.view();
        let dropped = view.endpoints.iter().filter(|(_, progress)| progress.life == Life::Dropped);
        dropped.map(|(id, _)| *id).collect()
    };
    let mut gone = 0;
    for id in dropped {
        if gone == STEP_ENDPOINTS {
            return Ok(true);
        }
        if shared.family(&keys::queue_of(id), Order::Ascending).next().transpose()?.is_none() {
            work.set_progress(id, None);
            work.delete(Row::Traffic(id).key());
            work.shared.traffic().forget(id);
            gone += 1;
        }
    }
    Ok(false)
}
