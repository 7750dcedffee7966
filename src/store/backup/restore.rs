//! A store from an archive. It is made under the name of an unfinished one and gets its real name only when all of the
//! archive was read and found whole, all of the rows were checked, and all of it is on stable storage.
//!
//! The restored store gets an id of its own. The two may go on side by side from the same moment, and then their files
//! must not be mistaken for each other's: that is what the id is for.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{ArchiveError, ArchiveManifest, ArchiveReader, Trailer};
use crate::store::{
    OpenError, Report, codec,
    directory::{self, DirectoryLock},
    engine::{self, CommitError, Engine, EngineKind, Write, sync_files},
    keys::Row,
    manifest::{FORMAT, Manifest, StoreId},
    migrate,
    stored::Meta,
    verify,
};

/// The first format of which backups were made.
const FIRST: u32 = 2;
/// A batch has at most so many writes.
const BATCH: usize = 400;

/// Why a store was not restored. The directory is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The directory, or the new store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something is in the directory.
    #[error("{0} is not empty: a backup is restored into an empty or missing directory only")]
    NotEmpty(PathBuf),
    /// The new store could not be written.
    #[error("the store could not be written: {0}")]
    Commit(#[from] CommitError),
    /// The archive is whole, but the store in it is not sound.
    #[error("the store in the backup is not sound: {} findings, the first: {}", .0.found, first(.0))]
    Unsound(Box<Report>),
}

fn first(report: &Report) -> &str {
    report.findings.first().map_or("", |finding| finding.text.as_str())
}

/// How a store is restored.
#[derive(Debug, Clone, Copy)]
pub struct RestoreOptions {
    /// Which engine is to keep it.
    pub engine: EngineKind,
    /// Memory for the engine's cache, in bytes.
    pub cache: u64,
    /// Whether the rows are checked against each other, as `verify` does; what is not sound is then refused.
    pub verify: bool,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self { engine: EngineKind::default(), cache: 64 << 20, verify: true }
    }
}

/// A restored store.
#[derive(Debug)]
pub struct Restored {
    /// Where it comes from.
    pub origin: ArchiveManifest,
    /// What was in the archive.
    pub trailer: Trailer,
    /// The new store's id.
    pub id: StoreId,
    /// What the check came to, if there was one.
    pub report: Option<Report>,
}

/// Makes a store of an archive, in a directory that is empty or missing.
pub fn restore(archive: impl Read, directory: &Path, options: RestoreOptions) -> Result<Restored, RestoreError> {
    let target = Target::take(directory)?;
    let restored = fill(archive, directory, options)?;
    if let Some(report) = restored.report.as_ref().filter(|report| !report.is_sound()) {
        return Err(RestoreError::Unsound(Box::new(report.clone())));
    }
    let manifest = Manifest { format: FORMAT, engine: options.engine, id: restored.id };
    directory::finish(directory, manifest)?;
    target.keep();
    Ok(restored)
}

/// Checks an archive, and the rows in it against each other. For that they are put into a store in this directory,
/// which must be empty or missing and is so again afterwards.
pub fn check_archive(archive: impl Read, scratch: &Path) -> Result<Restored, RestoreError> {
    let _target = Target::take(scratch)?;
    fill(archive, scratch, RestoreOptions::default())
}

fn fill(archive: impl Read, directory: &Path, options: RestoreOptions) -> Result<Restored, RestoreError> {
    let mut archive = ArchiveReader::open(archive)?;
    match archive.manifest().format {
        FIRST..=FORMAT => {}
        found if found > FORMAT => return Err(OpenError::Newer { found, known: FORMAT }.into()),
        found => return Err(OpenError::Damaged(format!("no backup was ever made of a store in format {found}")).into()),
    }
    let unfinished = directory::begin(directory)?;
    let files = unfinished.join(options.engine.name());
    let id = StoreId::random().map_err(directory::io_at(directory))?;
    engine::create(options.engine, &files, options.cache, Vec::new())?;
    let engine = engine::open(options.engine, &files, options.cache)?;
    let mut totals = Totals { id, last_id: None };
    while let Some(block) = archive.next_block()? {
        for writes in block.chunks(BATCH) {
            commit(&*engine, writes, &mut totals)?;
        }
    }
    let trailer = archive.trailer().cloned().ok_or_else(|| damaged("it has no trailer"))?;
    if totals.last_id != Some(trailer.last_id.0) {
        return Err(damaged("the totals in it are not of the moment that the trailer names").into());
    }
    // Closed and opened again: what is checked is what the next start will find.
    drop(engine);
    let engine = engine::open(options.engine, &files, options.cache)?;
    let mut manifest = Manifest { format: archive.manifest().format, engine: options.engine, id };
    migrate::bring_rows_up_to_date(&*engine, &mut manifest)?;
    let report = options.verify.then(|| verify::check(&*engine));
    drop(engine);
    sync_files(&files).map_err(directory::io_at(&files))?;
    Ok(Restored { origin: archive.manifest().clone(), trailer, id, report })
}

fn damaged(what: &str) -> OpenError {
    OpenError::Damaged(format!("the store in the backup: {what}"))
}

/// What is known of the totals row, which says which store it is in.
struct Totals {
    id: StoreId,
    last_id: Option<u128>,
}

impl Totals {
    /// The totals, with the new id in them.
    fn renamed(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<Option<Vec<u8>>, OpenError> {
        let Some(value) = value else { return Err(damaged("the totals are removed in it")) };
        let failed = |error: crate::store::StoreError| damaged(&error.to_string());
        let (mut meta, tail) = codec::decode::<Meta>(key, value).map_err(|error| failed(error.at(key)))?;
        meta.store = self.id;
        self.last_id = Some(meta.last_id);
        codec::encode(key, &meta, tail).map(Some).map_err(failed)
    }
}

fn commit(engine: &dyn Engine, writes: &[Write], totals: &mut Totals) -> Result<(), RestoreError> {
    // A batch names each key once; of several writes the last one holds.
    let mut batch = BTreeMap::new();
    let totals_key = Row::Meta.key();
    for (key, value) in writes {
        let value = if *key == totals_key { totals.renamed(key, value.as_deref())? } else { value.clone() };
        batch.insert(key.clone(), value);
    }
    Ok(engine.commit(batch.into_iter().collect())?)
}

/// The directory that a store is restored into. Unless it is kept, it is left as it was.
struct Target {
    directory: PathBuf,
    made: bool,
    kept: bool,
    _lock: DirectoryLock,
}

impl Target {
    fn take(directory: &Path) -> Result<Self, RestoreError> {
        let made = !directory.exists();
        directory::make(directory)?;
        // Before the lock is taken, which makes a file; once more after it, when nobody else can make one.
        if !made && !directory::is_unused(directory)? {
            return Err(RestoreError::NotEmpty(directory.to_owned()));
        }
        let lock = DirectoryLock::take(directory)?;
        if !directory::is_unused(directory)? {
            return Err(RestoreError::NotEmpty(directory.to_owned()));
        }
        Ok(Self { directory: directory.to_owned(), made, kept: false, _lock: lock })
    }

    fn keep(mut self) {
        self.kept = true;
    }

    fn clear(&self) -> io::Result<()> {
        directory::clear(&self.directory)?;
        if self.made { fs::remove_dir(&self.directory) } else { Ok(()) }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = self.clear()
        {
            tracing::warn!(%error, directory = %self.directory.display(), "what was begun could not be removed");
        }
    }
}
