//! The engine on redb 4, the one file that names it.
//!
//! One table from bytes to bytes in one file. A batch is one transaction that is synced twice: first its pages and the
//! commit slot, then the byte that makes the slot count (two-phase commit). With it goes the state of the allocator
//! (quick repair), so that a start after a death neither walks the file nor has to guess by checksums which of two
//! states is the whole one. A first creation that is cut off leaves a file that never opens; our caller makes a
//! database under another name for that.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use redb::{
    Builder, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase as _, StorageError, TableDefinition,
};

use super::{
    Aside, CommitError, CopyError, Engine, Entries, Entry, Order, ReadError, Write, Writes, demand_file, every_entry,
    quiet::quietly, sync_files,
};
use crate::store::OpenError;

/// The one table.
const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");
/// The size of redb's pages.
const PAGE: u64 = 4_096;
/// What the kernel counts a file's room in (`st_blocks`).
const BLOCK: u64 = 512;
/// The name of the file.
const DATABASE: &str = "db";

/// An open redb database.
pub struct RedbEngine {
    /// `None` only while it is dropped.
    db: Option<Database>,
    path: PathBuf,
    copying: AtomicBool,
}

impl RedbEngine {
    /// Makes a new database with these rows in this directory and has all of it on stable storage; the directory that
    /// holds this one is synced by the caller.
    pub fn create(directory: &Path, cache: u64, first: Vec<Write>) -> Result<(), OpenError> {
        let io = |source| OpenError::Io { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(io)?;
        let path = directory.join(DATABASE);
        let db = opened(&path, || builder(cache).create(&path))?;
        let engine = Self { db: Some(db), path, copying: AtomicBool::new(false) };
        engine.commit(first).map_err(|error| io(io::Error::other(error)))?;
        drop(engine);
        sync_files(directory).map_err(io)
    }

    /// Opens a database that was made before.
    pub fn open(directory: &Path, cache: u64) -> Result<Self, OpenError> {
        let path = directory.join(DATABASE);
        demand_file(&path)?;
        let db = opened(&path, || builder(cache).open(&path))?;
        let engine = Self { db: Some(db), path, copying: AtomicBool::new(false) };
        // It has its table, or it is none of ours.
        match quietly(|| engine.rows().map(drop)) {
            Ok(Ok(())) => Ok(engine),
            Ok(Err(error)) => Err(OpenError::Damaged(format!("{}: {error}", engine.path.display()))),
            Err(panic) => Err(OpenError::Damaged(format!("{}: {panic}", engine.path.display()))),
        }
    }

    fn db(&self) -> Result<&Database, redb::Error> {
        self.db.as_ref().ok_or(redb::Error::DatabaseClosed)
    }

    /// The table as it is now, whatever is committed meanwhile.
    fn rows(&self) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, redb::Error> {
        Ok(self.db()?.begin_read()?.open_table(ROWS)?)
    }

    fn apply(&self, batch: &[Write]) -> Result<(), redb::Error> {
        let mut transaction = self.db()?.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        let mut rows = transaction.open_table(ROWS)?;
        for (key, value) in batch {
            match value {
                Some(value) => drop(rows.insert(key.as_slice(), value.as_slice())?),
                None => drop(rows.remove(key.as_slice())?),
            }
        }
        drop(rows);
        Ok(transaction.commit()?)
    }
}

impl Drop for RedbEngine {
    fn drop(&mut self) {
        let db = self.db.take();
        // Closing writes only what the next start would find out by itself, so nothing is lost where it fails.
        let _ = quietly(|| drop(db));
    }
}

/// `cache` is what the cache takes in memory. redb counts its pages of 4 KiB alone; with the counters before each, the
/// allocator takes 5 KiB for one.
fn builder(cache: u64) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(usize::try_from(cache / 5 * 4).unwrap_or(usize::MAX));
    builder
}

fn opened(path: &Path, open: impl FnOnce() -> Result<Database, DatabaseError>) -> Result<Database, OpenError> {
    let damaged = |what: &dyn std::fmt::Display| OpenError::Damaged(format!("{}: {what}", path.display()));
    match quietly(open) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(DatabaseError::Storage(StorageError::Io(error)))) => Err(match error.kind() {
            // The file is no database, ends too early, or points outside itself.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => damaged(&error),
            _ => OpenError::Io { path: path.to_owned(), source: error },
        }),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => {
            Err(OpenError::Io { path: path.to_owned(), source: io::ErrorKind::ResourceBusy.into() })
        }
        Ok(Err(error)) => Err(damaged(&error)),
        Err(panic) => Err(damaged(&format_args!("recovery failed: {panic}"))),
    }
}

impl Engine for RedbEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let get = || -> Result<_, redb::Error> { Ok(self.rows()?.get(key)?.map(|value| value.value().to_vec())) };
        match quietly(get) {
            Ok(value) => value.map_err(|error| ReadError(error.to_string())),
            Err(panic) => Err(ReadError(panic.to_string())),
        }
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order) -> Entries<'_> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let error = match quietly(|| -> Result<_, redb::Error> { Ok(self.rows()?.range::<&[u8]>(from..to)?) }) {
            Ok(Ok(range)) => return Box::new(Walk { range: Some(range), order }),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        Box::new(std::iter::once(Err(ReadError(error))))
    }

    fn commit(&self, mut batch: Vec<Write>) -> Result<(), CommitError> {
        // In the order of the tree, each of its pages is looked for once.
        batch.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let why = match quietly(|| self.apply(&batch)) {
            Ok(Ok(())) => {
                fail::fail_point!("engine::sync", |_| Err(CommitError(
                    "a batch was not synced: an injected failure".to_owned()
                )));
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        Err(CommitError(format!("a batch was not committed: {why}")))
    }

    /// A range is a snapshot here, so nothing is kept aside. While it is read, the pages that it needs are not reused.
    fn copy(&self, _: Aside) -> Result<Writes<'_>, CopyError> {
        if self.copying.swap(true, Ordering::AcqRel) {
            return Err(CopyError::Busy);
        }
        Ok(Box::new(Copy { entries: every_entry(self), copying: &self.copying }))
    }

    fn approximate_size(&self) -> u64 {
        // The file is made longer long before there is something at its end.
        std::fs::metadata(&self.path).map_or(0, |found| found.blocks().saturating_mul(BLOCK))
    }

    fn room_for(&self, rows: u64, bytes: u64) -> u64 {
        // Nothing is overwritten: each row of a scattered batch has a leaf written anew, and its share of the branches.
        // With quick repair it also writes down which pages are free, a byte for each page of the file.
        let free_pages = std::fs::metadata(&self.path).map_or(0, |found| found.len()) / PAGE;
        rows.saturating_mul(2 * PAGE).saturating_add(bytes.saturating_add(free_pages).saturating_mul(2))
    }
}

/// A range under way, of the table as it was at its beginning; `None` after its end.
struct Walk {
    range: Option<redb::Range<'static, &'static [u8], &'static [u8]>>,
    order: Order,
}

impl Iterator for Walk {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.range.as_mut()?;
        let step = quietly(|| {
            let entry = match self.order {
                Order::Ascending => range.next(),
                Order::Descending => range.next_back(),
            };
            entry.map(|entry| {
                entry.map(|(key, value)| Entry { key: key.value().to_vec(), value: value.value().to_vec() })
            })
        });
        let entry = match step {
            Ok(Some(Ok(entry))) => return Some(Ok(entry)),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some(Err(ReadError(error.to_string()))),
            Err(panic) => Some(Err(ReadError(panic.to_string()))),
        };
        self.range = None;
        entry
    }
}

/// A copy under way; there is one at a time.
struct Copy<'a> {
    entries: Entries<'a>,
    copying: &'a AtomicBool,
}

impl Iterator for Copy<'_> {
    type Item = Result<Write, CopyError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.entries.next()?.map(|entry| (entry.key, Some(entry.value))).map_err(CopyError::from))
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        self.copying.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this thread wrote so far, in bytes.
    fn written() -> u64 {
        let counts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        counts.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
    }

    /// A commit of one row to a file that was filled with so many rows: what it wrote, and what it was to have room for.
    fn one_commit(rows: u32) -> (u64, u64) {
        let directory = tempfile::tempdir().unwrap();
        let rows = (0..rows).map(|n| (n.to_be_bytes().to_vec(), Some(vec![7; 3_000])));
        RedbEngine::create(directory.path(), 1 << 20, rows.collect()).unwrap();
        let engine = RedbEngine::open(directory.path(), 1 << 20).unwrap();
        let row = |n: u32| vec![(u32::MAX.wrapping_sub(n).to_be_bytes().to_vec(), Some(vec![1; 100]))];
        // The first after it was opened has more to do.
        engine.commit(row(0)).unwrap();
        let before = written();
        engine.commit(row(1)).unwrap();
        (written() - before, engine.room_for(1, 104))
    }

    #[test]
    fn room_is_asked_for_what_grows_with_the_file() {
        let ((small, room_when_small), (large, room_when_large)) = (one_commit(1_000), one_commit(30_000));
        assert!(large > small + 2 * PAGE, "{small} {large}");
        assert!(
            room_when_large - room_when_small >= large - small,
            "{small} {large} {room_when_small} {room_when_large}"
        );
    }
}
