//! The manifest of a store: a small text file that says what lies beside it. It is read before anything else is
//! touched, so that a store of a newer release, of another engine or of another origin is refused as it is.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::{OpenError, engine::EngineKind, witness};

/// The format that this release writes.
pub const FORMAT: u32 = 5;

const NAME: &str = "manifest";
const TITLE: &str = "mythichooks store";

/// Which store this is: the same in its manifest and inside the engine, so that files which were swapped between two
/// stores are found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreId(u128);

impl StoreId {
    /// The id of a new store.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ulid(self.0).fmt(f)
    }
}

impl FromStr for StoreId {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Ulid>().map(|id| Self(id.0))
    }
}

/// What a manifest says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manifest {
    /// In which format the store is.
    pub format: u32,
    /// Which engine keeps its bytes.
    pub engine: EngineKind,
    /// Which store it is; none before format 2.
    pub id: StoreId,
}

impl Manifest {
    /// Writes it into the store's directory, whole or not at all, with a witness beside it, if there is none: where
    /// there is a manifest, there is one. The directory is synced by the caller.
    pub fn write(&self, store: &Path) -> Result<(), OpenError> {
        witness::create(store, self.id).map_err(|source| OpenError::Io { path: store.to_owned(), source })?;
        let path = store.join(NAME);
        let beside = store.join("manifest.new");
        let Self { format, engine, id } = self;
        let written = File::create(&beside).and_then(|mut file| {
            write!(file, "{TITLE}\nformat {format}\nengine {engine}\nid {id}\n")?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        });
        written.map_err(|source| OpenError::Io { path, source })
    }

    /// Reads it from the store's directory.
    ///
    /// # Errors
    /// It is missing or damaged, or the store is of a newer release.
    pub fn read(store: &Path) -> Result<Self, OpenError> {
        let path = store.join(NAME);
        let damaged = |what: &str| OpenError::Damaged(format!("{}: {what}", path.display()));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("the manifest is missing")),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged("this is no manifest")),
            Err(source) => return Err(OpenError::Io { path, source }),
        };
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Err(damaged("this is no manifest"));
        }
        let mut field = |name: &str| {
            let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.ok_or_else(|| damaged(&format!("the {name} is missing")))
        };
        let format = field("format")?.parse().map_err(|_| damaged("the format is no number"))?;
        match format {
            1..=FORMAT => {}
            found if found > FORMAT => return Err(OpenError::Newer { found, known: FORMAT }),
            found => return Err(damaged(&format!("there never was a format {found}"))),
        }
        let engine = field("engine")?;
        let engine = engine.parse().map_err(|_| damaged(&format!("this release has no engine {engine}")))?;
        let id = match format {
            1 => StoreId::default(),
            _ => field("id")?.parse().map_err(|_| damaged("the id is malformed"))?,
        };
        Ok(Self { format, engine, id })
    }
}
