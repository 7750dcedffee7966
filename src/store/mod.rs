//! The store, in the domain's words: accept events, settle attempts, ask for what is due and for what has been.
//! One writer thread gathers what is asked of it into batches; an answer comes after the batch is on stable storage.

pub mod records;

use std::{path::Path, sync::Arc};

use crate::{
    clock::Clock,
    domain::{
        attempt::Attempt,
        audit::AuditEntry,
        delivery::Delivery,
        endpoint::{Endpoint, EndpointHealth},
        event::{Event, EventBody},
        event_type::{EventType, EventTypeName},
        ids::{AuditId, DeliveryId, EndpointId, EventId, EventKey, TokenId},
        time::Timestamp,
        token::Token,
    },
};
pub use records::*;

/// A handle on the open store; cheap to clone.
///
/// `async` methods write: they resolve once the change is on stable storage. The others read, and block for as long
/// as a few look-ups take: call them from [`Store::read`] where a list is asked for on an async thread.
#[derive(Clone)]
pub struct Store {
    inner: Arc<()>,
}

impl Store {
    /// Opens or creates the store in this directory.
    ///
    /// # Errors
    /// Another process holds it, it cannot be read, it was written by a newer release, or it is damaged.
    pub fn open(directory: &Path, options: Options, clock: Clock) -> Result<Self, OpenError> {
        todo!()
    }

    /// Who is told of every committed change, on the writer's thread; set once, before the first write.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        todo!()
    }

    /// Runs reads on a thread where they may block.
    pub async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        todo!()
    }

    /// Ends the writer after what is queued, and waits for it.
    pub fn close(&self) {
        todo!()
    }

    // ---- events and deliveries ----

    /// Stores events with their deliveries: all or none, in one batch.
    pub async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, AcceptError> {
        todo!()
    }
    /// Writes down a finished attempt and what follows from it.
    pub async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        todo!()
    }
    /// Puts attempts beside the schedule, due now: `Trigger::Manual`. Unknown ids are left out of the answer.
    pub async fn retry(&self, deliveries: Vec<DeliveryId>, audit: NewAudit) -> Result<Vec<Delivery>, StoreError> {
        todo!()
    }
    /// Makes deliveries pending again from the schedule's beginning, with `Trigger::Replay` due now.
    /// Those that are pending already only get their next attempt now.
    pub async fn replay(&self, deliveries: Vec<DeliveryId>) -> Result<u64, StoreError> {
        todo!()
    }
    /// Makes deliveries of stored events to an endpoint that has none of them, with `Trigger::Replay` due now.
    pub async fn catch_up(&self, endpoint: EndpointId, events: Vec<EventKey>) -> Result<u64, StoreError> {
        todo!()
    }
    /// Stops a pending delivery. `None`: there is none of this id. An unchanged delivery: it was not pending.
    pub async fn cancel(&self, delivery: DeliveryId, audit: NewAudit) -> Result<Option<Canceled>, StoreError> {
        todo!()
    }

    /// An event by the id that receivers see.
    pub fn event(&self, id: &EventId) -> Result<Option<Event>, StoreError> {
        todo!()
    }
    /// An event's body.
    pub fn body(&self, key: EventKey) -> Result<Option<EventBody>, StoreError> {
        todo!()
    }
    /// Events, newest first.
    pub fn events(
        &self,
        filter: &EventFilter,
        page: PageRequest<EventKey>,
    ) -> Result<Page<Event, EventKey>, StoreError> {
        todo!()
    }
    /// One delivery.
    pub fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        todo!()
    }
    /// Deliveries, newest first.
    pub fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        todo!()
    }
    /// A delivery's attempts in their order; of more than [`MOST_ATTEMPTS_SHOWN`], the newest so many.
    pub fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
        todo!()
    }
    /// Events that an endpoint would be sent by its subscriptions, but was not; oldest first.
    pub fn missed(&self, question: &MissedQuestion, limit: usize) -> Result<Page<EventKey, EventKey>, StoreError> {
        todo!()
    }

    // ---- the queue, as Dispatchers and the RetryTimer see it ----

    /// The first-turn deliveries of an endpoint after `after`, oldest first; skips those that had their turn.
    pub fn fresh(&self, endpoint: EndpointId, after: DeliveryId, limit: usize) -> Result<FreshRead, StoreError> {
        todo!()
    }
    /// The due rows of one class of an endpoint up to `until`, earliest first.
    pub fn due(
        &self,
        endpoint: EndpointId,
        class: DueClass,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueRow>, StoreError> {
        todo!()
    }
    /// The time of the endpoint's first due row of this class.
    pub fn next_due(&self, endpoint: EndpointId, class: DueClass) -> Result<Option<Timestamp>, StoreError> {
        todo!()
    }
    /// Of all due rows of an endpoint with [`DueClass::InTurn`], the `limit` that belong to the oldest deliveries, oldest first (`ordered`).
    pub fn oldest_due(&self, endpoint: EndpointId, limit: usize) -> Result<Vec<DueRow>, StoreError> {
        todo!()
    }
    /// Up to where an endpoint's fresh deliveries had all had their first turn, when that was last written.
    pub fn queue_position(&self, endpoint: EndpointId) -> DeliveryId {
        todo!()
    }
    /// The endpoints with pending deliveries or due rows.
    pub fn endpoints_with_work(&self) -> Vec<EndpointId> {
        todo!()
    }

    // ---- endpoints ----

    /// Stores an endpoint, new or changed. Health and queue are not touched.
    pub async fn put_endpoint(&self, endpoint: Endpoint, audit: NewAudit) -> Result<(), StoreError> {
        todo!()
    }
    /// Deletes an endpoint: from now on it is not found. Its log stays; its pending deliveries are canceled by
    /// [`Store::drop_queue`], which is to be called until it says that nothing is left.
    pub async fn delete_endpoint(&self, id: EndpointId, audit: NewAudit) -> Result<bool, StoreError> {
        todo!()
    }
    /// Cancels some pending deliveries of a deleted endpoint; true while there may be more.
    pub async fn drop_queue(&self, id: EndpointId) -> Result<bool, StoreError> {
        todo!()
    }
    /// Deleted endpoints whose queue is not yet dropped.
    pub fn endpoints_to_drop(&self) -> Vec<EndpointId> {
        todo!()
    }
    /// All endpoints that are not deleted, in the order of their ids: read once, at the start.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        todo!()
    }
    /// What is known of an endpoint's health now.
    pub fn health(&self, id: EndpointId) -> EndpointHealth {
        todo!()
    }

    // ---- catalog, tokens, audit log, statistics ----

    /// Stores a catalog entry.
    pub async fn put_event_type(&self, entry: EventType, audit: NewAudit) -> Result<(), StoreError> {
        todo!()
    }
    /// Removes a catalog entry; false if there was none.
    pub async fn delete_event_type(&self, name: EventTypeName, audit: NewAudit) -> Result<bool, StoreError> {
        todo!()
    }
    /// The stored catalog entries (operators' own and overridden ones), by name: read once, at the start.
    pub fn event_types(&self) -> Result<Vec<EventType>, StoreError> {
        todo!()
    }
    /// Stores a token.
    pub async fn put_token(&self, token: Token, audit: NewAudit) -> Result<(), StoreError> {
        todo!()
    }
    /// Removes a token; false if there was none.
    pub async fn delete_token(&self, id: TokenId, audit: NewAudit) -> Result<bool, StoreError> {
        todo!()
    }
    /// All tokens, in the order of their ids: read once, at the start.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        todo!()
    }
    /// Writes an audit entry by itself.
    pub async fn audit(&self, audit: NewAudit) -> Result<(), StoreError> {
        todo!()
    }
    /// The audit log, newest first.
    pub fn audit_log(
        &self,
        filter: &AuditFilter,
        page: PageRequest<AuditId>,
    ) -> Result<Page<AuditEntry, AuditId>, StoreError> {
        todo!()
    }
    /// Totals since the store was made, and how much waits now.
    pub fn totals(&self) -> Totals {
        todo!()
    }
    /// Per-minute counts from `since` on, oldest first, at most `limit` of the newest; minutes without any are left out.
    pub fn minutes(&self, since: Timestamp, limit: usize) -> Result<Vec<Minute>, StoreError> {
        todo!()
    }
    /// Deletes some of what was completed before `before`; true while there may be more.
    pub async fn prune(&self, before: Timestamp) -> Result<bool, StoreError> {
        todo!()
    }
    /// A fresh id for an endpoint, a token, …: later than all before.
    pub fn mint(&self) -> u128 {
        todo!()
    }
}
