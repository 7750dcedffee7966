//! The record that `recorder.c` writes, read back: see there for what each entry means.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const HEADER: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncKind {
    Fsync,
    Fdatasync,
    FileRange,
}

/// Bytes that were written, as a place in the record.
pub type Written = Range<usize>;

#[derive(Debug, Clone)]
pub enum Change {
    /// A process starts; all descriptors are new.
    Start,
    Open {
        fd: i32,
        path: String,
        creates: bool,
        truncates: bool,
    },
    Write {
        fd: i32,
        offset: usize,
        data: Written,
    },
    Truncate {
        fd: i32,
        length: usize,
    },
    Allocate {
        fd: i32,
        mode: i32,
        offset: usize,
        length: usize,
    },
    SyncBegin {
        fd: i32,
        kind: SyncKind,
        token: u64,
    },
    SyncEnd {
        token: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    MakeDirectory {
        path: String,
    },
    RemoveDirectory {
        path: String,
    },
    Close {
        fd: i32,
    },
    Duplicate {
        fd: i32,
        copy: i32,
    },
}

/// A change, and how long the record was when it had been made.
#[derive(Debug, Clone)]
pub struct Entry {
    pub change: Change,
    pub end: usize,
}

/// A whole record.
#[derive(Clone)]
pub struct Record {
    pub bytes: Arc<Vec<u8>>,
    pub entries: Arc<Vec<Entry>>,
}

impl Record {
    /// Reads a record; panics on what the recorder could not follow. An entry that the end of the process cut short
    /// ends the record.
    pub fn read(path: &Path) -> Record {
        let bytes = std::fs::read(path).unwrap();
        let mut entries = Vec::new();
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + HEADER) {
            let size = usize::try_from(u32::from_le_bytes(header[0..4].try_into().unwrap())).unwrap();
            let end = at + size;
            if end > bytes.len() {
                break;
            }
            entries.push(Entry { change: change(header, at + HEADER..end, &bytes), end });
            at = end;
        }
        Record { bytes: Arc::new(bytes), entries: Arc::new(entries) }
    }
}

fn change(header: &[u8], data: Written, bytes: &[u8]) -> Change {
    let int = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
    let size = |at: usize| usize::try_from(long(at)).unwrap();
    let text = || String::from_utf8(bytes[data.clone()].to_vec()).unwrap();
    let (fd, flags) = (int(8), int(12));
    match int(4) {
        1 => Change::Start,
        2 => Change::Open { fd, path: text(), creates: flags & 0o100 != 0, truncates: flags & 0o1000 != 0 },
        3 => Change::Write { fd, offset: size(16), data },
        4 => Change::Truncate { fd, length: size(16) },
        5 => Change::Allocate { fd, mode: flags, offset: size(16), length: size(24) },
        6 => {
            let kind = [SyncKind::Fsync, SyncKind::Fdatasync, SyncKind::FileRange][usize::try_from(flags).unwrap()];
            Change::SyncBegin { fd, kind, token: long(16) }
        }
        7 => Change::SyncEnd { token: long(16) },
        8 => {
            let both = text();
            let (from, to) = both.split_once('\0').unwrap();
            Change::Rename { from: from.to_owned(), to: to.to_owned() }
        }
        9 => Change::Unlink { path: text() },
        10 => Change::MakeDirectory { path: text() },
        11 => Change::RemoveDirectory { path: text() },
        12 => Change::Close { fd },
        13 => Change::Duplicate { fd, copy: i32::try_from(long(16)).unwrap() },
        14 => panic!("the process did what the recorder cannot follow: {}", text()),
        other => panic!("an entry of an unknown kind {other}"),
    }
}
