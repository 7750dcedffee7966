//! The binary as a program: help, exit codes, one server a directory, signals, sockets, environment, logs.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::server::mythichooks;
use crate::support::{Behaviour, Receiver, Reply, Server, raw, until};

fn run(args: &[&str]) -> Output {
    mythichooks().args(args).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether a line of a help text begins an option: `-x, --long` or `--long`, indented.
fn is_option(line: &str) -> bool {
    let text = line.trim_start();
    let short = text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic()));
    text.len() < line.len() && (text.starts_with("--") || short)
}

#[test]
fn the_help_of_every_command_is_complete() {
    let commands = [
        "serve",
        "demo",
        "listen",
        "event",
        "event send",
        "endpoint",
        "delivery",
        "token",
        "stats",
        "tail",
        "verify",
        "repair",
        "migrate",
        "backup",
        "restore",
    ];
    let top = run(&["--help"]);
    assert_eq!(top.status.code(), Some(0));
    for command in commands.iter().filter(|command| !command.contains(' ')) {
        assert!(text(&top).contains(command), "{command} is not in --help");
    }
    let mut undescribed = Vec::new();
    for command in commands {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = run(&words);
        assert_eq!(help.status.code(), Some(0), "{command}: {}", text(&help));
        let text = text(&help);
        assert!(text.contains("Usage:"), "{command}: {text}");
        // Every option has a description: on its line after two spaces, or on the next line.
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| is_option(line)) {
            let beside = line.trim_start().split_once("  ").is_some_and(|(_, rest)| !rest.trim().is_empty());
            let below = lines
                .get(number + 1)
                .is_some_and(|next| !next.trim().is_empty() && !next.trim_start().starts_with('-'));
            if !beside && !below {
                undescribed.push(format!("{command}: {line}"));
            }
        }
    }
    assert!(undescribed.is_empty(), "no description:\n{}", undescribed.join("\n"));
    let serve = text(&run(&["serve", "--help"]));
    for flag in [
        "--data-dir",
        "--listen",
        "--admin-token-file",
        "--retry-schedule",
        "--request-timeout",
        "--allow-network",
        "--allow-http",
        "--retention",
        "--max-event-size",
        "--tls-cert",
        "--tls-key",
        "--ca-file",
        "--log-format",
        "--engine",
    ] {
        assert!(serve.contains(flag), "{flag} is not in serve --help");
        let variable = format!("MYTHICHOOKS_{}", flag.trim_start_matches('-').to_uppercase().replace('-', "_"));
        assert!(serve.contains(&variable), "{variable} is not in serve --help");
    }
    let version = run(&["--version"]);
    assert!(text(&version).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_2() {
    for args in [
        &["nonsense"][..],
        &["serve", "--nonsense"],
        &["serve", "--listen"],
        &["serve", "--listen", "nonsense"],
        &["serve", "--retry-schedule", "soon"],
        &["serve", "--request-timeout", "-1s"],
        &["serve", "--allow-network", "300.0.0.0/8"],
        &["serve", "--max-event-size", "big"],
        &["serve", "--retention", "forever-ish"],
        &["serve", "--allow-network", "10.0.0.0/33"],
        &["serve", "--log-format", "xml"],
        &["serve", "--log-level", "debgu"],
        &["serve", "--log-level", ""],
        &["serve", "--log-level", "info,mythichooks=loud"],
        &["listen", "--listen", "nonsense"],
        &["listen", "--listen", "unix:/x"],
        &["serve", "--engine", "other"],
        &["migrate"],
        &["migrate", "--engine", "other"],
        &["event"],
        &["event", "send"],
        &["verify", "extra", "more"],
        &["verify", "--backup", "a", "--data-dir", "b"],
        &["backup"],
        &["restore"],
        &["restore", "a", "--engine", "none"],
        &[],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
        assert!(!text(&output).is_empty(), "{args:?} said nothing");
    }
}

#[test]
fn failure_is_1() {
    let scratch = tempfile::tempdir().unwrap();
    let token = scratch.path().join("token");
    std::fs::write(&token, "mhk_x").unwrap();
    let absent = scratch.path().join("absent");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("http://{closed}");
    for args in [
        &["verify", "--data-dir", absent.to_str().unwrap()][..],
        &["stats", "--server", &server, "--token-file", token.to_str().unwrap()],
        &["stats", "--server", &server, "--token-file", absent.to_str().unwrap()],
        &["serve", "--data-dir", "/proc/nonsense", "--listen", "127.0.0.1:0"],
        &[
            "serve",
            "--data-dir",
            scratch.path().join("d").to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            absent.to_str().unwrap(),
            "--tls-key",
            absent.to_str().unwrap(),
        ],
        &[
            "serve",
            "--data-dir",
            scratch.path().join("e").to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
            "--ca-file",
            absent.to_str().unwrap(),
        ],
        &[
            "serve",
            "--data-dir",
            scratch.path().join("f").to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
            "--admin-token-file",
            absent.to_str().unwrap(),
        ],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output));
        assert!(!text(&output).is_empty(), "{args:?} said nothing");
        assert!(!text(&output).contains("panic"), "{}", text(&output));
    }
}

#[test]
fn a_second_server_on_a_directory_is_refused() {
    let server = Server::start();
    let mut second = server.setup.command();
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = text(&output).to_lowercase();
    assert!(said.contains("data"), "the directory is not named: {said}");
    assert!(said.contains("use") || said.contains("lock") || said.contains("running"), "not clear: {said}");
    assert_eq!(server.anonymous().get("/readyz").status, 200);
    server.admin().event();
    let verify = mythichooks().args(["verify", "--data-dir"]).arg(server.setup.data_dir()).output().unwrap();
    assert_eq!(verify.status.code(), Some(1), "verify on a store in use: {}", text(&verify));
}

#[test]
fn a_data_directory_is_made_with_those_above_it() {
    let server = Server::setup().data_in("above/further/data").start();
    let mode = std::fs::metadata(server.setup.data_dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "only its owner may look into it");
}

/// Somebody made it beforehand, for all to read: secrets lie in the store.
#[test]
fn a_store_is_its_owners_alone_whoever_made_the_directory_around_it() {
    let setup = Server::setup();
    std::fs::create_dir(setup.data_dir()).unwrap();
    std::fs::set_permissions(setup.data_dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = setup.start();
    let mode = std::fs::metadata(server.setup.data_dir().join("store")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_taken_port_is_a_clear_failure() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let setup = Server::setup().listen(&address);
    let output = setup.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(&address), "{}", text(&output));
}

#[test]
fn sigterm_lets_attempts_under_way_end() {
    let mut server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| Behaviour::Slow(Duration::from_secs(1), Reply::status(200)));
    api.endpoint(&receiver.url());
    let event = api.event();
    receiver.wait_for(1);
    assert_eq!(server.terminate().code(), Some(0));
    server.verify_store();
    server.start_again();
    let delivery = server.admin().delivery_of(&event);
    assert_eq!(delivery["status"], "delivered", "its outcome was not logged: {delivery:#}");
    assert_eq!(receiver.count(), 1);
}

#[test]
fn sigterm_waits_no_longer_than_the_request_timeout() {
    let mut server = Server::setup().schedule("1h").args(["--request-timeout", "1s"]).start();
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    server.admin().endpoint(&receiver.url());
    server.admin().event();
    receiver.wait_for(1);
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::setup().schedule("1h").args(["--request-timeout", "300s"]).start();
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    let api = server.admin();
    api.endpoint(&receiver.url());
    let event = api.event();
    receiver.wait_for(1);
    server.signal(Signal::TERM);
    until(
        "it no longer takes connections or says it is not ready",
        || !matches!(api.try_request("GET", "/readyz", &[], None), Ok(answer) if answer.status == 200),
    );
    assert!(server.is_running(), "the open attempt was not waited for");
    server.signal(Signal::TERM);
    server.wait();
    server.verify_store();
    drop(receiver);
    server.start_again();
    assert_ne!(server.admin().delivery_of(&event)["status"], "delivered");
}

#[test]
fn it_listens_on_a_unix_socket() {
    let setup = Server::setup();
    let socket = setup.root().join("api.sock");
    let server = setup.listen(&format!("unix:{}", socket.display())).start_unprobed();
    until("the socket answers", || {
        let answer = raw::exchange_unix(&socket, b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        raw::status(&answer) == Some(200)
    });
    drop(server);
}

#[test]
fn every_flag_is_an_environment_variable_too() {
    let setup = Server::setup().documented_schedule();
    let setup = setup.env("MYTHICHOOKS_RETRY_SCHEDULE", "7m,11m").env("MYTHICHOOKS_REQUEST_TIMEOUT", "9s");
    let server = setup.start();
    let endpoint = server.admin().endpoint("http://127.0.0.1:9/");
    assert_eq!(endpoint["effective"]["retry_schedule"], serde_json::json!(["7m", "11m"]));
    assert_eq!(endpoint["effective"]["timeout"], "9s");
    for yes in ["1", "true"] {
        let setup = Server::setup().guarded().env("MYTHICHOOKS_ALLOW_HTTP", yes);
        setup.env("MYTHICHOOKS_ALLOW_NETWORK", "127.0.0.0/8,10.0.0.0/8").start().admin().endpoint("http://10.0.0.1/");
    }
}

#[test]
fn logs_are_one_line_each_and_hold_no_payload() {
    let mut server = Server::setup().schedule("20ms").args(["--log-format", "json"]).start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    let secret = api.endpoint(&receiver.url())["secret"].as_str().unwrap().to_owned();
    let event = api.event_of("batch.completed", &serde_json::json!({"private": "the-payload-itself"}));
    api.delivery_in(&event, "failed");
    api.send_text(
        "POST",
        "/v1/events",
        r#"{"type":"batch.completed","data":{"object":{"private":"the-payload-itself"}},"x":1}"#,
    );
    server.terminate();
    let log = server.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not a JSON line: {line}"));
        assert!(entry.is_object());
    }
    for hidden in [&secret, "the-payload-itself", api.token.as_ref().unwrap()] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}

/// A store that is not ours, or broken, is refused and left as it is.
#[test]
fn a_foreign_or_broken_store_is_refused_and_untouched() {
    let mut server = Server::start();
    server.admin().event();
    server.terminate();
    let data = server.setup.data_dir();
    let mut files = Vec::new();
    collect(&data, &mut files);
    let largest = files.iter().max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap().clone();
    let length = std::fs::metadata(&largest).unwrap().len() as usize;
    std::fs::write(&largest, vec![0x5a; length]).unwrap();
    let output = server.setup.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(!text(&output).contains("panicked"), "{}", text(&output));
    assert_eq!(std::fs::read(&largest).unwrap(), vec![0x5a; length], "the broken file was written to");
}

/// Half a database is one of the kinds of damage on which the engine itself gives up hard.
#[test]
fn a_truncated_store_is_a_clear_failure() {
    let mut server = Server::start();
    let event = serde_json::json!({"type": "batch.completed", "data": {"object": {"text": "x".repeat(500)}}});
    for _ in 0..5 {
        server.admin().post("/v1/events/batch", &serde_json::json!({ "events": vec![&event; 1_000] })).expect(202);
    }
    server.terminate();
    let mut files = Vec::new();
    collect(&server.setup.data_dir(), &mut files);
    let largest = files.iter().max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let length = std::fs::metadata(largest).unwrap().len();
    std::fs::File::options().write(true).open(largest).unwrap().set_len(length / 2).unwrap();
    let data = server.setup.data_dir();
    let verify = || run(&["verify", "--data-dir", data.to_str().unwrap()]);
    let serve = || server.setup.command().output().unwrap();
    for command in [&verify as &dyn Fn() -> Output, &serve] {
        let output = command();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("damaged"), "{}", text(&output));
        assert!(!text(&output).contains("panic"), "{}", text(&output));
    }
}

fn collect(directory: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
