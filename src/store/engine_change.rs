//! Moving a store that nobody uses to another engine.
//!
//! All rows are copied into a new database beside the old one, which is only read. The manifest names the engine that
//! counts, and is exchanged whole, so that a death at any point leaves the old store or the new one:
//!
//! | in `store/` | is |
//! | --- | --- |
//! | the directory of the manifest's engine | the store |
//! | `ENGINE.unfinished` | a copy that was cut short: worthless |
//! | the directory of another engine | a copy that is whole but was not switched to, or the old store after the switch |
//!
//! What is not the store is removed by the next start or move, once the store itself has been opened.

use std::{fs, io, path::Path};

use fail::fail_point;
use sha2::{Digest as _, Sha256, digest::Output};

use super::{
    OpenError,
    directory::{self, STORE, io_at},
    engine::{self, CommitError, Engine, EngineKind, ReadError, every_entry, sync_directory, sync_files},
    manifest::Manifest,
};

/// Rows of a batch.
const BATCH: usize = 400;
/// Memory for each engine's cache.
const CACHE: u64 = 64 << 20;
/// Room on the disk for each byte of rows: both engines take up to about three times as much.
const ROOM_PER_BYTE: u64 = 4;
/// Room that is needed however small the store is.
const SPARE: u64 = 32 << 20;
/// Rows between two reports of progress.
const STRIDE: u64 = 2_000;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeStep {
    /// Counting and digesting the rows that there are.
    Reading,
    /// Writing them with the new engine.
    Copying,
    /// Reading back what was written.
    Checking,
}

/// Is told what is being done, how many rows it has done, and of how many, once that is known.
pub type Watch<'a> = &'a mut dyn FnMut(ChangeStep, u64, Option<u64>);

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChange {
    /// The store was on that engine before; nothing was done.
    Already,
    /// The store is moved.
    Moved {
        /// The engine before.
        from: EngineKind,
        /// What was found alike in both.
        rows: Survey,
    },
}

/// Why a store was not moved. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EngineChangeError {
    /// The store, or its copy, does not open, or its directory cannot be written.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store, or its copy, cannot be read through.
    #[error("a row could not be read: {0}")]
    Read(#[from] ReadError),
    /// The copy cannot be written.
    #[error("the copy could not be written: {0}")]
    Write(#[from] CommitError),
    /// The copy is not what was copied.
    #[error("the copy is not the same as the store: {copied:?}, not {stored:?}")]
    Differs {
        /// What is in the store.
        stored: Survey,
        /// What is in the copy.
        copied: Survey,
    },
    /// The disk is too full.
    #[error("the copy may need {needed} bytes of free disk, and there are {free}")]
    NoRoom {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
}

/// All rows of an engine, in short.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// How many there are.
    pub count: u64,
    /// The bytes of their keys and values.
    pub bytes: u64,
    /// SHA-256 over all of them in the order of keys; each key and value with its length (64 bits, big end first)
    /// before it.
    pub digest: [u8; 32],
}

impl Survey {
    /// The digest in hexadecimal digits.
    #[must_use]
    pub fn hex_digest(&self) -> String {
        format!("{:x}", Output::<Sha256>::from(self.digest))
    }
}

impl std::fmt::Debug for Survey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows with {} bytes and SHA-256 {}", self.count, self.bytes, self.hex_digest())
    }
}

/// Moves the store in this directory to an engine.
///
/// # Errors
/// There is no store, a process uses it, it cannot be read, there is no room for a copy, or the copy is not the same.
/// The store is then as it was.
pub fn change_engine(directory: &Path, to: EngineKind, watch: Watch<'_>) -> Result<EngineChange, EngineChangeError> {
    directory::demand_a_store(directory)?;
    let _lock = directory::DirectoryLock::take(directory)?;
    let (manifest, old) = directory::open(directory, CACHE)?;
    clear_left_overs(directory, manifest.engine)?;
    if manifest.engine == to {
        return Ok(EngineChange::Already);
    }
    let stored = survey(&*old, ChangeStep::Reading, None, watch)?;
    let store = directory.join(STORE);
    check_room(&store, stored.bytes)?;

    let unfinished = unfinished(&store, to);
    if let Err(error) = copy(&*old, stored, to, &unfinished, watch) {
        // The reason is what counts; what is left of the copy now is removed by the next start.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    drop(old);
    switch(&store, manifest, to)?;
    Ok(EngineChange::Moved { from: manifest.engine, rows: stored })
}

/// Removes what a move that was cut short left behind. Only to be called when the store was opened with this engine.
pub fn clear_left_overs(directory: &Path, current: EngineKind) -> Result<(), OpenError> {
    let store = directory.join(STORE);
    let mut removed = false;
    for kind in EngineKind::ALL {
        removed |= remove(&unfinished(&store, kind))?;
        removed |= kind != current && remove(&store.join(kind.name()))?;
    }
    if removed {
        tracing::info!("what a move to another engine that was cut short had left behind was removed");
        sync_directory(&store).map_err(io_at(&store))?;
    }
    Ok(())
}

fn unfinished(store: &Path, kind: EngineKind) -> std::path::PathBuf {
    store.join(format!("{kind}.unfinished"))
}

/// Removes a directory. `false`: there was none.
fn remove(directory: &Path) -> Result<bool, OpenError> {
    match fs::remove_dir_all(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_at(directory)(error)),
    }
}

fn survey(
    engine: &dyn Engine,
    step: ChangeStep,
    total: Option<u64>,
    watch: Watch<'_>,
) -> Result<Survey, EngineChangeError> {
    let (mut count, mut bytes, mut digest) = (0, 0, Sha256::new());
    for entry in every_entry(engine) {
        let entry = entry?;
        for part in [&entry.key, &entry.value] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            digest.update(length.to_be_bytes());
            digest.update(part);
            bytes += length;
        }
        count += 1;
        if count % STRIDE == 0 {
            watch(step, count, total);
        }
    }
    Ok(Survey { count, bytes, digest: digest.finalize().into() })
}

fn check_room(store: &Path, bytes: u64) -> Result<(), EngineChangeError> {
    fail_point!("change_engine::full", |_| Err(EngineChangeError::NoRoom { needed: bytes, free: 0 }));
    let found = rustix::fs::statvfs(store).map_err(|error| io_at(store)(error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let needed = bytes.saturating_mul(ROOM_PER_BYTE).saturating_add(SPARE);
    if free < needed { Err(EngineChangeError::NoRoom { needed, free }) } else { Ok(()) }
}

/// Makes the copy, has it on stable storage, and compares what is there with what was read.
fn copy(
    old: &dyn Engine,
    stored: Survey,
    to: EngineKind,
    unfinished: &Path,
    watch: Watch<'_>,
) -> Result<(), EngineChangeError> {
    engine::create(to, unfinished, CACHE, Vec::new())?;
    let new = engine::open(to, unfinished, CACHE)?;
    let mut batch: Vec<engine::Write> = Vec::with_capacity(BATCH);
    let mut done = 0;
    for entry in every_entry(old) {
        let entry = entry?;
        batch.push((entry.key, Some(entry.value)));
        done += 1;
        if batch.len() == BATCH {
            new.commit(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))?;
            fail_point!("change_engine::copying", |_| std::process::abort());
            watch(ChangeStep::Copying, done, Some(stored.count));
        }
    }
    new.commit(batch)?;
    // What is on the disk is compared, not what memory has of it.
    drop(new);
    sync_files(unfinished).map_err(io_at(unfinished))?;
    let new = engine::open(to, unfinished, CACHE)?;
    let copied = survey(&*new, ChangeStep::Checking, Some(stored.count), watch)?;
    drop(new);
    sync_files(unfinished).map_err(io_at(unfinished))?;
    if copied == stored { Ok(()) } else { Err(EngineChangeError::Differs { stored, copied }) }
}

/// Has the finished copy take the place of the store.
fn switch(store: &Path, manifest: Manifest, to: EngineKind) -> Result<(), OpenError> {
    let sync = || sync_directory(store).map_err(io_at(store));
    fail_point!("change_engine::copied", |_| std::process::abort());
    fs::rename(unfinished(store, to), store.join(to.name())).map_err(io_at(store))?;
    sync()?;
    fail_point!("change_engine::named", |_| std::process::abort());
    Manifest { engine: to, ..manifest }.write(store)?;
    sync()?;
    fail_point!("change_engine::switched", |_| std::process::abort());
    remove(&store.join(manifest.engine.name()))?;
    sync()
}
