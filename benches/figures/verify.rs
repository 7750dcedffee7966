//! How fast a stopped store is checked: `mythichooks verify` against reading the same files once, both from the disk.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use rustix::fs::{Advice, fadvise};
use tempfile::TempDir;

use crate::{
    report::{Figure, Sample, Target},
    rig::filled::Filled,
    scale::Plan,
};

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let events = plan.pick(1_000, 200_000, 2_000_000);
    let directory = TempDir::with_prefix("mythichooks-bench-").unwrap();
    let filled = Filled::new(directory.path(), plan.engine, "http://127.0.0.1:9/hook");
    filled.deliver(events);
    filled.close();
    let samples = (0..plan.rounds).map(|_| {
        // An engine that opens its files may leave others.
        let files = files_below(directory.path());
        forget(&files);
        let reference = read(&files);
        forget(&files);
        let start = Instant::now();
        verify(directory.path());
        Sample { ours: start.elapsed().as_secs_f64(), reference }
    });
    vec![Figure {
        name: format!("verify of {events} delivered events"),
        unit: "s",
        against: "reading the store's files once from the disk",
        target: Target::AtMost(3.0),
        samples: samples.collect(),
    }]
}

fn verify(directory: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mythichooks"));
    command.env_clear().arg("verify").arg("--data-dir").arg(directory);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{status}");
}

/// Has the kernel drop what it holds of these files, so that the next to read them reads the disk.
fn forget(files: &[PathBuf]) {
    for file in files {
        let file = File::open(file).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
}

/// How many seconds it takes to read them.
fn read(files: &[PathBuf]) -> f64 {
    let start = Instant::now();
    let mut block = vec![0; 1 << 20];
    for file in files {
        let mut file = File::open(file).unwrap();
        while file.read(&mut block).unwrap() > 0 {}
    }
    start.elapsed().as_secs_f64()
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
