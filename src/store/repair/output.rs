//! The new store's rows, committed some hundreds at a time.

use std::path::Path;

use super::{CACHE, RepairError};
use crate::store::{
    codec,
    engine::{self, Engine, EngineKind, Write},
    keys::Row,
    stored::Meta,
    type_blocks,
};

/// A batch has so many rows, and so many bytes.
const ROWS: usize = 400;
const BYTES: usize = 1 << 20;

/// The new engine, and what is next for it.
pub struct Output {
    engine: Box<dyn Engine>,
    batch: Vec<Write>,
    bytes: usize,
    rows: u64,
}

impl Output {
    /// A new database.
    pub fn create(kind: EngineKind, directory: &Path, meta: &Meta) -> Result<Self, RepairError> {
        let key = Row::Meta.key();
        let value = codec::encode(&key, meta, &[]).map_err(|error| RepairError::Write(error.to_string()))?;
        engine::create(kind, directory, CACHE, vec![(key, Some(value))])?;
        let engine = engine::open(kind, directory, CACHE)?;
        Ok(Self { engine, batch: Vec::new(), bytes: 0, rows: 0 })
    }

    /// Writes a row.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), RepairError> {
        self.bytes += key.len() + value.len();
        self.rows += 1;
        self.batch.push((key, Some(value)));
        if self.batch.len() >= ROWS || self.bytes >= BYTES { self.flush() } else { Ok(()) }
    }

    /// What was written for a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RepairError> {
        match self.batch.iter().rev().find(|(written, _)| written == key) {
            Some((_, value)) => Ok(value.clone()),
            None => self.engine.get(key).map_err(|error| RepairError::Write(error.to_string())),
        }
    }

    /// How many rows were written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds what follows from all that was written, and has it on stable storage.
    pub fn finish(&mut self) -> Result<(), RepairError> {
        self.flush()?;
        type_blocks::build(&*self.engine).map_err(|error| RepairError::Write(error.to_string()))
    }

    fn flush(&mut self) -> Result<(), RepairError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.engine.commit(batch).map_err(|error| RepairError::Write(error.to_string()))
    }
}
