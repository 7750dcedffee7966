//! A batch in the making: rows and the state that goes with them, seen by the writer as if they were stored. What
//! one request did can be taken back without touching the others of the batch.

use std::collections::hash_map;

use foldhash::HashMap;

use super::{
    Change, Minute, StoreError, codec,
    engine::{Entry, Write},
    journal::{self, JournalSlot, Plan},
    keys::Row,
    reading::{self, Rows},
    recent::Touched,
    shared::Shared,
    stored::{Life, Meta, Progress, StoredDelivery},
    type_blocks::TypeBlocks,
};
use crate::domain::{
    event_type::EventTypeName,
    ids::{DeliveryId, EndpointId},
    time::Timestamp,
};

/// The batch.
pub struct Work<'a> {
    /// What is stored.
    pub shared: &'a Shared,
    /// What concerns the whole store, with this batch's changes.
    pub meta: Meta,
    /// What the observer will be told.
    pub changes: Vec<Change>,
    /// Deliveries that were stored before and are changed.
    pub touched: Vec<Touched>,
    rows: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Of touched endpoints; `None`: it is to be removed.
    endpoints: HashMap<EndpointId, Option<Progress>>,
    type_blocks: TypeBlocks,
    undo: Vec<Undo>,
    meta_before: Meta,
    changes_before: usize,
    touched_before: usize,
    /// Whether the request changed the blocks of types.
    noted: bool,
}

/// What was in the batch before.
enum Undo {
    Row(Vec<u8>, Option<Vec<u8>>),
    NoRow(Vec<u8>),
    Endpoint(EndpointId, Option<Progress>),
    NoEndpoint(EndpointId),
}

/// A batch that is ready for the engine, and what becomes visible after it.
pub struct Finished {
    /// The rows.
    pub writes: Vec<Write>,
    /// The state of the endpoints that it touched.
    pub endpoints: HashMap<EndpointId, Option<Progress>>,
    /// The state of the whole store.
    pub meta: Meta,
    /// What the observer will be told.
    pub changes: Vec<Change>,
    /// Deliveries that were stored before and are changed.
    pub touched: Vec<Touched>,
    /// Where the progress of endpoints is written.
    pub journal: Plan,
    /// The block that the next ids go to.
    pub type_blocks: TypeBlocks,
}

impl<'a> Work<'a> {
    /// An empty batch.
    pub fn new(shared: &'a Shared) -> Self {
        let meta = shared.view().meta.clone();
        Self {
            shared,
            meta_before: meta.clone(),
            meta,
            changes: Vec::new(),
            touched: Vec::new(),
            rows: HashMap::default(),
            endpoints: HashMap::default(),
            type_blocks: std::mem::take(&mut shared.type_blocks()),
            undo: Vec::new(),
            changes_before: 0,
            touched_before: 0,
            noted: false,
        }
    }

    /// A request begins: [`Self::take_back`] goes back to here.
    pub fn begin(&mut self) {
        self.undo.clear();
        self.meta_before.clone_from(&self.meta);
        self.changes_before = self.changes.len();
        self.touched_before = self.touched.len();
        self.noted = false;
    }

    /// Undoes what was done since [`Self::begin`].
    pub fn take_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Row(key, before) => drop(self.rows.insert(key, before)),
                Undo::NoRow(key) => drop(self.rows.remove(&key)),
                Undo::Endpoint(id, before) => drop(self.endpoints.insert(id, before)),
                Undo::NoEndpoint(id) => drop(self.endpoints.remove(&id)),
            }
        }
        self.meta.clone_from(&self.meta_before);
        self.changes.truncate(self.changes_before);
        self.touched.truncate(self.touched_before);
        if self.noted {
            self.type_blocks.forget();
        }
    }

    /// A delivery, and its latest attempt if that lies with it.
    pub fn delivery(&self, id: DeliveryId) -> Result<Option<(StoredDelivery, Vec<u8>)>, StoreError> {
        if !self.rows.contains_key(&Row::Delivery(id).key())
            && let Some(delivery) = self.shared.recent.delivery(id)
        {
            return Ok(Some((StoredDelivery::new(delivery), Vec::new())));
        }
        reading::delivery(self, id)
    }

    /// How many rows the batch has so far, or how many endpoints it changes, if these are more.
    pub fn len(&self) -> usize {
        self.rows.len().max(self.endpoints.len())
    }

    /// Sets a row.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.set(key, Some(value));
    }

    /// Sets a row with one record.
    pub fn put_record<R: codec::Record>(&mut self, row: &Row, record: &R, tail: &[u8]) -> Result<(), StoreError> {
        let key = row.key();
        let value = codec::encode(&key, record, tail)?;
        self.put(key, value);
        Ok(())
    }

    /// Removes a row, whether it is there or not.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.set(key, None);
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let undo = match self.rows.insert(key.clone(), value) {
            Some(before) => Undo::Row(key, before),
            None => Undo::NoRow(key),
        };
        self.undo.push(undo);
    }

    /// Has lists by type find what is stored under this new id.
    pub fn note_type(&mut self, event_type: &EventTypeName, id: u128) {
        let mut blocks = std::mem::take(&mut self.type_blocks);
        blocks.note(event_type, id, |row| self.put(row.key(), Vec::new()));
        self.type_blocks = blocks;
        self.noted = true;
    }

    /// An endpoint's progress; `None` if nothing is known of it.
    pub fn progress(&self, id: EndpointId) -> Option<Progress> {
        match self.endpoints.get(&id) {
            Some(progress) => progress.clone(),
            None => self.shared.view().endpoints.get(&id).cloned(),
        }
    }

    /// Whether an endpoint is there and not deleted.
    pub fn is_alive(&self, id: EndpointId) -> bool {
        match self.endpoints.get(&id) {
            Some(progress) => progress.as_ref().is_some_and(|progress| progress.life == Life::Alive),
            None => self.shared.is_alive(id),
        }
    }

    /// Changes an endpoint's progress.
    ///
    /// # Errors
    /// Nothing is known of the endpoint, though something of it is stored.
    pub fn change_progress(&mut self, id: EndpointId, change: impl FnOnce(&mut Progress)) -> Result<(), StoreError> {
        let slot = match self.endpoints.entry(id) {
            hash_map::Entry::Occupied(slot) => {
                self.undo.push(Undo::Endpoint(id, slot.get().clone()));
                slot.into_mut()
            }
            hash_map::Entry::Vacant(slot) => {
                self.undo.push(Undo::NoEndpoint(id));
                slot.insert(self.shared.view().endpoints.get(&id).cloned())
            }
        };
        match slot {
            Some(progress) => {
                change(progress);
                Ok(())
            }
            None => Err(StoreError::Failed(format!("the progress of endpoint {id} is missing"))),
        }
    }

    /// Sets an endpoint's progress, or removes it.
    pub fn set_progress(&mut self, id: EndpointId, progress: Option<Progress>) {
        let undo = match self.endpoints.insert(id, progress) {
            Some(before) => Undo::Endpoint(id, before),
            None => Undo::NoEndpoint(id),
        };
        self.undo.push(undo);
    }

    /// The ids of `count` new things, consecutive, and the wall clock's time that goes with them.
    pub fn mint(&mut self, count: u32) -> (u128, Timestamp) {
        let now = self.shared.clock.wall();
        let first = self.shared.minter.mint(now, count);
        let minted_at = u64::try_from(first >> 80).unwrap_or(u64::MAX);
        let skew = minted_at.saturating_sub(now.as_millis().cast_unsigned());
        self.meta.skew = self.meta.skew.max(skew);
        (first, now)
    }

    /// Adds the rows that are written once a batch. `None`: there is nothing to write.
    pub fn finish(mut self, minutes: &[Minute]) -> Result<Option<Finished>, StoreError> {
        if self.rows.is_empty() && self.endpoints.is_empty() && minutes.is_empty() {
            *self.shared.type_blocks() = self.type_blocks;
            return Ok(None);
        }
        for minute in minutes {
            self.put_record(&Row::Minute(minute.minute), minute, &[])?;
        }
        // Everything in this batch was minted before now.
        self.meta.last_id = self.shared.minter.last();
        self.meta.commits = self.meta.commits.saturating_add(1);
        let journal = self.put_progress()?;
        let meta = self.meta.clone();
        self.put_record(&Row::Meta, &meta, &[])?;
        let writes = self.rows.into_iter().collect();
        let Self { endpoints, changes, touched, type_blocks, .. } = self;
        Ok(Some(Finished { writes, endpoints, meta, changes, touched, journal, type_blocks }))
    }

    /// The rows of the progress that this batch changed, and of what has to make room for it.
    fn put_progress(&mut self) -> Result<Plan, StoreError> {
        let plan = {
            let journal = self.shared.journal();
            let size = |id| journal::size_of(self.endpoints.get(&id).and_then(Option::as_ref));
            journal.plan(self.endpoints.keys().copied().collect(), size)
        };
        for (slot, ids) in &plan.slots {
            let progress = ids.iter().map(|id| (*id, self.progress(*id))).collect();
            self.put_record(&Row::Journal(*slot), &JournalSlot { commit: self.meta.commits, progress }, &[])?;
        }
        let gone = self.endpoints.iter().filter(|(_, progress)| progress.is_none()).map(|(id, _)| *id);
        for id in gone.collect::<Vec<_>>() {
            self.delete(Row::Progress(id).key());
        }
        for id in &plan.own_rows {
            if let Some(progress) = self.progress(*id) {
                self.put_record(&Row::Progress(*id), &progress, &[])?;
            }
        }
        self.meta.journal_slots = plan.slots_after(self.meta.journal_slots);
        for slot in &plan.emptied {
            self.delete(Row::Journal(*slot).key());
        }
        Ok(plan)
    }
}

impl Rows for Work<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.rows.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.shared.get(key),
        }
    }

    /// What the batch changed among them is seen, what it adds is not: nothing asks for that.
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, StoreError> {
        let Some(stored) = self.shared.last(from, to)? else { return Ok(None) };
        Ok(match self.rows.get(&stored.key) {
            Some(changed) => changed.clone().map(|value| Entry { value, ..stored }),
            None => Some(stored),
        })
    }
}
