//! A consistent copy of an engine that has no snapshots, made while commits go on.
//!
//! The tree is walked in key order, a bounded step at a time, and beside it every batch that is committed meanwhile is
//! captured. The captured batches come after the walk. Whatever the walk saw or missed of a batch that came after the
//! beginning is set right by that batch itself, and all earlier ones were there whole: so walk and batches together
//! make the state after the last captured batch. That is the last one when the walk ended, so a copy cannot go on for
//! ever, however much is committed.
//!
//! A commit holds the lock of the capture from before it applies its batch until the batch is captured. A copy holds
//! it only for the two instants in which it begins and in which it fixes its end; so neither lies inside a batch.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Seek as _, Write as _},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    vec,
};

use super::{Aside, CopyError, Engine, Entry, Order, Write, Writes, writes};

/// Entries that are read at a time.
const STEP: usize = 256;
/// No key is this great.
const BEHIND_ALL: [u8; 64] = [u8::MAX; 64];
/// What a file of captured batches is called for the moment until it is unlinked. A death in that moment leaves it; the
/// next copy takes it over.
const FILE: &str = "captured.tmp";

/// What an engine keeps so that it can be copied.
#[derive(Debug, Default)]
pub struct Capture {
    log: Mutex<Option<Log>>,
    failed: AtomicBool,
}

/// A commit under way.
#[must_use = "what is committed has to be captured"]
pub struct Committing<'a> {
    capture: &'a Capture,
    log: MutexGuard<'a, Option<Log>>,
}

impl Capture {
    /// A commit begins. Without a copy under way this costs one look at a lock that nobody holds.
    pub fn committing(&self) -> Committing<'_> {
        Committing { capture: self, log: self.log() }
    }

    /// A copy of the engine that this belongs to.
    pub fn copy<'a>(&'a self, engine: &'a dyn Engine, aside: Aside) -> Result<Writes<'a>, CopyError> {
        Ok(Box::new(self.begin(engine, aside)?))
    }

    fn begin<'a>(&'a self, engine: &'a dyn Engine, aside: Aside) -> Result<Copy<'a>, CopyError> {
        let mut log = self.log();
        if log.is_some() {
            return Err(CopyError::Busy);
        }
        *log = Some(Log { aside, count: 0, memory: Vec::new(), file: None, failed: None });
        self.failed.store(false, Ordering::Relaxed);
        let stage = Stage::Walk { from: Vec::new(), step: Vec::new().into_iter() };
        Ok(Copy { engine, capture: self, stage })
    }

    fn log(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Committing<'_> {
    /// The batch is applied, and on stable storage.
    pub fn committed(mut self, batch: &[Write]) {
        if let Some(log) = &mut *self.log {
            log.push(batch);
            if log.failed.is_some() {
                self.capture.failed.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// The batches that were committed since a copy began: the older ones in a file, if there are many.
#[derive(Debug)]
struct Log {
    aside: Aside,
    /// Writes so far.
    count: u64,
    memory: Vec<u8>,
    file: Option<File>,
    failed: Option<CopyError>,
}

impl Log {
    fn push(&mut self, batch: &[Write]) {
        if self.failed.is_some() {
            return;
        }
        for write in batch {
            writes::encode(&mut self.memory, write);
            self.count += 1;
        }
        if self.memory.len() > self.aside.memory
            && let Err(error) = self.spill()
        {
            // The copy is lost, so nothing is kept for it any more; the commit that came here is not.
            self.memory = Vec::new();
            self.file = None;
            self.failed = Some(error);
        }
    }

    /// Moves what is in memory to the end of the file. It is not synced: it serves this process alone.
    fn spill(&mut self) -> Result<(), CopyError> {
        let length = u64::try_from(self.memory.len()).unwrap_or(u64::MAX);
        if !self.aside.has_room_for(length) {
            return Err(CopyError::NoRoom);
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(unlinked_file(&self.aside).map_err(aside_failed)?),
        };
        file.write_all(&self.memory).map_err(aside_failed)?;
        self.memory.clear();
        Ok(())
    }

    /// From the first captured write on.
    fn replay(self) -> Result<Replay, CopyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let file = match self.file {
            Some(mut file) => {
                file.rewind().map_err(aside_failed)?;
                Some(file)
            }
            None => None,
        };
        let memory = io::Cursor::new(self.memory);
        let bytes: Box<dyn Read + Send> = match file {
            Some(file) => Box::new(BufReader::new(file).chain(memory)),
            None => Box::new(memory),
        };
        Ok(Replay { bytes, left: self.count })
    }
}

fn unlinked_file(aside: &Aside) -> io::Result<File> {
    let path = aside.directory.join(FILE);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where an error is converted")]
fn aside_failed(error: io::Error) -> CopyError {
    match error.kind() {
        io::ErrorKind::StorageFull => CopyError::NoRoom,
        _ => CopyError::Aside(error.to_string()),
    }
}

/// Captured writes, read again.
struct Replay {
    bytes: Box<dyn Read + Send>,
    /// Writes that are still to come.
    left: u64,
}

impl Replay {
    fn next(&mut self) -> Result<Option<Write>, CopyError> {
        if self.left == 0 {
            return Ok(None);
        }
        let write = writes::decode(&mut self.bytes).map_err(aside_failed)?;
        self.left -= 1;
        Ok(Some(write))
    }
}

/// A copy under way. It ends when it is dropped.
struct Copy<'a> {
    engine: &'a dyn Engine,
    capture: &'a Capture,
    stage: Stage,
}

enum Stage {
    /// Goes on with what was read, and then from here on.
    Walk {
        from: Vec<u8>,
        step: vec::IntoIter<Entry>,
    },
    /// The walk is over, and the end is fixed.
    Replay(Replay),
    Over,
}

impl Copy<'_> {
    fn advance(&mut self) -> Result<Option<Write>, CopyError> {
        loop {
            match &mut self.stage {
                Stage::Walk { from, step } => {
                    if let Some(entry) = step.next() {
                        return Ok(Some((entry.key, Some(entry.value))));
                    }
                    let read = self.engine.range(from, &BEHIND_ALL, Order::Ascending).take(STEP);
                    let read: Vec<Entry> = read.collect::<Result<_, _>>()?;
                    if let Some(last) = read.last()
                        && !self.capture.failed.load(Ordering::Relaxed)
                    {
                        from.clone_from(&last.key);
                        from.push(0);
                        *step = read.into_iter();
                    } else {
                        // From here on the capture may be another copy's.
                        self.stage = Stage::Over;
                        let log = self.capture.log().take();
                        if let Some(log) = log {
                            self.stage = Stage::Replay(log.replay()?);
                        }
                    }
                }
                Stage::Replay(replay) => return replay.next(),
                Stage::Over => return Ok(None),
            }
        }
    }

    fn end(&mut self) {
        if matches!(self.stage, Stage::Walk { .. }) {
            *self.capture.log() = None;
        }
        self.stage = Stage::Over;
    }
}

impl Iterator for Copy<'_> {
    type Item = Result<Write, CopyError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.end();
        }
        next
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
