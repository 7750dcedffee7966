//! A copy of the damaged store that opens: as it is, or else with what the engine can do without left out. Of several
//! that open, the one of which most can be read is taken.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{CACHE, RepairError};
use crate::store::{
    OpenError, directory,
    engine::{self, Engine, EngineKind, salvage::Try},
    keys::{Row, kind},
    manifest::Manifest,
    reading,
    scan::{Found, Scan},
    shared::EngineRows,
    stored::Meta,
    witness,
};

const COPY: &str = "salvage";

/// A copy that opened.
pub struct Salvaged {
    /// Its engine.
    pub engine: Box<dyn Engine>,
    /// Which kind that is.
    pub kind: EngineKind,
    /// What was found on the way.
    pub notes: Vec<String>,
}

/// Copies the store of a directory into the new one, and opens it.
pub fn open(source: &Path, to: &Path) -> Result<Salvaged, RepairError> {
    let store = directory::store_of(source);
    let mut notes = Vec::new();
    let kind = match Manifest::read(&store) {
        Ok(manifest) => manifest.engine,
        Err(error @ OpenError::Damaged(_)) => {
            notes.push(error.to_string());
            let there = EngineKind::ALL.into_iter().find(|kind| store.join(kind.name()).is_dir());
            there.ok_or_else(|| RepairError::Nothing(format!("{error}, and there are no files of an engine")))?
        }
        Err(error) => return Err(error.into()),
    };
    let seen = match witness::read(&store) {
        Ok(seen) => Some(seen),
        Err(error) => {
            notes.push(error.to_string());
            None
        }
    };
    let files = store.join(kind.name());
    let root = to.join(COPY);
    DirBuilder::new().mode(0o700).create(&root).map_err(RepairError::io(&root))?;

    let mut best: Option<(Reach, Try)> = None;
    let mut taken = 0;
    for attempt in Try::all(kind) {
        if best.is_some_and(|(reach, _)| reach.events > 0) && attempt.is_cut() {
            break;
        }
        taken += 1;
        let copy = root.join(taken.to_string());
        if let Some(engine) = open_copy(&files, &copy, kind, attempt, &mut notes)? {
            let commits = commits(&*engine);
            if seen.is_some_and(|seen| commits >= seen.commits) {
                return Ok(Salvaged { engine, kind, notes });
            }
            let reach = Reach::of(&*engine, commits);
            if reach.rows == 0 {
                notes.push(format!("{} open, but nothing can be read from them", attempt.describe()));
            } else if best.is_none_or(|(most, _)| reach > most) {
                best = Some((reach, attempt));
            }
        }
        // Each is as large as the store.
        fs::remove_dir_all(&copy).map_err(RepairError::io(&copy))?;
    }
    let Some((Reach { commits, .. }, attempt)) = best else {
        return Err(RepairError::Nothing(notes.join("; ")));
    };
    let engine = open_copy(&files, &root.join("best"), kind, attempt, &mut notes)?;
    let engine = engine.ok_or_else(|| RepairError::Nothing(notes.join("; ")))?;
    notes.push(match seen {
        Some(seen) if commits == 0 => {
            format!("read from {}; how many of the {} commits it has is not known", attempt.describe(), seen.commits)
        }
        Some(seen) => format!(
            "read from {}; the last {} of {} commits are lost",
            attempt.describe(),
            seen.commits.saturating_sub(commits),
            seen.commits
        ),
        None => format!("read from {}", attempt.describe()),
    });
    Ok(Salvaged { engine, kind, notes })
}

/// Removes the copies.
pub fn remove(to: &Path) -> Result<(), RepairError> {
    let root = to.join(COPY);
    fs::remove_dir_all(&root).map_err(RepairError::io(&root))
}

/// Opens a fresh copy after a change; `None`: it does not open.
fn open_copy(
    files: &Path,
    copy: &Path,
    kind: EngineKind,
    attempt: Try,
    notes: &mut Vec<String>,
) -> Result<Option<Box<dyn Engine>>, RepairError> {
    copy_files(files, copy).map_err(RepairError::io(copy))?;
    if !attempt.prepare(kind, copy, CACHE)? {
        return Ok(None);
    }
    let engine = match engine::open(kind, copy, CACHE) {
        Ok(engine) => engine,
        Err(error) => {
            notes.push(format!("{} do not open: {error}", attempt.describe()));
            return Ok(None);
        }
    };
    Ok(Some(engine))
}

/// How much of a copy can be read. More events are better, then more rows, then a later state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Reach {
    events: u64,
    rows: u64,
    commits: u64,
}

impl Reach {
    fn of(engine: &dyn Engine, commits: u64) -> Self {
        let mut reach = Self { events: 0, rows: 0, commits };
        for found in Scan::new(engine, &[], &[u8::MAX; 64]) {
            let Found::Row(entry) = found else { continue };
            reach.rows += 1;
            reach.events += u64::from(entry.key.first() == Some(&kind::EVENT));
        }
        reach
    }
}

/// How far it had come; 0 if it does not say.
fn commits(engine: &dyn Engine) -> u64 {
    let meta = reading::record::<Meta>(&EngineRows(engine), &Row::Meta).ok().flatten();
    meta.map_or(0, |(meta, _)| meta.commits)
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
