//! Deliveries with their attempts: kept where their record and their event are whole, made again from traces where the
//! record is lost, set aside where the event is.

use std::sync::Arc;

use super::{Counted, Lost, Rebuild, RepairError, Silent, events::Walk};
use crate::{
    domain::{
        attempt::{Attempt, AttemptError, ErrorKind, Outcome, Timing, Trigger},
        delivery::DeliveryStatus,
        event::Event,
        ids::{DeliveryId, EventKey},
    },
    store::{
        delivery_rows::index_rows,
        engine::Entry,
        keys::{Row, kind},
        long,
        packed_attempt::{pack_attempt, unpack_attempt},
        reading::Rows as _,
        scan::{Cursor, LongRecord, NamedRow},
        stored::{Latest, StoredDelivery},
        verify::is_in_block,
    },
};

impl<'a> Rebuild<'a> {
    /// Deliveries that were not made with an event: by replays, or of an event that is lost.
    pub(super) fn deliveries_before(
        &mut self,
        walk: &mut Walk<'a>,
        before: Option<DeliveryId>,
    ) -> Result<(), RepairError> {
        while let Some(NamedRow { row: Row::Delivery(id), .. }) = walk.deliveries.head() {
            let id = *id;
            if before.is_some_and(|before| id >= before) {
                break;
            }
            let Some(found) = walk.deliveries.take(self) else { break };
            let of = Self::decoded::<StoredDelivery>(&found.entry).map(|(stored, _)| stored.delivery.event_key);
            let key = of.ok().or_else(|| self.traces.get(&id).map(|trace| trace.event));
            let event = key.map(|key| self.kept_event(key)).transpose()?.flatten();
            let kept = self.delivery(walk, id, Some(&found.entry), event.as_ref())?;
            if let Some(event) = event.filter(|event| kept && !is_in_block(event, id)) {
                self.output.put(Row::Extra(event.key, id).key(), Vec::new())?;
            }
        }
        Ok(())
    }

    /// Replayed deliveries of whose record there is no row any more.
    pub(super) fn lost_extras(&mut self) -> Result<(), RepairError> {
        let mut missing: Vec<_> = self.traces.iter().map(|(id, trace)| (*id, trace.event)).collect();
        missing.sort_unstable();
        for (id, key) in missing {
            self.extra(key, id, None)?;
        }
        Ok(())
    }

    /// Replayed deliveries that the rows in their order passed over, though a look-up finds them.
    pub(super) fn extras_passed_over(&mut self) -> Result<(), RepairError> {
        let mut extras = Cursor::of_kind(self.engine, kind::EXTRA, &mut Silent);
        while let Some(NamedRow { row: Row::Extra(key, id), .. }) = extras.take(&mut Silent) {
            if self.output.get(&Row::Delivery(id).key())?.is_some() {
                continue;
            }
            if let Some(entry) = self.passed_over(id) {
                self.extra(key, id, Some(&entry))?;
            }
        }
        Ok(())
    }

    /// A replayed delivery that the walk did not meet, with the link from its event, if that is kept.
    fn extra(&mut self, key: EventKey, id: DeliveryId, entry: Option<&Entry>) -> Result<(), RepairError> {
        let event = self.kept_event(key)?.filter(|event| !is_in_block(event, id));
        if let Some(event) = event
            && self.delivery(&mut Walk::of_delivery(self.engine, id), id, entry, Some(&event))?
        {
            self.output.put(Row::Extra(key, id).key(), Vec::new())?;
        }
        Ok(())
    }

    /// The record of a delivery by look-up, if it is whole.
    pub(super) fn passed_over(&self, id: DeliveryId) -> Option<Entry> {
        let key = Row::Delivery(id).key();
        let value = self.rows.get(&key).ok().flatten()?;
        Some(Entry { key, value }).filter(|entry| Self::decoded::<StoredDelivery>(entry).is_ok())
    }

    /// Keeps a delivery if that can be; false: it is lost.
    pub(super) fn delivery(
        &mut self,
        walk: &mut Walk<'a>,
        id: DeliveryId,
        entry: Option<&Entry>,
        event: Option<&Event>,
    ) -> Result<bool, RepairError> {
        self.saw(id.as_u128());
        self.orphaned_attempts(walk, Some(id))?;
        let attempts = self.attempts_of(walk, id);
        let decoded = entry.map(Self::decoded::<StoredDelivery>);
        let Some(event) = event else {
            let why = match &decoded {
                Some(Err(error)) => error.to_string(),
                _ => "its event is lost".to_owned(),
            };
            let rows = entry.into_iter().chain(attempts.iter().flat_map(|attempt| &attempt.rows));
            for row in rows {
                self.set_aside.add(row, &why)?;
            }
            let status = match &decoded {
                Some(Ok((stored, _))) => format!(
                    " ({}, of event {} to endpoint {})",
                    stored.delivery.status.as_str(),
                    stored.delivery.event_id,
                    stored.delivery.endpoint_id
                ),
                _ => String::new(),
            };
            self.lose(Lost::Delivery, &id, format!("delivery {id} is lost{status}: {why}"));
            return Ok(false);
        };
        if let Some(Ok((stored, _))) = decoded
            && stored.delivery.id == id
            && stored.delivery.event_key == event.key
            && let Some(entry) = entry
        {
            self.traces.remove(&id);
            self.keep(std::slice::from_ref(entry))?;
            self.keep_attempts(&stored, attempts)?;
            self.count(&stored)?;
            return Ok(true);
        }
        if let Some(entry) = entry {
            self.set_aside.add(entry, "it cannot be read")?;
        }
        self.make_again(id, event, attempts)
    }

    fn make_again(&mut self, id: DeliveryId, event: &Event, attempts: Vec<LongRecord>) -> Result<bool, RepairError> {
        // Those from the first on, as far as they are whole.
        let whole = (1..).zip(&attempts).take_while(|(number, record)| is_attempt(record, *number)).count();
        let made = u32::try_from(whole).unwrap_or(u32::MAX);
        let trace = self.traces.remove(&id).or_else(|| self.trace_by_event(id));
        let position = trace.as_ref().and_then(super::traces::Trace::endpoint);
        let position = position.and_then(|endpoint| self.progress.get(&endpoint).cloned().flatten());
        let had_its_turn = position.is_some_and(|progress| id <= progress.queue_position);
        let Some(stored) = trace.and_then(|trace| trace.delivery(id, event, made, had_its_turn)) else {
            for row in attempts.iter().flat_map(|attempt| &attempt.rows) {
                self.set_aside.add(row, "its delivery is lost")?;
            }
            let text = format!("delivery {id} of event {} is lost: to which endpoint it goes is not known", event.id);
            self.lose(Lost::Delivery, &id, text);
            return Ok(false);
        };
        for (n, attempt) in attempts.into_iter().enumerate() {
            if n < whole {
                self.keep(&attempt.rows)?;
            } else {
                for row in &attempt.rows {
                    self.set_aside.add(row, "its delivery is lost")?;
                }
            }
        }
        self.put(&Row::Delivery(id), &stored, &[])?;
        self.count(&stored)?;
        self.report.made_again += 1;
        let delivery = &stored.delivery;
        if let Some(counted) = self.counted.get_mut(&delivery.endpoint_id) {
            counted.made_again += u64::from(delivery.status == DeliveryStatus::Pending);
        }
        let text = format!(
            "delivery {id} of event {} to endpoint {}: its record is lost; by what led to it it is {}, with {made} attempts \
             that are known",
            event.id,
            delivery.endpoint_id,
            delivery.status.as_str()
        );
        self.lose(Lost::Delivery, &id, text);
        Ok(true)
    }

    /// The rows that follow from a delivery, and the counts.
    pub(super) fn count(&mut self, stored: &StoredDelivery) -> Result<(), RepairError> {
        for index in index_rows(stored) {
            self.output.put(index.key(), Vec::new())?;
        }
        let delivery = &stored.delivery;
        let pending = delivery.status == DeliveryStatus::Pending;
        self.report.deliveries += 1;
        self.report.pending += u64::from(pending);
        self.totals.delivered += u64::from(delivery.status == DeliveryStatus::Delivered);
        self.totals.failed += u64::from(delivery.status == DeliveryStatus::Failed);
        self.totals.attempts += u64::from(delivery.attempts_made);
        self.totals.retried += u64::from(delivery.attempts_made.saturating_sub(1));
        let counted = self.counted.entry(delivery.endpoint_id).or_insert_with(|| Counted {
            account: delivery.account.clone(),
            pending: 0,
            asked: 0,
            made_again: 0,
            first_fresh: DeliveryId::MAX,
        });
        counted.pending += u64::from(pending);
        counted.asked += u64::try_from(stored.asked.len()).unwrap_or(u64::MAX);
        if delivery.is_fresh() {
            counted.first_fresh = counted.first_fresh.min(delivery.id);
        }
        Ok(())
    }

    fn keep_attempts(&mut self, stored: &StoredDelivery, attempts: Vec<LongRecord>) -> Result<(), RepairError> {
        let delivery = &stored.delivery;
        let apart = match stored.latest {
            Latest::None => 0,
            Latest::Inline => delivery.attempts_made.saturating_sub(1),
            Latest::Apart => delivery.attempts_made,
        };
        let mut missing: Vec<u32> = (1..=apart).collect();
        for record in attempts {
            let Row::Attempt(_, number) = record.row else { continue };
            if number <= delivery.attempts_made && is_attempt(&record, number) {
                missing.retain(|wanted| *wanted != number);
                self.keep(&record.rows)?;
                continue;
            }
            let why =
                record.bytes.as_ref().err().map_or_else(|| "its delivery had fewer".to_owned(), ToString::to_string);
            for row in &record.rows {
                self.set_aside.add(row, &why)?;
            }
        }
        for number in missing {
            self.put_lost_attempt(stored, number)?;
            let id = delivery.id;
            let text = format!("attempt {number} of delivery {id} is lost: in its place the log says so");
            self.lose(Lost::Attempt, &format!("{id}/{number}"), text);
        }
        Ok(())
    }

    /// What stands in the log for an attempt that is lost: that it was made is known by its delivery's count.
    fn put_lost_attempt(&mut self, stored: &StoredDelivery, number: u32) -> Result<(), RepairError> {
        let message = "the record of this attempt was damaged, and is lost".to_owned();
        let outcome = Outcome {
            duration: std::time::Duration::ZERO,
            timing: Timing::default(),
            remote_addr: None,
            response: None,
            error: Some(AttemptError { kind: ErrorKind::Interrupted, message }),
        };
        let started_at = stored.delivery.created_at;
        let attempt = Attempt { number, trigger: Trigger::Schedule, started_at, outcome: Arc::new(outcome) };
        let packed = pack_attempt(&attempt).map_err(|error| RepairError::Write(error.to_string()))?;
        self.put_rows(long::cut(&Row::Attempt(stored.delivery.id, number), &packed, long::PART))
    }

    fn attempts_of(&mut self, walk: &mut Walk<'a>, id: DeliveryId) -> Vec<LongRecord> {
        let mut attempts = Vec::new();
        while walk.attempts.head().is_some_and(|head| matches!(head.row, Row::Attempt(of, _) if of == id)) {
            attempts.extend(walk.attempts.take_record(self));
        }
        attempts
    }

    pub(super) fn orphaned_attempts(
        &mut self,
        walk: &mut Walk<'a>,
        before: Option<DeliveryId>,
    ) -> Result<(), RepairError> {
        while let Some(NamedRow { row: Row::Attempt(of, _), .. }) = walk.attempts.head() {
            let of = *of;
            if before.is_some_and(|before| of >= before) {
                break;
            }
            self.saw(of.as_u128());
            let Some(attempt) = walk.attempts.take_record(self) else { break };
            for row in &attempt.rows {
                self.set_aside.add(row, "its delivery is lost")?;
            }
        }
        Ok(())
    }
}

fn is_attempt(record: &LongRecord, number: u32) -> bool {
    let attempt = record.bytes.as_ref().ok().and_then(|bytes| unpack_attempt(bytes).ok());
    attempt.is_some_and(|attempt| attempt.number == number && matches!(record.row, Row::Attempt(_, n) if n == number))
}
