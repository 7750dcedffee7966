//! What is pruned when: by age, by nothing but age when the clock is set, and before its time when the store is full.

use std::time::Duration;

use serde_json::json;

use crate::support::clock::TestClock;
use crate::support::stream::Events;
use crate::support::{Api, Receiver, Server, until};

const HOUR: Duration = Duration::from_secs(3_600);

fn metric(api: &Api, name: &str) -> Option<u64> {
    let text = String::from_utf8(api.get("/metrics").body).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Retention goes by the earlier of both clocks: what was accepted an hour ago is not 30 days old because somebody set
/// the wall clock.
#[test]
fn a_wall_clock_that_is_set_ahead_prunes_nothing_before_its_time() {
    let setup = Server::setup().args(["--retention", "1h"]);
    let mut clock = TestClock::new(setup.root());
    // The AuditLog, which prunes a second after it began, begins anew once it had something to tell a reader.
    let setup = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).env("FAILPOINTS", "audit_log::handle=1*panic->off");
    let server = setup.start();
    let api = server.admin();
    api.endpoint(&Receiver::ok().url());
    let old = api.event();
    let ended = |event: &str| {
        // Whether it was delivered or not: it is over.
        let delivery = crate::support::api::id(&api.delivery_of(event));
        let _ = api.post_empty(&format!("/v1/deliveries/{delivery}/cancel"));
    };
    ended(&old);
    clock.advance(2 * HOUR);
    let young = api.event();
    ended(&young);
    clock.set_wall_ahead(30 * 24 * HOUR);
    let _stream = Events::open(&server, &api.token.clone().unwrap(), "/v1/stream");
    until("the AuditLog begins anew", || {
        api.event();
        server.log().contains("panic")
    });
    until("the old event is pruned", || api.get(&format!("/v1/events/{old}")).status == 404);
    assert_eq!(api.get(&format!("/v1/events/{young}")).status, 200);
    assert_eq!(metric(&api, "mythichooks_events_pruned_early_total"), Some(0));
}

const QUOTA: u64 = 16 << 20;

fn post(api: &Api, number: usize) -> u16 {
    let event = json!({
        "id": format!("evt_{number}"), "type": "batch.completed", "data": {"object": {"pad": "x".repeat(20_000)}},
    });
    let answer = api.post("/v1/events", &event);
    if answer.status == 503 {
        assert!(answer.header("retry-after").is_some(), "{answer}");
        assert!(String::from_utf8_lossy(&answer.body).contains("as large as it may be"), "{answer}");
    }
    answer.status
}

#[test]
fn a_quota_refuses_producers_and_prunes_the_oldest_of_what_is_completed() {
    let setup = Server::setup().args(["--max-store-size", "16MiB"]);
    let mut clock = TestClock::new(setup.root());
    let mut server = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).start();
    let api = server.admin();
    let receiver = Receiver::ok();
    // One that never gets its events, and one that gets them later.
    let waiting = api.endpoint_with(&receiver.url(), &json!({"event_types": ["batch.failed"]}));
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"event_types": ["batch.completed"]}));
    let status = |endpoint: &serde_json::Value, status: &str| {
        let path = format!("/v1/endpoints/{}", crate::support::api::id(endpoint));
        api.send("PATCH", &path, &json!({"status": status})).expect(200);
    };
    status(&waiting, "paused");
    status(&endpoint, "paused");
    let held = api.event_of("batch.failed", &json!({}));
    let mut number = 0;
    // At the edge sled may free a segment just after a refusal: then there is room for some more.
    let is_accepting = || metric(&api, "mythichooks_store_accepting") != Some(0);
    let mut posts = 0;
    loop {
        match post(&api, number) {
            202 => number += 1,
            _ if is_accepting() => {}
            _ => break,
        }
        posts += 1;
        assert!(posts < 5_000, "the store never was full");
    }
    assert!(number > 100, "only {number} fitted");
    clock.advance(Duration::from_secs(60));
    assert_eq!(metric(&api, "mythichooks_store_quota_bytes"), Some(QUOTA));
    assert_eq!(metric(&api, "mythichooks_store_accepting"), Some(0));
    assert!(metric(&api, "mythichooks_store_bytes").unwrap() >= QUOTA);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(metric(&api, "mythichooks_events_pruned_early_total"), Some(0), "all are pending");
    assert_eq!(post(&api, number), 503);

    // Deliveries go on; what they complete makes room.
    status(&endpoint, "enabled");
    until("all are delivered", || receiver.count() == number);
    clock.advance(Duration::from_secs(60));
    let mut refusals = 0;
    let last = 2 * number;
    let enough = std::time::Instant::now();
    while number < last {
        if post(&api, number) == 202 {
            number += 1;
        } else {
            refusals += 1;
            // What was completed just now is kept a little while.
            clock.advance(Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(enough.elapsed() < Duration::from_secs(100), "stuck at {number} of {last}, after {refusals} refusals");
    }
    let size = metric(&api, "mythichooks_store_bytes").unwrap();
    // sled uses freed room late, and the less the larger the bodies: OPERATIONS.md says to leave as much again.
    assert!(size <= 2 * QUOTA, "{size} bytes");
    assert!(metric(&api, "mythichooks_events_pruned_early_total").unwrap() > 0);
    assert_eq!(api.get("/v1/events/evt_0").status, 404, "the oldest went");
    assert_eq!(api.get(&format!("/v1/events/evt_{}", last - 1)).status, 200, "the newest is there");
    assert_eq!(api.delivery_of(&held)["status"], "pending", "what waits is never pruned");
    status(&waiting, "enabled");
    api.delivery_in(&held, "delivered");
    assert!(server.terminate().success());
    server.verify_store();
}
