//! An engine in memory, for tests and simulations. It keeps what is applied and what is synced apart, loses in a crash
//! what was not synced, and fails when it is told to.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Aside, CommitError, CopyError, Engine, Entries, Entry, Order, ReadError, Write, Writes, captured::Capture,
};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Before anything is applied.
    BeforeApplying,
    /// Readers see the batch, but it is not synced.
    BeforeSyncing,
    /// The batch is on stable storage, and its writer does not know.
    AfterSyncing,
}

/// What a crash keeps of the batches that were applied but not synced. Each is kept whole or not at all, and none
/// without those before it: an engine's log is in the order of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// Nothing.
    Lost,
    /// As many of the oldest as the seed says.
    Some {
        /// Picks how many.
        seed: u64,
    },
}

/// The engine; a clone is another handle on the same rows.
#[derive(Debug, Clone, Default)]
pub struct MemoryEngine {
    state: Arc<Mutex<State>>,
    capture: Arc<Capture>,
}

#[derive(Debug, Default)]
struct State {
    applied: Rows,
    synced: Rows,
    /// Batches that are in `applied` alone, oldest first.
    unsynced: Vec<Vec<Write>>,
    /// Commits return without a sync.
    holds_syncs: bool,
    /// The commit that fails, counted from the next one, which is 0.
    fault: Option<(u64, Fault)>,
}

impl MemoryEngine {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the commit after the next `commits` ones fail in this way.
    pub fn fail_after(&self, commits: u64, fault: Fault) {
        self.state().fault = Some((commits, fault));
    }

    /// From now on commits return without a sync, as those of an engine that cannot be trusted; or no longer.
    pub fn hold_syncs(&self, hold: bool) {
        self.state().holds_syncs = hold;
    }

    /// What is found after a power cut at this moment. This engine goes on untouched, as if nobody had noticed.
    #[must_use]
    pub fn crash(&self, unsynced: Unsynced) -> Self {
        let state = self.state();
        let kept = match unsynced {
            Unsynced::Lost => 0,
            Unsynced::Some { seed } => {
                let choices = u64::try_from(state.unsynced.len()).unwrap_or(u64::MAX).saturating_add(1);
                usize::try_from(seed % choices).unwrap_or(0)
            }
        };
        let mut rows = state.synced.clone();
        for batch in &state.unsynced[..kept] {
            apply(&mut rows, batch);
        }
        let state = State { applied: rows.clone(), synced: rows, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), capture: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The fault of this commit, if it has one.
    fn strike(&mut self) -> Option<Fault> {
        let (commits, fault) = self.fault.take()?;
        match commits.checked_sub(1) {
            Some(left) => {
                self.fault = Some((left, fault));
                None
            }
            None => Some(fault),
        }
    }

    fn sync(&mut self) {
        for batch in std::mem::take(&mut self.unsynced) {
            apply(&mut self.synced, &batch);
        }
    }
}

fn apply(rows: &mut Rows, batch: &[Write]) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(rows.insert(key.clone(), value.clone())),
            None => drop(rows.remove(key)),
        }
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.state().applied.get(key).cloned())
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order) -> Entries<'_> {
        let (mut from, mut to) = (Bound::Included(from.to_vec()), Bound::Excluded(to.to_vec()));
        // One look-up a step, so that a walk holds no lock and copies nothing that is not asked for.
        Box::new(std::iter::from_fn(move || {
            if let (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) = (&from, &to)
                && from >= to
            {
                return None;
            }
            let state = self.state();
            let mut range = state.applied.range((from.clone(), to.clone()));
            let (key, value) = match order {
                Order::Ascending => range.next()?,
                Order::Descending => range.next_back()?,
            };
            let end = Bound::Excluded(key.clone());
            match order {
                Order::Ascending => from = end,
                Order::Descending => to = end,
            }
            Some(Ok(Entry { key: key.clone(), value: value.clone() }))
        }))
    }

    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError> {
        let committing = self.capture.committing();
        let mut state = self.state();
        let fault = state.strike();
        let failed = || Err(CommitError("an injected failure".to_owned()));
        if fault == Some(Fault::BeforeApplying) {
            return failed();
        }
        apply(&mut state.applied, &batch);
        state.unsynced.push(batch.clone());
        if fault == Some(Fault::BeforeSyncing) {
            return failed();
        }
        if !state.holds_syncs {
            state.sync();
        }
        if fault == Some(Fault::AfterSyncing) {
            return failed();
        }
        drop(state);
        committing.committed(&batch);
        Ok(())
    }

    fn copy(&self, aside: Aside) -> Result<Writes<'_>, CopyError> {
        self.capture.copy(self, aside)
    }

    fn approximate_size(&self) -> u64 {
        let state = self.state();
        let bytes: usize = state.applied.iter().map(|(key, value)| key.len() + value.len()).sum();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}
