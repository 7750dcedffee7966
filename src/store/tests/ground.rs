//! What a store under test stands on: each of the engines, made to fail, and cut off as by `kill -9` or a power cut.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use crate::{
    clock::Clock,
    store::{
        Options, Report, Store, directory,
        engine::{
            Aside, CommitError, CopyError, Engine, EngineKind, Entries, Order, ReadError, Write, Writes,
            memory::{Fault, MemoryEngine, Unsynced},
        },
        verify,
    },
};

const CACHE: u64 = 8 << 20;

pub struct Ground {
    directory: TempDir,
    engine: On,
    /// What becomes of the next commit.
    fault: Arc<Mutex<Option<Fault>>>,
}

enum On {
    Disk(EngineKind),
    Memory(MemoryEngine),
}

impl Ground {
    pub fn on_disk(kind: EngineKind) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), engine: On::Disk(kind), fault: Arc::default() }
    }

    pub fn in_memory(engine: MemoryEngine) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), engine: On::Memory(engine), fault: Arc::default() }
    }

    /// Opens the store; a commit that fails ends its writer.
    pub fn open(&self) -> Store {
        let options = Options { cache: CACHE, placed_at_once: 1, ..Options::default() };
        let directory = self.directory.path();
        let engine: Box<dyn Engine> = match &self.engine {
            On::Disk(kind) => {
                if !directory::holds_a_store(directory).unwrap() {
                    let options = Options { engine: Some(*kind), ..options };
                    Store::open(directory, options, Clock::start()).unwrap();
                }
                directory::demand_engine(directory, *kind).unwrap();
                directory::open(directory, CACHE).unwrap().1
            }
            On::Memory(engine) => Box::new(engine.clone()),
        };
        *self.fault.lock().unwrap() = None;
        let engine = Failing { engine, fault: Arc::clone(&self.fault) };
        Store::on_engine(Box::new(engine), directory, options, Clock::start()).unwrap()
    }

    /// The full check of the closed store.
    pub fn verify(&self) -> Report {
        match &self.engine {
            On::Disk(_) => verify(self.directory.path(), &mut |_, _| {}).unwrap(),
            On::Memory(engine) => verify::check(engine),
        }
    }

    /// Lets the next commit fail so.
    pub fn fail_next(&self, fault: Fault) {
        match &self.engine {
            On::Disk(_) => *self.fault.lock().unwrap() = Some(fault),
            On::Memory(engine) => engine.fail_after(0, fault),
        }
    }

    /// Whether a batch that failed in this way is there after a crash; `None`: it may be or not.
    pub fn keeps(&self, fault: Fault) -> Option<bool> {
        match (fault, &self.engine) {
            (Fault::BeforeApplying, _) => Some(false),
            (Fault::BeforeSyncing, On::Memory(_)) => None,
            (Fault::BeforeSyncing, On::Disk(_)) | (Fault::AfterSyncing, _) => Some(true),
        }
    }

    /// Goes on with what a death of the process at this moment leaves. The store that is open now has no part in it
    /// any more; what is returned is where it lies, and has to outlive it.
    #[must_use]
    pub fn crash(&mut self, seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = match &self.engine {
            On::Disk(kind) => {
                // The files as the kernel has them.
                copy(&self.directory.path().join("store"), &directory.path().join("store"));
                On::Disk(*kind)
            }
            On::Memory(engine) => On::Memory(engine.crash(Unsynced::Some { seed })),
        };
        std::mem::replace(self, Self { directory, engine, fault: Arc::default() })
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

/// An engine on disk, with faults; it syncs all that it applies.
struct Failing {
    engine: Box<dyn Engine>,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Engine for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.engine.get(key)
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order) -> Entries<'_> {
        self.engine.range(from, to, order)
    }

    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError> {
        let fault = self.fault.lock().unwrap().take();
        if fault != Some(Fault::BeforeApplying) {
            self.engine.commit(batch)?;
        }
        if fault.is_some() { Err(CommitError("an injected failure".to_owned())) } else { Ok(()) }
    }

    fn copy(&self, aside: Aside) -> Result<Writes<'_>, CopyError> {
        self.engine.copy(aside)
    }

    fn approximate_size(&self) -> u64 {
        self.engine.approximate_size()
    }
}
