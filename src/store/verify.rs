//! A full check of a store that nobody uses: every record is read, and whatever leads from one to another is followed
//! both ways. It changes nothing that the engine's own opening does not change, and names what it finds by its key.

mod events;
mod indexes;
mod settings;

use std::{collections::HashMap, path::Path};

use super::{
    OpenError, StoreError, codec, directory,
    engine::{Engine, Order},
    keys::{self, Row},
    long::part_key,
    reading::{self, Rows},
    shared::EngineRows,
    stored::{Life, Meta, Progress},
};
use crate::domain::ids::EndpointId;

/// More findings than this are counted, not listed.
const MOST_FINDINGS: usize = 10_000;
/// Memory for the engine's cache.
const CACHE: u64 = 64 << 20;

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
    /// What is wrong, in words, at most 10,000 of it.
    pub findings: Vec<String>,
    /// How many findings there are in all.
    pub found: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.found == 0
    }
}

/// Checks the store in this directory.
///
/// # Errors
/// There is none, a process uses it, or it does not open at all. What is wrong inside it is no error but a finding.
pub fn verify(directory: &Path) -> Result<Report, OpenError> {
    let _lock = directory::DirectoryLock::take(directory)?;
    if !directory::holds_a_store(directory)? {
        return Err(OpenError::Damaged(format!("there is no store in {}", directory.display())));
    }
    let (_, engine) = directory::open(directory, CACHE)?;
    Ok(check(&*engine))
}

/// Checks the rows of an engine.
pub(super) fn check(engine: &dyn Engine) -> Report {
    let mut check = Check { rows: EngineRows(engine), report: Report::default(), counted: HashMap::new() };
    let every_key = [u8::MAX; 64];
    for entry in engine.range(&[], &every_key, Order::Ascending) {
        match entry {
            Ok(entry) => {
                check.report.rows += 1;
                check.row(&entry.key, &entry.value);
            }
            Err(error) => {
                check.find(format!("the engine cannot read on: {error}"));
                break;
            }
        }
    }
    check.counts();
    check.report
}

/// A check under way.
struct Check<'a> {
    rows: EngineRows<'a>,
    report: Report,
    counted: HashMap<EndpointId, Counted>,
}

/// What an endpoint's deliveries add up to.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    pending: u64,
    asked: u64,
}

impl Check<'_> {
    fn row(&mut self, key: &[u8], value: &[u8]) {
        let Some((row, part)) = Row::parse(key) else {
            self.find(format!("there is {}", keys::describe(key)));
            return;
        };
        let checked = match &row {
            Row::Event(event) => self.event(*event, key, value),
            Row::Body(event) => self.body_part(*event, &row, part),
            Row::Delivery(id) => self.delivery(*id, key, value),
            Row::Attempt(id, number) => self.attempt_part(*id, *number, &row, part),
            Row::Queue(_, id) | Row::Retrying(_, id) | Row::Status(_, id) | Row::Code(_, id) => {
                self.delivery_index(*id, &row, value)
            }
            Row::Due(_, due) => self.delivery_index(due.delivery, &row, value),
            Row::Extra(event, id) => self.extra(*event, *id, &row, value),
            Row::OfAccount(account, event) => self.of_account(account, *event, &row, value),
            Row::ProducerId(id) => self.producer_id(id, &row),
            Row::Idempotency(digest) => self.idempotency(digest, &row),
            Row::Endpoint(id) => self.endpoint(*id, &row, part),
            Row::Progress(id) => self.progress(*id, &row),
            Row::EventType(_) | Row::Token(_) | Row::Audit(_) => self.setting(&row, part),
            Row::Session(digest) => self.session(*digest, &row),
            Row::Traffic(id) => self.traffic(*id, &row),
            Row::Minute(_) => self.minute(&row),
            // Its counts are compared at the end.
            Row::Meta => Ok(()),
        };
        if let Err(error) = checked {
            self.find(error.to_string());
        }
    }

    fn find(&mut self, finding: String) {
        self.report.found += 1;
        if self.report.findings.len() < MOST_FINDINGS {
            self.report.findings.push(finding);
        }
    }

    /// Notes what is wrong about a row, if it is.
    fn demand(&mut self, holds: bool, row: &Row, what: &str) {
        if !holds {
            let name = keys::describe(&if row.in_parts() { part_key(row, 0) } else { row.key() });
            self.find(format!("{name}: {what}"));
        }
    }

    fn exists(&self, row: &Row) -> Result<bool, StoreError> {
        let key = if row.in_parts() { part_key(row, 0) } else { row.key() };
        Ok(self.rows.get(&key)?.is_some())
    }

    /// Compares the counts that are kept with what was counted.
    fn counts(&mut self) {
        let mut pending = 0;
        for (id, counted) in std::mem::take(&mut self.counted) {
            pending += counted.pending;
            let row = Row::Progress(id);
            match reading::record::<Progress>(&self.rows, &row) {
                Ok(Some((progress, _))) => {
                    let kept = (progress.health.pending, progress.asked);
                    let found = (counted.pending, counted.asked);
                    let what = format!("it counts {kept:?} pending and asked for, but there are {found:?}");
                    self.demand(kept == found, &row, &what);
                    let waits = counted.pending > 0 || counted.asked > 0;
                    self.demand(progress.life != Life::Dropped || !waits, &row, "it was dropped, but something waits");
                }
                Ok(None) => self.demand(false, &row, "it is missing"),
                // Named when its own row was read.
                Err(_) => {}
            }
        }
        match reading::record::<Meta>(&self.rows, &Row::Meta) {
            Ok(Some((meta, _))) => {
                let (events, deliveries) = (self.report.events, self.report.deliveries);
                for (what, kept, found) in [
                    ("events", meta.stored.events, events),
                    ("deliveries", meta.stored.deliveries, deliveries),
                    ("pending deliveries", meta.totals.pending, pending),
                ] {
                    self.demand(kept == found, &Row::Meta, &format!("they count {kept} {what}, but there are {found}"));
                }
            }
            Ok(None) => self.demand(false, &Row::Meta, "they are missing"),
            Err(error) => self.find(error.to_string()),
        }
    }

    /// The greatest id that may be stored.
    fn last_id(&self) -> u128 {
        reading::record::<Meta>(&self.rows, &Row::Meta).ok().flatten().map_or(u128::MAX, |(meta, _)| meta.last_id)
    }

    fn decoded<R: codec::Record>(key: &[u8], value: &[u8]) -> Result<(R, Vec<u8>), StoreError> {
        let (record, tail) = codec::decode(key, value).map_err(|error| error.at(key))?;
        Ok((record, tail.to_vec()))
    }
}
