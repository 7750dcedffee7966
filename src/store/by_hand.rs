//! What people ask for beside the schedule: an attempt at once, a replay, a cancellation.

use std::sync::Arc;

use super::{
    Canceled, Change, NewAudit, Store, StoreError, audit,
    commit::RequestKind,
    delivery_rows, reading,
    stored::{Asked, MOST_ASKED, StoredDelivery},
    work::Work,
};
use crate::domain::{attempt::Trigger, delivery::Delivery, ids::DeliveryId, schedule, time::Timestamp};

const GROWS: RequestKind = RequestKind { waits: true, grows: true, alone: false };
const CANCEL: RequestKind = RequestKind { waits: false, grows: false, alone: false };

impl Store {
    /// Puts attempts beside the schedule, due now: `Trigger::Manual`. Unknown ids, and those of deleted endpoints, are
    /// left out of the answer. Of one delivery at most [`MOST_ASKED`] wait at a time; more are not added.
    pub async fn retry(&self, deliveries: Vec<DeliveryId>, audit: NewAudit) -> Result<Vec<Delivery>, StoreError> {
        self.write(GROWS, move |work| {
            let now = work.shared.clock.steady();
            let mut retried = Vec::new();
            for id in deliveries {
                let Some((before, latest)) = reading::delivery(work, id)? else { continue };
                if !work.is_alive(before.delivery.endpoint_id) {
                    continue;
                }
                let mut after = before.clone();
                if after.asked.len() < MOST_ASKED {
                    after.asked.push(Asked { at: free_time(&after, now), trigger: Trigger::Manual });
                    delivery_rows::write(work, &before, &after, &latest)?;
                }
                retried.push(after.delivery);
            }
            if !retried.is_empty() {
                audit::put(work, audit)?;
            }
            Ok(retried)
        })
        .await
    }

    /// Makes deliveries pending again from the schedule's beginning, with `Trigger::Replay` due now. How many were found;
    /// deleted endpoints' are not.
    pub async fn replay(&self, deliveries: Vec<DeliveryId>) -> Result<u64, StoreError> {
        self.write(GROWS, move |work| {
            let now = work.shared.clock.steady();
            let mut count = 0;
            for id in deliveries {
                let Some((before, latest)) = reading::delivery(work, id)? else { continue };
                if !work.is_alive(before.delivery.endpoint_id) {
                    continue;
                }
                count += 1;
                let delivery = schedule::replayed(&before.delivery, now);
                change(work, &before, StoredDelivery { delivery, ..before.clone() }, &latest)?;
            }
            Ok(count)
        })
        .await
    }

    /// Stops a pending delivery. `None`: there is none of this id. An unchanged delivery: it was not pending.
    pub async fn cancel(&self, delivery: DeliveryId, audit: NewAudit) -> Result<Option<Canceled>, StoreError> {
        self.write(CANCEL, move |work| {
            let Some((before, latest)) = reading::delivery(work, delivery)? else { return Ok(None) };
            let stopped = stop(work, &before, &latest)?;
            if stopped.is_some() {
                audit::put(work, audit)?;
            }
            let stopped_now = stopped.is_some();
            Ok(Some(Canceled { delivery: stopped.unwrap_or(before.delivery), stopped: stopped_now }))
        })
        .await
    }
}

/// Cancels a pending delivery, with all that was asked for; `None`: it was not pending.
pub fn stop(work: &mut Work, before: &StoredDelivery, latest: &[u8]) -> Result<Option<Delivery>, StoreError> {
    let Some(delivery) = schedule::canceled(&before.delivery, work.shared.clock.wall()) else { return Ok(None) };
    let after = StoredDelivery { delivery: delivery.clone(), asked: Vec::new(), latest: before.latest };
    change(work, before, after, latest)?;
    Ok(Some(delivery))
}

fn change(work: &mut Work, before: &StoredDelivery, after: StoredDelivery, latest: &[u8]) -> Result<(), StoreError> {
    if *before == after {
        return Ok(());
    }
    delivery_rows::write(work, before, &after, latest)?;
    work.changes.push(Change::Changed { delivery: Arc::new(after.delivery), before: Some(before.delivery.status) });
    Ok(())
}

/// Now, or as soon after as nothing else was asked for: each has a due row of its own.
fn free_time(stored: &StoredDelivery, now: Timestamp) -> Timestamp {
    let mut at = now;
    while stored.asked.contains(&Asked { at, trigger: Trigger::Manual }) {
        at = at.plus(std::time::Duration::from_millis(1));
    }
    at
}
