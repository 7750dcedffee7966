//! What the simulated disk promises and what it does not, shown on records made by hand.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::disk::{Disk, Image, Node};
use crate::record::{Change, Entry, Record, SyncKind};
use crate::survival::{Strategy, Survival};

/// A record of these changes; what is written are the bytes of `data`.
fn record(data: &[u8], changes: Vec<Change>) -> Record {
    let entries = changes.into_iter().map(|change| Entry { change, end: 0 }).collect();
    Record { bytes: Arc::new(data.to_vec()), entries: Arc::new(entries) }
}

fn create(fd: i32, path: &str) -> Change {
    Change::Open { fd, path: path.into(), creates: true, truncates: false }
}

fn write(fd: i32, offset: usize, data: std::ops::Range<usize>) -> Change {
    Change::Write { fd, offset, data }
}

fn sync(fd: i32, kind: SyncKind) -> [Change; 2] {
    [Change::SyncBegin { fd, kind, token: 1 }, Change::SyncEnd { token: 1 }]
}

fn root(fd: i32) -> Change {
    Change::Open { fd, path: String::new(), creates: false, truncates: false }
}

/// All images that many seeds of a strategy make of the end of a record.
fn images(record: &Record, fdatasync_counts: bool, strategy: Strategy) -> BTreeSet<Vec<(String, Vec<u8>)>> {
    let mut disk = Disk::empty(fdatasync_counts);
    disk.advance(record, record.entries.len());
    let plain = |image: Image| {
        let files = image.into_iter().filter_map(|(path, node)| match node {
            Node::Directory => None,
            Node::File(bytes) => Some((path, bytes)),
        });
        files.collect()
    };
    (0..1000).map(|seed| plain(disk.image(&mut Survival::new(strategy, seed), &record.bytes))).collect()
}

fn only(record: &Record, strategy: Strategy) -> Vec<(String, Vec<u8>)> {
    let all = images(record, true, strategy);
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

#[test]
fn a_sync_of_a_file_saves_its_bytes_but_not_its_name() {
    let mut changes = vec![create(3, "a"), write(3, 0, 0..4)];
    changes.extend(sync(3, SyncKind::Fdatasync));
    let unnamed = record(b"dataMORE", changes.clone());
    assert_eq!(only(&unnamed, Strategy::Nothing), []);
    changes.push(root(4));
    changes.extend(sync(4, SyncKind::Fsync));
    changes.push(write(3, 4, 4..8));
    let named = record(b"dataMORE", changes);
    assert_eq!(only(&named, Strategy::Nothing), [("a".into(), b"data".to_vec())]);
    assert_eq!(only(&named, Strategy::Everything), [("a".into(), b"dataMORE".to_vec())]);
    assert_eq!(only(&named, Strategy::Overwrites), [("a".into(), b"data".to_vec())]);
    assert_eq!(images(&named, false, Strategy::Nothing), [vec![("a".into(), Vec::new())]].into());
}

#[test]
fn a_sync_vouches_for_what_was_written_before_it_began() {
    let began = |kind| Change::SyncBegin { fd: 3, kind, token: 1 };
    for (kind, saved) in [(SyncKind::Fsync, &b"da"[..]), (SyncKind::FileRange, b"")] {
        let mut changes = vec![create(3, "a"), root(4)];
        changes.extend(sync(4, SyncKind::Fsync));
        changes.extend([write(3, 0, 0..2), began(kind), write(3, 2, 2..4), Change::SyncEnd { token: 1 }]);
        assert_eq!(only(&record(b"data", changes), Strategy::Nothing), [("a".into(), saved.to_vec())]);
    }
}

#[test]
fn names_survive_in_their_order() {
    let changes = vec![
        create(3, "new"),
        Change::Rename { from: "new".into(), to: "kept".into() },
        create(4, "other"),
        Change::Unlink { path: "kept".into() },
    ];
    let names: BTreeSet<Vec<String>> = images(&record(b"", changes), true, Strategy::Some)
        .into_iter()
        .map(|files| files.into_iter().map(|(name, _)| name).collect())
        .collect();
    let name = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = [name(&[]), name(&["new"]), name(&["kept"]), name(&["kept", "other"]), name(&["other"])];
    assert_eq!(names, expected.into());
}

#[test]
fn a_write_is_torn_at_sectors() {
    let data: Vec<u8> = [[b'a'; 1536], [b'b'; 1536]].concat();
    let mut changes = vec![create(3, "a"), root(4)];
    changes.extend(sync(4, SyncKind::Fsync));
    changes.extend([write(3, 0, 0..1536), write(3, 0, 1536..3072)]);
    let found = images(&record(&data, changes), true, Strategy::Torn);
    for files in &found {
        for sector in files[0].1.chunks(512) {
            assert!([0, b'a', b'b'].iter().any(|byte| sector.iter().all(|found| found == byte)), "half a sector");
        }
    }
    // Three sectors, each as it was before, between or after; the file ends behind the last that was written.
    assert_eq!(found.len(), 27);
}
