//! Bringing a store of an earlier format to this release's, when the server opens it.
//!
//! What is changed is a copy; the store that was there is set aside whole, and kept. The names in the data directory
//! tell how far it came, so that a death at any point leaves the old store or the new one:
//!
//! | there is | then |
//! | --- | --- |
//! | `store` of an older format | all else is a left-over, and the migration begins anew |
//! | `store.migrating` | the copy, not finished: worthless |
//! | `store.migrated` and no `store` | the old one was set aside: the new one takes its place |
//! | `store.format1` | the old store, untouched: for people to keep or to remove |
//!
//! A new format adds one function to [`STEPS`]. A record whose form changes and whose meaning does not needs none: it
//! is read in its older version for as long as it lies there (see [`super::codec::Record::upgrade`]). Rows of a new kind
//! need a format of their own, whose step changes nothing: an earlier release must not open a store that has some.

mod step_1_to_2;
mod step_2_to_3;

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use fail::fail_point;

use super::{
    OpenError, StoreError,
    directory::{STORE, io_at},
    engine::{self, Engine, sync_directory},
    manifest::{FORMAT, Manifest},
};

const MIGRATING: &str = "store.migrating";
const MIGRATED: &str = "store.migrated";
/// Room that is left on the disk when the copy is made.
const SPARE: u64 = 16 << 20;

/// Changes an open store of one format into the next.
type Step = fn(&dyn Engine, &mut Manifest) -> Result<(), StoreError>;

/// From format 1 to 2, from 2 to 3, and so on.
const STEPS: [Step; 4] = [step_1_to_2::run, step_2_to_3::run, nothing_changes, nothing_changes];
const _: () = assert!(STEPS.len() + 1 == FORMAT as usize);

/// A new format in which there can be rows that earlier releases do not know; those that there are stay as they are.
#[allow(clippy::unnecessary_wraps, reason = "it is a step like the others")]
fn nothing_changes(_: &dyn Engine, _: &mut Manifest) -> Result<(), StoreError> {
    Ok(())
}

/// Clears up after a migration that was cut short. To be called before anything asks whether there is a store.
pub fn clear_up(directory: &Path) -> Result<(), OpenError> {
    let (store, migrated) = (directory.join(STORE), directory.join(MIGRATED));
    let there = |path: &Path| path.try_exists().map_err(io_at(path));
    if !there(&store)? && there(&migrated)? {
        put_in_place(directory)?;
        tracing::info!("a migration of the store that was cut short was finished");
    }
    remove(&directory.join(MIGRATING))?;
    remove(&migrated)
}

/// Brings the store in the directory to this release's format, if it is in an earlier one.
///
/// # Errors
/// It is damaged or of a newer release, or there is no room for the copy. The store is then as it was.
pub fn bring_up_to_date(directory: &Path, cache: u64) -> Result<(), OpenError> {
    let store = directory.join(STORE);
    let found = Manifest::read(&store)?.format;
    if found == FORMAT {
        return Ok(());
    }
    let size = size_of(&store).map_err(io_at(&store))?;
    let needed = size.saturating_add(SPARE);
    let free = rustix::fs::statvfs(directory).map_err(|error| io_at(directory)(error.into()))?;
    let free = free.f_bavail.saturating_mul(free.f_frsize);
    if free < needed {
        return Err(OpenError::NoRoomToMigrate { found, known: FORMAT, needed, free });
    }
    tracing::info!(
        from = found,
        to = FORMAT,
        bytes = size,
        "the store is in an earlier format: migrating a copy of it"
    );

    let migrating = directory.join(MIGRATING);
    copy(&store, &migrating)?;
    fail_point!("migrate::copied");
    step_by_step(&migrating, cache)?;
    sync_all(&migrating).map_err(io_at(&migrating))?;
    let migrated = directory.join(MIGRATED);
    fs::rename(&migrating, &migrated).map_err(io_at(&migrated))?;
    sync_directory(directory).map_err(io_at(directory))?;
    fail_point!("migrate::migrated");

    let kept = free_name(directory, found)?;
    fs::rename(&store, &kept).map_err(io_at(&kept))?;
    sync_directory(directory).map_err(io_at(directory))?;
    fail_point!("migrate::set_aside");
    put_in_place(directory)?;
    tracing::warn!(
        copy = %kept.display(),
        "the store was migrated; the old one is kept as it was, to be removed by hand once this release is trusted"
    );
    Ok(())
}

fn step_by_step(store: &Path, cache: u64) -> Result<(), OpenError> {
    let mut manifest = Manifest::read(store)?;
    let engine = engine::open(manifest.engine, &store.join(manifest.engine.name()), cache)?;
    bring_rows_up_to_date(&*engine, &mut manifest)?;
    drop(engine);
    manifest.write(store)
}

/// Changes the rows of an engine that nobody else uses, and that need not be left as they were.
pub fn bring_rows_up_to_date(engine: &dyn Engine, manifest: &mut Manifest) -> Result<(), OpenError> {
    for (from, step) in (1..).zip(STEPS) {
        if from < manifest.format {
            continue;
        }
        step(engine, manifest).map_err(|error| OpenError::Damaged(error.to_string()))?;
        manifest.format = from + 1;
        tracing::info!(format = manifest.format, "migrated");
    }
    Ok(())
}

fn put_in_place(directory: &Path) -> Result<(), OpenError> {
    let store = directory.join(STORE);
    fs::rename(directory.join(MIGRATED), &store).map_err(io_at(&store))?;
    sync_directory(directory).map_err(io_at(directory))
}

/// `store.format1`; a later number if an earlier migration's is still there.
fn free_name(directory: &Path, format: u32) -> Result<PathBuf, OpenError> {
    let mut path = directory.join(format!("{STORE}.format{format}"));
    let mut number = 2_u32;
    while path.try_exists().map_err(io_at(&path))? {
        path = directory.join(format!("{STORE}.format{format}.{number}"));
        number += 1;
    }
    Ok(path)
}

/// Copies files and directories; what is copied is synced by the caller.
fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
    DirBuilder::new().mode(0o700).create(to).map_err(io_at(to))?;
    for entry in fs::read_dir(from).map_err(io_at(from))? {
        let entry = entry.map_err(io_at(from))?;
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(io_at(&path))?.is_dir() {
            copy(&path, &copied)?;
        } else {
            fs::copy(&path, &copied).map_err(io_at(&copied))?;
        }
        fail_point!("migrate::copying");
    }
    Ok(())
}

fn sync_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_directory(directory)
}

fn size_of(directory: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(size)
}

fn remove(directory: &Path) -> Result<(), OpenError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at(directory)(error)),
        _ => Ok(()),
    }
}
