//! What the engines on disk make of damaged files: an error, never an empty store, and never a panic.

use std::path::{Path, PathBuf};

use crate::store::{
    OpenError,
    engine::{self, EngineKind, every_entry},
};

const CACHE: u64 = 8 << 20;

/// The files of a database with a few thousand rows.
fn filled(kind: EngineKind, directory: &Path) -> Vec<PathBuf> {
    engine::create(kind, directory, CACHE, vec![(b"first".to_vec(), Some(b"1".to_vec()))]).unwrap();
    let engine = engine::open(kind, directory, CACHE).unwrap();
    for first in (0..4_000_u32).step_by(400) {
        engine
            .commit(
                (first..first + 400).map(|n| (n.to_be_bytes().to_vec(), Some(vec![n.to_le_bytes()[0]; 200]))).collect(),
            )
            .unwrap();
    }
    drop(engine);
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// Does something to a file.
type Damage = fn(&Path);

#[test]
fn files_that_are_missing_or_no_database_are_damage_and_never_an_empty_store() {
    let damages: [(&str, Damage); 4] = [
        ("missing", |path| std::fs::remove_file(path).unwrap()),
        ("empty", |path| std::fs::write(path, b"").unwrap()),
        ("zeroed", |path| {
            let length = std::fs::metadata(path).unwrap().len();
            std::fs::write(path, vec![0; usize::try_from(length).unwrap()]).unwrap();
        }),
        ("foreign", |path| std::fs::write(path, "not a database at all\n".repeat(5_000)).unwrap()),
    ];
    for (kind, name) in [(EngineKind::Sled, "db"), (EngineKind::Sled, "conf"), (EngineKind::Redb, "db")] {
        for (how, damage) in damages {
            let directory = tempfile::tempdir().unwrap();
            filled(kind, directory.path());
            damage(&directory.path().join(name));
            match engine::open(kind, directory.path(), CACHE) {
                Err(OpenError::Damaged(what)) => {
                    assert!(what.contains(&*directory.path().to_string_lossy()), "{kind} {name} {how}: {what}");
                }
                Err(other) => panic!("{kind} {name} {how}: {other}"),
                Ok(_) => panic!("{kind} {name} {how}: it opened"),
            }
        }
    }
    for kind in EngineKind::ALL {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(engine::open(kind, &directory.path().join("none"), CACHE), Err(OpenError::Damaged(_))));
        assert!(!directory.path().join("none").exists(), "opening made something");
    }
}

#[test]
fn no_damage_to_a_file_panics_outwards() {
    let refused = |error: OpenError| assert!(matches!(error, OpenError::Damaged(_)), "{error}");
    for kind in EngineKind::ALL {
        let original = tempfile::tempdir().unwrap();
        let files = filled(kind, original.path());
        for file in &files {
            let bytes = std::fs::read(file).unwrap();
            let mut damaged: Vec<Vec<u8>> = [1, 2, 3].iter().map(|n| bytes[..bytes.len() * n / 4].to_vec()).collect();
            for at in (0..bytes.len()).step_by(bytes.len().div_ceil(24).max(1)) {
                let mut copy = bytes.clone();
                let end = copy.len().min(at + 700);
                copy[at..end].iter_mut().for_each(|byte| *byte ^= 0x55);
                damaged.push(copy);
            }
            for bytes in damaged {
                let directory = tempfile::tempdir().unwrap();
                for other in &files {
                    std::fs::copy(other, directory.path().join(other.file_name().unwrap())).unwrap();
                }
                std::fs::write(directory.path().join(file.file_name().unwrap()), bytes).unwrap();
                match engine::open(kind, directory.path(), CACHE) {
                    Err(error) => refused(error),
                    Ok(engine) => {
                        // What is read may be an error, or rows that our own checksums have to judge.
                        let _ = every_entry(&*engine).take(10_000).filter(Result::is_err).count();
                        for n in (0..4_000_u32).step_by(50) {
                            let _ = engine.get(&n.to_be_bytes());
                        }
                        let _ = engine.commit(vec![(b"new".to_vec(), None)]);
                    }
                }
            }
        }
    }
}
