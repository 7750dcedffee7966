//! The archive's framing under every kind of damage, and stores that go through it.

use std::{collections::BTreeMap, fs, path::Path};

use proptest::{collection::vec, prelude::*};
use ulid::Ulid;

use super::{archive::TRAILER, *};
use crate::{
    clock::Clock,
    domain::time::Timestamp,
    store::{
        OpenError, Options, directory,
        engine::{Engine, EngineKind, Write, every_entry},
        manifest::{FORMAT, StoreId},
        tests::{event, put_endpoint, run},
        verify,
    },
};

fn manifest() -> ArchiveManifest {
    ArchiveManifest {
        format: FORMAT,
        store: StoreId::random().unwrap(),
        engine: "sled".to_owned(),
        release: "0.1.0".to_owned(),
        begun_at: Timestamp::from_millis(1_706_140_800_123),
    }
}

fn archive_of(manifest: &ArchiveManifest, writes: &[Write]) -> Vec<u8> {
    archive_until(manifest, writes, 7)
}

fn archive_until(manifest: &ArchiveManifest, writes: &[Write], last_id: u128) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ArchiveWriter::begin(&mut bytes, manifest).unwrap();
    for write in writes {
        archive.write(write).unwrap();
    }
    archive.finish(last_id).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<(ArchiveManifest, Vec<Write>, Trailer), ArchiveError> {
    let mut archive = ArchiveReader::open(bytes)?;
    let mut writes = Vec::new();
    while let Some(block) = archive.next_block()? {
        writes.extend(block);
    }
    Ok((archive.manifest().clone(), writes, archive.trailer().unwrap().clone()))
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let value = prop_oneof![vec(any::<u8>(), 0..50), (0..7_000_usize).prop_map(|length| vec![b'x'; length])];
    vec((vec(any::<u8>(), 1..40), proptest::option::weighted(0.8, value)), 0..200)
}

proptest! {
    #[test]
    fn an_archive_comes_back_as_it_was_made(writes in writes()) {
        let manifest = manifest();
        let (found, read, trailer) = read(&archive_of(&manifest, &writes)).unwrap();
        prop_assert_eq!(found, manifest);
        prop_assert_eq!(trailer.last_id, Ulid(7));
        prop_assert_eq!(trailer.counts.writes(), u64::try_from(writes.len()).unwrap());
        prop_assert_eq!(read, writes);
    }

    #[test]
    fn a_flipped_bit_is_found(writes in writes(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = archive_of(&manifest(), &writes);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(read(&bytes).is_err(), "byte {} of {}", at, bytes.len());
    }

    #[test]
    fn a_cut_names_where_the_archive_ends(writes in writes(), at in any::<prop::sample::Index>()) {
        let bytes = archive_of(&manifest(), &writes);
        let at = at.index(bytes.len());
        match read(&bytes[..at]) {
            Err(ArchiveError::Short { length, .. }) => prop_assert_eq!(usize::try_from(length).unwrap(), at),
            Err(ArchiveError::NoArchive(_)) => prop_assert_eq!(at, 0),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_bytes_are_refused(garbage in vec(any::<u8>(), 0..500), behind_title in any::<bool>()) {
        let title = if behind_title { &b"mythichooks backup 1\n"[..] } else { b"" };
        prop_assert!(read(&[title, &garbage].concat()).is_err());
    }
}

#[test]
fn a_part_that_is_lost_repeated_or_moved_is_found() {
    let writes: Vec<Write> = (0..800_u32).map(|n| (n.to_be_bytes().to_vec(), Some(noise(n, 1_500)))).collect();
    let bytes = archive_of(&manifest(), &writes);
    let parts = parts(&bytes);
    assert!(parts.len() > 5, "{} parts", parts.len());
    for a in 0..parts.len() {
        let mut lost = parts.clone();
        lost.remove(a);
        assert!(read(&lost.concat()).is_err(), "{a} is lost");
        for b in 0..parts.len() {
            let mut repeated = parts.clone();
            repeated.insert(b, parts[a]);
            assert!(read(&repeated.concat()).is_err(), "{a} comes again at {b}");
            let mut moved = parts.clone();
            moved.swap(a, b);
            assert_eq!(read(&moved.concat()).is_ok(), a == b, "{a} and {b} change places");
        }
    }
}

/// Bytes that do not compress.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(step).collect()
}

/// The title with the manifest, then each frame, then the digest.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let title = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, title);
    loop {
        let kind = bytes[at];
        let length = u32::from_le_bytes(bytes[at + 1..at + 5].try_into().unwrap());
        at += 9 + usize::try_from(length).unwrap();
        parts.push(&bytes[from..at]);
        from = at;
        if kind == TRAILER {
            parts.push(&bytes[from..]);
            return parts;
        }
    }
}

#[test]
fn what_stands_behind_the_end_is_refused() {
    let bytes = archive_of(&manifest(), &[(b"k".to_vec(), None)]);
    let twice = [bytes.clone(), bytes.clone()].concat();
    let length = u64::try_from(bytes.len()).unwrap();
    assert!(matches!(read(&twice), Err(ArchiveError::Surplus { offset }) if offset == length));
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let bytes = archive_of(&manifest(), &[]);
    let newer = [b"mythichooks backup 2\n", &bytes[21..]].concat();
    assert!(matches!(read(&newer), Err(ArchiveError::Version { found: 2 })));
}

#[test]
fn a_part_that_claims_to_be_huge_takes_no_memory() {
    let bytes = [b"mythichooks backup 1\nM", &u32::MAX.to_le_bytes()[..], &[0; 100]].concat();
    assert!(matches!(read(&bytes), Err(ArchiveError::Damaged { offset: 21, .. })));
}

/// A store with some of everything in it, and its archive.
fn stored(directory: &Path) -> (Store, Vec<u8>) {
    stored_on(directory, EngineKind::default())
}

fn stored_on(directory: &Path, engine: EngineKind) -> (Store, Vec<u8>) {
    let options = Options { cache: 8 << 20, engine: Some(engine), ..Options::default() };
    let store = Store::open(directory, options, Clock::start()).unwrap();
    run(async {
        let endpoint = put_endpoint(&store).await;
        for n in 0..50 {
            let object = format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(n * 400));
            store.accept(vec![event(&[endpoint], &object)]).await.unwrap();
        }
    });
    let mut bytes = Vec::new();
    store.backup().unwrap().write_to(&mut bytes).unwrap();
    (store, bytes)
}

fn rows(engine: &dyn Engine) -> BTreeMap<Vec<u8>, Vec<u8>> {
    every_entry(engine).map(|entry| entry.map(|entry| (entry.key, entry.value)).unwrap()).collect()
}

#[test]
fn a_restored_store_has_the_same_rows_and_an_id_of_its_own_on_every_engine() {
    let totals = Row::Meta.key();
    for (from, to) in EngineKind::ALL.into_iter().flat_map(|from| EngineKind::ALL.map(|to| (from, to))) {
        let root = tempfile::tempdir().unwrap();
        let (store, archive) = stored_on(&root.path().join("first"), from);
        let mut before = rows(&*store.shared().engine);
        let (meta, _) = codec::decode::<Meta>(&totals, &before.remove(&totals).unwrap()).unwrap();

        let second = root.path().join("second");
        let options = RestoreOptions { engine: to, ..RestoreOptions::default() };
        let restored = restore(archive.as_slice(), &second, options).unwrap();
        assert_eq!(restored.trailer.last_id, Ulid(meta.last_id));
        assert_eq!((restored.origin.store, restored.origin.engine.as_str()), (meta.store, from.name()));
        assert!(restored.report.unwrap().is_sound());
        assert!(verify(&second, &mut |_, _| {}).unwrap().is_sound());

        let (manifest, engine) = directory::open(&second, 1 << 20).unwrap();
        assert_eq!(manifest.engine, to);
        let mut after = rows(&*engine);
        let (renamed, _) = codec::decode::<Meta>(&totals, &after.remove(&totals).unwrap()).unwrap();
        assert_eq!(before, after);
        assert_eq!(renamed, Meta { store: manifest.id, ..meta.clone() });
        assert_ne!(renamed.store, meta.store);
    }
}

#[test]
fn what_is_not_restored_leaves_the_directory_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let (store, archive) = stored(&root.path().join("first"));
    drop(store);
    let target = root.path().join("target");
    let cut = &archive[..archive.len() - 1];
    let attempt = |bytes: &[u8]| restore(bytes, &target, RestoreOptions::default());
    assert!(matches!(attempt(cut), Err(RestoreError::Archive(ArchiveError::Short { .. }))));
    assert!(!target.exists(), "it was not there before");
    fs::create_dir(&target).unwrap();
    assert!(attempt(cut).is_err());
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);

    // What a death in the middle of a restoration leaves is no store, and not in the way.
    fs::create_dir_all(target.join("store.unfinished").join("sled")).unwrap();
    fs::write(target.join("lock"), "").unwrap();
    assert!(matches!(verify(&target, &mut |_, _| {}), Err(OpenError::Missing(_))));
    attempt(&archive).unwrap();
    assert!(verify(&target, &mut |_, _| {}).unwrap().is_sound());
    assert!(matches!(attempt(&archive), Err(RestoreError::NotEmpty(_))), "there is a store now");
    assert!(verify(&target, &mut |_, _| {}).unwrap().is_sound());

    let other = root.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("anything"), "").unwrap();
    assert!(matches!(restore(archive.as_slice(), &other, RestoreOptions::default()), Err(RestoreError::NotEmpty(_))));
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}

#[test]
fn a_whole_archive_of_a_store_that_is_not_sound_is_restored_on_demand_alone() {
    let root = tempfile::tempdir().unwrap();
    let (store, archive) = stored(&root.path().join("first"));
    drop(store);
    let (manifest, mut writes, trailer) = read(&archive).unwrap();
    let missing = writes.iter().position(|(key, _)| key.first() == Some(&b'Q')).unwrap();
    writes.remove(missing);
    let unsound = archive_until(&manifest, &writes, trailer.last_id.0);

    let target = root.path().join("target");
    let refused = restore(unsound.as_slice(), &target, RestoreOptions::default());
    assert!(matches!(refused, Err(RestoreError::Unsound(_))));
    assert!(!target.exists());
    let report = check_archive(unsound.as_slice(), &target).unwrap().report.unwrap();
    assert!(!report.is_sound());
    assert!(!target.exists());
    let options = RestoreOptions { verify: false, ..RestoreOptions::default() };
    restore(unsound.as_slice(), &target, options).unwrap();
    assert!(!verify(&target, &mut |_, _| {}).unwrap().is_sound());

    // And one whose totals are of another moment is none.
    let shifted = archive_until(&manifest, &writes, trailer.last_id.0 + 1);
    assert!(restore(shifted.as_slice(), &root.path().join("shifted"), options).is_err());
}

#[test]
fn one_copy_at_a_time_and_a_sink_that_fails_ends_it() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let root = tempfile::tempdir().unwrap();
    let (store, _) = stored(root.path());
    let first = store.backup().unwrap();
    assert!(matches!(store.backup(), Err(BackupError::Busy)));
    assert!(matches!(first.write_to(Full), Err(BackupError::Sink(_))));
    assert!(store.backup().unwrap().write_to(io::sink()).is_ok());
}

#[cfg(feature = "testing")]
#[test]
fn a_disk_that_runs_full_ends_the_copy_and_one_that_is_full_does_not_forbid_it() {
    let scenario = fail::FailScenario::setup();
    for engine in EngineKind::ALL {
        let root = tempfile::tempdir().unwrap();
        let (store, _) = stored_on(root.path(), engine);
        fail::cfg("aside::full", "1*off->return").unwrap();
        let ended = store.backup().unwrap().write_to(io::sink());
        assert!(matches!(ended, Err(BackupError::Copy(CopyError::NoRoom))), "{engine}: {ended:?}");
        fail::cfg("aside::full", "return").unwrap();
        store.backup().unwrap().write_to(io::sink()).unwrap();
        fail::cfg("aside::full", "off").unwrap();
    }
    scenario.teardown();
}
