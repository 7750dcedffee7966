//! Settling: a finished attempt is written down together with what follows from it, in one batch: the delivery's new
//! state, the due row that it came from removed, the next one made, the endpoint's queue position and health.

use std::sync::Arc;

use super::{
    Change, DueRow, Settled, Settlement, Store, StoreError,
    commit::RequestKind,
    delivery_rows,
    keys::Row,
    long,
    packed_attempt::pack_attempt,
    stored::{Asked, INLINE_ATTEMPT, Latest, Progress, StoredDelivery},
    work::Work,
};
use crate::domain::{
    attempt::{Attempt, Trigger},
    delivery::DeliveryStatus,
    endpoint::LastError,
    schedule,
    time::Timestamp,
};

/// What is kept of an error's text in an endpoint's health.
const LONGEST_MESSAGE: usize = 300;

const SETTLE: RequestKind = RequestKind { waits: true, grows: false, alone: false };

impl Store {
    /// Writes down a finished attempt and what follows from it.
    ///
    /// # Errors
    /// [`StoreError::Gone`], for ever; or the store did not take it now.
    pub async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.write(SETTLE, move |work| settle(work, settlement)).await
    }
}

fn settle(work: &mut Work, settlement: Settlement) -> Result<Settled, StoreError> {
    let Settlement { delivery: id, due, mut attempt, schedule, newer_secret, times, queue_position } = settlement;
    let (before, latest) = work.delivery(id)?.ok_or(StoreError::Gone)?;
    let endpoint = before.delivery.endpoint_id;

    let decision = schedule::decide(&before.delivery, &attempt, &schedule, newer_secret, times);
    attempt.number = decision.delivery.attempts_made;
    let mut after = StoredDelivery { delivery: decision.delivery, asked: before.asked.clone(), latest: before.latest };
    if let Some(due) = due
        && !attempt.was_interrupted()
    {
        after.asked.retain(|asked| (asked.at, asked.trigger) != (due.at, due.trigger));
    }

    let mut rotate_now = None;
    if !work.is_alive(endpoint) {
        // Deleted while the attempt was under way: nothing more is sent.
        after.asked.clear();
        if let Some(canceled) = schedule::canceled(&after.delivery, times.finished_wall) {
            after.delivery = canceled;
        }
    } else if decision.rotate_now {
        let at = match after.delivery.next {
            // The attempt stood in its turn, so the next one's turn is the rotation's.
            Some(next) if next.trigger == Trigger::Rotation => next.at,
            _ => {
                let asked = Asked { at: times.started, trigger: Trigger::Rotation };
                if !after.asked.contains(&asked) {
                    after.asked.push(asked);
                }
                asked.at
            }
        };
        rotate_now = Some(DueRow { at, delivery: id, trigger: Trigger::Rotation });
    }

    let inline = put_attempt(work, &before, &latest, &mut after, &attempt)?;
    delivery_rows::write(work, &before, &after, &inline)?;
    work.change_progress(endpoint, |progress| {
        progress.queue_position = progress.queue_position.max(queue_position);
        note_health(progress, &attempt, times.finished_wall);
    })?;
    count(work, before.delivery.status, after.delivery.status, &attempt);
    work.changes.push(Change::Settled {
        delivery: Arc::new(after.delivery.clone()),
        before: before.delivery.status,
        attempt: Arc::new(attempt),
    });
    Ok(Settled { delivery: after.delivery, rotate_now })
}

/// Makes room for the new attempt in the delivery's row, or writes it to rows of its own; what goes into the row.
fn put_attempt(
    work: &mut Work,
    before: &StoredDelivery,
    latest: &[u8],
    after: &mut StoredDelivery,
    attempt: &Attempt,
) -> Result<Vec<u8>, StoreError> {
    let id = before.delivery.id;
    if before.latest == Latest::Inline {
        long::put_bytes(work, &Row::Attempt(id, before.delivery.attempts_made), latest)?;
    }
    let packed = pack_attempt(attempt)?;
    if packed.len() <= INLINE_ATTEMPT {
        after.latest = Latest::Inline;
        return Ok(packed);
    }
    after.latest = Latest::Apart;
    long::put_bytes(work, &Row::Attempt(id, attempt.number), &packed)?;
    Ok(Vec::new())
}

fn note_health(progress: &mut Progress, attempt: &Attempt, finished_at: Timestamp) {
    let health = &mut progress.health;
    if attempt.was_interrupted() {
        return;
    }
    if attempt.succeeded() {
        health.failing_since = None;
        health.last_success_at = Some(finished_at);
        return;
    }
    let message = match (&attempt.outcome.error, attempt.response_code()) {
        (Some(error), _) => error.message.chars().take(LONGEST_MESSAGE).collect(),
        (None, Some(code)) => format!("HTTP status {code}"),
        (None, None) => "no answer".to_owned(),
    };
    health.failing_since.get_or_insert(attempt.started_at);
    health.last_error = Some(LastError { at: finished_at, message });
}

fn count(work: &mut Work, before: DeliveryStatus, after: DeliveryStatus, attempt: &Attempt) {
    let totals = &mut work.meta.totals;
    totals.attempts += 1;
    totals.retried += u64::from(attempt.number > 1);
    if before != after {
        totals.delivered += u64::from(after == DeliveryStatus::Delivered);
        totals.failed += u64::from(after == DeliveryStatus::Failed);
    }
}
