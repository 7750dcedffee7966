//! Counts: totals since the store was made, and per minute for the last days. Minutes are kept in memory and written
//! with the first batch after each second in which they changed; a crash can lose the counts of a second.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Change, Minute, Store, StoreError, Totals, codec,
    engine::Order,
    keys::{self, Row, kind},
    reading,
    shared::Shared,
    work::Work,
};
use crate::domain::{delivery::DeliveryStatus, time::Timestamp};

const MINUTE_MILLIS: i64 = 60_000;
/// Minutes older than this are pruned.
const KEPT: Duration = Duration::from_hours(8 * 24);

/// The minutes that are not yet written as they are.
#[derive(Debug, Default)]
pub struct Statistics {
    /// The current minute, and earlier ones that changed since they were written.
    minutes: BTreeMap<i64, Minute>,
    /// In which second they were last written.
    written: i64,
    changed: bool,
}

impl Store {
    /// Totals since the store was made, and how much waits now.
    pub fn totals(&self) -> Totals {
        self.shared().view().meta.totals.clone()
    }

    /// Counts from the minute `first` on, in `count` parts of `step` minutes each: oldest first, those without any too.
    /// Each part is told as a [`Minute`] that bears the number of its first.
    pub fn series(&self, first: i64, step: i64, count: usize) -> Result<Vec<Minute>, StoreError> {
        let shared = self.shared();
        let step = step.max(1);
        let mut parts: Vec<Minute> =
            (0..).take(count).map(|n: i64| Minute { minute: first + n * step, ..Minute::default() }).collect();
        let end = parts.last().map_or(first, |last| last.minute + step);
        let mut add = |minute: &Minute| {
            let part = usize::try_from((minute.minute - first).div_euclid(step)).ok().and_then(|n| parts.get_mut(n));
            if let Some(part) = part {
                part.add(minute);
            }
        };
        let newest: Vec<Minute> =
            shared.statistics().minutes.range(first..end).map(|(_, minute)| minute.clone()).collect();
        for entry in shared.engine.range(&Row::Minute(first).key(), &Row::Minute(end).key(), Order::Ascending) {
            let entry = entry?;
            let read = codec::decode::<Minute>(&entry.key, &entry.value).map_err(|e| e.at(&entry.key));
            if let Some((minute, _)) = shared.past_damage(read.map(Some))?
                && !newest.iter().any(|newer| newer.minute == minute.minute)
            {
                add(&minute);
            }
        }
        newest.iter().for_each(add);
        Ok(parts)
    }
}

impl Statistics {
    /// The minutes that are to be written with a batch at this time.
    pub fn to_write(&self, now: Timestamp, closing: bool) -> Vec<Minute> {
        let due = self.changed && (closing || self.written != now.as_seconds());
        if due { self.minutes.values().cloned().collect() } else { Vec::new() }
    }

    /// They were written.
    pub fn written(&mut self, now: Timestamp) {
        self.written = now.as_seconds();
        self.changed = false;
        let current = now.as_millis() / MINUTE_MILLIS;
        self.minutes.retain(|minute, _| *minute >= current);
    }
}

/// Counts committed changes into the current minute.
pub fn count(shared: &Shared, changes: &[Change]) {
    let at = shared.clock.wall().as_millis() / MINUTE_MILLIS;
    let mut statistics = shared.statistics();
    let minute = statistics.minutes.entry(at).or_insert_with(|| {
        // After a restart within the minute it goes on with what was written; unreadable counts begin anew.
        let stored = reading::record::<Minute>(shared, &Row::Minute(at)).ok().flatten();
        stored.map_or(Minute { minute: at, ..Minute::default() }, |(minute, _)| minute)
    });
    let mut counted = false;
    for change in changes {
        match change {
            Change::Accepted { .. } => minute.accepted += 1,
            Change::Settled { delivery, before, attempt } => {
                minute.attempts += 1;
                minute.retried += u64::from(attempt.number > 1);
                if *before != delivery.status {
                    minute.delivered += u64::from(delivery.status == DeliveryStatus::Delivered);
                    minute.failed += u64::from(delivery.status == DeliveryStatus::Failed);
                }
                if attempt.succeeded() {
                    minute.count_latency(attempt.outcome.duration);
                }
            }
            Change::Changed { .. } | Change::Due { .. } => continue,
        }
        counted = true;
    }
    statistics.changed |= counted;
}

/// Removes minutes that are too old, at most `most`; true if there may be more.
pub fn prune(work: &mut Work, most: usize) -> Result<bool, StoreError> {
    let oldest_kept = work.shared.clock.earlier().minus(KEPT).as_millis() / MINUTE_MILLIS;
    let from = keys::all_of(kind::MINUTE);
    let shared = work.shared;
    let mut removed = 0;
    for entry in shared.engine.range(&from, &Row::Minute(oldest_kept).key(), Order::Ascending).take(most) {
        work.delete(entry?.key);
        removed += 1;
    }
    Ok(removed == most)
}
