//! The narrow waist between the store and whatever keeps its bytes: look a key up, walk a range, apply a batch and
//! have it on stable storage. Everything above speaks to this trait; an engine knows nothing of events.

mod captured;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod quiet;
mod redb;
pub mod salvage;
mod sled;
pub mod writes;

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::OpenError;

/// Which engine keeps a store's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// sled 0.34.
    #[default]
    Sled,
    /// redb 4.
    Redb,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// Its name in flags and manifests, and of its directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no engine of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no engine `{0}`; there are sled and redb")]
pub struct UnknownEngine(String);

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownEngine(text.to_owned()))
    }
}

/// Makes a new database with these rows in this directory and has all of it on stable storage; the directory that
/// holds this one is synced by the caller.
pub fn create(kind: EngineKind, directory: &Path, cache: u64, first: Vec<Write>) -> Result<(), OpenError> {
    match kind {
        EngineKind::Sled => self::sled::SledEngine::create(directory, cache, first),
        EngineKind::Redb => self::redb::RedbEngine::create(directory, cache, first),
    }
}

/// Opens a database that was made before.
pub fn open(kind: EngineKind, directory: &Path, cache: u64) -> Result<Box<dyn Engine>, OpenError> {
    Ok(match kind {
        EngineKind::Sled => Box::new(self::sled::SledEngine::open(directory, cache)?),
        EngineKind::Redb => Box::new(self::redb::RedbEngine::open(directory, cache)?),
    })
}

/// Every entry of an engine, in the order of keys. No key begins with the last byte there is.
pub fn every_entry(engine: &dyn Engine) -> Entries<'_> {
    engine.range(&[], &[u8::MAX], Order::Ascending)
}

/// Has the files of a directory and their names on stable storage.
pub fn sync_files(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        File::open(entry?.path())?.sync_all()?;
    }
    sync_directory(directory)
}

/// A file that an engine cannot do without, and that it might take for a reason to begin anew.
fn demand_file(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > 0 => Ok(()),
        Ok(_) => Err(OpenError::Damaged(format!("{} is empty", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(OpenError::Damaged(format!("{} is missing", path.display())))
        }
        Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

/// Has a directory's entries on stable storage.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// In which direction a range is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key on.
    Ascending,
    /// From the greatest key on.
    Descending,
}

/// A read failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// A batch is not on stable storage. What was applied of it in memory is unknown, so the process must end.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct CommitError(pub String);

/// A copy cannot begin, or cannot go on. What is stored is as it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CopyError {
    /// Another copy is under way.
    #[error("another copy is being made")]
    Busy,
    /// An entry could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was committed meanwhile would take the last room on the disk.
    #[error("there is no room on the disk for what is committed while the copy is made")]
    NoRoom,
    /// What was committed meanwhile could not be put aside, or not be read again.
    #[error("what was committed while the copy was made could not be kept aside: {0}")]
    Aside(String),
}

/// Where an engine without snapshots may keep what is committed while it is copied.
#[derive(Debug, Clone)]
pub struct Aside {
    /// So many bytes of it are kept in memory.
    pub memory: usize,
    /// The rest goes into a file in this directory that has no name.
    pub directory: PathBuf,
    /// So many bytes are left free there.
    pub free_space_floor: u64,
}

impl Aside {
    /// Whether so many bytes more would leave enough free.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        fail::fail_point!("aside::full", |_| false);
        let Ok(found) = rustix::fs::statvfs(&self.directory) else { return false };
        found.f_bavail.saturating_mul(found.f_frsize) >= self.free_space_floor.saturating_add(bytes)
    }
}

/// A stream of writes.
pub type Writes<'a> = Box<dyn Iterator<Item = Result<Write, CopyError>> + Send + 'a>;

/// The entries of a range, read as they are asked for.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<Entry, ReadError>> + Send + 'a>;

/// One change of a batch: a key's new value, or `None` to remove it. A batch names each key once.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// An ordered map of bytes on stable storage, with one writer.
pub trait Engine: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// The entries from `from` on (inclusive) up to `to` (exclusive), none after an error. Commits made while the range
    /// is walked may show or not.
    fn range(&self, from: &[u8], to: &[u8], order: Order) -> Entries<'_>;

    /// Applies all of a batch, or after a crash none of it; returns when it is on stable storage.
    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError>;

    /// Does what commits left over, when nobody waits for one. Each commit does what was left before it.
    fn tidy(&self) {}

    /// A consistent copy, made while commits go on: writes which, applied in this order to an empty engine, make the
    /// state of one moment. That moment is between two batches, and not before this call. A key can come more than
    /// once, also to be removed. At most one copy is made at a time; dropping the stream ends it.
    fn copy(&self, aside: Aside) -> Result<Writes<'_>, CopyError>;

    /// The bytes that the store takes on disk, roughly.
    fn approximate_size(&self) -> u64;

    /// Begins what the engine puts off until the first commit after it was opened, where later ones might have to wait
    /// for it. Does not wait for its end, and changes no row.
    fn warm_up(&self) -> Result<(), CommitError> {
        Ok(())
    }

    /// The free bytes on disk that a batch of so many rows and bytes may need: an engine writes whole pages, and moves
    /// others out of the way.
    fn room_for(&self, rows: u64, bytes: u64) -> u64 {
        let _ = rows;
        bytes.saturating_mul(4)
    }
}
