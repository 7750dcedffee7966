//! The recorder, compiled, and what a process needs in its environment to be recorded.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The shared object, compiled once a process. It stays for as long as the process runs.
fn object() -> &'static Path {
    static OBJECT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = OBJECT.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recorder.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power_cuts/recorder.c");
        let compiled = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(&path)
            .args([source, "-ldl", "-pthread"])
            .status()
            .expect("a C compiler, which tests/run installs");
        assert!(compiled.success(), "the recorder does not compile");
        (directory, path)
    });
    path
}

/// What `sync_file_range` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRangeSync {
    /// What the system answers; a cut takes it for nothing all the same.
    Usual,
    /// That there is no such call, so that sled syncs the whole file after each write of its log.
    Missing,
}

/// The environment under which a process is recorded.
pub fn environment(directory: &Path, record: &Path, file_range: FileRangeSync) -> Vec<(&'static str, OsString)> {
    let mut variables =
        vec![("LD_PRELOAD", object().into()), ("POWER_CUTS_ROOT", directory.into()), ("POWER_CUTS_LOG", record.into())];
    if file_range == FileRangeSync::Missing {
        variables.push(("POWER_CUTS_ENOSYS", "1".into()));
    }
    variables
}
