//! The references: a bare loop (accept, commit, deliver, commit) with no product around it, and its parts. Each runs
//! as a process of its own: this program, started again.

mod commit;
mod engine;
mod paced;
mod posts;
mod serve;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use clap::Subcommand;
use mythichooks::store::EngineKind;
use tempfile::TempDir;

use crate::rig::{
    load::Target,
    process::Process,
    server::{Subject, agent, data_dir},
};

/// A part that runs as a process of its own.
#[derive(Subcommand)]
pub enum Part {
    /// The bare loop; without receivers it only accepts.
    Serve { directory: PathBuf, listen_file: PathBuf, receivers: Vec<String> },
    /// One commit and one POST at a time, at a pace.
    Paced { directory: PathBuf, receiver: String, per_second: u32, requests: u64 },
    /// Opens an engine's database and stays.
    Open { engine: EngineKind, database: PathBuf, listen_file: PathBuf },
    /// Copies an engine's rows to a file.
    Dump { engine: EngineKind, database: PathBuf, file: PathBuf },
    /// Commits such rows to a new database and stays.
    Hold { engine: EngineKind, database: PathBuf, file: PathBuf, listen_file: PathBuf },
    /// So many POSTs at once, again and again; prints how many seconds each time took.
    Posts { receiver: String, posts: usize, times: usize },
}

/// Runs such a part.
pub fn run(part: Part) {
    match part {
        Part::Serve { directory, listen_file, receivers } => serve::run(&directory, &listen_file, receivers),
        Part::Paced { directory, receiver, per_second, requests } => {
            paced::run(&directory, &receiver, per_second, requests);
        }
        Part::Open { engine, database, listen_file } => engine::open(engine, &database, &listen_file),
        Part::Dump { engine, database, file } => engine::dump(engine, &database, &file),
        Part::Hold { engine, database, file, listen_file } => engine::hold(engine, &database, &file, &listen_file),
        Part::Posts { receiver, posts, times } => posts::run(&receiver, posts, times),
    }
}

/// A running bare loop.
pub struct Bare {
    process: Process,
    address: String,
    agent: ureq::Agent,
    _scratch: TempDir,
}

impl Bare {
    /// Starts one that delivers to these receivers in turn, or only accepts if there are none.
    pub fn start(receivers: &[String]) -> Self {
        let scratch = scratch();
        let listen_file = scratch.path().join("listen");
        let mut command = part("serve");
        command.arg(scratch.path().join("db")).arg(&listen_file).args(receivers);
        let (process, address) = Process::start(command, &listen_file, &scratch.path().join("log"));
        Self { process, address, agent: agent(), _scratch: scratch }
    }
}

impl Subject for Bare {
    fn process(&self) -> &Process {
        &self.process
    }

    fn events(&self) -> Target {
        Target { address: self.address.parse().unwrap(), path: "/events", token: String::new(), expected: 202 }
    }

    fn delivered(&self) -> u64 {
        let mut answer = self.agent.get(format!("http://{}/delivered", self.address)).call().unwrap();
        answer.body_mut().read_to_string().unwrap().parse().unwrap()
    }
}

/// One commit and one POST, so many times at this pace; the receiver has the times.
pub fn commit_and_post(receiver: &str, per_second: u32, requests: u64) {
    let scratch = scratch();
    let mut command = part("paced");
    command.arg(scratch.path().join("db")).arg(receiver).args([per_second.to_string(), requests.to_string()]);
    assert!(command.status().unwrap().success());
}

/// How many seconds so many POSTs at once take, each time.
pub fn posts(receiver: &str, posts: usize, times: usize) -> Vec<f64> {
    let mut command = part("posts");
    let output = command.arg(receiver).args([posts.to_string(), times.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

/// Opens the database of a store with its engine alone; the process, and how long it took until it was open.
pub fn open_engine(kind: EngineKind, directory: &Path) -> (Process, Duration) {
    let listen_file = directory.join("engine-open");
    let mut command = part("open");
    command.arg(kind.name()).arg(database(kind, directory)).arg(&listen_file);
    let start = Instant::now();
    let (process, found) = Process::start(command, &listen_file, &directory.join("log"));
    assert_eq!(found, "open");
    (process, start.elapsed())
}

/// An engine alone that holds the rows of a store, as they were written; how many they are.
pub fn hold_rows_of(kind: EngineKind, directory: &Path) -> (Process, u64) {
    let (file, listen_file) = (directory.join("rows"), directory.join("engine-holds"));
    let mut command = part("dump");
    assert!(command.arg(kind.name()).arg(database(kind, directory)).arg(&file).status().unwrap().success());
    let mut command = part("hold");
    command.arg(kind.name()).arg(directory.join("held")).arg(&file).arg(&listen_file);
    let (process, rows) = Process::start(command, &listen_file, &directory.join("log"));
    (process, rows.parse().unwrap())
}

/// Where the engine's files lie in a server's data directory.
fn database(kind: EngineKind, directory: &Path) -> PathBuf {
    data_dir(directory).join("store").join(kind.name())
}

fn part(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("bare").arg(name);
    command
}

fn scratch() -> TempDir {
    TempDir::with_prefix("mythichooks-bench-").unwrap()
}

/// Writes a file so that its reader finds all of it or nothing.
fn write_whole(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, format!("{text}\n")).unwrap();
    fs::rename(&beside, path).unwrap();
}
