//! Repair: a new store in a new directory, made of all that is whole in a damaged one. The source is not touched: what
//! is read is a copy. Whatever follows from records (queues, due times, lists, links, counts) is made anew from the
//! records that are whole; what cannot be read, or has lost what it belongs to, is set aside; each loss is reported.

mod deliveries;
mod events;
mod output;
mod report;
mod salvage;
mod set_aside;
mod settings;
mod traces;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

pub use self::report::{Loss, Lost, RepairReport};
use self::{output::Output, set_aside::SetAside, traces::Trace};
use super::{
    OpenError, StoreError, Totals, codec, directory,
    engine::{Engine, EngineKind, Entry, sync_directory},
    keys::{self, Row},
    manifest::{FORMAT, Manifest, StoreId},
    scan::{Cursor, Gap, Notes},
    shared::EngineRows,
    stored::{Meta, Progress},
    verify::OnProgress,
};
use crate::domain::{
    account::Account,
    ids::{DeliveryId, EndpointId, EventKey},
};

/// Memory for each engine's cache.
const CACHE: u64 = 64 << 20;
/// Progress is told after so many rows.
const STRIDE: u64 = 4_096;

/// Why nothing was repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The damaged store is in use, of a newer release, or not there.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The new directory has something in it.
    #[error("{0} is not empty; a repaired store is made in a new directory")]
    NotEmpty(PathBuf),
    /// The new directory lies in the damaged store, which is to stay as it is.
    #[error("{0} lies in the damaged store; a repaired one is made elsewhere")]
    Inside(PathBuf),
    /// No record of it can be read.
    #[error("nothing could be saved: {0}")]
    Nothing(String),
    /// The new store, or what is set aside, cannot be written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new store cannot be written.
    #[error("the new store could not be written: {0}")]
    Write(String),
}

impl RepairError {
    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}

/// Makes a new store in `to` of what is whole in `source`.
///
/// # Errors
/// See [`RepairError`]; the source is as it was, and the new directory is empty again, unless the new store was whole
/// already.
pub fn repair(source: &Path, to: &Path, on_progress: OnProgress<'_>) -> Result<RepairReport, RepairError> {
    directory::demand_a_store(source)?;
    if lies_in(to, &directory::store_of(source)).map_err(RepairError::io(to))? {
        return Err(RepairError::Inside(to.to_owned()));
    }
    let _source_lock = directory::DirectoryLock::take(source)?;
    if to.exists() && fs::read_dir(to).map_err(RepairError::io(to))?.next().is_some() {
        return Err(RepairError::NotEmpty(to.to_owned()));
    }
    directory::make(to)?;
    let _lock = directory::DirectoryLock::take(to)?;
    let repaired = fill(source, to, on_progress);
    if repaired.is_err() && !directory::holds_a_store(to)? {
        // It was empty before, and the next try is to find it so. What went wrong first is what is told.
        if let Err(error) = empty(to) {
            tracing::debug!(%error, "a repair that failed left something in its new directory");
        }
    }
    repaired
}

/// Removes the directories that were begun, and the lock last.
fn empty(to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    directory::clear(to)
}

/// Makes the new store in an empty directory.
fn fill(source: &Path, to: &Path, on_progress: OnProgress<'_>) -> Result<RepairReport, RepairError> {
    let salvaged = salvage::open(source, to)?;
    let id = StoreId::random().map_err(RepairError::io(to))?;
    let unfinished = directory::begin(to)?;
    let mut report = rebuild(&*salvaged.engine, salvaged.kind, id, to, &unfinished, on_progress)?;
    directory::finish(to, Manifest { format: FORMAT, engine: salvaged.kind, id })?;
    report.notes = salvaged.notes;
    drop(salvaged.engine);
    salvage::remove(to)?;
    let token = source.join("admin-token");
    if token.is_file() {
        // With its mode.
        fs::copy(&token, to.join("admin-token")).map_err(RepairError::io(&token))?;
    }
    report.write(to)?;
    sync_directory(to).map_err(RepairError::io(to))?;
    Ok(report)
}

/// Whether a path, there or not yet, lies in a directory.
fn lies_in(path: &Path, directory: &Path) -> io::Result<bool> {
    let directory = directory.canonicalize()?;
    let absolute = std::path::absolute(path)?;
    let made = absolute.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    Ok(made.is_some_and(|made| made.starts_with(directory)))
}

/// Makes the rows of the new store out of what the engine still reads.
pub(super) fn rebuild(
    engine: &dyn Engine,
    kind: EngineKind,
    id: StoreId,
    to: &Path,
    unfinished: &Path,
    on_progress: OnProgress<'_>,
) -> Result<RepairReport, RepairError> {
    let mut rebuild = Rebuild {
        engine,
        rows: EngineRows(engine),
        output: Output::create(kind, &unfinished.join(kind.name()), &Meta::of(id))?,
        set_aside: SetAside::create(to)?,
        report: RepairReport::default(),
        meta: None,
        progress: HashMap::new(),
        endpoints: HashMap::new(),
        counted: HashMap::new(),
        totals: Totals::default(),
        traces: HashMap::new(),
        greatest: 0,
        skew: 0,
        lookalikes: false,
        read: 0,
        expected: 0,
        failed: None,
        on_progress,
    };
    rebuild.run(id)?;
    let Rebuild { set_aside, mut report, .. } = rebuild;
    report.set_aside = set_aside.finish()?;
    Ok(report)
}

/// A repair under way.
struct Rebuild<'a> {
    engine: &'a dyn Engine,
    rows: EngineRows<'a>,
    output: Output,
    set_aside: SetAside,
    report: RepairReport,
    /// What the old store said of itself, if that is whole.
    meta: Option<Meta>,
    /// Of each endpoint that has a row for it; `None`: it cannot be read.
    progress: HashMap<EndpointId, Option<Progress>>,
    /// The endpoints whose settings are whole.
    endpoints: HashMap<EndpointId, Account>,
    counted: HashMap<EndpointId, Counted>,
    /// By what is kept; for want of better.
    totals: Totals,
    /// Deliveries whose record is lost, with what led to them, until they are kept after all or made again.
    traces: HashMap<DeliveryId, Trace>,
    /// The greatest id of all that was ever named.
    greatest: u128,
    skew: u64,
    lookalikes: bool,
    read: u64,
    expected: u64,
    /// What went wrong where it could not be returned.
    failed: Option<RepairError>,
    on_progress: OnProgress<'a>,
}

/// What an endpoint's deliveries add up to.
#[derive(Debug, Clone)]
struct Counted {
    account: Account,
    pending: u64,
    asked: u64,
    /// Of the pending ones, those whose record was lost and made again.
    made_again: u64,
    /// The first that waits for its first turn.
    first_fresh: DeliveryId,
}

impl<'a> Rebuild<'a> {
    fn run(&mut self, id: StoreId) -> Result<(), RepairError> {
        self.meta_and_progress()?;
        self.settings()?;
        self.find_traces();
        self.events_and_deliveries()?;
        if self.output.rows() == 0 && self.meta.is_none() {
            // An empty store would look like one that never had anything.
            return Err(RepairError::Nothing("no record in it is whole".to_owned()));
        }
        self.other_rows();
        self.endpoints_progress()?;
        self.write_meta(id)?;
        self.failed.take().map_or(Ok(()), Err)?;
        (self.on_progress)(self.read, self.read);
        self.output.finish()
    }

    fn cursor(&mut self, kind: u8) -> Cursor<'a> {
        Cursor::of_kind(self.engine, kind, self)
    }

    fn decoded<R: codec::Record>(entry: &Entry) -> Result<(R, Vec<u8>), StoreError> {
        let (record, tail) = codec::decode(&entry.key, &entry.value).map_err(|error| error.at(&entry.key))?;
        Ok((record, tail.to_vec()))
    }

    /// Takes rows over as they are.
    fn keep(&mut self, rows: &[Entry]) -> Result<(), RepairError> {
        for row in rows {
            self.output.put(row.key.clone(), row.value.clone())?;
        }
        Ok(())
    }

    fn put<R: codec::Record>(&mut self, row: &Row, record: &R, tail: &[u8]) -> Result<(), RepairError> {
        let key = row.key();
        let value = codec::encode(&key, record, tail).map_err(|error| RepairError::Write(error.to_string()))?;
        self.output.put(key, value)
    }

    /// Writes a record that was cut into rows.
    fn put_rows(&mut self, rows: Result<Vec<Entry>, StoreError>) -> Result<(), RepairError> {
        for Entry { key, value } in rows.map_err(|error| RepairError::Write(error.to_string()))? {
            self.output.put(key, value)?;
        }
        Ok(())
    }

    fn lose(&mut self, what: Lost, id: &impl ToString, text: impl Into<String>) {
        self.report.lose(what, id.to_string(), text.into());
    }

    fn other_rows(&mut self) {
        for (from, to) in keys::between_kinds() {
            let mut cursor = Cursor::of_range(self.engine, &from, &to, self);
            while cursor.take(self).is_some() {}
        }
    }

    /// Ids are minted above all that was ever given out.
    fn saw(&mut self, id: u128) {
        self.greatest = self.greatest.max(id);
    }

    fn saw_event(&mut self, key: EventKey) {
        self.saw(key.as_u128());
    }
}

impl Notes for Rebuild<'_> {
    fn read(&mut self, _: &Entry) {
        self.read += 1;
        if self.read.is_multiple_of(STRIDE) {
            (self.on_progress)(self.read, self.expected.max(self.read));
        }
    }

    fn gap(&mut self, gap: &Gap) {
        self.lose(Lost::Rows, &keys::describe_place(&gap.from), gap.to_string());
    }

    fn unknown(&mut self, entry: &Entry) {
        if let Err(error) = self.set_aside.add(entry, "the layout has no such row") {
            self.failed = Some(error);
        }
    }
}

/// What is read again is not counted again, nor what is lost.
struct Silent;

impl Notes for Silent {
    fn read(&mut self, _: &Entry) {}
    fn gap(&mut self, _: &Gap) {}
    fn unknown(&mut self, _: &Entry) {}
}
