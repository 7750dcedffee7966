//! The engine on sled 0.34, the one file that names it.
//!
//! sled promises less than its names say, so this is what is kept here: its `flush` hands data to the kernel without
//! syncing it (`sync_file_range`), so the database file is synced by us after every batch; its own flusher is off;
//! what a new database consists of is synced before it counts as made; a snapshot that was left half-written by a
//! death in the middle of recovery is deleted first, for it could never be opened again; segments stay at 512 KiB,
//! and nobody above writes values that are large enough to become files of their own, which sled never syncs.

use std::{
    fs::File,
    io,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    Aside, CommitError, CopyError, Engine, Entries, Entry, Order, ReadError, Write, Writes, captured::Capture,
    demand_file, quiet::quietly, sync_directory, sync_files,
};
use crate::store::OpenError;

const SEGMENT: usize = 512 * 1024;
/// From this size on, what sled does at the first write after it was opened takes time. Tests have no such store, and are
/// to do what it does.
const LARGE: u64 = if cfg!(feature = "testing") { 1 } else { 1 << 30 };
/// The tree that is written to for that, and its only key. It holds nothing of ours.
const WARM_UP: &str = "warm-up";
/// So many rows replace about as much as one step of the collector frees.
const ROWS_A_COLLECTION: usize = 64;
/// How long a database that was just closed may hold its lock, and how often that is looked at.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// sled's names for its files.
const DATABASE: &str = "db";
const CONFIGURATION: &str = "conf";

/// An open sled database.
pub struct SledEngine {
    db: sled::Db,
    /// A second handle on the database file, to sync it.
    file: File,
    capture: Capture,
    /// So many rows were committed since garbage was last freed.
    untidy: AtomicUsize,
}

impl SledEngine {
    /// Makes a new database with these rows in this directory and has all of it on stable storage; the directory that
    /// holds this one is synced by the caller.
    pub fn create(directory: &Path, cache: u64, first: Vec<Write>) -> Result<(), OpenError> {
        let io = |source| OpenError::Io { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(io)?;
        let db = open(directory, cache)?;
        let file = File::open(directory.join(DATABASE)).map_err(io)?;
        let engine = Self { db, file, capture: Capture::default(), untidy: AtomicUsize::default() };
        engine.commit(first).map_err(|error| io(io::Error::other(error)))?;
        drop(engine);
        sync_files(directory).map_err(io)
    }

    /// Opens a database that was made before.
    pub fn open(directory: &Path, cache: u64) -> Result<Self, OpenError> {
        for name in [CONFIGURATION, DATABASE] {
            demand_file(&directory.join(name))?;
        }
        remove_half_written_snapshots(directory)
            .map_err(|source| OpenError::Io { path: directory.to_owned(), source })?;
        let db = open(directory, cache)?;
        let path = directory.join(DATABASE);
        let file = File::open(&path).map_err(|source| OpenError::Io { path, source })?;
        Ok(Self { db, file, capture: Capture::default(), untidy: AtomicUsize::default() })
    }
}

/// `cache` is what the cache takes in memory. sled counts the bytes of its rows alone; as they lie in memory they take an
/// eighth more or so.
fn open(directory: &Path, cache: u64) -> Result<sled::Db, OpenError> {
    let config =
        sled::Config::new().path(directory).cache_capacity(cache / 8 * 7).segment_size(SEGMENT).flush_every_ms(None);
    let mut patience = LOCK_PATIENCE;
    loop {
        match quietly(|| config.open()) {
            Ok(Ok(db)) => return Ok(db),
            // The directory is ours, so this is a thread of a database that this process has just closed.
            Ok(Err(sled::Error::Io(error))) if is_locked(&error) && !patience.is_zero() => {
                std::thread::sleep(LOCK_PAUSE);
                patience = patience.saturating_sub(LOCK_PAUSE);
            }
            Ok(Err(sled::Error::Io(source))) => return Err(OpenError::Io { path: directory.to_owned(), source }),
            Ok(Err(error)) => return Err(OpenError::Damaged(format!("{}: {error}", directory.display()))),
            Err(panic) => return Err(OpenError::Damaged(format!("{}: recovery failed: {panic}", directory.display()))),
        }
    }
}

fn is_locked(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn remove_half_written_snapshots(directory: &Path) -> io::Result<()> {
    let mut removed = false;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
            removed = true;
        }
    }
    if removed { sync_directory(directory) } else { Ok(()) }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match quietly(|| self.db.get(key)) {
            Ok(Ok(value)) => Ok(value.map(|value| value.to_vec())),
            Ok(Err(error)) => Err(ReadError(error.to_string())),
            Err(panic) => Err(ReadError(panic.to_string())),
        }
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order) -> Entries<'_> {
        let range = (from < to).then(|| self.db.range(from..to));
        Box::new(Walk { range, order })
    }

    fn commit(&self, mut batch: Vec<Write>) -> Result<(), CommitError> {
        self.tidy();
        // Values that come to lie in one node, and leave the cache with it, so lie together in memory too.
        batch.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let committing = self.capture.committing();
        let mut writes = sled::Batch::default();
        for (key, value) in &batch {
            match value {
                Some(value) => writes.insert(key.as_slice(), value.as_slice()),
                None => writes.remove(key.as_slice()),
            }
        }
        self.db.apply_batch(writes).map_err(|error| CommitError(format!("a batch was not applied: {error}")))?;
        self.db.flush().map_err(|error| CommitError(format!("a batch was not written: {error}")))?;
        fail::fail_point!("engine::sync", |_| Err(CommitError(
            "a batch was not synced: an injected failure".to_owned()
        )));
        self.file.sync_data().map_err(|error| CommitError(format!("a batch was not synced: {error}")))?;
        committing.committed(&batch);
        self.untidy.store(batch.len(), Ordering::Relaxed);
        Ok(())
    }

    fn tidy(&self) {
        match self.untidy.swap(0, Ordering::Relaxed) {
            0 => {}
            rows => collect_garbage(rows),
        }
    }

    fn copy(&self, aside: Aside) -> Result<Writes<'_>, CopyError> {
        self.capture.copy(self, aside)
    }

    fn approximate_size(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }

    fn warm_up(&self) -> Result<(), CommitError> {
        if self.approximate_size() < LARGE {
            return Ok(());
        }
        let not_ready = |why: String| CommitError(format!("the engine was not made ready: {why}"));
        quietly(|| begin_to_go_over_segments(&self.db))
            .map_err(|panic| not_ready(panic.to_string()))?
            .map_err(|error| not_ready(error.to_string()))
    }
}

/// Has sled begin to look at every segment whether it can be freed. It does that at the first write after it was opened,
/// on a thread of its own, and takes time that grows with the square of their number; until it is done nobody begins
/// another segment. So it had better begin before there is anything to write.
fn begin_to_go_over_segments(db: &sled::Db) -> sled::Result<()> {
    let tree = db.open_tree(WARM_UP)?;
    // sled does not write a value that is there already.
    let value = tree.get(WARM_UP)?.and_then(|value| value.first().copied()).unwrap_or_default();
    tree.insert(WARM_UP, &[value.wrapping_add(1)])?;
    tree.flush()?;
    Ok(())
}

/// Frees what a batch replaced. sled leaves that to an epoch collector, which takes a step only now and then when a
/// thread enters an epoch, and a batch enters just one however large it is: without these steps memory would grow with
/// every large batch.
fn collect_garbage(rows: usize) {
    for _ in 0..=rows / ROWS_A_COLLECTION {
        crossbeam_epoch::pin().flush();
    }
}

/// A range under way; `None` after its end.
struct Walk {
    range: Option<sled::Iter>,
    order: Order,
}

impl Iterator for Walk {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.range.as_mut()?;
        let step = quietly(|| match self.order {
            Order::Ascending => range.next(),
            Order::Descending => range.next_back(),
        });
        let entry = match step {
            Ok(Some(Ok((key, value)))) => return Some(Ok(Entry { key: key.to_vec(), value: value.to_vec() })),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some(Err(ReadError(error.to_string()))),
            Err(panic) => Some(Err(ReadError(panic.to_string()))),
        };
        self.range = None;
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::every_entry;

    #[test]
    fn what_makes_it_ready_is_written_each_time_and_changes_no_row() {
        let directory = tempfile::tempdir().unwrap();
        let rows: Vec<Write> = (0..500_u16).map(|n| (n.to_be_bytes().to_vec(), Some(vec![7; 900]))).collect();
        SledEngine::create(directory.path(), 1 << 20, rows.clone()).unwrap();
        for n in 1..=300 {
            let engine = SledEngine::open(directory.path(), 1 << 20).unwrap();
            begin_to_go_over_segments(&engine.db).unwrap();
            let written = engine.db.open_tree(WARM_UP).unwrap().get(WARM_UP).unwrap().unwrap();
            assert_eq!(written, [u8::try_from(n % 256).unwrap()]);
            if n % 100 == 0 {
                let found = every_entry(&engine).map(|entry| entry.map(|entry| (entry.key, Some(entry.value))));
                assert!(found.collect::<Result<Vec<_>, _>>().unwrap() == rows);
            }
        }
    }
}
