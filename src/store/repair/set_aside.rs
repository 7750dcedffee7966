//! What cannot be kept, as it lay there: `set-aside/rows.jsonl` in the new directory, one JSON object a line with
//! `row` (what the key names), `why`, and `key` and `value` in standard base64. It may hold payloads and secrets, so
//! only its owner may read it.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{BufWriter, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::RepairError;
use crate::store::{engine::Entry, keys};

/// Its name in the new directory.
pub const DIRECTORY: &str = "set-aside";
const ROWS: &str = "rows.jsonl";

/// The file.
pub struct SetAside {
    file: BufWriter<File>,
    path: PathBuf,
    rows: u64,
}

impl SetAside {
    /// A new one.
    pub fn create(to: &Path) -> Result<Self, RepairError> {
        let directory = to.join(DIRECTORY);
        DirBuilder::new().mode(0o700).create(&directory).map_err(RepairError::io(&directory))?;
        let path = directory.join(ROWS);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = BufWriter::new(file.map_err(RepairError::io(&path))?);
        Ok(Self { file, path, rows: 0 })
    }

    /// Sets a row aside.
    pub fn add(&mut self, row: &Entry, why: &str) -> Result<(), RepairError> {
        self.rows += 1;
        let line = json!({
            "row": keys::describe(&row.key),
            "why": why,
            "key": BASE64_STANDARD.encode(&row.key),
            "value": BASE64_STANDARD.encode(&row.value),
        });
        writeln!(self.file, "{line}").map_err(RepairError::io(&self.path))
    }

    /// How many rows were set aside; they are on stable storage.
    pub fn finish(self) -> Result<u64, RepairError> {
        let failed = RepairError::io(&self.path);
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(self.rows)
    }
}
