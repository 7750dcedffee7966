//! A delivery's record and everything that follows from it: its index and due rows, and the counts of what is pending.
//! The rows are a function of the record alone, so that a change writes the difference, and a check can compare.

use super::{
    Change, DueRow, StoreError,
    keys::{EndStatus, Row},
    recent::Touched,
    stored::{Progress, StoredDelivery},
    work::Work,
};
use crate::domain::{
    delivery::{Delivery, DeliveryStatus},
    ids::DeliveryId,
};

/// The rows that lead to a delivery: its endpoint's log, its status, its last answer's code, and when it is due.
pub fn index_rows(stored: &StoredDelivery) -> Vec<Row> {
    let delivery = &stored.delivery;
    let (id, endpoint) = (delivery.id, delivery.endpoint_id);
    let mut rows = vec![Row::Queue(endpoint, id)];
    if let Some(next) = delivery.next
        && !delivery.is_fresh()
    {
        rows.push(Row::Retrying(endpoint, id));
        rows.push(Row::Due(endpoint, DueRow { at: next.at, delivery: id, trigger: next.trigger }));
    }
    for asked in &stored.asked {
        let due = Row::Due(endpoint, DueRow { at: asked.at, delivery: id, trigger: asked.trigger });
        // A rotation that was asked for can fall together with the delivery's own.
        if !rows.contains(&due) {
            rows.push(due);
        }
    }
    if let Some(status) = EndStatus::of(delivery.status) {
        rows.push(Row::Status(status, id));
    }
    if let Some(code) = delivery.last_response_code
        && has_index(code)
    {
        rows.push(Row::Code(code, id));
    }
    rows
}

/// Whether deliveries whose last answer had this code are indexed: nearly all have a 2xx.
pub fn has_index(code: u16) -> bool {
    !(200..300).contains(&code)
}

/// Adds a new delivery with its rows and counts. Without a record it is one that its event's list tells of.
pub fn add(work: &mut Work, new: &StoredDelivery, with_record: bool) -> Result<(), StoreError> {
    for row in index_rows(new) {
        put_index(work, &row);
    }
    if with_record {
        work.put_record(&Row::Delivery(new.delivery.id), new, &[])?;
    }
    add_without_rows(work, new)
}

/// The same without a row: its event's mark says that it is to be written (see [`super::unplaced`]).
pub fn add_without_rows(work: &mut Work, new: &StoredDelivery) -> Result<(), StoreError> {
    work.note_type(&new.delivery.event_type, new.delivery.id.as_u128());
    count(work, None, Some(new))
}

/// Writes a delivery over what it was before, with its rows and counts. `inline` is its packed latest attempt.
pub fn write(
    work: &mut Work,
    before: &StoredDelivery,
    after: &StoredDelivery,
    inline: &[u8],
) -> Result<(), StoreError> {
    let (old, new) = (index_rows(before), index_rows(after));
    for row in &old {
        if !new.contains(row) {
            work.delete(row.key());
        }
    }
    for row in &new {
        if !old.contains(row) {
            put_index(work, row);
        }
    }
    work.put_record(&Row::Delivery(after.delivery.id), after, inline)?;
    touch(work, &after.delivery, after.delivery.is_fresh());
    count(work, Some(before), Some(after))
}

fn put_index(work: &mut Work, row: &Row) {
    work.put(row.key(), Vec::new());
    if let Row::Due(endpoint, due) = row {
        work.changes.push(Change::Due { endpoint: *endpoint, at: due.at });
    }
}

/// Removes a completed delivery's record and its rows. Its attempts are removed by the caller.
pub fn delete(work: &mut Work, stored: &StoredDelivery) -> Result<(), StoreError> {
    for row in index_rows(stored) {
        work.delete(row.key());
    }
    work.delete(Row::Delivery(stored.delivery.id).key());
    touch(work, &stored.delivery, false);
    count(work, Some(stored), None)
}

fn touch(work: &mut Work, delivery: &Delivery, fresh: bool) {
    work.touched.push(Touched { endpoint: delivery.endpoint_id, delivery: delivery.id, fresh });
}

fn count(work: &mut Work, before: Option<&StoredDelivery>, after: Option<&StoredDelivery>) -> Result<(), StoreError> {
    let Some(endpoint) = after.or(before).map(|stored| stored.delivery.endpoint_id) else { return Ok(()) };
    let stored = &mut work.meta.stored.deliveries;
    *stored = (*stored + u64::from(after.is_some())).saturating_sub(u64::from(before.is_some()));
    let (pending_before, pending_after) = (pending(before), pending(after));
    let (asked_before, asked_after) = (asked(before), asked(after));
    if (pending_before, asked_before) == (pending_after, asked_after) {
        return Ok(());
    }
    let pending_in_all = &mut work.meta.totals.pending;
    *pending_in_all = (*pending_in_all + pending_after).saturating_sub(pending_before);
    let last = DeliveryId::from_u128(work.shared.minter.last());
    work.change_progress(endpoint, |progress: &mut Progress| {
        progress.health.pending = (progress.health.pending + pending_after).saturating_sub(pending_before);
        progress.asked = (progress.asked + asked_after).saturating_sub(asked_before);
        if progress.health.pending == 0 {
            // Nothing up to now waits for its first turn: the next reader of the queue need not walk over it.
            progress.queue_position = progress.queue_position.max(last);
        }
    })
}

fn pending(stored: Option<&StoredDelivery>) -> u64 {
    u64::from(stored.is_some_and(|stored| stored.delivery.status == DeliveryStatus::Pending))
}

fn asked(stored: Option<&StoredDelivery>) -> u64 {
    stored.map_or(0, |stored| u64::try_from(stored.asked.len()).unwrap_or(u64::MAX))
}
