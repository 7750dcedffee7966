//! The API from a shell: the client commands against a running server, `demo` and `listen`.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::api::id;
use crate::support::server::mythichooks;
use crate::support::{Receiver, Reply, Server, sign, until};

struct Shell {
    server: Server,
    token_file: PathBuf,
}

impl Shell {
    fn new() -> Shell {
        let server = Server::setup().schedule("1h").start();
        let token_file = server.setup.data_dir().join("admin-token");
        Shell { server, token_file }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = mythichooks();
        command.args(args).args(["--server", &self.server.base]).arg("--token-file").arg(&self.token_file);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let mut with: Vec<&str> = args.to_vec();
        with.push("--json");
        let text = self.ok(&with);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{with:?}: {error}: {text}"))
    }
}

#[test]
fn a_dry_run_is_a_table_of_who_would_get_it() {
    let shell = Shell::new();
    let api = shell.server.admin();
    let getting = id(&api.endpoint_with("http://127.0.0.1:1/", &json!({"event_types": ["batch.*"]})));
    let missing = id(&api.endpoint_with("http://127.0.0.1:1/", &json!({"event_types": ["usage.threshold.reached"]})));
    let send = ["event", "send", "batch.completed", "--example", "--dry-run"];
    let table = shell.ok(&send);
    let line = |id: &str| table.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{id}: {table}"));
    assert!(line(&getting).contains("sent") && line(&getting).contains("batch.*"), "{table}");
    assert!(line(&missing).contains("skipped") && line(&missing).contains("not_subscribed"), "{table}");
    assert_eq!(shell.json(&send)["deliveries"], 1);
    assert!(api.list("/v1/events").is_empty());
    let both = shell.run(&["event", "send", "batch.completed", "--example", "--dry-run", "--idempotency-key", "k"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn from_an_endpoint_to_its_delivery() {
    let shell = Shell::new();
    let api = shell.server.admin();
    let receiver = Receiver::start(|_, before| if before == 0 { 500 } else { 200 });
    let made = shell.json(&["endpoint", "create", "--url", &receiver.url(), "--event-types", "batch.*"]);
    let endpoint = id(&made);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(shell.ok(&["endpoint", "list"]).contains(&endpoint));
    assert!(shell.ok(&["endpoint", "get", &endpoint]).contains(&receiver.url()));

    let sent = shell.json(&["event", "send", "batch.completed", "--data", r#"{"id":"batch_1"}"#]);
    let event = id(&sent);
    let delivery = id(&api.delivery_after(&event, 1));
    assert!(shell.ok(&["delivery", "list"]).contains(&delivery));
    assert!(shell.ok(&["delivery", "get", &delivery]).contains("500"));
    shell.ok(&["delivery", "retry", &delivery]);
    api.delivery_in(&event, "delivered");
    assert!(receiver.requests()[1].json()["data"]["object"]["id"] == "batch_1");
    assert!(shell.json(&["stats"])["totals"].is_object());
    let week = shell.json(&["stats", "--window", "7d", "--step", "3h"]);
    assert_eq!(week["per_minute"].as_array().unwrap().len(), 56, "{week}");
    assert!(!shell.ok(&["stats"]).is_empty());
    shell.ok(&["endpoint", "delete", &endpoint]);
    api.get(&format!("/v1/endpoints/{endpoint}")).problem(404);
}

#[test]
fn tokens() {
    let shell = Shell::new();
    let made = shell.json(&["token", "create", "--name", "ci", "--role", "read"]);
    let api = shell.server.anonymous().with_token(made["token"].as_str());
    api.get("/v1/stats").expect(200);
    let listed = shell.ok(&["token", "list"]);
    assert!(listed.contains(&id(&made)) && !listed.contains(made["token"].as_str().unwrap()), "{listed}");
    shell.ok(&["token", "delete", &id(&made)]);
    api.get("/v1/stats").problem(401);
}

#[test]
fn a_refusal_is_told_and_exits_1() {
    let shell = Shell::new();
    for args in [
        &["event", "send", "no.such", "--data", "{}"][..],
        &["endpoint", "get", "ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB"],
        &["delivery", "retry", "dlv_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB"],
        &["endpoint", "create", "--url", "ftp://x/", "--event-types", "*"],
    ] {
        let output = shell.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.is_empty() && !said.contains("panicked"), "{args:?}: {said}");
    }
}

/// What answers is no server of ours, or the token may not do what a flag needs.
#[test]
fn what_cannot_be_used_is_told_and_exits_1() {
    let shell = Shell::new();
    let other = Receiver::start(|_, _| Reply::status(200).body("hello"));
    let elsewhere = format!("http://{}", other.url().split('/').nth(2).unwrap());
    for more in [&[][..], &["--json"]] {
        let mut command = mythichooks();
        command.args(["stats", "--server", &elsewhere]).arg("--token-file").arg(&shell.token_file).args(more);
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        assert!(String::from_utf8_lossy(&output.stderr).contains("the answer is not JSON"), "{output:?}");
    }
    let ingest = shell.server.admin().post("/v1/tokens", &json!({"name": "producer", "role": "ingest"})).expect(201);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ingest["token"].as_str().unwrap()).unwrap();
    let send = |object: &[&str]| {
        let mut command = mythichooks();
        command.args(["event", "send", "batch.completed", "--server", &shell.server.base]).args(object);
        command.arg("--token-file").arg(file.path()).output().unwrap()
    };
    assert_eq!(send(&["--data", "{}"]).status.code(), Some(0));
    let output = send(&["--example"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("give the object with --data"), "{said}");
}

#[test]
fn tail_shows_attempts_as_they_come() {
    let shell = Shell::new();
    let api = shell.server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let mut child = shell.command(&["tail", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let seen = lines(child.stdout.take().unwrap());
    let mut last = String::new();
    until("an attempt is shown", || {
        // It may not be connected yet: later events will do.
        last = api.event();
        api.delivery_in(&last, "delivered");
        std::thread::sleep(std::time::Duration::from_millis(50));
        seen.lock().unwrap().iter().any(|line: &String| line.contains("evt_"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

fn lines(output: impl std::io::Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let filling = Arc::clone(&seen);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            filling.lock().unwrap().push(line);
        }
    });
    seen
}

#[test]
fn the_demo_does_the_whole_job_and_ends() {
    let scratch = tempfile::tempdir().unwrap();
    let output = mythichooks().args(["demo", "--once"]).current_dir(scratch.path()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    for kind in [
        "batch.completed",
        "batch.failed",
        "fine_tuning.job.created",
        "fine_tuning.job.succeeded",
        "fine_tuning.job.failed",
        "usage.threshold.reached",
    ] {
        assert!(said.contains(kind), "{kind}: {said}");
    }
    assert!(said.contains("verif"), "{said}");
    assert!(said.contains("http://127.0.0.1") || said.contains("http://localhost"), "the dashboard's address: {said}");
    assert!(!said.contains("whsec_"), "{said}");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "it left something behind");
}

#[test]
fn listen_verifies_what_it_gets() {
    let shell = Shell::new();
    let api = shell.server.admin();
    let secret = sign::secret(3);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let secret_file = shell.server.setup.root().join("secret");
    std::fs::write(&secret_file, &secret).unwrap();
    let mut command = mythichooks();
    command.args(["listen", "--listen", &free.to_string()]).arg("--secret-file").arg(&secret_file);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let seen = lines(child.stdout.take().unwrap());
    until("it listens", || std::net::TcpStream::connect(free).is_ok());
    api.endpoint_with(&format!("http://{free}/"), &json!({"secret": secret, "account": "right"}));
    api.endpoint_with(&format!("http://{free}/"), &json!({"account": "wrong"}));
    let post = |account: &str| {
        let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        id(&api.post("/v1/events", &event).expect(202))
    };
    let (right, wrong) = (post("right"), post("wrong"));
    api.delivery_in(&right, "delivered");
    let refused = api.delivery_after(&wrong, 1);
    assert_eq!(refused["status"], "pending", "it took a wrong signature: {refused:#}");
    assert!(matches!(refused["last_response_code"].as_u64(), Some(401 | 403)), "{refused:#}");
    until("it printed the event", || seen.lock().unwrap().iter().any(|line| line.contains(&right)));
    child.kill().unwrap();
    child.wait().unwrap();
}
