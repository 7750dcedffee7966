//! What an archive consists of. It is a stream, so that it can be made and read without being held anywhere whole:
//!
//! 1. The title, `mythichooks backup`, a space, the archive's version and a line feed.
//! 2. Frames: a byte that says what it is, the length of its content and a CRC-32C, 32 bits each in little-endian
//!    order, then the content. The checksum covers the frame's number in the file as well, so that frames which were
//!    lost, repeated or moved are found. First comes one manifest (`M`), then blocks (`B`), last one trailer (`T`).
//! 3. The SHA-256 of everything before it. Nothing follows.
//!
//! A block is compressed with zstd by itself. In it are writes, one behind the other, as [`super::super::engine::writes`]
//! has them; a key can come again, and then the later write holds. Manifest and trailer are lines of text, a name and a
//! value each. What the keys and values mean is said by the store's format, which stands in the manifest.
//!
//! Nothing is encrypted: an archive holds the signing secrets and the payloads, as the store does.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use ulid::Ulid;

use crate::{domain::time::Timestamp, store::engine::Write, store::manifest::StoreId};

/// The version that this release writes. The form of a write is part of it.
pub const VERSION: u32 = 1;
/// With what an archive begins.
pub const TITLE: &[u8] = b"mythichooks backup ";
/// What stands in the manifest for how blocks are to be read.
pub const SCHEMA: &str = "key-length:u32le value-length:u32le(4294967295=removed) key value";

/// Frames.
pub const MANIFEST: u8 = b'M';
/// Writes.
pub const BLOCK: u8 = b'B';
/// The end.
pub const TRAILER: u8 = b'T';

/// A block is ended when its writes have so many bytes.
pub const BLOCK_BYTES: usize = 256 << 10;
/// No block has more, compressed or not: one write more than the above.
pub const MOST_BLOCK_BYTES: usize = 1 << 20;
/// Bytes of a frame before its content.
pub const FRAME_HEAD: usize = 9;
/// Bytes of the digest at the end.
pub const DIGEST: usize = 32;

/// Whether the file can be the beginning of an archive, however little of one.
pub fn is_begun(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut begun = Vec::new();
    File::open(path)?.take(TITLE.len() as u64).read_to_end(&mut begun)?;
    Ok(TITLE.starts_with(&begun))
}

/// What an archive says of its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveManifest {
    /// The format of the store that it was made of.
    pub format: u32,
    /// Which store that was.
    pub store: StoreId,
    /// Which engine kept it; it can be restored into any.
    pub engine: String,
    /// The release that made the archive.
    pub release: String,
    /// When that began, by the wall clock.
    pub begun_at: Timestamp,
}

impl ArchiveManifest {
    /// As lines.
    pub fn to_text(&self) -> String {
        let Self { format, store, engine, release, begun_at } = self;
        format!(
            "format {format}\nstore {store}\nengine {engine}\nrelease {release}\nbegun {begun_at}\nschema {SCHEMA}\n"
        )
    }

    /// From lines.
    pub fn from_text(text: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::of(text)?;
        let manifest = Self {
            format: lines.parsed("format")?,
            store: lines.parsed("store")?,
            engine: lines.parsed("engine")?,
            release: lines.parsed("release")?,
            begun_at: lines.parsed("begun")?,
        };
        if lines.value("schema")? != SCHEMA {
            return Err(Malformed("schema"));
        }
        lines.end()?;
        Ok(manifest)
    }
}

/// How many writes set a key, and how many removed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Set.
    pub set: u64,
    /// Removed.
    pub removed: u64,
}

/// What was written into an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By the first byte of the key, which is the kind of row.
    pub kinds: BTreeMap<u8, Tally>,
    /// Bytes of the writes before they were compressed.
    pub bytes: u64,
}

impl Counts {
    /// Counts one write.
    pub fn count(&mut self, (key, value): &Write) {
        let tally = self.kinds.entry(key.first().copied().unwrap_or_default()).or_default();
        match value {
            Some(_) => tally.set += 1,
            None => tally.removed += 1,
        }
    }

    /// All writes.
    pub fn writes(&self) -> u64 {
        self.kinds.values().map(|tally| tally.set + tally.removed).sum()
    }
}

/// The end of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// What is in it.
    pub counts: Counts,
    /// Of which moment it is: the greatest id that was minted until then.
    pub last_id: Ulid,
}

impl Trailer {
    /// As lines.
    pub fn to_text(&self) -> String {
        let mut text = format!("last-id {}\nbytes {}\n", self.last_id, self.counts.bytes);
        for (kind, tally) in &self.counts.kinds {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "writes {kind} {} {}", tally.set, tally.removed);
        }
        text
    }

    /// From lines.
    pub fn from_text(text: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::of(text)?;
        let last_id = lines.parsed("last-id")?;
        let mut counts = Counts { bytes: lines.parsed("bytes")?, kinds: BTreeMap::new() };
        while !lines.0.is_empty() {
            let mut words = lines.value("writes")?.split(' ');
            let mut word = || words.next().ok_or(Malformed("writes"));
            let kind = word()?.parse().map_err(|_| Malformed("writes"))?;
            let set = word()?.parse().map_err(|_| Malformed("writes"))?;
            let removed = word()?.parse().map_err(|_| Malformed("writes"))?;
            if words.next().is_some() || counts.kinds.insert(kind, Tally { set, removed }).is_some() {
                return Err(Malformed("writes"));
            }
        }
        Ok(Self { counts, last_id })
    }
}

/// A line of a manifest or trailer that is missing or not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is missing or malformed", self.0)
    }
}

struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    fn of(text: &'a [u8]) -> Result<Self, Malformed> {
        std::str::from_utf8(text).map(Self).map_err(|_| Malformed("text"))
    }

    fn value(&mut self, name: &'static str) -> Result<&'a str, Malformed> {
        let (line, rest) = self.0.split_once('\n').ok_or(Malformed(name))?;
        self.0 = rest;
        line.strip_prefix(name).and_then(|line| line.strip_prefix(' ')).ok_or(Malformed(name))
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &'static str) -> Result<T, Malformed> {
        self.value(name)?.parse().map_err(|_| Malformed(name))
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("end")) }
    }
}

/// The checksum of a frame.
pub fn checksum(number: u64, kind: u8, content: &[u8]) -> [u8; 4] {
    let mut sum = crc32c::crc32c(&number.to_le_bytes());
    sum = crc32c::crc32c_append(sum, &[kind]);
    crc32c::crc32c_append(sum, content).to_le_bytes()
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is no archive.
    #[error("this is no backup: {0}")]
    NoArchive(&'static str),
    /// It was made by a newer release.
    #[error("the backup has version {found}; this release knows versions up to {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// It is not as it was made.
    #[error("the backup is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where the damage begins at the earliest.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// It ends before its end.
    #[error("the backup is cut short: it ends at byte {length}, {what}")]
    Short {
        /// How long it is.
        length: u64,
        /// Where in the archive that is.
        what: &'static str,
    },
    /// It does not end where it should: another one was appended, for example.
    #[error("the backup has more behind its end at byte {offset}")]
    Surplus {
        /// Where it should end.
        offset: u64,
    },
    /// It could not be read.
    #[error("the backup cannot be read at byte {offset}: {source}")]
    Io {
        /// How far it was read.
        offset: u64,
        /// Why not further.
        source: io::Error,
    },
}
