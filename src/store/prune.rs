//! Retention: from the oldest on, events whose deliveries are all over go, with all that belongs to them. What to
//! remove is looked for on the caller's side, a bounded piece at a time, and checked again in the writer. The walk
//! remembers its place; old events that still wait are walked over again only in a new round, now and then.
//!
//! Near the quota the same is done before its time: the oldest of what is completed goes, never what waits.

mod blocks;
mod pace;
mod sweep;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    Store, StoreError, audit,
    commit::RequestKind,
    delivery_rows,
    engine::Order,
    keys::{self, Row},
    room::weight,
    shared::Shared,
    statistics,
    stored::{Latest, Life, StoredDelivery, StoredEvent},
    work::Work,
};
use crate::domain::{
    ids::{EndpointId, EventId, EventKey},
    time::Timestamp,
};
pub use pace::in_steps;
use sweep::Sweep;

/// A step looks at so many events.
const STEP_EVENTS: usize = 1_000;
/// And removes no further one when it has so many rows to remove.
const STEP_ROWS: usize = 150;
/// So many deleted endpoints are let go in one step.
const STEP_ENDPOINTS: usize = 50;
/// The time between two rounds from the very first event on is this part of the retention …
const ROUNDS: u32 = 24;
/// … but within these bounds.
const ROUND_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));
/// What was completed so shortly ago is not pruned before its time: a producer that missed its answer posts again.
const LEAST_AGE: Duration = Duration::from_secs(10);
/// The time from the end of one round before its time to the next.
const EARLY_PAUSE: Duration = Duration::from_secs(3);

const PRUNE: RequestKind = RequestKind { waits: true, grows: false, alone: true };

/// Where a walk is.
#[derive(Debug, Default)]
pub struct Walk(Mutex<Place>);

#[derive(Debug, Default, Clone, Copy)]
struct Place {
    /// All events before this one were looked at in this round.
    next: u128,
    /// When the round began, on the clock that only measures distances.
    began: Option<Timestamp>,
    /// When it came to its end.
    ended: Option<Timestamp>,
    /// What it left, by weight.
    left: u64,
    /// All blocks of ids that begin before this one were looked at.
    block: u128,
}

/// What one look found.
struct Candidates {
    events: Vec<EventKey>,
    next: u128,
    at_end: bool,
    /// By weight, what is not to be removed.
    left: u64,
}

impl Store {
    /// Deletes some of what was completed before `before`; true while there may be more.
    pub async fn prune(&self, before: Timestamp) -> Result<bool, StoreError> {
        let now = self.shared().clock.steady();
        let retention = self.shared().clock.earlier().since(before);
        let (shortest, longest) = ROUND_BOUNDS;
        let round = (retention / ROUNDS).clamp(shortest, longest);
        let place = self.inner.walk.get();
        let place = match place.began {
            Some(began) if now.since(began) < round => place,
            _ => Place { began: Some(now), ..Place::default() },
        };
        let more = self.prune_step(&self.inner.walk, place, before, true).await?;
        if more { Ok(true) } else { self.prune_blocks(before).await }
    }

    /// If the store nears its quota: deletes some of what was completed, the oldest first, whatever its age; true while
    /// there may be more.
    pub async fn make_room(&self) -> Result<bool, StoreError> {
        let shared = self.shared();
        if !shared.watch.nears_quota(&*shared.engine) {
            return Ok(false);
        }
        let now = shared.clock.steady();
        let place = self.inner.early_walk.get();
        let place = match place.ended {
            Some(ended) if now.since(ended) < EARLY_PAUSE => return Ok(false),
            Some(_) => Place::default(),
            None => place,
        };
        let before = shared.clock.earlier().minus(LEAST_AGE);
        self.prune_step(&self.inner.early_walk, place, before, false).await
    }

    async fn prune_step(
        &self,
        walk: &Walk,
        place: Place,
        before: Timestamp,
        in_time: bool,
    ) -> Result<bool, StoreError> {
        let candidates = self.read(move |store| look(store.shared(), place.next, before)).await?;
        let (events, at_end) = (candidates.events, candidates.at_end);
        let removed = self.write(PRUNE, move |work| remove(work, &events, before, at_end && in_time)).await?;
        self.shared().watch.freed_by(removed.weight, removed.events, !in_time);
        let more = removed.not_reached.is_some() || !at_end || removed.more;
        // What the writer did not get to is looked at again.
        let next = removed.not_reached.map_or(candidates.next, EventKey::as_u128);
        let left = place.left.saturating_add(candidates.left);
        walk.set(Place { next, ended: (!more).then(|| self.shared().clock.steady()), left, ..place });
        if !more && !in_time {
            self.shared().watch.left(left, &*self.shared().engine);
        }
        Ok(more)
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
    let mut found = Candidates { events: Vec::new(), next: from, at_end: true, left: 0 };
    let mut rows = 0;
    let now = shared.clock.wall();
    let mut sweep = Sweep::new(shared);
    let mut looked_at = 0;
    while let Some(stored) = sweep.event(found.next)? {
        if looked_at >= STEP_EVENTS || rows >= STEP_ROWS {
            found.at_end = false;
            break;
        }
        looked_at += 1;
        let accepted_at = stored.event.accepted_at;
        if (before..=now).contains(&accepted_at) {
            break;
        }
        found.next = stored.event.key.as_u128().saturating_add(1);
        if accepted_at > now {
            // The clock was ahead when it was accepted, and was set back: what follows may be older.
            continue;
        }
        if let Some(deliveries) = sweep.all_over(&stored, before)? {
            rows += 1 + 2 * deliveries.len();
            found.events.push(stored.event.key);
        } else {
            found.left = found.left.saturating_add(weight(&stored));
        }
    }
    Ok(found)
}

#[derive(Default)]
struct Removed {
    not_reached: Option<EventKey>,
    more: bool,
    events: u64,
    weight: u64,
}

fn remove(work: &mut Work, events: &[EventKey], before: Timestamp, the_rest: bool) -> Result<Removed, StoreError> {
    let mut removed = Removed::default();
    // The batch holds nothing else, and no event twice: what is stored is what there is.
    let mut sweep = Sweep::new(work.shared);
    for key in events {
        if work.len() >= STEP_ROWS {
            return Ok(Removed { not_reached: Some(*key), ..removed });
        }
        // Else its places would be written when it is gone. There was no room for them yet.
        if work.shared.unplaced.has(*key) {
            continue;
        }
        let Some(stored) = sweep.event(key.as_u128())?.filter(|stored| stored.event.key == *key) else { continue };
        let Some(deliveries) = sweep.all_over(&stored, before)? else { continue };
        for (delivery, extra) in &deliveries {
            remove_delivery(work, delivery, *extra)?;
        }
        remove_event(work, &stored)?;
        removed.events += 1;
        removed.weight += weight(&stored);
    }
    if the_rest && work.len() < STEP_ROWS {
        removed.more |= audit::prune(work, before, STEP_ROWS)?;
        removed.more |= statistics::prune(work, STEP_ROWS)?;
        removed.more |= let_endpoints_go(work)?;
    }
    Ok(removed)
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
    let apart = [
        (!stored.body_is_inline()).then_some(Row::Body(event.key)),
        stored.may_list_apart().then_some(Row::Recipients(event.key)),
    ];
    for row in apart.into_iter().flatten() {
        let shared = work.shared;
        for part in shared.family(&row.key(), Order::Ascending) {
            work.delete(part?.key);
        }
    }
    if work.shared.unplaced.is_for(event) {
        // One that could not be read is left, though all of the event is over.
        work.delete(Row::Unplaced(event.key).key());
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
        if shared.queue(id, 0, u128::MAX).next().transpose()?.is_none() {
            work.set_progress(id, None);
            work.delete(Row::Traffic(id).key());
            work.shared.traffic().forget(id);
            gone += 1;
        }
    }
    Ok(false)
}
