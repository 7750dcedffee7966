//! A copy of the damaged store that opens: as it is, or else with what the engine can do without left out. Of several
//! that open, the one that had come furthest is taken.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{CACHE, RepairError};
use crate::store::{
    OpenError, directory,
    engine::{self, Engine, EngineKind, Order, salvage::Try},
    keys::Row,
    manifest::Manifest,
    reading,
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

    let mut best: Option<(u64, Try)> = None;
    let mut taken = 0;
    for attempt in Try::all(kind) {
        if best.is_some() && attempt.is_cut() {
            break;
        }
        taken += 1;
        let copy = root.join(taken.to_string());
        let Some(engine) = open_copy(&files, &copy, kind, attempt, &mut notes)? else { continue };
        let commits = commits(&*engine);
        if seen.is_some_and(|seen| commits >= seen.commits) {
            return Ok(Salvaged { engine, kind, notes });
        }
        if best.is_none_or(|(most, _)| commits > most) {
            best = Some((commits, attempt));
        }
    }
    let Some((commits, attempt)) = best else {
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

/// Opens a fresh copy after a change; `None`: it does not open, or has nothing in it.
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
    let has_a_row = engine.range(&[], &[u8::MAX; 64], Order::Ascending).next().is_some();
    if !has_a_row {
        notes.push(format!("{} open, but nothing is in them", attempt.describe()));
    }
    Ok(has_a_row.then_some(engine))
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
