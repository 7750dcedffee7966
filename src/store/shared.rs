//! What the writer and all readers share: the engine, and in memory the small things that are asked for all the
//! time. The writer alone changes them, after each commit; locks are held for a look or an exchange.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use foldhash::HashMap;

use super::{
    Observer, StoreError,
    engine::{Engine, Entries, Entry, Order, ReadError},
    journal::Journal,
    keys::{self, Row, kind},
    minting::Minter,
    reading::{self, Rows},
    recent::Recent,
    room::Watch,
    statistics::Statistics,
    stored::{Life, Meta, Progress},
    traffic::Traffic,
    type_blocks::TypeBlocks,
    unplaced::Unplaced,
};
use crate::{
    clock::Clock,
    domain::ids::{DeliveryId, EndpointId},
};

/// More damage than this is not told of while the server runs.
const MOST_TOLD: usize = 1_000;

/// The shared state.
pub struct Shared {
    /// The bytes.
    pub engine: Box<dyn Engine>,
    /// Both clocks.
    pub clock: Clock,
    /// How much room there is.
    pub watch: Watch,
    /// Where ids come from.
    pub minter: Minter,
    /// What was accepted a moment ago.
    pub recent: Recent,
    /// What is not in its queue yet.
    pub unplaced: Unplaced,
    /// Who is told of changes.
    pub observer: OnceLock<Arc<dyn Observer>>,
    /// Damage that was told of.
    told: Mutex<HashSet<String>>,
    view: RwLock<View>,
    statistics: Mutex<Statistics>,
    traffic: Mutex<Traffic>,
    journal: Mutex<Journal>,
    type_blocks: Mutex<TypeBlocks>,
}

/// What was committed last; endpoints may be those of a batch that is being committed.
pub struct View {
    /// Every endpoint, deleted ones included while there is something of them.
    pub endpoints: HashMap<EndpointId, Progress>,
    /// Totals and such.
    pub meta: Meta,
    /// Where the queues stood of those endpoints whose progress is ahead of what is committed.
    passing: HashMap<EndpointId, DeliveryId>,
    /// Ids up to here are on stable storage. What is above may be seen in the engine, but can still be lost.
    pub durable: u128,
}

impl View {
    /// What was taken over is committed.
    pub fn committed(&mut self, meta: Meta) {
        self.passing.clear();
        self.durable = meta.last_id;
        self.meta = meta;
    }

    /// The endpoints of which something waits, each with a place in its queue that has nothing fresh before it, whatever
    /// of a batch that is being committed is to be seen in the engine.
    pub fn queues(&self) -> impl Iterator<Item = (EndpointId, &Progress, DeliveryId)> {
        self.endpoints.iter().filter_map(|(id, progress)| {
            let waits = progress.health.pending > 0 || self.passing.contains_key(id);
            waits.then(|| (*id, progress, self.position(*id)))
        })
    }

    /// That place in the queue of one endpoint.
    pub fn position(&self, endpoint: EndpointId) -> DeliveryId {
        let committed = self.passing.get(&endpoint).copied();
        let position = || self.endpoints.get(&endpoint).map_or(DeliveryId::MIN, |progress| progress.queue_position);
        committed.unwrap_or_else(position)
    }

    /// Takes over what a batch makes of endpoints; `None`: nothing is left of one.
    pub fn take_endpoints(&mut self, changed: HashMap<EndpointId, Option<Progress>>) {
        for (id, progress) in changed {
            if let Some(before) = self.endpoints.get(&id) {
                self.passing.insert(id, before.queue_position);
            }
            match progress {
                Some(progress) => drop(self.endpoints.insert(id, progress)),
                None => drop(self.endpoints.remove(&id)),
            }
        }
    }
}

impl Shared {
    /// Reads what is kept in memory.
    pub fn load(
        engine: Box<dyn Engine>,
        clock: Clock,
        watch: Watch,
        placed_at_once: usize,
    ) -> Result<Self, StoreError> {
        let rows = EngineRows(&*engine);
        let meta = reading::record::<Meta>(&rows, &Row::Meta)?;
        let (meta, _) = meta.ok_or_else(|| StoreError::Failed("the totals are missing".to_owned()))?;
        let mut endpoints = HashMap::default();
        let all = keys::all_of(kind::PROGRESS);
        for entry in engine.range(&all, &keys::end_of(&all), Order::Ascending) {
            let entry = entry?;
            let Some((Row::Progress(id), _)) = Row::parse(&entry.key) else { continue };
            let (progress, _) =
                super::codec::decode::<Progress>(&entry.key, &entry.value).map_err(|error| error.at(&entry.key))?;
            endpoints.insert(id, progress);
        }
        let (journal, newest) = Journal::load(&*engine)?;
        for (id, progress) in newest {
            match progress {
                Some(progress) => drop(endpoints.insert(id, progress)),
                None => drop(endpoints.remove(&id)),
            }
        }
        let durable = meta.last_id;
        clock.not_before(DeliveryId::from_u128(durable).minted_at());
        let traffic = Mutex::new(Traffic::load(&*engine)?);
        let unplaced = Unplaced::load(&*engine, placed_at_once)?;
        Ok(Self {
            engine,
            clock,
            watch,
            minter: Minter::after(durable),
            journal: Mutex::new(journal),
            recent: Recent::default(),
            unplaced,
            observer: OnceLock::new(),
            told: Mutex::default(),
            view: RwLock::new(View { endpoints, meta, durable, passing: HashMap::default() }),
            statistics: Mutex::default(),
            traffic,
            type_blocks: Mutex::default(),
        })
    }

    /// What was committed last, to look at.
    pub fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for the writer, to change it.
    pub fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts of the last minutes.
    pub fn statistics(&self) -> MutexGuard<'_, Statistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes over what is damaged, so that one record does not keep all others from being read; an error of the log
    /// names it, once.
    pub fn past_damage<T>(&self, read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Err(StoreError::Damaged(what)) => {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.len() < MOST_TOLD && told.insert(what.clone()) {
                    tracing::error!(%what, "the store is damaged; `mythichooks verify` names all that is");
                }
                Ok(None)
            }
            read => read,
        }
    }

    /// Each endpoint's attempts of the last week.
    pub fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the newest progress of endpoints lies.
    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block of types that new ids go to; while a batch is in the making, that has it.
    pub fn type_blocks(&self) -> MutexGuard<'_, TypeBlocks> {
        self.type_blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries of a family of keys, in the given order.
    pub fn family(&self, prefix: &[u8], order: Order) -> Entries<'_> {
        self.engine.range(prefix, &keys::end_of(prefix), order)
    }

    /// The ids at the end of an index's keys, above `after` and up to `last`, ascending.
    pub fn ids_after<'a>(
        &'a self,
        prefix: &[u8],
        after: u128,
        last: u128,
    ) -> impl Iterator<Item = Result<u128, StoreError>> + use<'a> {
        let from = keys::with_id(prefix, after.saturating_add(1));
        let mut to = keys::with_id(prefix, last);
        to.push(0);
        let entries = self.engine.range(&from, &to, Order::Ascending);
        entries.map(|entry| Ok(keys::last_id(&entry?.key).unwrap_or(0)))
    }

    /// The deliveries in an endpoint's queue, above `after` and up to `last`, ascending.
    pub fn queue(
        &self,
        endpoint: EndpointId,
        after: u128,
        last: u128,
    ) -> impl Iterator<Item = Result<u128, StoreError>> + use<'_> {
        // In this order, so that one that is given its place meanwhile is met twice, and not missed.
        let mut unplaced = self.unplaced.of(endpoint, after, last).into_iter().peekable();
        let mut placed = self.ids_after(&keys::queue_of(endpoint), after, last).peekable();
        std::iter::from_fn(move || match (unplaced.peek().copied(), placed.peek()) {
            (Some(_), None) => unplaced.next().map(Ok),
            (Some(id), Some(Ok(next))) if id < *next => unplaced.next().map(Ok),
            (Some(_), Some(Ok(next))) => {
                unplaced.next_if_eq(next);
                placed.next()
            }
            _ => placed.next(),
        })
    }

    /// Whether a delivery without a record may wait at an endpoint: its queue has not passed it.
    pub fn may_wait(&self, endpoint: EndpointId, id: DeliveryId) -> bool {
        let view = self.view();
        let progress = view.endpoints.get(&endpoint);
        progress.is_some_and(|progress| progress.life != Life::Dropped && id > progress.queue_position)
    }

    /// Whether an endpoint is there and not deleted.
    pub fn is_alive(&self, id: EndpointId) -> bool {
        self.view().endpoints.get(&id).is_some_and(|progress| progress.life == Life::Alive)
    }
}

impl Rows for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.engine.get(key)?)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, StoreError> {
        EngineRows(&*self.engine).last(from, to)
    }
}

/// An engine without the rest.
pub struct EngineRows<'a>(pub &'a dyn Engine);

impl Rows for EngineRows<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key)?)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, StoreError> {
        Ok(self.0.range(from, to, Order::Descending).next().transpose()?)
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> Self {
        Self::Damaged(error.0)
    }
}
