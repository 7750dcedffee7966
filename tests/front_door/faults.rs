//! What the disk can do to a server: a sync that fails, no space, a directory that is in use, read-only or another's.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::api::{Answer, Api};
use crate::support::server::{BINARY, Setup, mythichooks};
use crate::support::wait::until;
use crate::support::{Receiver, Server};

fn post(api: &Api, number: usize, length: usize) -> Option<Answer> {
    let event = json!({
        "id": format!("evt_{number}"), "type": "batch.completed", "data": {"object": {"pad": "x".repeat(length)}},
    });
    api.try_request("POST", "/v1/events", &[("content-type", "application/json")], Some(event.to_string().as_bytes()))
        .ok()
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer}");
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{answer}");
}

/// After a sync that failed nobody knows what is on the disk: the process ends, and the next start reads what is.
#[test]
fn a_failed_sync_ends_the_server_and_loses_nothing_acknowledged() {
    for engine in ["sled", "redb"] {
        fails_to_sync(engine);
    }
}

fn fails_to_sync(engine: &str) {
    let mut server =
        Server::setup().args(["--engine", engine]).env("FAILPOINTS", "engine::sync=40*off->return").start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let mut acknowledged = Vec::new();
    for number in 0.. {
        match post(&api, number, 100) {
            Some(answer) if answer.status == 202 => acknowledged.push(number),
            Some(answer) => {
                assert!(answer.status >= 500, "{answer}");
                break;
            }
            None => break,
        }
        assert!(number < 1_000, "the sync never failed");
    }
    assert!(!acknowledged.is_empty());
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log();
    assert!(log.contains("a batch was not synced") && log.contains("the server ends at once"), "{log}");

    server.setup.set_env("FAILPOINTS", None);
    server.start_again();
    let api = server.admin();
    for number in &acknowledged {
        let event = format!("evt_{number}");
        api.get(&format!("/v1/events/{event}")).expect(200);
        api.delivery_in(&event, "delivered");
    }
    assert!(server.terminate().success());
    server.verify_store();
}

/// Writes to the server's file system until there is no space at all.
fn fill_up(file: &Path) {
    let mut filler = File::create(file).unwrap();
    for length in [1 << 20, 4096, 1] {
        let block = vec![7; length];
        while filler.write_all(&block).is_ok() {}
    }
}

#[test]
fn a_full_disk_refuses_producers_delivers_and_recovers_by_itself() {
    let setup = Server::setup().disk(r#"mount -t tmpfs -o size=32m none "$0""#);
    let mut server = setup.start();
    let api = server.admin();
    let allowed = Arc::new(AtomicUsize::new(0));
    let gate = Arc::clone(&allowed);
    let receiver = Receiver::start(move |_, before| {
        while before >= gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        200
    });
    api.endpoint_with(&receiver.url(), &json!({"max_in_flight": 4}));

    // What somebody else keeps there.
    let ballast = server.setup.seen(&server.setup.data_dir().join("ballast"));
    fs::write(&ballast, vec![7; 6 << 20]).unwrap();
    let mut accepted = 0;
    loop {
        let answer = post(&api, accepted, 100_000).unwrap();
        if answer.status != 202 {
            refused(&answer);
            break;
        }
        accepted += 1;
        assert!(accepted < 1_000, "the disk was never full");
    }
    assert!(accepted > 50, "only {accepted} fitted");
    let metrics = String::from_utf8(api.get("/metrics").body).unwrap();
    assert!(metrics.contains("\nmythichooks_store_accepting 0\n"), "{metrics}");

    // Deliveries go on under the floor.
    let delivered = |api: &Api| api.get("/v1/stats").expect(200)["totals"]["delivered"].as_u64().unwrap() as usize;
    allowed.store(accepted / 2, Ordering::SeqCst);
    until("half are delivered while the disk is nearly full", || delivered(&api) == accepted / 2);

    // Another writer takes the rest; what is answered now cannot be written down.
    let filler = server.setup.seen(&server.setup.data_dir().join("filler"));
    fill_up(&filler);
    refused(&post(&api, accepted, 10).unwrap());
    allowed.store(usize::MAX, Ordering::SeqCst);
    until("attempts are made all the same", || receiver.count() > accepted / 2);
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.is_running());
    assert!(delivered(&api) < accepted, "nothing can be written down");

    fs::remove_file(&filler).unwrap();
    until("all are delivered, without a restart", || delivered(&api) == accepted);
    assert_eq!(receiver.count(), accepted, "nothing was sent twice");
    refused(&post(&api, accepted, 100_000).unwrap());
    fs::remove_file(&ballast).unwrap();
    until("events are accepted again", || post(&api, accepted, 100_000).unwrap().status == 202);
    server.kill();
    server.start_again();
    let api = server.admin();
    for number in 0..=accepted {
        api.get(&format!("/v1/events/evt_{number}")).expect(200);
    }
    assert!(server.terminate().success());
    server.verify_store();
}

/// The log's disk is full, or its reader is gone: its lines are lost, and nothing else.
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let mut server = Server::start();
    let receiver = Receiver::ok();
    server.admin().endpoint(&receiver.url());
    assert!(server.terminate().success());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for log in [full, File::from(OwnedFd::from(closed))] {
        server.start_again_with_log(log);
        let api = server.admin();
        api.delivery_in(&api.event(), "delivered");
        assert!(server.terminate().success());
    }
}

/// The limit of a file's size is an error of the write like others.
#[test]
fn a_file_that_may_not_grow_ends_the_server_with_a_word() {
    for engine in ["sled", "redb"] {
        let mut server = Server::setup().args(["--engine", engine]).limit("-f 8192").start();
        let api = server.admin();
        let ended = (0..200).find(|number| post(&api, *number, 200_000).is_none_or(|answer| answer.status != 202));
        assert!(ended.is_some(), "no file was too large");
        assert_eq!(server.wait().code(), Some(1));
        let log = server.log();
        assert!(log.contains("the store failed") && log.contains("File too large"), "{log}");
    }
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Exit code 1, and each of these words on standard error.
#[track_caller]
fn fails_saying(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn verify(setup: &Setup) -> Command {
    let mut command = setup.binary();
    command.args(["verify", "--data-dir"]).arg(setup.data_dir());
    command
}

#[test]
fn a_directory_in_use_is_refused_to_all_others() {
    let mut server = Server::start();
    let data = server.setup.data_dir();
    for mut command in [server.setup.command(), verify(&server.setup)] {
        fails_saying(&output(&mut command), &["in use by another mythichooks process", text(&data)]);
    }
    assert_eq!(server.admin().get("/readyz").status, 200);
    assert!(server.is_running());
}

#[test]
fn a_read_only_directory_is_a_clear_error() {
    // One that is empty, and one with a store in it.
    for with_store in [false, true] {
        let setup = Server::setup();
        fs::create_dir(setup.data_dir()).unwrap();
        if with_store {
            let mut server = setup.start();
            assert!(server.terminate().success());
            let data = server.setup.data_dir();
            let read_only = Server::setup().disk(&format!(r#"mount --bind -o ro {} "$0""#, text(&data)));
            let before = fs::read(data.join("store/sled/db")).unwrap();
            for mut command in [read_only.command(), verify(&read_only)] {
                fails_saying(&output(&mut command), &["Read-only file system", text(&read_only.data_dir())]);
            }
            assert_eq!(fs::read(data.join("store/sled/db")).unwrap(), before);
        } else {
            let read_only = Server::setup().disk(r#"mount -t tmpfs -o ro none "$0""#);
            fails_saying(&output(&mut read_only.command()), &["Read-only file system", text(&read_only.data_dir())]);
        }
    }
}

const NOBODY: u32 = 65_534;

/// `serve` as a user that owns nothing.
fn as_nobody(data: &Path) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "serve", "--listen", "127.0.0.1:0"]);
    command.env_clear().arg("--data-dir").arg(data).output().unwrap()
}

#[test]
fn a_directory_of_somebody_else_is_a_clear_error() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    let data = root.path().join("data");
    fails_saying(&as_nobody(&data), &["Permission denied", text(&data)]);
    for mode in [0o755, 0o700] {
        let _ = fs::create_dir(&data);
        fs::set_permissions(&data, Permissions::from_mode(mode)).unwrap();
        fails_saying(&as_nobody(&data), &["Permission denied", text(&data)]);
    }
    // One's own, but without the right to look into it.
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o600)).unwrap();
    fails_saying(&as_nobody(&data), &["Permission denied", text(&data)]);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn a_file_in_the_place_of_a_directory_is_a_clear_error() {
    let setup = Server::setup();
    fs::write(setup.data_dir(), b"mine").unwrap();
    fails_saying(&output(&mut setup.command()), &["not a directory", text(&setup.data_dir())]);
    let mut verify = mythichooks();
    fails_saying(
        &output(verify.args(["verify", "--data-dir"]).arg(setup.data_dir())),
        &["ot a directory", text(&setup.data_dir())],
    );
    assert_eq!(fs::read(setup.data_dir()).unwrap(), b"mine");
}
