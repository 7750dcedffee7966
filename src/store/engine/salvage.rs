//! What can be tried on a copy of a database that does not open, or comes up older than it was: without the files that
//! the engine can do without, and with its end cut off. Each try is made on a fresh copy.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

use super::{EngineKind, create};
use crate::store::OpenError;

/// sled's segments; cuts fall between two.
const SEGMENT: u64 = 512 * 1024;
/// So many segments are cut off sled's log, one try after the other.
const CUTS: [u64; 7] = [0, 1, 2, 4, 8, 16, 32];

/// One thing to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// The copy as it is.
    AsItIs,
    /// With its log twice as long, the second half empty: what lay behind the end of a log that was cut is missed
    /// where it is read, and not already when the store is opened.
    Lengthened,
    /// With new files for those that say only how the log is to be read, and without so many segments of its end.
    LogAlone {
        /// Segments of 512 KiB.
        cut: u64,
    },
}

impl Try {
    /// What can be tried with a kind of engine, the best first.
    pub fn all(kind: EngineKind) -> Vec<Self> {
        match kind {
            EngineKind::Sled => {
                let as_it_is = [Self::AsItIs, Self::Lengthened];
                as_it_is.into_iter().chain(CUTS.map(|cut| Self::LogAlone { cut })).collect()
            }
            EngineKind::Redb => vec![Self::AsItIs],
        }
    }

    /// What it is, in words.
    pub fn describe(self) -> String {
        match self {
            Self::AsItIs => "its files as they are".to_owned(),
            Self::Lengthened => "its files, with room behind the end of its log".to_owned(),
            Self::LogAlone { cut: 0 } => "its log alone".to_owned(),
            Self::LogAlone { cut } => format!("its log without the last {cut} segments"),
        }
    }

    /// Whether part of the log is left out.
    pub fn is_cut(self) -> bool {
        matches!(self, Self::LogAlone { cut } if cut > 0)
    }

    /// Prepares a copy; false: there is not so much to cut off.
    pub fn prepare(self, kind: EngineKind, copy: &Path, cache: u64) -> Result<bool, OpenError> {
        match (self, kind) {
            (Self::AsItIs, _) => Ok(true),
            // It has one file, and nothing that it can do without.
            (Self::Lengthened | Self::LogAlone { .. }, EngineKind::Redb) => Ok(false),
            (Self::Lengthened, EngineKind::Sled) => {
                lengthen(&copy.join("db")).map_err(|source| OpenError::Io { path: copy.to_owned(), source })
            }
            (Self::LogAlone { cut }, EngineKind::Sled) => {
                let io = |source| OpenError::Io { path: copy.to_owned(), source };
                for entry in fs::read_dir(copy).map_err(io)? {
                    let entry = entry.map_err(io)?;
                    if entry.file_name().to_string_lossy().starts_with("snap.") {
                        fs::remove_file(entry.path()).map_err(io)?;
                    }
                }
                // All of ours have the same configuration.
                let model = copy.with_extension("model");
                create(kind, &model, cache, Vec::new())?;
                fs::copy(model.join("conf"), copy.join("conf")).map_err(io)?;
                fs::remove_dir_all(&model).map_err(io)?;
                cut_off(&copy.join("db"), cut).map_err(io)
            }
        }
    }
}

/// The new half has no blocks on the disk.
fn lengthen(log: &Path) -> io::Result<bool> {
    let Some(file) = open_log(log)? else { return Ok(false) };
    let segments = file.metadata()?.len().div_ceil(SEGMENT);
    file.set_len(segments.saturating_mul(2).saturating_mul(SEGMENT))?;
    Ok(segments > 0)
}

fn open_log(log: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).open(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

fn cut_off(log: &Path, segments: u64) -> io::Result<bool> {
    let Some(file) = open_log(log)? else { return Ok(false) };
    let length = file.metadata()?.len();
    if segments == 0 {
        return Ok(length > 0);
    }
    let kept = length.div_ceil(SEGMENT).saturating_sub(segments).saturating_mul(SEGMENT);
    if kept > 0 {
        file.set_len(kept)?;
    }
    Ok(kept > 0)
}
