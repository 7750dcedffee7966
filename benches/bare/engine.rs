//! An engine by itself, as a process: opening a database that is there, or holding the rows of another.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write as _},
    iter::Peekable,
    path::Path,
};

use mythichooks::store::EngineKind;
use redb::{Durability, ReadableDatabase as _, TableDefinition};

use super::write_whole;

/// Memory for the cache of pages: the server's default.
const CACHE: usize = 64 << 20;
/// Rows of one commit, as many as of one of the server's.
const BATCH: usize = 400;
const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");

type Row = (Vec<u8>, Vec<u8>);

enum Database {
    Sled(sled::Db, File),
    Redb(redb::Database),
}

/// Opens a database, reads of it what is first, says so, and keeps it open.
pub fn open(kind: EngineKind, directory: &Path, listen_file: &Path) {
    let database = Database::open(kind, directory);
    let first = database.rows(0, u8::MAX).next();
    write_whole(listen_file, if first.is_some() { "open" } else { "empty" });
    stay(&database);
}

/// Copies a database's rows to a file, in about the order in which they were written: that of the ids in their keys.
pub fn dump(kind: EngineKind, directory: &Path, file: &Path) {
    let database = Database::open(kind, directory);
    let mut kinds: Vec<Peekable<_>> = (0..u8::MAX).map(|kind| database.rows(kind, kind + 1).peekable()).collect();
    let mut file = BufWriter::new(File::create(file).unwrap());
    loop {
        let earliest = kinds.iter_mut().filter_map(|rows| Some((id_in(&rows.peek()?.0), rows)));
        let Some((_, rows)) = earliest.min_by_key(|(id, _)| *id) else { break };
        let (key, value) = rows.next().unwrap();
        for bytes in [key, value] {
            file.write_all(&u32::try_from(bytes.len()).unwrap().to_le_bytes()).unwrap();
            file.write_all(&bytes).unwrap();
        }
    }
    file.flush().unwrap();
}

/// Commits the rows of such a file to a new database, says how many, and keeps it open.
pub fn hold(kind: EngineKind, directory: &Path, file: &Path, listen_file: &Path) {
    let database = Database::create(kind, directory);
    let mut file = BufReader::new(File::open(file).unwrap());
    let mut batch = Vec::new();
    let mut rows = 0;
    while let Some(row) = read_row(&mut file) {
        rows += 1;
        batch.push(row);
        if batch.len() == BATCH {
            database.commit(std::mem::take(&mut batch));
        }
    }
    database.commit(batch);
    write_whole(listen_file, &format!("{rows}"));
    stay(&database);
}

/// Until it is killed.
fn stay(_: &Database) {
    loop {
        std::thread::park();
    }
}

/// The time-ordered id at the end of most keys; other rows come first.
fn id_in(key: &[u8]) -> u128 {
    key.last_chunk().map_or(0, |id| u128::from_be_bytes(*id))
}

fn read_row(file: &mut impl std::io::Read) -> Option<Row> {
    let mut bytes = || {
        let mut length = [0; 4];
        file.read_exact(&mut length).ok()?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut bytes).unwrap();
        Some(bytes)
    };
    Some((bytes()?, bytes()?))
}

impl Database {
    fn open(kind: EngineKind, directory: &Path) -> Self {
        match kind {
            EngineKind::Sled => {
                let config = sled::Config::new().path(directory).cache_capacity(CACHE as u64);
                let db = config.segment_size(512 << 10).flush_every_ms(None).open().unwrap();
                Self::Sled(db, File::open(directory.join("db")).unwrap())
            }
            EngineKind::Redb => {
                Self::Redb(redb::Builder::new().set_cache_size(CACHE).open(directory.join("db")).unwrap())
            }
        }
    }

    fn create(kind: EngineKind, directory: &Path) -> Self {
        match kind {
            EngineKind::Sled => Self::open(kind, directory),
            EngineKind::Redb => {
                std::fs::create_dir_all(directory).unwrap();
                Self::Redb(redb::Builder::new().set_cache_size(CACHE).create(directory.join("db")).unwrap())
            }
        }
    }

    fn rows(&self, from: u8, to: u8) -> Box<dyn Iterator<Item = Row>> {
        match self {
            Self::Sled(db, _) => {
                Box::new(db.range([from]..[to]).map(Result::unwrap).map(|(key, value)| (key.to_vec(), value.to_vec())))
            }
            Self::Redb(db) => {
                let table = db.begin_read().unwrap().open_table(ROWS).unwrap();
                let range = table.range::<&[u8]>(&[from][..]..&[to][..]).unwrap().map(Result::unwrap);
                Box::new(range.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
            }
        }
    }

    /// As durably as the server does.
    fn commit(&self, rows: Vec<Row>) {
        match self {
            Self::Sled(db, file) => {
                let mut batch = sled::Batch::default();
                for (key, value) in rows {
                    batch.insert(key, value);
                }
                db.apply_batch(batch).unwrap();
                db.flush().unwrap();
                file.sync_data().unwrap();
            }
            Self::Redb(db) => {
                let mut transaction = db.begin_write().unwrap();
                transaction.set_durability(Durability::Immediate).unwrap();
                transaction.set_two_phase_commit(true);
                transaction.set_quick_repair(true);
                let mut table = transaction.open_table(ROWS).unwrap();
                for (key, value) in &rows {
                    table.insert(key.as_slice(), value.as_slice()).unwrap();
                }
                drop(table);
                transaction.commit().unwrap();
            }
        }
    }
}
