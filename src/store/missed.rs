//! What an endpoint missed while it was disabled or not yet there, and how it catches up.

use std::sync::Arc;

use super::{
    Change, MissedQuestion, Page, Store, StoreError,
    commit::RequestKind,
    delivery_rows,
    engine::Order,
    history::{Bounds, MOST_LOOKED_AT},
    keys::{self, Row, kind},
    reading,
    shared::Shared,
    stored::StoredDelivery,
    work::Work,
};
use crate::domain::{
    attempt::Trigger,
    delivery::NextAttempt,
    event::Event,
    ids::{DeliveryId, EndpointId, EventKey},
};

const CATCH_UP: RequestKind = RequestKind { waits: true, grows: true, alone: true };

impl Store {
    /// Events that an endpoint would be sent by its subscriptions, but was not; oldest first.
    pub fn missed(&self, question: &MissedQuestion, limit: usize) -> Result<Page<EventKey, EventKey>, StoreError> {
        let shared = self.shared();
        let mut found = Page { items: Vec::new(), next: None };
        let bounds = Bounds::of(shared, Some(question.since), Some(question.until), None);
        let Some((low, high)) = bounds.range() else { return Ok(found) };
        let low = low.max(question.after.map_or(0, |after| after.as_u128().saturating_add(1)));
        let prefix =
            if question.account.is_default() { keys::all_of(kind::EVENT) } else { keys::events_of(&question.account) };
        let mut last = question.after;
        let ids = shared.ids_after(&prefix, low.saturating_sub(1), high);
        for (looked_at, id) in ids.enumerate() {
            if found.items.len() >= limit || looked_at >= MOST_LOOKED_AT {
                found.next = last;
                break;
            }
            let key = EventKey::from_u128(id?);
            last = Some(key);
            let Some((stored, _)) = shared.past_damage(reading::event(shared, key))? else { continue };
            if wants(question, &stored.event) && !has_delivery(shared, question.endpoint, &stored.event)? {
                found.items.push(key);
            }
        }
        Ok(found)
    }

    /// Makes deliveries of stored events to an endpoint that has none of them, with `Trigger::Replay` due now. How
    /// many were made.
    pub async fn catch_up(&self, endpoint: EndpointId, events: Vec<EventKey>) -> Result<u64, StoreError> {
        self.write(CATCH_UP, move |work| {
            let mut made = 0;
            if !work.is_alive(endpoint) {
                return Ok(made);
            }
            let mut events = events;
            events.sort_unstable();
            events.dedup();
            for key in events {
                let Some((stored, _)) = reading::event(work, key)? else { continue };
                if !has_delivery(work.shared, endpoint, &stored.event)? {
                    make(work, endpoint, &stored.event)?;
                    made += 1;
                }
            }
            Ok(made)
        })
        .await
    }
}

fn wants(question: &MissedQuestion, event: &Event) -> bool {
    !event.test
        && event.account == question.account
        && (question.since..question.until).contains(&event.accepted_at)
        && (question.only.is_empty() || question.only.contains(&event.event_type))
        && question.subscriptions.iter().any(|subscription| subscription.matches(&event.event_type))
}

/// Whether one of the event's deliveries goes to this endpoint.
fn has_delivery(shared: &Shared, endpoint: EndpointId, event: &Event) -> Result<bool, StoreError> {
    if event.delivery_count > 0 {
        let first = event.first_delivery.as_u128();
        let last = first.saturating_add(u128::from(event.delivery_count) - 1);
        if shared.queue(endpoint, first.saturating_sub(1), last).next().transpose()?.is_some() {
            return Ok(true);
        }
    }
    for entry in shared.family(&keys::extras_of(event.key), Order::Ascending) {
        let extra = DeliveryId::from_u128(keys::last_id(&entry?.key).unwrap_or(0));
        if shared.engine.get(&Row::Queue(endpoint, extra).key())?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn make(work: &mut Work, endpoint: EndpointId, event: &Event) -> Result<(), StoreError> {
    let (id, created_at) = work.mint(1);
    let next = NextAttempt { at: work.shared.clock.steady(), trigger: Trigger::Replay };
    let stored = StoredDelivery::of(event, DeliveryId::from_u128(id), endpoint, next, created_at);
    work.put(Row::Extra(event.key, stored.delivery.id).key(), Vec::new());
    delivery_rows::add(work, &stored, true)?;
    let delivery = Arc::new(stored.delivery);
    work.changes.push(Change::Changed { delivery, before: None });
    Ok(())
}
