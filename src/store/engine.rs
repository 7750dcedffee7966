//! The narrow waist between the store and whatever keeps its bytes: look a key up, walk a range, apply a batch and
//! have it on stable storage. Everything above speaks to this trait; an engine knows nothing of events.

mod panics;
pub mod salvage;
mod sled;

use std::{fmt, fs::File, io, path::Path, str::FromStr};

use super::OpenError;

/// Which engine keeps a store's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// sled 0.34.
    #[default]
    Sled,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Sled];

    /// Its name in flags and manifests, and of its directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
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
#[error("there is no engine `{0}`")]
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
    }
}

/// Opens a database that was made before.
pub fn open(kind: EngineKind, directory: &Path, cache: u64) -> Result<Box<dyn Engine>, OpenError> {
    Ok(match kind {
        EngineKind::Sled => Box::new(self::sled::SledEngine::open(directory, cache)?),
    })
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

/// The entries of a range, read as they are asked for.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<Entry, ReadError>> + Send + 'a>;

/// One change of a batch: a key's new value, or `None` to remove it. A batch names each key once.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// An ordered map of bytes on stable storage, with one writer.
pub trait Engine: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// The entries from `from` on (inclusive) up to `to` (exclusive). Not a snapshot: commits made while the range is
    /// walked may show.
    fn range(&self, from: &[u8], to: &[u8], order: Order) -> Entries<'_>;

    /// Applies all of a batch, or after a crash none of it; returns when it is on stable storage.
    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError>;

    /// The bytes that the store takes on disk, roughly.
    fn approximate_size(&self) -> u64;
}
