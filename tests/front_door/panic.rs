//! Each actor panics, by a failpoint, and its work goes on; the store fails, and producers are told to come back.

use std::collections::HashSet;
use std::sync::Mutex;

use serde_json::json;

use crate::support::stream::Events;
use crate::support::{Receiver, Server, until};

/// Posts, retries and changes while `failpoints` strike; all must be delivered in the end.
fn work_goes_on(failpoints: &str) {
    let mut server = Server::setup().schedule("50ms,50ms,50ms,50ms").env("FAILPOINTS", failpoints).start();
    let api = server.admin();
    // The first request of every other event fails, so that each is delivered at its second attempt at the latest.
    let seen = Mutex::new(HashSet::new());
    let receiver = Receiver::start(move |request, _| {
        let mut seen = seen.lock().unwrap();
        let first = seen.insert(request.header("webhook-id").cloned());
        if first && seen.len() % 2 == 1 { 500 } else { 200 }
    });
    let mut events = Vec::new();
    let mut accepted = Vec::new();
    for number in 0..4 {
        // A change while the registry is down may be told to come back: 503 and not a hang.
        let body = json!({"url": receiver.url(), "event_types": ["*"], "account": format!("a{number}")});
        until("the endpoint is made", || {
            let answer = api.post("/v1/endpoints", &body);
            assert!(matches!(answer.status, 201 | 503), "{answer}");
            answer.status == 201
        });
        let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": format!("a{number}")});
        for _ in 0..10 {
            until("the event is accepted", || {
                let answer = api.post("/v1/events", &event);
                assert!(matches!(answer.status, 202 | 503), "{answer}");
                if answer.status == 202 {
                    accepted.push(crate::support::api::id(&answer.json()));
                }
                answer.status == 202
            });
        }
        events.append(&mut accepted);
    }
    for event in &events {
        api.delivery_in(event, "delivered");
    }
    assert!(server.is_running());
    assert!(server.log().contains("panic"), "the failpoint {failpoints} never struck:\n{}", server.log());
    assert_eq!(server.anonymous().get("/readyz").status, 200);
    server.kill();
    server.verify_store();
}

#[test]
fn the_registry() {
    work_goes_on("registry::handle=1*off->2*panic->off");
}

#[test]
fn a_dispatcher() {
    work_goes_on("dispatcher::handle=2*off->3*panic->off");
}

/// Not the actor, but one attempt of it: a future that panics while its request is open.
#[test]
fn an_attempt() {
    work_goes_on("dispatcher::attempt=2*off->3*panic->off");
}

#[test]
fn the_retry_timer() {
    work_goes_on("retry_timer::handle=1*off->2*panic->off");
}

/// It has work only while somebody reads the stream. What it was to tell when it panicked is lost, so that stream ends
/// and its reader knows; a reader after the panic sees what happens from then on.
#[test]
fn the_audit_log() {
    let server = Server::setup().env("FAILPOINTS", "audit_log::handle=1*off->1*panic->off").start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let token = api.token.clone().unwrap();
    let first = Events::open(&server, &token, "/v1/stream");
    let mut events = Vec::new();
    until("the failpoint strikes", || {
        events.push(api.event());
        server.log().contains("panic")
    });
    until("the stream with a gap ends", || first.has_ended());
    until("a new reader sees a new event", || {
        let stream = Events::open(&server, &token, "/v1/stream");
        let event = api.event();
        events.push(event.clone());
        api.delivery_in(&event, "delivered");
        std::thread::sleep(std::time::Duration::from_millis(50));
        stream.seen().iter().any(|(_, data)| data.to_string().contains(&event))
    });
    for event in &events {
        api.delivery_in(event, "delivered");
    }
    assert_eq!(receiver.count(), events.len(), "each once");
}

#[test]
fn all_of_them() {
    work_goes_on(
        "registry::handle=1*panic->off;dispatcher::handle=3*off->1*panic->off;retry_timer::handle=1*panic->off",
    );
}

/// A panic every so often for as long as the server runs.
#[test]
fn a_dispatcher_that_keeps_panicking_now_and_then() {
    work_goes_on("dispatcher::handle=10%3*panic->5*off->10%3*panic");
}

#[test]
fn a_store_that_fails_is_503_with_retry_after_and_recovers() {
    let server = Server::setup().schedule("1h").env("FAILPOINTS", "store::commit=6*off->3*return->off").start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let event = json!({"type": "batch.completed", "data": {"object": {}}});
    let (mut refused, mut accepted) = (0, Vec::new());
    until("20 are accepted after some were refused", || {
        let answer = api.post("/v1/events", &event);
        match answer.status {
            202 => accepted.push(crate::support::api::id(&answer.json())),
            503 => {
                refused += 1;
                let wait: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
                assert!(wait <= 60);
                answer.json()["title"].as_str().expect("a problem document");
            }
            _ => panic!("{answer}"),
        }
        accepted.len() >= 20
    });
    assert!(refused > 0 || server.log().to_lowercase().contains("store"), "the store never failed");
    for event in &accepted {
        api.delivery_in(event, "delivered");
    }
    let listed = api.list("/v1/events?limit=500").len();
    assert_eq!(listed, accepted.len(), "a refused event was kept");
}
