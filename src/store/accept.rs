//! Accepting events: each with its deliveries, its body and the links of its ids, or, where it was accepted before,
//! nothing. The check is made in the writer, so that of two alike at the same time only one wins.

use std::sync::Arc;

use super::{
    AcceptError, Accepted, Change, NewEvent, Store, StoreError,
    commit::RequestKind,
    delivery_rows,
    keys::Row,
    long,
    reading::{self, Rows},
    recipients,
    stored::{INLINE_BODY, Link, StoredDelivery, StoredEvent},
    work::Work,
};
use crate::domain::{
    attempt::Trigger,
    delivery::NextAttempt,
    event::{Event, EventBody},
    ids::{DeliveryId, EndpointId, EventId, EventKey},
    time::Timestamp,
};

/// What an endpoint's id takes in a record, at most.
const ENDPOINT_BYTES: usize = 17;

const ACCEPT: RequestKind = RequestKind { waits: false, grows: true, alone: false };

impl Store {
    /// Stores events with their deliveries: all or none, in one batch.
    pub async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, AcceptError> {
        self.write(ACCEPT, move |work| {
            let accept = |(index, event)| accept_one(work, index, event);
            events.into_iter().enumerate().map(accept).collect()
        })
        .await
    }
}

fn accept_one(work: &mut Work, index: usize, new: NewEvent) -> Result<Accepted, AcceptError> {
    if let Some(event) = find_repeated(work, index, &new)? {
        return Ok(Accepted { event, repeated: true });
    }
    if new.repeat_only {
        return Err(AcceptError::NotRepeated { index });
    }
    let event = store(work, new)?;
    Ok(Accepted { event, repeated: false })
}

/// The event that this one repeats.
fn find_repeated(work: &Work, index: usize, new: &NewEvent) -> Result<Option<Event>, AcceptError> {
    if let Some(digest) = new.idempotency
        && let Some((Link(key), _)) = reading::record::<Link>(work, &Row::Idempotency(digest))?
        && let Some((stored, inline)) = reading::event(work, key)?
    {
        let same_id = new.id.as_ref().is_none_or(|id| *id == stored.event.id);
        return if same_id && has_content_of(work, &stored, inline, new)? {
            Ok(Some(stored.event))
        } else {
            Err(AcceptError::Conflict { index, what: "Idempotency-Key" })
        };
    }
    let Some(id) = &new.id else { return Ok(None) };
    let Some((stored, inline)) = reading::event_by_id(work, id)? else { return Ok(None) };
    if has_content_of(work, &stored, inline, new)? {
        Ok(Some(stored.event))
    } else {
        Err(AcceptError::Conflict { index, what: "id" })
    }
}

fn has_content_of(rows: &impl Rows, stored: &StoredEvent, inline: Vec<u8>, new: &NewEvent) -> Result<bool, StoreError> {
    let event = &stored.event;
    let same_head = event.event_type == new.event_type
        && event.account == new.account
        // Outside, an event's time has whole seconds; one that the producer left out has the clock's milliseconds here.
        && new.created.is_none_or(|created| created.as_seconds() == event.created.as_seconds());
    if !same_head {
        return Ok(false);
    }
    let body = reading::body(rows, stored, inline)?;
    Ok(body.is_some_and(|body| body.object() == new.object))
}

fn store(work: &mut Work, new: NewEvent) -> Result<Event, StoreError> {
    let mut endpoints = new.endpoints;
    endpoints.retain(|id| work.is_alive(*id));
    let delivery_count = u32::try_from(endpoints.len())
        .map_err(|_| StoreError::Failed("an event has more deliveries than can be counted".to_owned()))?;
    let (key, accepted_at) = mint(work, delivery_count)?;
    if new.id.as_ref().is_some_and(|id| id.key_if_generated().is_some()) {
        work.meta.lookalikes = true;
    }
    if let Some(id) = &new.id {
        work.put_record(&Row::ProducerId(id.clone()), &Link(key), &[])?;
    }
    if let Some(digest) = new.idempotency {
        work.put_record(&Row::Idempotency(digest), &Link(key), &[])?;
    }
    if !new.account.is_default() {
        work.put(Row::OfAccount(new.account.clone(), key).key(), Vec::new());
    }
    let event = Event {
        key,
        id: new.id.unwrap_or_else(|| EventId::generated(key)),
        event_type: new.event_type,
        account: new.account,
        created: new.created.unwrap_or(accepted_at),
        accepted_at,
        test: new.test,
        first_delivery: DeliveryId::from_u128(key.as_u128().saturating_add(1)),
        delivery_count,
    };
    let object = std::str::from_utf8(&new.object)
        .map_err(|_| StoreError::Failed("an event's object is not UTF-8".to_owned()))?;
    let body = EventBody::new(&event.id, &event.event_type, event.created, object);
    let in_its_row = !event.test && has_room_for(&body, endpoints.len());
    if !event.test && !in_its_row {
        recipients::put(work, key, &endpoints)?;
    }
    put_event(work, &event, new.idempotency, &body, if in_its_row { endpoints.clone() } else { Vec::new() })?;

    let next = if new.test {
        NextAttempt { at: work.shared.clock.steady(), trigger: Trigger::Test }
    } else {
        NextAttempt { at: accepted_at, trigger: Trigger::Schedule }
    };
    let is_placed_later = work.shared.unplaced.is_for(&event);
    if is_placed_later {
        work.put(Row::Unplaced(key).key(), Vec::new());
    }
    let mut deliveries = Vec::with_capacity(endpoints.len());
    for (endpoint, n) in endpoints.into_iter().zip(0..) {
        let id = DeliveryId::from_u128(event.first_delivery.as_u128().saturating_add(n));
        let stored = StoredDelivery::of(&event, id, endpoint, next, accepted_at);
        if is_placed_later {
            delivery_rows::add_without_rows(work, &stored)?;
        } else {
            delivery_rows::add(work, &stored, new.test)?;
        }
        deliveries.push(stored.delivery);
    }
    work.meta.totals.accepted += 1;
    work.meta.stored.events += 1;
    work.changes.push(Change::Accepted { event: Arc::new(event.clone()), body, deliveries: Arc::new(deliveries) });
    Ok(event)
}

/// A key for an event, with room for its deliveries behind it.
fn mint(work: &mut Work, delivery_count: u32) -> Result<(EventKey, Timestamp), StoreError> {
    loop {
        let (first, now) = work.mint(delivery_count.saturating_add(1));
        let key = EventKey::from_u128(first);
        // A producer may have taken just this id for an event of its own.
        let taken = work.meta.lookalikes && work.get(&Row::ProducerId(EventId::generated(key)).key())?.is_some();
        if !taken {
            return Ok((key, now));
        }
    }
}

/// Whether a list of so many endpoints fits into the event's row, beside the body if that is in it too.
fn has_room_for(body: &EventBody, endpoints: usize) -> bool {
    let inline = if is_inline(body) { body.bytes().len() } else { 0 };
    inline + endpoints * ENDPOINT_BYTES <= INLINE_BODY
}

fn is_inline(body: &EventBody) -> bool {
    body.bytes().len() <= INLINE_BODY
}

fn put_event(
    work: &mut Work,
    event: &Event,
    idempotency: Option<[u8; 32]>,
    body: &EventBody,
    endpoints: Vec<EndpointId>,
) -> Result<(), StoreError> {
    let too_long = |_| StoreError::Failed("an event's body is too long".to_owned());
    let stored = StoredEvent {
        event: event.clone(),
        idempotency,
        object_start: u32::try_from(body.object_start()).map_err(too_long)?,
        body_length: u32::try_from(body.bytes().len()).map_err(too_long)?,
        endpoints,
    };
    let inline = if is_inline(body) { &body.bytes()[..] } else { &[] };
    work.put_record(&Row::Event(event.key), &stored, inline)?;
    work.note_type(&event.event_type, event.key.as_u128());
    if inline.is_empty() {
        long::put_bytes(work, &Row::Body(event.key), body.bytes())?;
    }
    Ok(())
}
