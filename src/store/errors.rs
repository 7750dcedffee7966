//! Why a store does not open, and why a question or a change was not answered.

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data directory {0} is in use by another mythichooks process")]
    InUse(std::path::PathBuf),
    /// It cannot be read or written.
    #[error("the data directory {path} cannot be used: {source}")]
    Io {
        /// The directory or file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was written by a newer release.
    #[error("the store was written in format {found}; this release knows formats up to {known}. It was left untouched")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest that this release knows.
        known: u32,
    },
    /// It was written by an earlier release, and was opened for something that does not change it.
    #[error(
        "the store is in format {found}, that of an earlier release, and is left as it is: \
         start `mythichooks serve` on it once, which brings it to format {known} and keeps a copy of the old one"
    )]
    Older {
        /// Its format.
        found: u32,
        /// The one of this release.
        known: u32,
    },
    /// It was written by an earlier release, and a copy of it does not fit on the disk.
    #[error(
        "the store is in format {found}; to bring it to format {known} it is copied first, which needs {needed} bytes \
         of free disk, and there are {free}. It was left untouched"
    )]
    NoRoomToMigrate {
        /// Its format.
        found: u32,
        /// The one of this release.
        known: u32,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// It is on another engine than the one that was asked for.
    #[error(
        "the store is on the engine {found}, not on {asked}; it was left untouched. \
         `mythichooks migrate --engine {asked}` moves it, or start without `--engine {asked}`"
    )]
    OtherEngine {
        /// Its engine.
        found: super::EngineKind,
        /// The one that was asked for.
        asked: super::EngineKind,
    },
    /// There is none in the data directory.
    #[error("there is no store in {0}")]
    Missing(std::path::PathBuf),
    /// It is there, but not whole.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// Why a question or a change was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// More writes wait than may.
    #[error("too many writes are waiting")]
    Overloaded,
    /// There is no room on the disk.
    #[error("the disk is full")]
    Full,
    /// The store is as large as it may be.
    #[error("the store has reached its largest size")]
    OverQuota,
    /// A read or write failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// A record cannot be read: it is damaged, or what keeps it is. It will not get better by itself.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The delivery whose attempt ended was stopped while that was under way, and retention has removed it since.
    #[error("the delivery is no longer stored")]
    Gone,
    /// The server is stopping.
    #[error("the store is closed")]
    Closed,
}

/// Why events were not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcceptError {
    /// The event at this index has the id (or the idempotency key) of another one with other content.
    #[error("event {index}: the same {what} was used with other content")]
    Conflict {
        /// Counts from 0.
        index: usize,
        /// `id` or `Idempotency-Key`.
        what: &'static str,
    },
    /// The event at this index repeats none, and was to be accepted only if it did.
    #[error("event {index} was not accepted before")]
    NotRepeated {
        /// Counts from 0.
        index: usize,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
