//! The server under test: the real binary on a scratch directory and a free port, killed when the test ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Api;
use super::disk::Disk;
use super::wait::{DEADLINE, eventually};

pub const BINARY: &str = env!("CARGO_BIN_EXE_mythichooks");

/// A command of the binary under test, with nothing of the caller's environment that it would read.
pub fn mythichooks() -> Command {
    clean(Command::new(BINARY))
}

pub fn clean(mut command: Command) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

/// How a server is started; kept, so that it can be started again on the same directory.
pub struct Setup {
    root: TempDir,
    data: PathBuf,
    loopback: bool,
    schedule: Option<String>,
    listen: String,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    /// A process in whose mount namespace the server runs.
    disk: Option<Disk>,
    /// A file that the server sees as `/etc/hosts`, in a mount namespace of its own.
    hosts: Option<PathBuf>,
    /// What `ulimit` is told before it starts.
    limit: Option<String>,
}

impl Setup {
    pub fn new() -> Self {
        let root = TempDir::with_prefix("mythichooks-test-").unwrap();
        Setup {
            data: root.path().join("data"),
            root,
            loopback: true,
            schedule: Some("50ms,100ms,150ms,200ms".to_owned()),
            listen: "127.0.0.1:0".to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            disk: None,
            hosts: None,
            limit: None,
        }
    }

    /// The directory that holds the data directory and all else of this test.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.data.clone()
    }

    /// The data directory lies there, from the root on.
    pub fn data_in(mut self, path: &str) -> Self {
        self.data = self.root().join(path);
        self
    }

    /// Neither loopback addresses nor plain HTTP are opened.
    pub fn guarded(mut self) -> Self {
        self.loopback = false;
        self
    }

    pub fn schedule(mut self, schedule: &str) -> Self {
        self.schedule = Some(schedule.to_owned());
        self
    }

    /// The documented schedule: no flag at all.
    pub fn documented_schedule(mut self) -> Self {
        self.schedule = None;
        self
    }

    pub fn listen(mut self, listen: &str) -> Self {
        listen.clone_into(&mut self.listen);
        self
    }

    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// For a server that is there, before it is started again.
    pub fn add_args<S: Into<OsString>>(&mut self, args: impl IntoIterator<Item = S>) {
        self.args.extend(args.into_iter().map(Into::into));
    }

    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// From the next start on.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.env.retain(|(known, _)| known != name);
        self.env.extend(value.map(|value| (name.to_owned(), value.into())));
    }

    pub fn hosts(mut self, file: &Path) -> Self {
        self.hosts = Some(file.to_owned());
        self
    }

    /// Starts under a limit of the shell's `ulimit`, as `-n 256`.
    pub fn limit(mut self, limit: &str) -> Self {
        self.limit = Some(limit.to_owned());
        self
    }

    /// The data directory is on a file system of its own, which only the server and `seen` see.
    pub fn disk(mut self, mount: &str) -> Self {
        fs::create_dir(self.data_dir()).unwrap();
        self.disk = Some(Disk::mount(mount, &self.data_dir()));
        self
    }

    /// A path as the server sees it.
    pub fn seen(&self, path: &Path) -> PathBuf {
        self.disk.as_ref().map_or_else(|| path.to_owned(), |disk| disk.seen(path))
    }

    /// A command of the binary, where the server runs.
    pub fn binary(&self) -> Command {
        self.disk.as_ref().map_or_else(mythichooks, Disk::binary)
    }

    /// The command line that `start` runs.
    pub fn command(&self) -> Command {
        let mut command = match (&self.hosts, &self.limit) {
            (None, None) => self.binary(),
            (None, Some(limit)) => {
                let mut command = clean(Command::new("sh"));
                command.arg("-c").arg(format!(r#"ulimit {limit} && exec "$0" "$@""#)).arg(BINARY);
                command
            }
            (Some(hosts), _) => {
                let mut command = clean(Command::new("unshare"));
                command.args(["--mount", "--propagation", "private", "sh", "-c"]);
                command.arg(r#"mount --bind "$0" /etc/hosts && exec "$@""#).arg(hosts).arg(BINARY);
                command
            }
        };
        command.arg("serve").arg("--data-dir").arg(self.data_dir());
        command.args(["--listen", &self.listen]).arg("--listen-file").arg(self.listen_file());
        if self.loopback {
            command.args(["--allow-http", "--allow-network", "127.0.0.0/8"]);
        }
        if let Some(schedule) = &self.schedule {
            command.args(["--retry-schedule", schedule]);
        }
        command.args(&self.args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn log_file(&self) -> PathBuf {
        self.root().join("log")
    }

    fn open_log(&self) -> File {
        File::options().create(true).append(true).open(self.log_file()).unwrap()
    }

    fn listen_file(&self) -> PathBuf {
        self.root().join("listen")
    }

    pub fn start(self) -> Server {
        let mut server = Server { setup: self, child: None, base: String::new() };
        server.start_again();
        server
    }

    /// Returns when it listens; for listeners that `/readyz` cannot be asked on over plain HTTP.
    pub fn start_unprobed(self) -> Server {
        let mut server = Server { setup: self, child: None, base: String::new() };
        server.spawn(server.setup.open_log());
        server
    }
}

pub struct Server {
    pub setup: Setup,
    child: Option<Child>,
    /// `http://ADDRESS`
    pub base: String,
}

impl Server {
    /// On loopback, plain HTTP and loopback receivers allowed, retries after 50, 100, 150 and 200 ms.
    pub fn start() -> Server {
        Setup::new().start()
    }

    pub fn setup() -> Setup {
        Setup::new()
    }

    /// Starts the stopped server on its directory; returns when `/readyz` is 200.
    pub fn start_again(&mut self) {
        self.start_again_with_log(self.setup.open_log());
    }

    /// The same with its log in another place.
    pub fn start_again_with_log(&mut self, log: File) {
        self.spawn(log);
        let api = Api::new(&self.base, None);
        eventually("/readyz is 200", || {
            api.try_request("GET", "/readyz", &[], None).ok().filter(|answer| answer.status == 200)
        });
    }

    /// Starts it; returns when it has told where it listens.
    fn spawn(&mut self, log: File) {
        assert!(self.child.is_none(), "it is running");
        let listen_file = self.setup.listen_file();
        let _ = fs::remove_file(&listen_file);
        let mut command = self.setup.command();
        command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        self.child = Some(command.spawn().unwrap());

        let start = Instant::now();
        let address = loop {
            if let Ok(text) = fs::read_to_string(&listen_file)
                && !text.trim().is_empty()
            {
                break text.trim().to_owned();
            }
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the server ended at its start with {status}:\n{}", self.log());
            }
            assert!(start.elapsed() < DEADLINE, "the server never listened:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        self.base = if address.starts_with("unix:") { address } else { format!("http://{address}") };
    }

    pub fn admin(&self) -> Api {
        let token = fs::read_to_string(self.setup.seen(&self.setup.data_dir().join("admin-token"))).unwrap();
        Api::new(&self.base, Some(token.trim()))
    }

    pub fn anonymous(&self) -> Api {
        Api::new(&self.base, None)
    }

    /// A new token made by the first admin: the API under it.
    pub fn api_as(&self, role: &str, account: Option<&str>) -> Api {
        let mut body = serde_json::json!({"name": format!("a {role}"), "role": role});
        if let Some(account) = account {
            body["account"] = account.into();
        }
        let made = self.admin().post("/v1/tokens", &body).expect(201);
        Api::new(&self.base, Some(made["token"].as_str().unwrap()))
    }

    /// `ADDRESS:PORT`
    pub fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.as_ref().unwrap().id()).unwrap()
    }

    /// `kill -9`, and no more.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sets how many files it may have open from now on; how many it might before.
    pub fn limit_files(&self, limit: u64) -> u64 {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limits = Rlimit { current: Some(limit), maximum };
        prlimit(Pid::from_raw(self.pid()), Resource::Nofile, limits).unwrap().current.unwrap()
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let status = eventually("the server ends", || self.child.as_mut().unwrap().try_wait().unwrap());
        self.child = None;
        status
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// SIGTERM, and the exit that follows.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// All that it has logged, over its restarts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.setup.log_file()).unwrap_or_default()
    }

    /// Asserts that `verify` finds the (stopped) server's store consistent.
    pub fn verify_store(&self) {
        assert!(self.child.is_none(), "stop it first");
        let output = self.setup.binary().args(["verify", "--data-dir"]).arg(self.setup.data_dir()).output().unwrap();
        assert!(
            output.status.success(),
            "verify: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the server's last lines:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}
