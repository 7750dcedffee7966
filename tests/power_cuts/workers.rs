//! Processes that look at images: how they are started, asked, and started again when one dies or hangs.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::checker::{STAGE, TEST, Task, VERDICT, Verdict, WORKER};

/// An answer takes a second or two.
const PATIENCE: Duration = Duration::from_mins(2);
/// An engine may not give back all its memory.
const TASKS_OF_A_PROCESS: usize = 100;

pub struct Worker {
    environment: Vec<(&'static str, OsString)>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    tasks: ChildStdin,
    lines: Receiver<String>,
    asked: usize,
}

impl Worker {
    pub fn new() -> Worker {
        Worker::with(Vec::new())
    }

    pub fn with(environment: Vec<(&'static str, OsString)>) -> Worker {
        Worker { environment, process: None }
    }

    /// The answer; a process that dies or hangs broke the invariant that it was looking at.
    pub fn ask(&mut self, task: &Task) -> Verdict {
        let mut process = match self.process.take() {
            Some(process) if process.asked < TASKS_OF_A_PROCESS => process,
            _ => Process::start(&self.environment),
        };
        process.asked += 1;
        writeln!(process.tasks, "{}", serde_json::to_string(task).unwrap()).unwrap();
        let mut invariant = "I1".to_owned();
        let what = loop {
            match process.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some(stage) = line.strip_prefix(STAGE) {
                        stage.clone_into(&mut invariant);
                    } else if let Some(verdict) = line.strip_prefix(VERDICT) {
                        self.process = Some(process);
                        return serde_json::from_str(verdict).unwrap();
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => break "the process hangs",
                Err(mpsc::RecvTimeoutError::Disconnected) => break "the process died",
            }
        };
        Verdict::Broken { invariant, what: what.to_owned() }
    }
}

impl Process {
    fn start(environment: &[(&'static str, OsString)]) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
            .env(WORKER, "1")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (tasks, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process { child, tasks, lines, asked: 0 }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
