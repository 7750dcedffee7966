//! The progress of the endpoints that a batch changed, in few rows instead of one each: a ring of slots (`J`), of
//! which each batch overwrites the next. An endpoint's newest slot counts; a `P` row counts where there is none. What
//! in an overwritten slot is the newest still is written to its `P` row in the same batch, so nothing is ever lost.

use foldhash::HashMap;
use serde::{Deserialize, Serialize};

use super::{
    StoreError, codec,
    engine::{Engine, Order},
    keys::{self, Row, kind},
    stored::Progress,
};
use crate::domain::ids::EndpointId;

/// How many slots the ring has.
const SLOTS: u16 = 32;
/// A batch that would need more is written to `P` rows, with all that the ring holds.
const MOST_OF_A_BATCH: usize = 28;
/// A slot is full at about so many bytes: values have to stay small.
const SLOT_BYTES: usize = 4_000;

/// An endpoint's id, and whether there is anything of it.
const ID: usize = 18;
/// A length.
const LENGTH: usize = 3;
/// A time.
const TIME: usize = 9;
/// What each progress has: the queue's position, two counts as large as they get, the last success, and what is none.
const NUMBERS: usize = 17 + 2 * 5 + 1 + TIME + 3;

/// One slot: what a batch made of some endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalSlot {
    /// Which commit wrote it.
    pub commit: u64,
    /// `None`: nothing is left of the endpoint.
    pub progress: Vec<(EndpointId, Option<Progress>)>,
}

/// The newest progress of endpoints that have any in the ring.
pub type Newest = HashMap<EndpointId, Option<Progress>>;

/// Which endpoints lie in which slot.
#[derive(Debug, Default)]
pub struct Journal {
    slots: Vec<Vec<EndpointId>>,
    next: u16,
    newest: HashMap<EndpointId, u16>,
}

/// What a batch writes.
#[derive(Debug, Default)]
pub struct Plan {
    /// The slots that it overwrites.
    pub slots: Vec<(u16, Vec<EndpointId>)>,
    /// Endpoints whose progress goes into their `P` rows.
    pub own_rows: Vec<EndpointId>,
    /// Slots that are removed: all that there are, if any.
    pub emptied: Vec<u16>,
}

impl Plan {
    /// How many slots there are after it, of so many before: they are filled from the first on.
    pub fn slots_after(&self, before: u16) -> u16 {
        if !self.emptied.is_empty() {
            return 0;
        }
        self.slots.iter().map(|(slot, _)| slot + 1).fold(before, u16::max)
    }
}

impl Journal {
    /// The ring as it is stored.
    pub fn load(engine: &dyn Engine) -> Result<(Self, Newest), StoreError> {
        let mut slots = Vec::new();
        let all = keys::all_of(kind::JOURNAL);
        for entry in engine.range(&all, &keys::end_of(&all), Order::Ascending) {
            let entry = entry?;
            let Some((Row::Journal(slot), _)) = Row::parse(&entry.key) else { continue };
            let (read, _) =
                codec::decode::<JournalSlot>(&entry.key, &entry.value).map_err(|error| error.at(&entry.key))?;
            slots.push((slot, read));
        }
        Ok(Self::of(slots))
    }

    /// The ring of these slots, and what is the newest in it.
    pub fn of(mut slots: Vec<(u16, JournalSlot)>) -> (Self, Newest) {
        // A batch fills slots one after another, from one that it may share with no other batch.
        slots.sort_by_key(|(slot, read)| (read.commit, *slot));
        let last = slots.last().map_or(0, |(_, read)| read.commit);
        let of_last: Vec<u16> = slots.iter().filter(|(_, read)| read.commit == last).map(|(slot, _)| *slot).collect();
        let mut journal = Self { slots: vec![Vec::new(); usize::from(SLOTS)], ..Self::default() };
        journal.next = of_last.iter().map(|slot| after(*slot)).find(|next| !of_last.contains(next)).unwrap_or(0);
        let mut newest = Newest::default();
        for (slot, read) in slots {
            let Some(ids) = journal.slots.get_mut(usize::from(slot)) else { continue };
            for (id, progress) in read.progress {
                ids.push(id);
                journal.newest.insert(id, slot);
                newest.insert(id, progress);
            }
        }
        (journal, newest)
    }

    /// What a batch that changes these endpoints writes; `size` says about how many bytes one takes.
    pub fn plan(&self, mut changed: Vec<EndpointId>, size: impl Fn(EndpointId) -> usize) -> Plan {
        changed.sort_unstable();
        let mut plan = Plan::default();
        let (mut slot, mut bytes) = (self.next, 0);
        for id in &changed {
            let more = size(*id);
            match plan.slots.last_mut() {
                Some((_, ids)) if bytes + more <= SLOT_BYTES => ids.push(*id),
                _ => {
                    plan.slots.push((slot, vec![*id]));
                    (slot, bytes) = (after(slot), 0);
                }
            }
            bytes += more;
        }
        if plan.slots.len() > MOST_OF_A_BATCH {
            changed.extend(self.newest.keys());
            changed.sort_unstable();
            changed.dedup();
            let held = self.slots.iter().zip(0..).filter(|(ids, _)| !ids.is_empty());
            return Plan { slots: Vec::new(), own_rows: changed, emptied: held.map(|(_, slot)| slot).collect() };
        }
        for (slot, _) in &plan.slots {
            let newest = self.slots.get(usize::from(*slot)).into_iter().flatten();
            let newest = newest.filter(|id| self.newest.get(id) == Some(slot) && changed.binary_search(id).is_err());
            plan.own_rows.extend(newest);
        }
        plan
    }

    /// The batch of this plan was committed.
    pub fn committed(&mut self, plan: Plan) {
        for slot in plan.emptied {
            self.replace(slot, Vec::new());
            self.next = 0;
        }
        for (slot, ids) in plan.slots {
            self.replace(slot, ids);
            self.next = after(slot);
        }
    }

    fn replace(&mut self, slot: u16, ids: Vec<EndpointId>) {
        let Some(held) = self.slots.get_mut(usize::from(slot)) else { return };
        for id in std::mem::replace(held, ids) {
            if self.newest.get(&id) == Some(&slot) {
                self.newest.remove(&id);
            }
        }
        self.newest.extend(held.iter().map(|id| (*id, slot)));
    }
}

fn after(slot: u16) -> u16 {
    (slot + 1) % SLOTS
}

/// How many bytes an endpoint's progress takes in a slot, at most, and mostly not many fewer.
pub fn size_of(progress: Option<&Progress>) -> usize {
    let text = |progress: &Progress| {
        let failing = if progress.health.failing_since.is_some() { TIME } else { 0 };
        let error = progress.health.last_error.as_ref().map_or(0, |error| TIME + LENGTH + error.message.len());
        NUMBERS + LENGTH + progress.account.as_str().len() + failing + error
    };
    ID + progress.map_or(0, text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{account::Account, endpoint::LastError, ids::DeliveryId, time::Timestamp};

    /// What lies on the disk, and the ring beside it.
    #[derive(Default)]
    struct Disk {
        own: BTreeMap<EndpointId, Progress>,
        slots: BTreeMap<u16, JournalSlot>,
        commit: u64,
    }

    fn progress(version: u64) -> Progress {
        Progress { queue_position: DeliveryId::from_u128(version.into()), ..Progress::new(Account::default()) }
    }

    impl Disk {
        fn write(
            &mut self,
            journal: &mut Journal,
            changed: &BTreeMap<EndpointId, Option<Progress>>,
            all: &BTreeMap<EndpointId, Progress>,
            size: usize,
        ) {
            self.commit += 1;
            let plan = journal.plan(changed.keys().copied().collect(), |_| size);
            for (slot, ids) in &plan.slots {
                let progress = ids.iter().map(|id| (*id, changed[id].clone())).collect();
                self.slots.insert(*slot, JournalSlot { commit: self.commit, progress });
            }
            self.own.retain(|id, _| changed.get(id) != Some(&None));
            self.own.extend(plan.own_rows.iter().filter_map(|id| Some((*id, all.get(id)?.clone()))));
            self.slots.retain(|slot, _| !plan.emptied.contains(slot));
            journal.committed(plan);
        }

        fn read(&self) -> (Journal, BTreeMap<EndpointId, Progress>) {
            let (journal, newest) = Journal::of(self.slots.iter().map(|(slot, read)| (*slot, read.clone())).collect());
            let mut all = self.own.clone();
            for (id, progress) in newest {
                match progress {
                    Some(progress) => drop(all.insert(id, progress)),
                    None => drop(all.remove(&id)),
                }
            }
            (journal, all)
        }
    }

    #[test]
    fn what_is_reckoned_for_an_endpoint_is_about_what_it_takes() {
        let now = Timestamp::from_millis(1_795_000_000_000);
        let last_error = |length| Some(LastError { at: now, message: "x".repeat(length) });
        for (length, failing, pending) in [(None, false, 0), (Some(20), true, 70_000), (Some(300), true, 4_000_000_000)]
        {
            let mut progress = Progress { queue_position: DeliveryId::from_u128(u128::MAX), ..progress(1) };
            progress.health.pending = pending;
            progress.health.last_success_at = Some(now);
            progress.health.failing_since = failing.then_some(now);
            progress.health.last_error = length.and_then(last_error);
            let slot = |progress| JournalSlot { commit: 1, progress };
            let length = |slot: &JournalSlot| codec::pack(slot, &[]).unwrap().len();
            let reckoned = size_of(Some(&progress));
            let taken = length(&slot(vec![(EndpointId::from_u128(u128::MAX), Some(progress))])) - length(&slot(vec![]));
            assert!(taken <= reckoned && reckoned <= taken + 16, "{reckoned} for {taken}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Batches of a few or of very many endpoints, and restarts: what is read is what was written last.
        #[test]
        fn the_newest_progress_is_read_back(
            batches in prop::collection::vec((0..600_u128, 1..12_usize, any::<bool>(), 0..12_u8), 1..150),
            size in prop::sample::select(vec![90_usize, 1_000, 3_000]),
        ) {
            let (mut disk, mut journal, mut all) = (Disk::default(), Journal::of(Vec::new()).0, BTreeMap::new());
            for (version, (first, count, remove, special)) in (1..).zip(batches) {
                // Now and then so many that the ring cannot take them.
                let count = if special == 0 { count * 40 } else { count };
                let mut changed = BTreeMap::new();
                for id in (first + 1..).step_by(3).take(count).map(EndpointId::from_u128) {
                    let progress = (!(remove && id.as_u128() % 4 == 0)).then(|| progress(version));
                    match &progress {
                        Some(progress) => drop(all.insert(id, progress.clone())),
                        None => drop(all.remove(&id)),
                    }
                    changed.insert(id, progress);
                }
                disk.write(&mut journal, &changed, &all, size);
                if special == 1 {
                    let (read, found) = disk.read();
                    prop_assert!(found == all);
                    prop_assert_eq!((read.next, &read.slots, &read.newest), (journal.next, &journal.slots, &journal.newest));
                    journal = read;
                }
            }
            prop_assert!(disk.read().1 == all);
        }
    }
}
