//! The data directory: who holds it, how a new store comes to be, and how one is opened.
//!
//! `lock` is locked by the process that uses the directory. `store/` is the store: its manifest is read before anything
//! else is touched; the engine's files lie in a directory of the engine's name (see `engine_change` for others). A new store is made under another name,
//! synced whole, and renamed: there is a whole one or none.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{
    OpenError, codec,
    engine::{self, Engine, EngineKind, Write, sync_directory},
    keys::Row,
    manifest::{FORMAT, Manifest, StoreId},
    reading,
    shared::EngineRows,
    stored::Meta,
    witness,
};

const LOCK: &str = "lock";
/// The store's directory.
pub const STORE: &str = "store";
const UNFINISHED: &str = "store.unfinished";

/// Holds the directory for this process, until it is dropped or the process ends.
#[derive(Debug)]
pub struct DirectoryLock(#[expect(dead_code, reason = "the lock goes with the open file")] File);

impl DirectoryLock {
    /// Takes the directory, which must exist.
    pub fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| OpenError::Io { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
        }
    }
}

/// Makes the directory unless it is there, with those above it, and has their names on stable storage; only its owner
/// may look into it.
///
/// # Errors
/// It cannot be made, or something else is in its place.
pub fn make(directory: &Path) -> Result<(), OpenError> {
    make_with_mode(directory, 0o700)
}

fn make_with_mode(directory: &Path, mode: u32) -> Result<(), OpenError> {
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(io_at(directory)(io::ErrorKind::NotADirectory.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_at(directory)(error)),
    }
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_with_mode(parent, 0o777)?;
    match DirBuilder::new().mode(mode).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !directory.is_dir() => {
            return Err(io_at(directory)(error));
        }
        _ => {}
    }
    sync_directory(parent).map_err(io_at(parent))
}

/// Whether there is a store in the directory.
pub fn holds_a_store(directory: &Path) -> Result<bool, OpenError> {
    let path = directory.join(STORE);
    path.try_exists().map_err(io_at(&path))
}

/// Refuses a directory without a store, before anything is left in it.
pub fn demand_a_store(directory: &Path) -> Result<(), OpenError> {
    if holds_a_store(directory)? { Ok(()) } else { Err(OpenError::Missing(directory.to_owned())) }
}

/// Makes an empty store in the directory.
pub fn create(directory: &Path, kind: EngineKind, cache: u64) -> Result<(), OpenError> {
    let unfinished = begin(directory)?;
    let id = StoreId::random().map_err(io_at(directory))?;
    engine::create(kind, &unfinished.join(kind.name()), cache, vec![first_row(id)?])?;
    finish(directory, Manifest { format: FORMAT, engine: kind, id })
}

/// Makes a place for a new store, which is none until it is finished. What was begun before and not finished is gone.
pub fn begin(directory: &Path) -> Result<PathBuf, OpenError> {
    let unfinished = directory.join(UNFINISHED);
    remove_unfinished(directory).map_err(io_at(&unfinished))?;
    // Secrets lie in it, and the directory around it may have been made by somebody else, for all to read.
    DirBuilder::new().mode(0o700).create(&unfinished).map_err(io_at(&unfinished))?;
    Ok(unfinished)
}

/// The new store is whole, and the engine's files are on stable storage: from here on it is the store of the directory.
pub fn finish(directory: &Path, manifest: Manifest) -> Result<(), OpenError> {
    let unfinished = directory.join(UNFINISHED);
    manifest.write(&unfinished)?;
    sync_directory(&unfinished).map_err(io_at(&unfinished))?;
    fs::rename(&unfinished, directory.join(STORE)).map_err(io_at(directory))?;
    sync_directory(directory).map_err(io_at(directory))
}

/// The one row of an empty store.
fn first_row(id: StoreId) -> Result<Write, OpenError> {
    let key = Row::Meta.key();
    let meta = codec::encode(&key, &Meta::of(id), &[]).map_err(|error| OpenError::Damaged(error.to_string()))?;
    Ok((key, Some(meta)))
}

/// Makes an empty store of an empty engine that lies in no directory.
#[cfg(any(test, feature = "testing"))]
pub fn found(engine: &dyn Engine) -> Result<(), OpenError> {
    let failed = |error: String| OpenError::Damaged(error);
    if engine.get(&Row::Meta.key()).map_err(|error| failed(error.to_string()))?.is_none() {
        engine.commit(vec![first_row(StoreId::default())?]).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// Refuses a store that is not on this engine, before it is touched.
pub fn demand_engine(directory: &Path, asked: EngineKind) -> Result<(), OpenError> {
    let found = Manifest::read(&directory.join(STORE))?.engine;
    if found == asked { Ok(()) } else { Err(OpenError::OtherEngine { found, asked }) }
}

/// Whether nothing is in the directory, but for a lock and a store that was never finished.
pub fn is_unused(directory: &Path) -> Result<bool, OpenError> {
    for entry in fs::read_dir(directory).map_err(io_at(directory))? {
        let name = entry.map_err(io_at(directory))?.file_name();
        if name != LOCK && name != UNFINISHED {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Empties an unused directory; the caller holds its lock.
pub fn clear(directory: &Path) -> io::Result<()> {
    remove_unfinished(directory)?;
    match fs::remove_file(directory.join(LOCK)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_unfinished(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory.join(UNFINISHED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Opens the store in the directory.
pub fn open(directory: &Path, cache: u64) -> Result<(Manifest, Box<dyn Engine>), OpenError> {
    let opened = open_as_it_is(directory, cache)?;
    opened.age?;
    Ok((opened.manifest, opened.engine))
}

/// A store that was opened, whatever its age.
pub struct Opened {
    /// What its manifest says.
    pub manifest: Manifest,
    /// Its engine.
    pub engine: Box<dyn Engine>,
    /// Whether it is in the state that its witness knows, or a later one.
    pub age: Result<(), OpenError>,
}

/// Opens the store in the directory, though it may be older than it was.
pub fn open_as_it_is(directory: &Path, cache: u64) -> Result<Opened, OpenError> {
    let store = directory.join(STORE);
    let manifest = Manifest::read(&store)?;
    if manifest.format < FORMAT {
        return Err(OpenError::Older { found: manifest.format, known: FORMAT });
    }
    let seen = witness::read(&store);
    let engine = engine::open(manifest.engine, &store.join(manifest.engine.name()), cache)?;
    let rows = EngineRows(&*engine);
    let meta = reading::record::<Meta>(&rows, &Row::Meta).map_err(|error| OpenError::Damaged(error.to_string()))?;
    let Some((meta, _)) = meta else {
        return Err(OpenError::Damaged(format!("{}: the totals are missing", store.display())));
    };
    if meta.store != manifest.id {
        return Err(OpenError::Damaged(format!(
            "{}: the manifest is of store {}, but the engine's files are of store {}",
            store.display(),
            manifest.id,
            meta.store
        )));
    }
    let age = seen.and_then(|seen| witness::compare(&store, &seen, &meta));
    Ok(Opened { manifest, engine, age })
}

/// Where the store lies in the data directory.
pub fn store_of(directory: &Path) -> PathBuf {
    directory.join(STORE)
}

/// An error of the disk, at this path.
pub fn io_at(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path: PathBuf = path.to_owned();
    move |source| OpenError::Io { path: path.clone(), source }
}
