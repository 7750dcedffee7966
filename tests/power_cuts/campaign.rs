//! Many images of one record, looked at by as many processes as there are cores, and what came of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};

use crate::checker::{Task, Verdict};
use crate::disk::{Disk, Image, write_image};
use crate::kept;
use crate::promises::{self, Promise};
use crate::record::{Change, Entry, Record};
use crate::rng::Rng;
use crate::scratch;
use crate::survival::{Strategy, Survival};
use crate::workers::Worker;

/// So many images that fail are kept of a campaign.
const MOST_KEPT: usize = 5;
/// How many entries around a change of names count as near to it.
const NEAR: usize = 4;

/// One image: where the cut is, and what it leaves.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub position: usize,
    pub strategy: Strategy,
    pub seed: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.position, self.strategy, self.seed)
    }
}

impl Cut {
    /// The image of a disk that was advanced to the position.
    pub fn image(&self, disk: &Disk, record: &Record) -> Image {
        disk.image(&mut Survival::new(self.strategy, self.seed), &record.bytes)
    }
}

/// Chooses cuts, in the order of their positions: while a sync is under way, just after one has returned, near changes
/// of names and starts of processes, and anywhere.
pub fn choose(record: &Record, count: usize, rng: &mut Rng) -> Vec<Cut> {
    let places = |wanted: fn(&Change) -> bool| -> Vec<usize> {
        let found = |(at, entry): (usize, &Entry)| wanted(&entry.change).then_some(at);
        record.entries.iter().enumerate().filter_map(found).collect()
    };
    let syncs = places(|change| matches!(change, Change::SyncEnd { .. }));
    let names = places(|change| {
        matches!(
            change,
            Change::Start
                | Change::Rename { .. }
                | Change::Unlink { .. }
                | Change::MakeDirectory { .. }
                | Change::RemoveDirectory { .. }
                | Change::Truncate { .. }
        )
    });
    let total = record.entries.len();
    let mut cuts = Vec::new();
    for _ in 0..count {
        let position = match rng.below(100) {
            0..40 if !syncs.is_empty() => rng.one_of(&syncs),
            40..60 if !syncs.is_empty() => rng.one_of(&syncs) + 1,
            60..80 if !names.is_empty() => (rng.one_of(&names) + rng.below(2 * NEAR)).saturating_sub(NEAR),
            _ => rng.below(total + 1),
        };
        cuts.push(Cut { position: position.min(total), strategy: rng.one_of(&Strategy::ALL), seed: rng.next() });
    }
    cuts.sort_by_key(|cut| cut.position);
    cuts
}

/// An image to look at.
pub struct Job {
    pub name: String,
    pub image: Image,
    pub promises: Arc<PromiseFile>,
    /// The length of the record at the cut.
    pub cut: usize,
}

/// Promises in a file, for the processes that look at images.
pub struct PromiseFile {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl PromiseFile {
    pub fn new(promises: &[Promise]) -> Arc<PromiseFile> {
        let directory = scratch::directory();
        let path = directory.path().join("promises");
        promises::write(promises, &path);
        Arc::new(PromiseFile { path, _directory: directory })
    }
}

/// What came of a campaign.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub images: usize,
    /// How many images broke each invariant; an image counts for the first that it broke.
    pub broken: BTreeMap<String, usize>,
    /// In words, with how to look at the image again.
    pub failures: Vec<String>,
}

impl Tally {
    pub fn failed(&self) -> usize {
        self.broken.values().sum()
    }

    pub fn of(&self, invariant: &str) -> usize {
        self.broken.get(invariant).copied().unwrap_or(0)
    }

    pub fn add(&mut self, other: Tally) {
        self.images += other.images;
        for (invariant, count) in other.broken {
            *self.broken.entry(invariant).or_default() += count;
        }
        self.failures.extend(other.failures);
    }
}

/// Looks at all images that `produce` makes.
pub fn run(produce: impl FnOnce(&dyn Fn(Job)), keeps: bool) -> Tally {
    let tally = Mutex::new(Tally::default());
    let processes = std::thread::available_parallelism().map_or(2, usize::from);
    let (sender, jobs) = mpsc::sync_channel::<Job>(processes);
    let jobs = Mutex::new(jobs);
    std::thread::scope(|scope| {
        for _ in 0..processes {
            scope.spawn(|| {
                let scratch = scratch::directory();
                let mut worker = Worker::new();
                loop {
                    let Ok(job) = jobs.lock().unwrap().recv() else { return };
                    let directory = scratch.path().join("image");
                    write_image(&job.image, &directory);
                    let task = Task::Check { directory, promises: job.promises.path.clone(), cut: job.cut };
                    let verdict = worker.ask(&task);
                    note(&tally, &job, &verdict, keeps);
                }
            });
        }
        produce(&|job| sender.send(job).unwrap());
        drop(sender);
    });
    tally.into_inner().unwrap()
}

fn note(tally: &Mutex<Tally>, job: &Job, verdict: &Verdict, keeps: bool) {
    let mut tally = tally.lock().unwrap();
    tally.images += 1;
    let Verdict::Broken { invariant, what } = verdict else { return };
    *tally.broken.entry(invariant.clone()).or_default() += 1;
    if tally.failures.len() < MOST_KEPT {
        let again = if keeps {
            format!("\n    {}", kept::keep(&job.name, &job.image, &job.promises.path, job.cut))
        } else {
            String::new()
        };
        tally.failures.push(format!("{} broke {invariant}: {what}{again}", job.name));
    }
}

/// The images of cuts of one record, whose promises these are.
pub fn of_record(
    name: &str,
    start: Disk,
    record: &Record,
    promises: &Arc<PromiseFile>,
    cuts: &[Cut],
    submit: &dyn Fn(Job),
) {
    let mut disk = start;
    for cut in cuts {
        disk.advance(record, cut.position);
        submit(Job {
            name: format!("{name}-{cut}"),
            image: cut.image(&disk, record),
            promises: Arc::clone(promises),
            cut: length_at(record, cut.position),
        });
    }
}

/// How long the record is before the entry at this position.
pub fn length_at(record: &Record, position: usize) -> usize {
    position.checked_sub(1).map_or(0, |last| record.entries[last].end)
}
