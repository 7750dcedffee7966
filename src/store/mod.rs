//! The store, in the domain's words: accept events, settle attempts, ask for what is due and for what has been.
//! One writer thread gathers what is asked of it into batches; an answer comes after the batch is on stable storage.
//!
//! Bottom up: [`engine`] keeps bytes, [`codec`] makes bytes of records, [`keys`] says where each lies. [`work`] is a
//! batch in the making, [`commit`] the writer. Each question and each change has a file of its own above these.

mod accept;
mod audit;
pub mod backup;
mod by_hand;
mod codec;
mod commit;
mod delivery_list;
mod delivery_rows;
mod directory;
mod endpoints;
mod engine;
mod engine_change;
mod errors;
mod filters;
mod history;
mod journal;
mod keys;
mod long;
mod manifest;
mod migrate;
mod minting;
mod missed;
mod packed_attempt;
mod prune;
mod queue;
mod reading;
mod recent;
mod recipients;
pub mod records;
mod repair;
mod room;
mod scan;
mod sessions;
mod settings;
mod settle;
mod shared;
mod statistics;
mod stored;
mod streams;
mod traffic;
mod type_blocks;
mod unplaced;
mod verify;
mod waiting;
mod witness;
mod work;

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use crate::clock::Clock;
use commit::{Answer, Message, Request, RequestKind, Writer};
pub use directory::make as make_directory;
use engine::Engine;
#[cfg(any(test, feature = "testing"))]
pub use engine::memory;
pub use engine::{CopyError, EngineKind, UnknownEngine};
pub use engine_change::{ChangeStep, EngineChange, EngineChangeError, Survey, Watch, change_engine};
pub use errors::*;
pub use filters::*;
use manifest::Manifest;
pub use prune::in_steps;
pub use records::*;
pub use repair::{Loss, Lost, RepairError, RepairReport, repair};
pub use room::Space;
use shared::Shared;
pub use traffic::{TrafficPart, TrafficStep};
pub use verify::{Finding, Group, OnProgress, Report, verify};
use witness::Witness;
use work::Work;

/// So many lists and other long reads run at a time.
const READERS: usize = 8;

/// A handle on the open store; cheap to clone.
///
/// `async` methods write: they resolve once the change is on stable storage. The others read, and block for as long
/// as a few look-ups take: call them from [`Store::read`] where a list is asked for on an async thread.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    messages: mpsc::Sender<Message>,
    /// Places in the writer's queue.
    places: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// How far retention has come.
    walk: prune::Walk,
    /// How far pruning before its time has come.
    early_walk: prune::Walk,
    /// What the store says of itself on the disk.
    manifest: Manifest,
    directory: PathBuf,
    /// One copy is made at a time.
    backups: Arc<Semaphore>,
    /// Dropped after the engine.
    _lock: directory::DirectoryLock,
}

/// What a store is started from.
struct Opened {
    lock: directory::DirectoryLock,
    manifest: Manifest,
    engine: Box<dyn Engine>,
    /// One that lies in no directory has none.
    witness: Option<Witness>,
}

impl Store {
    /// Opens or creates the store in this directory.
    ///
    /// # Errors
    /// Another process holds it, it cannot be read, it was written by a newer release, it is on another engine than
    /// the one asked for, or it is damaged.
    pub fn open(directory: &Path, options: Options, clock: Clock) -> Result<Self, OpenError> {
        directory::make(directory)?;
        let lock = directory::DirectoryLock::take(directory)?;
        migrate::clear_up(directory)?;
        if !directory::holds_a_store(directory)? {
            directory::create(directory, options.engine.unwrap_or_default(), options.cache)?;
        } else if let Some(asked) = options.engine {
            directory::demand_engine(directory, asked)?;
        }
        migrate::bring_up_to_date(directory, options.cache)?;
        let (manifest, engine) = directory::open(directory, options.cache)?;
        engine_change::clear_left_overs(directory, manifest.engine)?;
        let witness = Some(Witness::open(&directory::store_of(directory))?);
        let opened = Opened { lock, manifest, engine, witness };
        Self::start(opened, directory, options, clock, commit::end_process)
    }

    /// A store on an engine of the caller's. A commit that fails ends the store, not the process: what waits for it is
    /// not answered, and nothing else is written.
    ///
    /// # Errors
    /// Another process holds the directory, which is used for its lock and its free space alone.
    #[cfg(any(test, feature = "testing"))]
    pub fn on_memory(
        engine: memory::MemoryEngine,
        directory: &Path,
        options: Options,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        Self::on_engine(Box::new(engine), directory, options, clock)
    }

    #[cfg(any(test, feature = "testing"))]
    fn on_engine(engine: Box<dyn Engine>, directory: &Path, options: Options, clock: Clock) -> Result<Self, OpenError> {
        let lock = directory::DirectoryLock::take(directory)?;
        directory::found(&*engine)?;
        let manifest = Manifest { format: manifest::FORMAT, ..Manifest::default() };
        Self::start(Opened { lock, manifest, engine, witness: None }, directory, options, clock, commit::end_writer)
    }

    fn start(
        opened: Opened,
        directory: &Path,
        options: Options,
        clock: Clock,
        last_resort: commit::LastResort,
    ) -> Result<Self, OpenError> {
        let Opened { lock, manifest, engine, witness } = opened;
        let watch = room::Watch::new(directory, &options);
        let shared = Shared::load(engine, clock, watch, options.placed_at_once)
            .map_err(|error| OpenError::Damaged(error.to_string()))?;
        if shared.watch.has_room_for(shared.engine.room_for(1, 1 << 10)) {
            let not_ready = |error| OpenError::Io { path: directory.to_owned(), source: io::Error::other(error) };
            shared.engine.warm_up().map_err(not_ready)?;
        }
        let shared = Arc::new(shared);
        let (messages, receiver) = mpsc::channel();
        let writer = Writer {
            shared: Arc::clone(&shared),
            messages: receiver,
            witness: RefCell::new(witness),
            witnessed: Cell::new(0),
            last_resort,
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|source| OpenError::Io { path: directory.to_owned(), source })?;
        let inner = Inner {
            shared,
            messages,
            places: Arc::new(Semaphore::new(options.queue.clamp(1, Semaphore::MAX_PERMITS))),
            readers: Arc::new(Semaphore::new(READERS)),
            writer: Mutex::new(Some(thread)),
            walk: prune::Walk::default(),
            early_walk: prune::Walk::default(),
            manifest,
            directory: directory.to_owned(),
            backups: Arc::new(Semaphore::new(1)),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Who is told of every committed change, on the writer's thread; set once, before the first write.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        if self.inner.shared.observer.set(observer).is_err() {
            tracing::error!("the store has an observer already; a second one is not told of anything");
        }
    }

    /// Runs reads on a thread where they may block. Few run at a time; the others wait.
    pub async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.inner.readers).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let store = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let _place = place;
            question(&store)
        });
        answer.await.unwrap_or_else(|_| Err(StoreError::Failed("a read was broken off".to_owned())))
    }

    /// Ends the writer after what is queued, and waits for it.
    pub fn close(&self) {
        self.inner.close();
    }

    /// A fresh id for an endpoint, a token, …: later than all before.
    pub fn mint(&self) -> u128 {
        self.shared().minter.mint(self.shared().clock.wall(), 1)
    }

    /// How much room there is, for the store and on its disk.
    pub fn space(&self) -> Space {
        let shared = self.shared();
        shared.watch.space(&*shared.engine)
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Has the writer make a change, and waits until it is on stable storage. A change that returns an error has made
    /// none; one that returns a value while the batch fails is answered with that failure.
    async fn write<T, E>(
        &self,
        kind: RequestKind,
        change: impl FnOnce(&mut Work<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place = self.place(kind.waits).await?;
        let (sender, answer) = oneshot::channel();
        let run = Box::new(move |work: Result<&mut Work<'_>, StoreError>| -> Option<Answer> {
            match work.map_err(E::from).and_then(change) {
                Ok(value) => Some(Box::new(move |committed: Result<(), StoreError>| {
                    // Nobody may be waiting any more.
                    let _ = sender.send(committed.map(|()| value).map_err(E::from));
                })),
                Err(error) => {
                    let _ = sender.send(Err(error));
                    None
                }
            }
        });
        let request = Message::Request(Request { run, kind, place });
        self.inner.messages.send(request).map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or_else(|_| {
            let closed = self.inner.places.is_closed();
            let unanswered = || StoreError::Failed("a change was broken off".to_owned());
            Err(if closed { StoreError::Closed } else { unanswered() }.into())
        })
    }

    async fn place(&self, waits: bool) -> Result<OwnedSemaphorePermit, StoreError> {
        let places = Arc::clone(&self.inner.places);
        if waits {
            return places.acquire_owned().await.map_err(|_| StoreError::Closed);
        }
        places.try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => StoreError::Overloaded,
            TryAcquireError::Closed => StoreError::Closed,
        })
    }
}

impl Inner {
    fn close(&self) {
        self.places.close();
        // It may have ended before.
        let _ = self.messages.send(Message::Close);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
