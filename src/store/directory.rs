//! The data directory: who holds it, in which format its store is, how a new store comes to be, and how one is opened.
//!
//! `lock` is locked by the process that uses the directory. `store/` is the store: `manifest` says its format and
//! engine and is read before anything else is touched; the engine's files lie in a directory of its name. A new store
//! is made under another name, synced whole, and renamed: there is a whole one or none.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{
    OpenError, codec,
    engine::{Engine, SledEngine, sync_directory},
    keys::Row,
    stored::Meta,
};

/// The format that this release writes.
pub const FORMAT: u32 = 1;

const LOCK: &str = "lock";
const STORE: &str = "store";
const UNFINISHED: &str = "store.unfinished";
const MANIFEST: &str = "manifest";
const TITLE: &str = "mythichooks store";
const SLED: &str = "sled";

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

/// Makes the directory unless it is there; only its owner may look into it.
pub fn make(directory: &Path) -> Result<(), OpenError> {
    if directory.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    let synced = made.and_then(|()| match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    });
    synced.map_err(io_at(directory))
}

/// Whether there is a store in the directory.
pub fn holds_a_store(directory: &Path) -> Result<bool, OpenError> {
    let path = directory.join(STORE);
    path.try_exists().map_err(io_at(&path))
}

/// Makes an empty store in the directory.
pub fn create(directory: &Path, cache: u64) -> Result<(), OpenError> {
    let unfinished = directory.join(UNFINISHED);
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_at(&unfinished)(error)),
        _ => {}
    }
    fs::create_dir(&unfinished).map_err(io_at(&unfinished))?;
    let key = Row::Meta.key();
    let meta = codec::encode(&key, &Meta::default(), &[]).map_err(|error| OpenError::Damaged(error.to_string()))?;
    SledEngine::create(&unfinished.join(SLED), cache, vec![(key, Some(meta))])?;

    let path = unfinished.join(MANIFEST);
    let written = File::create_new(&path).and_then(|mut file| {
        write!(file, "{TITLE}\nformat {FORMAT}\nengine {SLED}\n")?;
        file.sync_all()
    });
    written.map_err(io_at(&path))?;
    sync_directory(&unfinished).map_err(io_at(&unfinished))?;
    fs::rename(&unfinished, directory.join(STORE)).map_err(io_at(directory))?;
    sync_directory(directory).map_err(io_at(directory))
}

/// Opens the store in the directory.
pub fn open(directory: &Path, cache: u64) -> Result<Box<dyn Engine>, OpenError> {
    let store = directory.join(STORE);
    check_manifest(&store.join(MANIFEST))?;
    Ok(Box::new(SledEngine::open(&store.join(SLED), cache)?))
}

fn check_manifest(path: &Path) -> Result<(), OpenError> {
    let damaged = |what: &str| OpenError::Damaged(format!("{}: {what}", path.display()));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("the manifest is missing")),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged("this is no manifest")),
        Err(error) => return Err(io_at(path)(error)),
    };
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(damaged("this is no manifest"));
    }
    let format = lines.next().and_then(|line| line.strip_prefix("format ")?.parse().ok());
    match format.ok_or_else(|| damaged("the format is missing"))? {
        FORMAT => {}
        found if found > FORMAT => return Err(OpenError::Newer { found, known: FORMAT }),
        found => return Err(damaged(&format!("there never was a format {found}"))),
    }
    match lines.next().and_then(|line| line.strip_prefix("engine ")) {
        Some(SLED) => Ok(()),
        Some(other) => Err(damaged(&format!("this release has no engine {other}"))),
        None => Err(damaged("the engine is missing")),
    }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path: PathBuf = path.to_owned();
    move |source| OpenError::Io { path: path.clone(), source }
}
