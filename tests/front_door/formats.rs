//! Stores of every format that was ever released, opened by this binary: all that was in them is there and goes on, the
//! old store is kept, and a kill at any point of a migration leaves the old one or the new one.
//!
//! `tests/stores/make.py` makes them, with a file of what their server's API said last.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::backup::{restore, succeed};
use crate::support::api::id;
use crate::support::clock::TestClock;
use crate::support::server::{Setup, mythichooks};
use crate::support::wait::until;
use crate::support::{Api, Receiver, Server};

const NEWEST: u64 = 5;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores").join(name)
}

/// Unpacks the store of a format into the setup's data directory; what is in it, and a clock at the time when it was made.
fn unpack(setup: &Setup, format: u64) -> (Value, TestClock) {
    let fixture = fixture(&format!("format-{format}"));
    let archive = fixture.join("data.tar.gz");
    let done = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(setup.root()).status().unwrap();
    assert!(done.success());
    what_it_holds(setup, &fixture)
}

fn what_it_holds(setup: &Setup, fixture: &Path) -> (Value, TestClock) {
    let contents = fs::read_to_string(fixture.join("contents.json")).unwrap();
    let contents: Value = serde_json::from_str(&contents).unwrap();
    let mut clock = TestClock::new(setup.root());
    clock.set_ms(contents["made_at_ms"].as_i64().unwrap() + 2_000);
    (contents, clock)
}

/// All that the older release said is said by this one too; it may say more.
fn says_still(now: &Value, then: &Value, at: &str) {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            for (key, then) in then {
                let now = now.get(key).unwrap_or_else(|| panic!("{at}/{key} is gone"));
                says_still(now, then, &format!("{at}/{key}"));
            }
        }
        (Value::Array(now), Value::Array(then)) => {
            assert_eq!(now.len(), then.len(), "{at}: {now:?}\nwas {then:?}");
            for (number, (now, then)) in now.iter().zip(then).enumerate() {
                says_still(now, then, &format!("{at}/{number}"));
            }
        }
        _ => assert_eq!(now, then, "{at}"),
    }
}

fn holds_all(api: &Api, contents: &Value) {
    // The audit log first: a look at a secret is an entry.
    for list in ["audit-log", "endpoints", "events", "deliveries", "event-types", "tokens"] {
        let then = contents[list].as_array().unwrap();
        assert!(!then.is_empty(), "{list}");
        let mut now = api.list(&format!("/v1/{list}?limit=500"));
        if ["endpoints", "events", "deliveries"].contains(&list) {
            now = now.iter().map(|one| api.get(&format!("/v1/{list}/{}", id(one))).expect(200)).collect();
        }
        if list == "endpoints" {
            for endpoint in &mut now {
                let secret = api.get(&format!("/v1/endpoints/{}/secret", id(endpoint))).expect(200);
                endpoint["secret"] = secret["secret"].clone();
            }
        }
        says_still(&Value::Array(now), &contents[list], list);
    }
    says_still(&api.get("/v1/stats").expect(200)["totals"], &contents["totals"], "totals");
}

/// What waited goes out to a receiver that is put in the old ones' place, with the bytes that were stored.
fn goes_on(server: &Server, contents: &Value, clock: &mut TestClock) {
    let api = server.admin();
    let receiver = Receiver::ok();
    let pending: Vec<&Value> =
        contents["deliveries"].as_array().unwrap().iter().filter(|delivery| delivery["status"] == "pending").collect();
    assert_eq!(pending.len(), 2, "one is retried, one is held by a paused endpoint");
    for endpoint in contents["endpoints"].as_array().unwrap() {
        let change = json!({"url": receiver.url(), "status": "enabled"});
        api.send("PATCH", &format!("/v1/endpoints/{}", id(endpoint)), &change).expect(200);
    }
    clock.advance(Duration::from_secs(2 * 3_600));
    for delivery in &pending {
        let path = format!("/v1/deliveries/{}", id(delivery));
        until("what waited is delivered", || api.get(&path).expect(200)["status"] == "delivered");
        let event = delivery["event_id"].as_str().unwrap();
        let requests = receiver.requests();
        let request = requests.iter().find(|request| request.event_id() == event).unwrap();
        assert_eq!(String::from_utf8(request.body.clone()).unwrap(), delivery["payload"].as_str().unwrap());
    }
    // A producer that posts again what it posted to the older release is answered as that would have answered.
    let body = r#"{"type": "batch.completed", "data": {"object": {"kind": "batch.completed", "price":  1.1000000000000000055e0}}}"#;
    let headers = [("content-type", "application/json"), ("idempotency-key", "key-1")];
    let again = api.request("POST", "/v1/events", &headers, Some(body.as_bytes())).expect(200);
    let known = contents["events"].as_array().unwrap();
    assert!(known.iter().any(|event| event["id"] == again["id"]), "{again}");
    let new = api.event();
    until("a new event is delivered", || receiver.requests().iter().any(|request| request.event_id() == new));
}

fn manifest(store: &Path) -> String {
    fs::read_to_string(store.join("manifest")).unwrap()
}

/// What lies in the data directory and begins with `store`.
fn stores(setup: &Setup) -> Vec<String> {
    let names = fs::read_dir(setup.data_dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("store")).collect();
    names.sort();
    names
}

fn migrated_names(format: u64) -> Vec<String> {
    let kept = (format < NEWEST).then(|| format!("store.format{format}"));
    ["store".to_owned()].into_iter().chain(kept).collect()
}

fn opens_whole(format: u64) {
    let setup = Server::setup().documented_schedule();
    let (contents, mut clock) = unpack(&setup, format);
    let before = fs::read(setup.data_dir().join("store/sled/db")).unwrap();
    if format < NEWEST {
        let check = mythichooks().args(["verify", "--data-dir"]).arg(setup.data_dir()).output().unwrap();
        assert_eq!(check.status.code(), Some(1));
        let said = String::from_utf8(check.stderr).unwrap();
        assert!(said.contains(&format!("format {format}")) && said.contains("mythichooks serve"), "{said}");
        assert_eq!(fs::read(setup.data_dir().join("store/sled/db")).unwrap(), before);
    }
    let mut server = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).start();
    holds_all(&server.admin(), &contents);
    assert_eq!(stores(&server.setup), migrated_names(format));
    if format < NEWEST {
        let kept = server.setup.data_dir().join(format!("store.format{format}"));
        assert_eq!(manifest(&kept), contents["manifest"].as_str().unwrap());
        assert_eq!(fs::read(kept.join("sled/db")).unwrap(), before, "the old store is kept to the byte");
        assert!(server.log().contains(&*kept.to_string_lossy()), "the log names it");
    }
    assert!(manifest(&server.setup.data_dir().join("store")).contains(&format!("\nformat {NEWEST}\n")));
    goes_on(&server, &contents, &mut clock);
    assert!(server.terminate().success());
    server.verify_store();
    server.start_again();
    assert_eq!(stores(&server.setup), migrated_names(format), "a second start migrates nothing");
}

#[test]
fn format_1() {
    opens_whole(1);
}

#[test]
fn format_2() {
    opens_whole(2);
}

#[test]
fn format_3() {
    opens_whole(3);
}

#[test]
fn format_4() {
    opens_whole(4);
}

#[test]
fn format_5() {
    opens_whole(5);
}

/// A backup is restored in this release's format, whichever it was made in.
fn is_restored_whole(fixture: &str) {
    let setup = Server::setup().documented_schedule();
    let fixture = self::fixture(fixture);
    let (contents, mut clock) = what_it_holds(&setup, &fixture);
    succeed(&restore(&fixture.join("backup"), &setup.data_dir()));
    fs::write(setup.data_dir().join("admin-token"), contents["admin_token"].as_str().unwrap()).unwrap();
    assert!(manifest(&setup.data_dir().join("store")).contains(&format!("\nformat {NEWEST}\n")));
    let mut server = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).start();
    holds_all(&server.admin(), &contents);
    goes_on(&server, &contents, &mut clock);
    assert!(server.terminate().success());
    server.verify_store();
}

#[test]
fn a_backup_of_format_2() {
    is_restored_whole("backup-of-format-2");
}

#[test]
fn a_backup_of_format_3() {
    is_restored_whole("format-3");
}

#[test]
fn a_backup_of_format_4() {
    is_restored_whole("format-4");
}

#[test]
fn a_backup_of_format_5() {
    is_restored_whole("format-5");
}

/// The four places of a migration where a death leaves something else behind, and what that is.
#[test]
fn a_kill_in_a_migration_leaves_the_old_store_or_the_new_one() {
    for (place, left) in [
        ("migrate::copying", vec!["store", "store.migrating"]),
        ("migrate::copied", vec!["store", "store.migrating"]),
        ("migrate::migrated", vec!["store", "store.migrated"]),
        ("migrate::set_aside", vec!["store.format1", "store.migrated"]),
    ] {
        let setup = Server::setup().documented_schedule();
        let (contents, clock) = unpack(&setup, 1);
        let setup = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file());
        let mut command = setup.command();
        let mut dying = command.env("FAILPOINTS", format!("{place}=sleep(600000)")).spawn().unwrap();
        until(place, || stores(&setup) == left);
        dying.kill().unwrap();
        dying.wait().unwrap();

        let mut server = setup.start();
        holds_all(&server.admin(), &contents);
        assert_eq!(stores(&server.setup), ["store", "store.format1"], "{place}");
        assert_eq!(manifest(&server.setup.data_dir().join("store.format1")), contents["manifest"].as_str().unwrap());
        assert!(server.terminate().success());
        server.verify_store();
    }
}

/// Somebody went back to the older release with the copy, and comes again: neither copy is lost.
#[test]
fn a_second_migration_keeps_the_first_ones_copy() {
    let setup = Server::setup();
    let (_, clock) = unpack(&setup, 1);
    let mut server = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).start();
    assert!(server.terminate().success());
    let data = server.setup.data_dir();
    fs::rename(data.join("store"), data.join("store.new")).unwrap();
    fs::remove_dir_all(data.join("store.new")).unwrap();
    let copied = Command::new("cp").arg("-r").arg(data.join("store.format1")).arg(data.join("store")).status().unwrap();
    assert!(copied.success());
    server.start_again();
    assert_eq!(stores(&server.setup), ["store", "store.format1", "store.format1.2"]);
}

#[test]
fn a_newer_store_is_refused_and_left_untouched() {
    let setup = Server::setup();
    unpack(&setup, 1);
    let store = setup.data_dir().join("store");
    fs::write(store.join("manifest"), "mythichooks store\nformat 99\nengine other\n").unwrap();
    let before = fs::read(store.join("sled/db")).unwrap();
    for command in
        [setup.command().output(), mythichooks().args(["verify", "--data-dir"]).arg(setup.data_dir()).output()]
    {
        let output = command.unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("format 99") && said.contains("untouched"), "{said}");
    }
    assert_eq!(stores(&setup), ["store"]);
    assert_eq!(fs::read(store.join("sled/db")).unwrap(), before);
}
