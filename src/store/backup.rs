//! A copy of the store as one file, an archive, taken while the store is in use, and a store from such a file.
//!
//! The engine gives a consistent copy as a stream of writes; [`archive`] is the form that they have in the file. What
//! was committed before a copy began is in it. Restoring reads the whole archive before there is a store.

mod archive;
mod reading;
mod restore;
mod writing;

#[cfg(test)]
mod tests;

use std::io;

use tokio::sync::OwnedSemaphorePermit;

use super::{
    Store, codec,
    engine::{Aside, CopyError},
    keys::Row,
    stored::Meta,
};
pub use archive::{ArchiveError, ArchiveManifest, Counts, Tally, Trailer, is_begun};
pub use reading::ArchiveReader;
pub use restore::{RestoreError, RestoreOptions, Restored, check_archive, restore};
use writing::ArchiveWriter;

/// What is committed during a copy is kept in memory up to here, and then in a file.
const MEMORY: usize = 4 << 20;

/// The free room is looked at once in so many writes.
const LOOK: usize = 1_024;

/// Why a copy was not made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another one is being made.
    #[error("another backup is being made")]
    Busy,
    /// The engine.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// Whoever takes the archive does not take it any more.
    #[error("the backup could not be written: {0}")]
    Sink(#[from] io::Error),
    /// The totals, which tell of which moment a copy is.
    #[error("the store's totals cannot be read")]
    Totals,
}

/// The right to make a copy; there is one.
pub struct Backup {
    store: Store,
    _place: OwnedSemaphorePermit,
}

impl Store {
    /// Begins a copy; while it is made, there is no other.
    pub fn backup(&self) -> Result<Backup, BackupError> {
        let place = std::sync::Arc::clone(&self.inner.backups).try_acquire_owned();
        let place = place.map_err(|_| BackupError::Busy)?;
        Ok(Backup { store: self.clone(), _place: place })
    }
}

impl Backup {
    /// Writes the archive. Everything committed before this call is in it. It takes as long as the sink takes, and
    /// blocks; an error of the sink ends it. So does a disk that runs full meanwhile: an engine may need more room while
    /// it is copied, and events come first.
    pub fn write_to(self, sink: impl io::Write) -> Result<Trailer, BackupError> {
        let inner = &self.store.inner;
        let mut archive = ArchiveWriter::begin(sink, &self.manifest())?;
        let aside =
            Aside { memory: MEMORY, directory: inner.directory.clone(), free_space_floor: self.store.space().floor };
        let totals = Row::Meta.key();
        let mut moment = None;
        let watched = aside.has_room_for(0).then(|| aside.clone());
        for (number, write) in inner.shared.engine.copy(aside)?.enumerate() {
            let write = write?;
            if number.is_multiple_of(LOOK) && watched.as_ref().is_some_and(|aside| !aside.has_room_for(0)) {
                return Err(CopyError::NoRoom.into());
            }
            if write.0 == totals {
                moment.clone_from(&write.1);
            }
            archive.write(&write)?;
        }
        let moment = moment.and_then(|value| codec::decode::<Meta>(&totals, &value).ok().map(|(meta, _)| meta));
        Ok(archive.finish(moment.ok_or(BackupError::Totals)?.last_id)?)
    }

    /// What stands at the head of the archive.
    fn manifest(&self) -> ArchiveManifest {
        let inner = &self.store.inner;
        ArchiveManifest {
            format: inner.manifest.format,
            store: inner.manifest.id,
            engine: inner.manifest.engine.to_string(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            begun_at: inner.shared.clock.wall(),
        }
    }
}
