//! A process that is measured: its address, its CPU time, its memory. It is killed when it is done with.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::cores;

/// A start takes no longer, whatever the store's size.
const PATIENCE: Duration = Duration::from_mins(10);

/// A running process.
pub struct Process(Child);

impl Process {
    /// Starts it, with its output in a file, and waits until it has written its address to `listen_file`.
    pub fn start(mut command: Command, listen_file: &Path, log: &Path) -> (Self, String) {
        // There may be one of an earlier start.
        let _ = fs::remove_file(listen_file);
        let output = fs::File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut process = Self(command.spawn().unwrap());
        let start = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(listen_file)
                && text.ends_with('\n')
            {
                return (process, text.trim().to_owned());
            }
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "it ended at its start: {}", fs::read_to_string(log).unwrap_or_default());
            assert!(start.elapsed() < PATIENCE, "it never listened");
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    pub fn cpu_time(&self) -> Duration {
        cores::cpu_time(self.0.id())
    }

    /// In MiB.
    pub fn resident(&self) -> f64 {
        cores::settled_resident(self.0.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
