//! The queue, as Dispatchers and the RetryTimer see it: what waits for its first turn, and what is due again.

use super::{
    DueClass, DueRow, FreshRead, Store, StoreError,
    engine::Order,
    keys::{self, Row},
    reading::{self, Rows as _},
    stored::Life,
};
use crate::domain::{
    delivery::Delivery,
    event::EventBody,
    ids::{DeliveryId, EndpointId},
    time::Timestamp,
};

/// One read looks at no more rows than this, whatever it finds.
const MOST_LOOKED_AT: usize = 1_000;

/// Nor one for the oldest events, which is made at each turn of an ordered endpoint.
const MOST_IN_ORDER: usize = 256;

impl Store {
    /// The first-turn deliveries of an endpoint after `after`, oldest first; skips those that had their turn.
    pub fn fresh(&self, endpoint: EndpointId, after: DeliveryId, limit: usize) -> Result<FreshRead, StoreError> {
        let shared = self.shared();
        let (position, durable) = {
            let view = shared.view();
            let position = view.endpoints.get(&endpoint).map_or(DeliveryId::MIN, |progress| progress.queue_position);
            (position, view.durable)
        };
        let after = after.max(position);
        if let Some((deliveries, at_end)) = shared.recent.after(endpoint, after, limit) {
            let read_to = deliveries.last().map_or(after, |last| last.id);
            return Ok(FreshRead { deliveries, damaged: Vec::new(), read_to, at_end });
        }
        let mut read = FreshRead { deliveries: Vec::new(), damaged: Vec::new(), read_to: after, at_end: true };
        let ids = shared.queue(endpoint, after.as_u128(), durable);
        for (looked_at, id) in ids.enumerate() {
            if read.deliveries.len() >= limit || looked_at >= MOST_LOOKED_AT {
                read.at_end = false;
                break;
            }
            let id = DeliveryId::from_u128(id?);
            read.read_to = id;
            match reading::delivery(shared, id) {
                Ok(Some((stored, _))) if stored.delivery.is_fresh() => read.deliveries.push(stored.delivery),
                Ok(_) => {}
                Err(StoreError::Damaged(why)) => read.damaged.push((id, why)),
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// A delivery as it is now, for its next attempt.
    pub fn waiting(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        match self.shared().recent.delivery(id) {
            Some(delivery) => Ok(Some(delivery)),
            None => self.delivery(id),
        }
    }

    /// The body that a delivery sends.
    pub fn body_of(&self, delivery: &Delivery) -> Result<Option<EventBody>, StoreError> {
        match self.shared().recent.body(delivery.id) {
            Some(body) => Ok(Some(body)),
            None => self.body(delivery.event_key),
        }
    }

    /// The due rows of one class of an endpoint up to `until`, earliest first.
    pub fn due(
        &self,
        endpoint: EndpointId,
        class: DueClass,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueRow>, StoreError> {
        let from = keys::due_of(endpoint, class);
        let to = keys::due_after(endpoint, class, until);
        let entries = self.shared().engine.range(&from, &to, Order::Ascending);
        let mut rows = Vec::new();
        for entry in entries.take(limit) {
            if let Some((Row::Due(_, due), _)) = Row::parse(&entry?.key) {
                rows.push(due);
            }
        }
        Ok(rows)
    }

    /// The time of the endpoint's first due row of this class that is later than `after`.
    pub fn next_due(
        &self,
        endpoint: EndpointId,
        class: DueClass,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let from = keys::due_after(endpoint, class, after);
        let to = keys::end_of(&keys::due_of(endpoint, class));
        let first = self.shared().engine.range(&from, &to, Order::Ascending).next().transpose()?;
        Ok(first.and_then(|entry| match Row::parse(&entry.key) {
            Some((Row::Due(_, due), _)) => Some(due.at),
            _ => None,
        }))
    }

    /// Whether a due row that was read before is still there.
    pub fn is_due(&self, endpoint: EndpointId, row: DueRow) -> Result<bool, StoreError> {
        Ok(self.shared().get(&Row::Due(endpoint, row).key())?.is_some())
    }

    /// Of the due rows of an endpoint with [`DueClass::InTurn`] that belong to its oldest deliveries, those of the `limit`
    /// oldest events, oldest first (`ordered`). A delivery that a replay made is younger than its event: where more than
    /// [`MOST_IN_ORDER`] older deliveries wait, its place is later than its event's.
    pub fn oldest_due(&self, endpoint: EndpointId, limit: usize) -> Result<Vec<DueRow>, StoreError> {
        let shared = self.shared();
        let mut rows = Vec::new();
        let ids = shared.ids_after(&keys::retrying_of(endpoint), 0, u128::MAX);
        for id in ids.take(MOST_IN_ORDER) {
            let delivery = DeliveryId::from_u128(id?);
            let read = shared.past_damage(reading::delivery(shared, delivery))?;
            let Some((stored, _)) = read else { continue };
            if let Some(next) = stored.delivery.next
                && DueClass::of(next.trigger) == DueClass::InTurn
                && !stored.delivery.is_fresh()
            {
                let row = DueRow { at: next.at, delivery, trigger: next.trigger };
                rows.push((stored.delivery.event_key, row));
            }
        }
        rows.sort_by_key(|(event, row)| (*event, row.delivery));
        Ok(rows.into_iter().take(limit).map(|(_, row)| row).collect())
    }

    /// Up to where an endpoint's fresh deliveries had all had their first turn, when that was last written.
    pub fn queue_position(&self, endpoint: EndpointId) -> DeliveryId {
        self.shared().view().endpoints.get(&endpoint).map_or(DeliveryId::MIN, |progress| progress.queue_position)
    }

    /// The endpoints with pending deliveries or due rows.
    pub fn endpoints_with_work(&self) -> Vec<EndpointId> {
        let view = self.shared().view();
        let with_work =
            view.endpoints.iter().filter(|(_, progress)| progress.life == Life::Alive && progress.has_work());
        with_work.map(|(id, _)| *id).collect()
    }
}
