//! The engine of a store: chosen for a new one, held to afterwards, and changed by `migrate`, which may be killed at
//! any point.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Setup, mythichooks};
use crate::support::{Api, Receiver, Server, api};

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn migrate_command(data: &Path, engine: &str) -> std::process::Command {
    let mut command = mythichooks();
    command.args(["migrate", "--engine", engine, "--data-dir"]).arg(data);
    command
}

fn migrate(data: &Path, engine: &str) -> Output {
    migrate_command(data, engine).output().unwrap()
}

fn engine_of(data: &Path) -> String {
    let manifest = std::fs::read_to_string(data.join("store/manifest")).unwrap();
    manifest.lines().find_map(|line| line.strip_prefix("engine ")).unwrap().to_owned()
}

/// What lies in `store/`.
fn names(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data.join("store")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// Everything that the API shows of what is stored.
fn shown(api: &Api) -> BTreeMap<String, Value> {
    let mut shown = BTreeMap::new();
    for list in ["events", "endpoints", "event-types", "tokens", "audit-log"] {
        shown.insert(list.to_owned(), Value::Array(api.list(&format!("/v1/{list}?limit=500"))));
    }
    for delivery in api.list("/v1/deliveries?limit=500") {
        let path = format!("/v1/deliveries/{}", api::id(&delivery));
        let mut delivery = api.get(&path).expect(200);
        // Told by the wall clock of the moment, so it may move by a millisecond.
        delivery["next_attempt_at"] = delivery["next_attempt_at"].is_string().into();
        if delivery["attempts_made"] == 0 {
            // As they would be now: the second and the signature over it move on.
            for header in ["webhook-timestamp", "webhook-signature"] {
                delivery["request_headers"].as_object_mut().unwrap().remove(header);
            }
        }
        shown.insert(path, delivery);
    }
    shown
}

/// A stopped server with some hundred events in its store.
fn filled(setup: Setup) -> Server {
    let mut server = setup.start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    for batch in 0..4 {
        let event =
            |n| json!({"type": "batch.completed", "data": {"object": {"n": n, "pad": "x".repeat(batch * 400)}}});
        api.post("/v1/events/batch", &json!({"events": (0..150).map(event).collect::<Vec<_>>()})).expect(202);
    }
    let last = api.event();
    api.delivery_in(&last, "delivered");
    assert_eq!(server.terminate().code(), Some(0));
    server
}

#[test]
fn a_store_moves_to_another_engine_and_back_with_all_that_waits() {
    let mut server = Server::setup().schedule("1h").start();
    let works = Arc::new(AtomicBool::new(false));
    let receiver = {
        let works = Arc::clone(&works);
        Receiver::start(move |_, _| if works.load(Ordering::SeqCst) { 200 } else { 503 })
    };
    let good = Receiver::ok();
    let api = server.admin();
    let failing = api::id(&api.endpoint_with(&receiver.url(), &json!({"event_types": ["batch.failed"]})));
    let delivering = json!({"event_types": ["batch.completed"]});
    api.endpoint_with(&good.url(), &delivering);
    let paused = api::id(&api.endpoint_with(&good.url(), &delivering));
    api.send("PATCH", &format!("/v1/endpoints/{paused}"), &json!({"status": "paused"})).expect(200);
    let large = api.event_of("batch.completed", &json!({"text": "x".repeat(40_000)}));
    let waiting = api.event_of("batch.failed", &json!({"n": 1}));
    good.wait_for(1);
    api.delivery_after(&waiting, 1);
    assert_eq!(server.terminate().code(), Some(0));
    server.start_again();
    let before = shown(&server.admin());
    assert_eq!(server.terminate().code(), Some(0));

    let data = server.setup.data_dir();
    assert_eq!(engine_of(&data), "sled");
    let output = migrate_command(&data, "redb").arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (said["moved"].as_bool(), said["from"].as_str(), said["engine"].as_str()),
        (Some(true), Some("sled"), Some("redb"))
    );
    assert!(said["rows"].as_u64().unwrap() > 10 && said["sha256"].as_str().unwrap().len() == 64, "{said}");
    assert_eq!(names(&data), ["manifest", "redb", "witness"]);
    server.verify_store();
    let again = migrate(&data, "redb");
    assert_eq!(again.status.code(), Some(0));
    assert!(text(&again).contains("already"), "{}", text(&again));

    // The wrong engine is refused, by flag and by environment, and touches nothing.
    let untouched = files(&data);
    let mut by_flag = server.setup.command();
    by_flag.args(["--engine", "sled"]);
    let mut by_environment = server.setup.command();
    by_environment.env("MYTHICHOOKS_ENGINE", "sled");
    for mut command in [by_flag, by_environment] {
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        for word in ["sled", "redb", "mythichooks migrate --engine sled"] {
            assert!(text(&refused).contains(word), "{word}: {}", text(&refused));
        }
        assert!(files(&data) == untouched, "something was changed");
    }

    // The right one goes on where the other one stopped.
    server.setup.add_args(["--engine", "redb"]);
    server.start_again();
    let api = server.admin();
    assert_eq!(shown(&api), before);
    works.store(true, Ordering::SeqCst);
    let pending = api.deliveries_of(&waiting).remove(0);
    assert_eq!((&pending["status"], &pending["attempts_made"]), (&json!("pending"), &json!(1)));
    api.post_empty(&format!("/v1/deliveries/{}/retry", api::id(&pending))).expect(202);
    api.delivery_in(&waiting, "delivered");
    api.send("PATCH", &format!("/v1/endpoints/{paused}"), &json!({"status": "enabled"})).expect(200);
    assert_eq!(good.wait_for(2)[1].event_id(), large);
    let new = api.event_of("batch.failed", &json!({"n": 2}));
    assert_eq!(api.delivery_in(&new, "delivered")["endpoint_id"], failing.as_str());
    assert_eq!(server.terminate().code(), Some(0));
    server.verify_store();

    let back = migrate(&data, "sled");
    assert_eq!(back.status.code(), Some(0), "{}", text(&back));
    assert_eq!(names(&data), ["manifest", "sled", "witness"]);
    server.verify_store();
    let refused = server.setup.command().output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "it is no longer on redb: {}", text(&refused));
}

#[test]
fn a_new_store_is_made_with_the_engine_that_is_asked_for() {
    let mut server = Server::setup().env("MYTHICHOOKS_ENGINE", "redb").start();
    let event = server.admin().event();
    assert_eq!(names(&server.setup.data_dir()), ["manifest", "redb", "witness"]);
    server.kill();
    server.verify_store();
    server.start_again();
    server.admin().get(&format!("/v1/events/{event}")).expect(200);
    let in_use = migrate(&server.setup.data_dir(), "sled");
    assert_eq!(in_use.status.code(), Some(1));
    assert!(text(&in_use).contains("in use"), "{}", text(&in_use));
}

#[test]
fn a_move_that_cannot_be_made_leaves_the_store_as_it_is() {
    let mut server = filled(Server::setup());
    let data = server.setup.data_dir();
    assert_eq!(migrate(&data, "other").status.code(), Some(2));
    let full = migrate_command(&data, "redb").env("FAILPOINTS", "change_engine::full=return").output().unwrap();
    assert_eq!(full.status.code(), Some(1), "{}", text(&full));
    assert!(text(&full).contains("free disk"), "{}", text(&full));
    assert_eq!(names(&data), ["manifest", "sled", "witness"]);
    server.start_again();
    assert_eq!(server.admin().list("/v1/events?limit=500").len(), 500);
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(migrate(nothing.path(), "redb").status.code(), Some(1));
    assert!(!nothing.path().join("store").exists());
}

#[test]
fn a_death_at_any_point_of_a_move_leaves_a_whole_store() {
    for (from, to) in [("sled", "redb"), ("redb", "sled")] {
        let server = filled(Server::setup().args(["--engine", from]));
        let data = server.setup.data_dir();
        for (point, stands_on) in [("copying", from), ("copied", from), ("named", from), ("switched", to)] {
            let failpoint = format!("change_engine::{point}=return");
            let died = migrate_command(&data, to).env("FAILPOINTS", failpoint).output().unwrap();
            assert_eq!(died.status.code(), None, "{point}: {}", text(&died));
            assert_eq!(engine_of(&data), stands_on, "{point}");
            server.verify_store();
            assert!(names(&data).len() > 3, "{point} left nothing behind, so it was another point");
        }
        let cleared = migrate(&data, to);
        assert_eq!(cleared.status.code(), Some(0), "{}", text(&cleared));
        assert_eq!(names(&data), ["manifest", to, "witness"]);
        server.verify_store();
    }
}

#[test]
fn what_a_cut_off_move_left_is_removed_by_the_next_start() {
    let mut server = filled(Server::setup());
    let data = server.setup.data_dir();
    for point in ["copying", "copied", "named"] {
        let failpoint = format!("change_engine::{point}=return");
        migrate_command(&data, "redb").env("FAILPOINTS", failpoint).output().unwrap();
        assert!(names(&data).len() > 3, "{point}");
        server.start_again();
        assert_eq!(names(&data), ["manifest", "sled", "witness"], "{point}");
        assert_eq!(server.admin().list("/v1/events?limit=500").len(), 500);
        server.kill();
    }
}

#[test]
fn kills_in_the_middle_of_moves_leave_a_whole_store() {
    let mut server = filled(Server::setup());
    let data = server.setup.data_dir();
    for round in 0..12_u64 {
        let to = if engine_of(&data) == "sled" { "redb" } else { "sled" };
        let mut child = migrate_command(&data, to).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 53 % 240));
        child.kill().unwrap();
        child.wait().unwrap();
        server.verify_store();
    }
    server.start_again();
    assert_eq!(server.admin().list("/v1/events?limit=500").len(), 500);
}
