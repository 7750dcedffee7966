//! Receivers that others wrote, in Python, from the virtual environment that `tests/run` makes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::Api;

pub struct Flask {
    child: Child,
    pub base: String,
}

pub fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    assert!(python.exists(), "no virtual environment: start the tests with tests/run");
    python
}

impl Flask {
    /// Starts `tests/receivers/{app}.py` with its secret; returns when it listens.
    pub fn start(app: &str, secret: &str) -> Flask {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/receivers/{app}.py"));
        let mut command = Command::new(python());
        command.arg(script).env("SECRET", secret).env("PYTHONDONTWRITEBYTECODE", "1").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port: u16 = port.trim().parse().unwrap_or_else(|_| panic!("{app}.py did not start"));
        Flask { child, base: format!("http://127.0.0.1:{port}") }
    }

    pub fn url(&self) -> String {
        format!("{}/webhooks", self.base)
    }

    /// From now on it knows this secret alone.
    pub fn switch(&self, secret: &str) {
        Api::new(&self.base, None).request("POST", "/switch", &[], Some(secret.as_bytes())).expect(204);
    }

    /// The ids of the events that it verified, in order, and how many requests it refused.
    pub fn seen(&self) -> (Vec<String>, u64) {
        let report = Api::new(&self.base, None).get("/seen").expect(200);
        let ids = report["seen"].as_array().unwrap().iter().map(|id: &Value| id.as_str().unwrap().to_owned());
        (ids.collect(), report["refused"].as_u64().unwrap())
    }
}

impl Drop for Flask {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
