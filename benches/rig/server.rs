//! The server under test: the real binary on a scratch directory and a free port.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use mythichooks::store::EngineKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{load::Target, process::Process};

const TOKEN: &str = "mhk_a-token-for-benchmarks-alone";
/// What is posted is delivered in this time.
const PATIENCE: Duration = Duration::from_mins(10);

/// A running server.
pub struct Server {
    pub process: Process,
    address: SocketAddr,
    agent: ureq::Agent,
    /// Dropped last; `None`: the directory is somebody else's.
    _scratch: Option<TempDir>,
}

/// What is measured as a producer would see it; the bare loop has it too.
pub trait Subject {
    fn process(&self) -> &Process;
    /// Where events are posted.
    fn events(&self) -> Target;
    /// How many deliveries are written down as delivered.
    fn delivered(&self) -> u64;

    /// Waits until so many are written down.
    fn wait_for_delivered(&self, count: u64) {
        let start = Instant::now();
        while self.delivered() < count {
            assert!(start.elapsed() < PATIENCE, "only {} of {count} are written down", self.delivered());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Server {
    /// A server with an empty store.
    pub fn start(engine: EngineKind) -> Self {
        let scratch = TempDir::with_prefix("mythichooks-bench-").unwrap();
        let server = Self::start_on(scratch.path(), engine);
        Self { _scratch: Some(scratch), ..server }
    }

    /// A server whose data directory is in this one.
    pub fn start_on(directory: &Path, engine: EngineKind) -> Self {
        let token_file = directory.join("token");
        fs::write(&token_file, TOKEN).unwrap();
        let listen_file = directory.join("listen");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mythichooks"));
        command.env_clear().arg("serve").arg("--data-dir").arg(data_dir(directory));
        command.args(["--listen", "127.0.0.1:0", "--listen-file"]).arg(&listen_file);
        command.arg("--admin-token-file").arg(token_file);
        command.args(["--allow-http", "--allow-network", "127.0.0.0/8", "--engine", engine.name()]);
        let (process, address) = Process::start(command, &listen_file, &directory.join("log"));
        let server = Self { process, address: address.parse().unwrap(), agent: agent(), _scratch: None };
        let start = Instant::now();
        while server.agent.get(server.url("/readyz")).call().unwrap().status() != 200 {
            assert!(start.elapsed() < PATIENCE, "it never was ready");
            std::thread::sleep(Duration::from_micros(500));
        }
        server
    }

    /// Where requests to this path are posted.
    pub fn target(&self, path: &'static str, expected: u16) -> Target {
        Target { address: self.address, path, token: TOKEN.to_owned(), expected }
    }

    /// Registers an endpoint that hears of all that happens to this account.
    pub fn add_endpoint(&self, url: &str, account: &str) {
        self.add("/v1/endpoints", &endpoint(url, account));
    }

    /// Registers an endpoint that hears of this type.
    pub fn add_endpoint_for(&self, url: &str, event_type: &str) {
        self.add("/v1/endpoints", &json!({"url": url, "event_types": [event_type], "max_in_flight": 64}));
    }

    /// Adds a type to the catalog.
    pub fn add_event_type(&self, name: &str) {
        self.add("/v1/event-types", &json!({"name": name, "description": "Of a benchmark.", "example": {}}));
    }

    fn add(&self, path: &str, body: &Value) {
        let request = self.agent.post(self.url(path)).header("authorization", bearer());
        assert_eq!(request.send_json(body).unwrap().status(), 201);
    }

    pub fn get(&self, path: &str) -> Value {
        let mut answer = self.agent.get(self.url(path)).header("authorization", bearer()).call().unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.body_mut().read_json().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Subject for Server {
    fn process(&self) -> &Process {
        &self.process
    }

    fn events(&self) -> Target {
        self.target("/v1/events", 202)
    }

    fn delivered(&self) -> u64 {
        self.get("/v1/stats?window=1m")["totals"]["delivered"].as_u64().unwrap()
    }
}

/// An endpoint as it is registered. It may have as many attempts under way as there are producers' connections, so
/// that what is measured is the server, not a limit that it keeps.
pub fn endpoint(url: &str, account: &str) -> Value {
    json!({"url": url, "event_types": ["*"], "account": account, "max_in_flight": 64})
}

/// Where the server that was started on this directory has its store.
pub fn data_dir(directory: &Path) -> PathBuf {
    directory.join("data")
}

pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into()
}

fn bearer() -> String {
    format!("Bearer {TOKEN}")
}
