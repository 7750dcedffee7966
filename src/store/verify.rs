//! A full check of a store that nobody uses: every row is read once, in the order of keys, so that it goes at the speed
//! of the disk and in bounded memory. Records that belong together are read side by side; whether the rows that lead
//! to records are just those that should be there is told by a [`tally`]; only where that finds a difference are rows
//! looked up. It changes nothing that the engine's own opening does not change.

mod events;
mod explain;
mod finding;
mod indexes;
mod settings;
mod tally;
mod types;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

pub use self::{
    events::is_in_block,
    finding::{Finding, Group},
};
use self::{tally::Tally, types::Types};
use super::{
    OpenError, StoreError, codec, directory,
    engine::{Engine, Entry},
    keys::{self, Row},
    long::part_key,
    reading::Rows,
    scan::{Ahead, Cursor, Found, Gap, Notes},
    shared::EngineRows,
    stored::{Meta, Progress},
};
use crate::domain::ids::EndpointId;

/// More findings than this are counted, not listed.
const MOST_FINDINGS: usize = 10_000;
/// Memory for the engine's cache.
const CACHE: u64 = 64 << 20;
/// Progress is told after so many rows.
const STRIDE: u64 = 4_096;

/// What a check came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows that were read.
    pub rows: u64,
    /// Events among them.
    pub events: u64,
    /// Deliveries among them.
    pub deliveries: u64,
    /// Attempts that were made, by the deliveries' counts.
    pub attempts: u64,
    /// Endpoints, deleted ones with a log included.
    pub endpoints: u64,
    /// Of all rows that were read: two stores have the same rows if, and only if, they have the same digest.
    pub digest: u128,
    /// What is wrong, at most 10,000 of it.
    pub findings: Vec<Finding>,
    /// How many findings there are in all.
    pub found: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.found == 0
    }

    /// How many of the listed findings are about such things.
    #[must_use]
    pub fn found_in(&self, group: Group) -> usize {
        self.findings.iter().filter(|finding| finding.group == group).count()
    }
}

/// Is told how far a check has come: rows that were read, of about so many.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64);

/// Checks the store in this directory.
///
/// # Errors
/// There is none, a process uses it, or it does not open at all. What is wrong inside it is no error but a finding.
pub fn verify(directory: &Path, on_progress: OnProgress<'_>) -> Result<Report, OpenError> {
    directory::demand_a_store(directory)?;
    let _lock = directory::DirectoryLock::take(directory)?;
    let opened = directory::open_as_it_is(directory, CACHE)?;
    let mut report = check_with(&*opened.engine, on_progress);
    if let Err(error) = opened.age {
        report.found += 1;
        report.findings.insert(0, Finding { group: Group::Store, text: error.to_string() });
    }
    Ok(report)
}

/// Checks the rows of an engine.
pub(super) fn check(engine: &dyn Engine) -> Report {
    check_with(engine, &mut |_, _| {})
}

fn check_with(engine: &dyn Engine, on_progress: OnProgress<'_>) -> Report {
    let digest = Mutex::new(0);
    let mut report = std::thread::scope(|scope| {
        let read =
            |from: &[u8], to: &[u8]| Ahead::begin(scope, engine, (from, to), |batch| add_digests(&digest, batch));
        Check::new(engine, &read, on_progress).run()
    });
    report.digest = digest.into_inner().unwrap_or_else(PoisonError::into_inner);
    report
}

/// Begins to read the rows between two keys.
type Read<'a> = dyn Fn(&[u8], &[u8]) -> Ahead + 'a;

/// A check under way.
struct Check<'a> {
    engine: &'a dyn Engine,
    read: &'a Read<'a>,
    rows: EngineRows<'a>,
    report: Report,
    /// Unless it cannot be read.
    meta: Option<Meta>,
    /// Of each endpoint; `None`: it cannot be read.
    progress: HashMap<EndpointId, Option<Progress>>,
    counted: HashMap<EndpointId, Counted>,
    /// Of events that are marked as such, the deliveries that need not be in their queues yet: the first of each, and the
    /// id behind the last.
    unplaced: BTreeMap<u128, u128>,
    /// Of the rows that lead to events and deliveries.
    tally: Tally,
    types: Types,
    /// About how many rows there are.
    expected_rows: u64,
    on_progress: OnProgress<'a>,
}

/// What an endpoint's deliveries add up to.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    pending: u64,
    asked: u64,
}

impl<'a> Check<'a> {
    fn new(engine: &'a dyn Engine, read: &'a Read<'a>, on_progress: OnProgress<'a>) -> Self {
        Self {
            engine,
            read,
            rows: EngineRows(engine),
            report: Report::default(),
            meta: None,
            progress: HashMap::new(),
            counted: HashMap::new(),
            unplaced: BTreeMap::new(),
            tally: Tally::new(),
            types: Types::default(),
            expected_rows: 0,
            on_progress,
        }
    }

    fn run(mut self) -> Report {
        self.meta_and_progress();
        self.unplaced();
        self.events_and_deliveries();
        self.indexes();
        self.blocks_of_types();
        self.settings();
        self.other_rows();
        if !self.tally.is_even() {
            self.explain();
        }
        self.counts();
        self.report
    }

    fn cursor(&mut self, kind: u8) -> Cursor<'a> {
        let all = keys::all_of(kind);
        Cursor::over((self.read)(&all, &keys::end_of(&all)), self)
    }

    fn find(&mut self, group: Group, text: String) {
        self.report.found += 1;
        if self.report.findings.len() < MOST_FINDINGS {
            self.report.findings.push(Finding { group, text });
        }
    }

    fn find_error(&mut self, row: &Row, error: &StoreError) {
        let text = match error {
            StoreError::Damaged(text) => text.clone(),
            other => other.to_string(),
        };
        self.find(Group::of(row), text);
    }

    /// Notes what is wrong about a row, if it is.
    fn demand(&mut self, holds: bool, row: &Row, what: &str) {
        if !holds {
            let name = keys::describe(&if row.in_parts() { part_key(row, 0) } else { row.key() });
            self.find(Group::of(row), format!("{name}: {what}"));
        }
    }

    /// Whether a row is there; one that cannot be read is named elsewhere.
    fn exists(&self, row: &Row) -> bool {
        let key = if row.in_parts() { part_key(row, 0) } else { row.key() };
        self.rows.get(&key).map_or(true, |value| value.is_some())
    }

    /// The greatest id that may be stored.
    fn last_id(&self) -> u128 {
        self.meta.as_ref().map_or(u128::MAX, |meta| meta.last_id)
    }

    fn decoded<R: codec::Record>(entry: &Entry) -> Result<(R, Vec<u8>), StoreError> {
        let (record, tail) = codec::decode(&entry.key, &entry.value).map_err(|error| error.at(&entry.key))?;
        Ok((record, tail.to_vec()))
    }

    /// Rows of kinds that there are none of.
    fn other_rows(&mut self) {
        for (from, to) in keys::between_kinds() {
            let mut cursor = Cursor::over((self.read)(&from, &to), self);
            while cursor.take(self).is_some() {}
        }
    }
}

impl Notes for Check<'_> {
    fn read(&mut self, _: &Entry) {
        self.report.rows += 1;
        if self.report.rows.is_multiple_of(STRIDE) {
            let rows = self.report.rows;
            (self.on_progress)(rows, self.expected_rows.max(rows));
        }
    }

    fn gap(&mut self, gap: &Gap) {
        let group = Row::parse(&gap.from).map_or(Group::Store, |(row, _)| Group::of(&row));
        self.find(group, gap.to_string());
    }

    fn unknown(&mut self, entry: &Entry) {
        self.find(Group::Store, format!("there is {}", keys::describe(&entry.key)));
    }
}

/// Digests of rows are added up, so that the order in which they are read does not matter.
fn add_digests(sum: &Mutex<u128>, batch: &[Found]) {
    let rows = batch.iter().filter_map(|found| match found {
        Found::Row(entry) => Some(digest_of(entry)),
        Found::Gap(_) => None,
    });
    let of_batch = rows.fold(0_u128, u128::wrapping_add);
    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
    *sum = sum.wrapping_add(of_batch);
}

fn digest_of(entry: &Entry) -> u128 {
    let length = u64::try_from(entry.key.len()).unwrap_or(u64::MAX);
    let digest = Sha256::new().chain_update(length.to_be_bytes()).chain_update(&entry.key).chain_update(&entry.value);
    digest.finalize().first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}
