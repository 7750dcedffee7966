//! Backups of a running server: the drill under load, a client that is slow or goes away, a server that stops.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::server::mythichooks;
use crate::support::{Api, Behaviour, Receiver, Server, eventually, until};

/// `mythichooks backup FILE`, with more arguments.
pub fn back_up(server: &Server, file: &Path, more: &[&str]) -> Output {
    let mut command = mythichooks();
    command.arg("backup").arg(file).args(["--server", &server.base]).args(more);
    command.arg("--token-file").arg(server.setup.data_dir().join("admin-token"));
    command.output().unwrap()
}

pub fn restore(file: &Path, directory: &Path) -> Output {
    mythichooks().arg("restore").arg(file).arg("--data-dir").arg(directory).output().unwrap()
}

pub fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
pub fn succeed(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// A server on the store that is restored from `file`, with the tokens' file of the first one.
fn restored(file: &Path, first: &Server) -> Server {
    let setup = Server::setup().schedule("1h");
    succeed(&restore(file, &setup.data_dir()));
    let verify = mythichooks().args(["verify", "--data-dir"]).arg(setup.data_dir()).output().unwrap();
    succeed(&verify);
    let token = "admin-token";
    std::fs::copy(first.setup.data_dir().join(token), setup.data_dir().join(token)).unwrap();
    setup.start()
}

/// What was acknowledged: by its id, the object as it was posted.
type Acknowledged = Mutex<HashMap<String, String>>;

fn produce(api: &Api, worker: u32, stop: &AtomicBool, acknowledged: &Acknowledged) {
    for number in 0_u32.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let id = format!("evt_w{worker}n{number}");
        // White space, number precision and escapes are to come back as they are.
        let pad = "é\\u0041 ".repeat((number as usize * 37) % 2_000);
        let object = format!("{{ \"n\" : {number}.10, \"pad\":\"{pad}\" }}");
        let body = format!("{{\"id\":\"{id}\",\"type\":\"batch.completed\",\"data\":{{\"object\":{object}}}}}");
        let answer = api.send_text("POST", "/v1/events", &body);
        answer.expect(202);
        acknowledged.lock().unwrap().insert(id, object);
    }
}

/// Several producers post, deliveries go on, and in the middle of it a backup is taken. All that was acknowledged
/// before is in the store that is made of it, byte for byte, and what was pending is delivered from there.
#[test]
fn the_drill_under_load() {
    let mut server = Server::setup().schedule("1h").start();
    let (held, quick) = (std::sync::Arc::new(AtomicBool::new(true)), Receiver::ok());
    let holds = std::sync::Arc::clone(&held);
    let slow =
        Receiver::start(move |_, _| if holds.load(Ordering::SeqCst) { Behaviour::Hang } else { Behaviour::from(200) });
    let api = server.admin();
    api.endpoint(&quick.url());
    api.endpoint_with(&slow.url(), &json!({"timeout": "5m"}));
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("store.backup");
    let (stop, acknowledged) = (AtomicBool::new(false), Acknowledged::default());
    let count = || acknowledged.lock().unwrap().len();
    let mut before = HashMap::new();
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let (api, stop, acknowledged) = (api.clone(), &stop, &acknowledged);
            scope.spawn(move || produce(&api, worker, stop, acknowledged));
        }
        until("there is load", || count() >= 200 && quick.count() > 50);
        before.clone_from(&acknowledged.lock().unwrap());
        let output = back_up(&server, &file, &[]);
        let during = count();
        until("the load goes on after it", || count() >= during + 50);
        stop.store(true, Ordering::SeqCst);
        succeed(&output);
    });
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!root.path().join("store.backup.partial").exists());
    let entries = api.list("/v1/audit-log?action=backup.taken");
    assert_eq!(entries.len(), 1, "{entries:?}");
    server.kill();

    let verify = mythichooks().args(["verify", "--json", "--backup"]).arg(&file).output().unwrap();
    succeed(&verify);
    let report: serde_json::Value = serde_json::from_slice(&verify.stdout).unwrap();
    assert!(report["events"].as_u64().unwrap() >= before.len() as u64, "{report}");
    assert_eq!(report["sound"], true);

    held.store(false, Ordering::SeqCst);
    let already = slow.count();
    let second = restored(&file, &server);
    let api = second.admin();
    for (id, object) in &before {
        let answer = api.get(&format!("/v1/events/{id}"));
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, 200, "{answer}");
        assert!(text.contains(object.as_str()), "{id}: {text}");
    }
    let sent = || {
        slow.requests()
            .iter()
            .skip(already)
            .map(|request| (request.event_id(), request.body.clone()))
            .collect::<HashMap<_, _>>()
    };
    until("all that was pending is delivered", || {
        let sent = sent();
        before.keys().all(|id| sent.contains_key(id))
    });
    let sent = sent();
    for (id, object) in &before {
        assert!(String::from_utf8(sent[id].clone()).unwrap().contains(object.as_str()), "{id}");
    }
}

/// Text that does not compress well, so that a backup does not fit into the buffers on the way.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"[(state >> 58) as usize])
    };
    (0..length).map(|_| step()).collect()
}

fn large_store() -> (Server, Vec<String>) {
    let server = Server::start();
    let api = server.admin();
    let large = |n| api.event_of("batch.completed", &json!({"n": n, "noise": noise(n, 700_000)}));
    let events = (1..=40).map(large).collect();
    (server, events)
}

/// A client that does not read holds up nobody but itself: events are taken and pruned from no queue, a second backup
/// is told to come later. When it reads on, what it gets is whole; what was accepted meanwhile may be in it.
#[test]
fn a_slow_client_holds_up_only_itself() {
    let (server, events) = large_store();
    let api = server.admin();
    let (status, mut slow) = api.open("/v1/backup");
    assert_eq!(status, 200);
    let refused = api.get("/v1/backup");
    assert_eq!(refused.status, 503, "{}", refused.status);
    assert!(refused.header("retry-after").is_some());
    for n in 0..200 {
        let body = json!({"type": "batch.completed", "data": {"object": {"n": n}}});
        api.post("/v1/events", &body).expect(202);
    }
    assert_eq!(api.get("/v1/backup").status, 503, "it is still under way");
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("slow.backup");
    let mut bytes = Vec::new();
    slow.read_to_end(&mut bytes).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    let second = restored(&file, &server);
    for event in &events {
        assert_eq!(second.admin().get(&format!("/v1/events/{event}")).status, 200);
    }
}

#[test]
fn a_client_that_goes_away_ends_its_backup() {
    let (server, _) = large_store();
    let api = server.admin();
    let (status, mut body) = api.open("/v1/backup");
    assert_eq!(status, 200);
    body.read_exact(&mut [0; 1_000]).unwrap();
    assert_eq!(api.get("/v1/backup").status, 503);
    drop(body);
    // And with it the connection.
    drop(api);
    let api = server.admin();
    eventually("another one can be taken", || Some(api.get("/v1/backup")).filter(|answer| answer.status == 200));
    let left = std::fs::read_dir(server.setup.data_dir()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).filter(|name| name == "captured.tmp").collect();
    assert!(left.is_empty());
}

/// A transfer that the server breaks off is a broken one for its client, and no file comes of it.
#[test]
fn a_stop_ends_a_backup_and_is_not_delayed() {
    let (mut server, _) = large_store();
    let (status, mut body) = server.admin().open("/v1/backup");
    assert_eq!(status, 200);
    assert_eq!(server.terminate().code(), Some(0));
    let mut bytes = Vec::new();
    assert!(body.read_to_end(&mut bytes).is_err(), "{} bytes, and no error", bytes.len());
    server.verify_store();

    let root = tempfile::tempdir().unwrap();
    let (file, target) = (root.path().join("broken"), root.path().join("target"));
    std::fs::write(&file, &bytes).unwrap();
    let output = restore(&file, &target);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(&format!("ends at byte {}", bytes.len())), "{}", said(&output));
    assert!(!target.exists());
}
