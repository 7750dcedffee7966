//! Endpoints: their settings, their health, and what becomes of their queue when they are deleted.

use super::{
    DueClass, NewAudit, Store, StoreError, audit, by_hand,
    commit::RequestKind,
    delivery_rows,
    engine::Order,
    keys::{self, Row, kind},
    long, reading, settings,
    stored::{Life, Progress, StoredDelivery},
    work::Work,
};
use crate::domain::{
    endpoint::{Endpoint, EndpointHealth},
    ids::{DeliveryId, EndpointId},
};

/// So many deliveries are looked at in one step of dropping a queue.
const DROP_STEP: usize = 100;

const DROP: RequestKind = RequestKind { waits: true, grows: false, alone: true };

impl Store {
    /// Stores an endpoint, new or changed. Health and queue are not touched.
    ///
    /// # Errors
    /// It was deleted, or the store failed.
    pub async fn put_endpoint(&self, endpoint: Endpoint, audit: NewAudit) -> Result<(), StoreError> {
        self.write(settings::CHANGE, move |work| {
            match work.progress(endpoint.id) {
                None => work.set_progress(endpoint.id, Some(Progress::new(endpoint.account.clone()))),
                Some(progress) if progress.life == Life::Alive => {}
                Some(_) => return Err(StoreError::Failed(format!("endpoint {} was deleted", endpoint.id))),
            }
            long::put(work, &Row::Endpoint(endpoint.id), &endpoint, &[])?;
            audit::put(work, audit)
        })
        .await
    }

    /// Deletes an endpoint: from now on it is not found. Its log stays; its pending deliveries are canceled by
    /// [`Store::drop_queue`], which is to be called until it says that nothing is left.
    pub async fn delete_endpoint(&self, id: EndpointId, audit: NewAudit) -> Result<bool, StoreError> {
        self.write(settings::CHANGE, move |work| {
            if !work.is_alive(id) {
                return Ok(false);
            }
            long::delete(work, &Row::Endpoint(id))?;
            work.change_progress(id, |progress| progress.life = Life::Deleted)?;
            audit::put(work, audit)?;
            Ok(true)
        })
        .await
    }

    /// Cancels some pending deliveries of a deleted endpoint; true while there may be more.
    pub async fn drop_queue(&self, id: EndpointId) -> Result<bool, StoreError> {
        self.write(DROP, move |work| drop_some(work, id)).await
    }

    /// Deleted endpoints whose queue is not yet dropped.
    pub fn endpoints_to_drop(&self) -> Vec<EndpointId> {
        let view = self.shared().view();
        view.endpoints.iter().filter(|(_, progress)| progress.life == Life::Deleted).map(|(id, _)| *id).collect()
    }

    /// All endpoints that are not deleted, in the order of their ids: read once, at the start.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        settings::all(self.shared(), kind::ENDPOINT)
    }

    /// What is known of an endpoint's health now.
    pub fn health(&self, id: EndpointId) -> EndpointHealth {
        self.shared().view().endpoints.get(&id).map(|progress| progress.health.clone()).unwrap_or_default()
    }
}

fn drop_some(work: &mut Work, id: EndpointId) -> Result<bool, StoreError> {
    let Some(progress) = work.progress(id) else { return Ok(false) };
    if progress.life != Life::Deleted {
        return Ok(false);
    }
    let waiting = waiting(work, id, progress.queue_position)?;
    let mut went_on = waiting.queue_read_to > progress.queue_position;
    for delivery in waiting.deliveries {
        // One that is damaged can neither be sent nor canceled.
        let read = work.shared.past_damage(reading::delivery(work, delivery))?;
        let Some((before, latest)) = read else { continue };
        if by_hand::stop(work, &before, &latest)?.is_some() {
            went_on = true;
        } else if !before.asked.is_empty() {
            let after = StoredDelivery { asked: Vec::new(), ..before.clone() };
            delivery_rows::write(work, &before, &after, &latest)?;
            went_on = true;
        }
    }
    work.change_progress(id, |progress| {
        progress.queue_position = progress.queue_position.max(waiting.queue_read_to);
        if !went_on {
            progress.life = Life::Dropped;
        }
    })?;
    Ok(went_on)
}

struct Waiting {
    deliveries: Vec<DeliveryId>,
    queue_read_to: DeliveryId,
}

/// Some deliveries that may wait: those that are due again, those that were asked for, those of the queue.
fn waiting(work: &Work, id: EndpointId, position: DeliveryId) -> Result<Waiting, StoreError> {
    let shared = work.shared;
    let mut waiting = Waiting { deliveries: Vec::new(), queue_read_to: position };
    for delivery in shared.ids_after(&keys::retrying_of(id), 0, u128::MAX).take(DROP_STEP) {
        waiting.deliveries.push(DeliveryId::from_u128(delivery?));
    }
    for entry in shared.family(&keys::due_of(id, DueClass::AskedFor), Order::Ascending).take(DROP_STEP) {
        if let Some((Row::Due(_, due), _)) = Row::parse(&entry?.key) {
            waiting.deliveries.push(due.delivery);
        }
    }
    if waiting.deliveries.is_empty() {
        for delivery in shared.queue(id, position.as_u128(), u128::MAX).take(DROP_STEP) {
            let delivery = DeliveryId::from_u128(delivery?);
            waiting.deliveries.push(delivery);
            waiting.queue_read_to = delivery;
        }
    }
    Ok(waiting)
}
