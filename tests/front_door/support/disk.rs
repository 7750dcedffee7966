//! A file system of a test's own, mounted in a mount namespace that a sleeping process keeps; other processes enter it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::server::{BINARY, clean};
use super::wait::until;

pub struct Disk(Child);

impl Disk {
    /// Runs this mount command, with `$0` for the place, in a new namespace.
    pub fn mount(command: &str, at: &Path) -> Disk {
        let ready = at.with_extension("mounted");
        let script = format!(r#"{command} && : > "$1" && exec sleep 1000"#);
        let mut holder = Command::new("unshare");
        holder.args(["--mount", "--propagation", "private", "sh", "-c", &script]).arg(at).arg(&ready);
        let disk = Disk(holder.stdin(Stdio::null()).spawn().unwrap());
        until("the file system is mounted", || ready.exists());
        disk
    }

    pub fn seen(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.0.id())).join(path.strip_prefix("/").unwrap())
    }

    /// A command of the binary under test in the namespace.
    pub fn binary(&self) -> Command {
        let mut command = clean(Command::new("nsenter"));
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.0.id())).arg(BINARY);
        command
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
