//! What of the changes that no sync vouches for a cut leaves.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::disk::{FileChange, NameChange, Numbered, put};
use crate::rng::Rng;

/// What a drive writes whole.
const SECTOR: usize = 512;
/// A file whose data is lost has grown all the same so many times in a hundred.
const GROWN: u64 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Nothing,
    Everything,
    /// Some whole writes.
    Some,
    /// Some sectors; a sector is as it was after one of its writes, or before them all.
    Torn,
    /// The very last change alone.
    Last,
    /// What overwrites durable bytes (sled's reused segments, redb's freed pages), but nothing that is added.
    Overwrites,
    /// What is added, but nothing that overwrites.
    Additions,
}

impl Strategy {
    pub const ALL: [Strategy; 7] = [
        Strategy::Nothing,
        Strategy::Everything,
        Strategy::Some,
        Strategy::Torn,
        Strategy::Last,
        Strategy::Overwrites,
        Strategy::Additions,
    ];
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|strategy| strategy.to_string() == text).ok_or_else(|| text.to_owned())
    }
}

/// A strategy with its numbers.
pub struct Survival {
    strategy: Strategy,
    rng: Rng,
    /// How many of a hundred changes survive, where that is by chance.
    share: u64,
    last: usize,
}

impl Survival {
    pub fn new(strategy: Strategy, seed: u64) -> Survival {
        let mut rng = Rng::new(seed);
        let share = rng.one_of(&[10, 50, 90]);
        Survival { strategy, rng, share, last: 0 }
    }

    /// Takes the last change of each file and directory.
    pub fn begin(&mut self, last: impl Iterator<Item = usize>) {
        self.last = last.max().unwrap_or(0);
    }

    /// How many of a directory's changes survive.
    pub fn names(&mut self, since: &[Numbered<NameChange>]) -> usize {
        match self.strategy {
            Strategy::Nothing => 0,
            Strategy::Everything => since.len(),
            _ => self.rng.below(since.len() + 1),
        }
    }

    /// What is left of a file.
    pub fn file(&mut self, durable: &[u8], since: &[Numbered<FileChange>], bytes: &[u8]) -> Vec<u8> {
        let mut file = durable.to_vec();
        let mut stopped = HashSet::new();
        for (at, change) in since {
            if self.strategy == Strategy::Torn
                && let FileChange::Write { offset, data } = change
            {
                self.tear(&mut file, *offset, &bytes[data.clone()], &mut stopped);
                continue;
            }
            if self.survives(*at, change, durable.len()) {
                change.apply(&mut file, bytes);
            } else if matches!(self.strategy, Strategy::Some | Strategy::Additions)
                && let FileChange::Write { offset, data } = change
                && offset + data.len() > file.len()
                && self.rng.percent(GROWN)
            {
                file.resize(offset + data.len(), 0);
            }
        }
        file
    }

    fn survives(&mut self, at: usize, change: &FileChange, durable: usize) -> bool {
        let adds = match change {
            FileChange::Write { offset, data } => offset + data.len() > durable,
            FileChange::Grow { .. } => true,
            FileChange::Truncate { length } => *length > durable,
            FileChange::Zero { .. } => false,
        };
        match self.strategy {
            Strategy::Nothing => false,
            Strategy::Everything => true,
            Strategy::Some | Strategy::Torn => self.rng.percent(self.share),
            Strategy::Last => at == self.last,
            Strategy::Overwrites => !adds,
            Strategy::Additions => adds,
        }
    }

    /// Writes sector by sector. One that missed a write misses those after it too: the drive never wrote it again.
    fn tear(&mut self, file: &mut Vec<u8>, offset: usize, data: &[u8], stopped: &mut HashSet<usize>) {
        let mut at = 0;
        while at < data.len() {
            let sector = (offset + at) / SECTOR;
            let end = data.len().min((sector + 1) * SECTOR - offset);
            if !stopped.contains(&sector) {
                if self.rng.percent(self.share) {
                    put(file, offset + at, &data[at..end]);
                } else {
                    stopped.insert(sector);
                }
            }
            at = end;
        }
    }
}
