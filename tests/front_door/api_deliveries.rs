//! The log of deliveries, and what people do by hand: retry, cancel, replay.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::api::{attempts, id};
use crate::support::{Receiver, Recorded, Server, until};

#[test]
fn a_delivery_in_a_list_has_the_documented_fields() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let endpoint = api.endpoint(&receiver.url());
    let event = api.event();
    let full = api.delivery_in(&event, "delivered");
    let listed = api.deliveries_of(&event).remove(0);
    let mut fields: Vec<&str> = listed.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let mut documented = [
        "id",
        "event_id",
        "endpoint_id",
        "account",
        "type",
        "status",
        "attempts_made",
        "next_attempt_at",
        "last_response_code",
        "created_at",
        "completed_at",
    ];
    documented.sort_unstable();
    for field in documented {
        assert!(fields.contains(&field), "`{field}` is missing in {listed}");
    }
    assert_eq!(listed["endpoint_id"], endpoint["id"]);
    assert_eq!(listed["event_id"], *event);
    assert_eq!(listed["attempts_made"], 1);
    assert_eq!(listed["last_response_code"], 200);
    assert!(listed["next_attempt_at"].is_null());
    let attempt = &attempts(&full)[0];
    for field in [
        "number",
        "trigger",
        "started_at",
        "duration_ms",
        "timing",
        "remote_addr",
        "response_code",
        "response_headers",
        "response_body",
        "error",
    ] {
        assert!(attempt.get(field).is_some(), "`{field}` is missing in {attempt}");
    }
    assert!(full.get("payload").is_some() && full.get("request_headers").is_some(), "{full:#}");
    assert!(!full.to_string().contains("whsec_"));
}

#[test]
fn filters_of_the_list() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let (good, bad) = (Receiver::ok(), Receiver::start(|_, _| 503));
    let good_endpoint = id(&api.endpoint_with(&good.url(), &json!({"account": "acme"})));
    let bad_endpoint = id(&api.endpoint_with(&bad.url(), &json!({"account": "globex"})));
    for account in ["acme", "globex"] {
        for kind in ["batch.completed", "batch.failed"] {
            let sent = json!({"type": kind, "data": {"object": {}}, "account": account});
            let event = id(&api.post("/v1/events", &sent).expect(202));
            api.delivery_after(&event, 1);
        }
    }
    let count = |query: &str| api.list(&format!("/v1/deliveries{query}")).len();
    for (query, expected) in [
        ("", 4),
        ("?status=delivered", 2),
        ("?status=pending", 2),
        ("?status=failed", 0),
        ("?status=canceled", 0),
        (&format!("?endpoint_id={good_endpoint}"), 2),
        (&format!("?endpoint_id={bad_endpoint}"), 2),
        (&format!("?endpoint_id={bad_endpoint}&status=delivered"), 0),
        ("?type=batch.failed", 2),
        ("?account=globex", 2),
        ("?account=globex&type=batch.failed&status=pending&response_code=503", 1),
        ("?response_code=503", 2),
        ("?response_code=200", 2),
        ("?response_code=404", 0),
        ("?since=2020-01-01T00:00:00Z", 4),
        ("?until=2020-01-01T00:00:00.000Z", 0),
        ("?event_id=evt_none", 0),
    ] {
        assert_eq!(count(query), expected, "{query}");
    }
}

#[test]
fn a_manual_retry_works_on_any_status_beside_the_schedule() {
    let server = Server::setup().schedule("1h,1h,1h,1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| if before == 2 { 200 } else { 500 });
    api.endpoint(&receiver.url());
    let event = api.event();
    let pending = api.delivery_after(&event, 1);
    let retry = format!("/v1/deliveries/{}/retry", id(&pending));

    api.post_empty(&retry).expect(202);
    let after = api.delivery_after(&event, 2);
    assert_eq!(attempts(&after)[1]["trigger"], "manual");
    assert_eq!(attempts(&after)[1]["number"], 2);
    assert_eq!(after["status"], "pending");
    assert_eq!(after["next_attempt_at"], pending["next_attempt_at"], "a manual attempt leaves the schedule alone");

    api.post_empty(&retry).expect(202);
    let delivered = api.delivery_in(&event, "delivered");
    assert_eq!(attempts(&delivered).len(), 3);
    assert!(delivered["next_attempt_at"].is_null());

    api.post_empty(&retry).expect(202);
    let again = api.delivery_after(&event, 4);
    assert_eq!(attempts(&again)[3]["trigger"], "manual");
    assert_eq!(again["status"], "delivered", "what was delivered once stays so: {again:#}");
    assert_eq!(receiver.count(), 4);
}

#[test]
fn a_manual_retry_of_a_failed_one_delivers_it() {
    let server = Server::setup().schedule("20ms").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| if before < 2 { 500 } else { 204 });
    api.endpoint(&receiver.url());
    let event = api.event();
    let failed = api.delivery_in(&event, "failed");
    assert_eq!(attempts(&failed).len(), 2);
    api.post_empty(&format!("/v1/deliveries/{}/retry", id(&failed))).expect(202);
    let delivered = api.delivery_in(&event, "delivered");
    assert_eq!(attempts(&delivered).len(), 3);
    assert_eq!(delivered["last_response_code"], 204);
}

#[test]
fn a_failed_manual_retry_of_a_failed_one_schedules_nothing() {
    let server = Server::setup().schedule("20ms").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    api.endpoint(&receiver.url());
    let event = api.event();
    let failed = api.delivery_in(&event, "failed");
    api.post_empty(&format!("/v1/deliveries/{}/retry", id(&failed))).expect(202);
    let after = api.delivery_after(&event, 3);
    assert_eq!(after["status"], "failed");
    assert!(after["next_attempt_at"].is_null());
}

#[test]
fn cancel_stops_a_pending_one() {
    let mut server = Server::setup().schedule("500ms").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| if before == 0 { 500 } else { 200 });
    api.endpoint(&receiver.url());
    let event = api.event();
    let pending = api.delivery_after(&event, 1);
    let cancel = format!("/v1/deliveries/{}/cancel", id(&pending));
    let answer = api.post_empty(&cancel);
    assert!(matches!(answer.status, 200 | 202), "{answer}");
    let canceled = api.delivery_in(&event, "canceled");
    assert!(canceled["next_attempt_at"].is_null() && !canceled["completed_at"].is_null(), "{canceled:#}");
    api.post_empty(&cancel).problem(409);
    // Two later events go by its time: their own first and second attempts.
    let marker = api.event();
    api.delivery_in(&marker, "delivered");
    server.kill();
    server.start_again();
    let api = server.admin();
    let marker = api.event();
    api.delivery_in(&marker, "delivered");
    assert_eq!(attempts(&api.delivery_of(&event)).len(), 1);
    api.post_empty(&format!("/v1/deliveries/{}/retry", id(&pending))).expect(202);
    let retried = api.delivery_after(&event, 2);
    assert_eq!(attempts(&retried)[1]["trigger"], "manual");
}

#[test]
fn a_finished_one_cannot_be_canceled() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let event = api.event();
    let delivered = api.delivery_in(&event, "delivered");
    api.post_empty(&format!("/v1/deliveries/{}/cancel", id(&delivered))).problem(409);
    assert_eq!(api.delivery_of(&event)["status"], "delivered");
}

#[test]
fn retry_all_that_a_filter_matches() {
    let server = Server::setup().schedule("10ms").start();
    let api = server.admin();
    let works = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = works.clone();
    let receiver = Receiver::start(move |_, _| if seen.load(std::sync::atomic::Ordering::SeqCst) { 200 } else { 500 });
    api.endpoint(&receiver.url());
    let completed: Vec<String> = (0..6).map(|_| api.event()).collect();
    let other = api.event_of("batch.failed", &json!({}));
    for event in completed.iter().chain([&other]) {
        api.delivery_in(event, "failed");
    }
    works.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = api.post("/v1/deliveries/retry", &json!({"status": "failed", "type": "batch.completed"})).expect(202);
    assert!(answer.to_string().contains('6'), "the count: {answer}");
    for event in &completed {
        let delivery = api.delivery_in(event, "delivered");
        assert_eq!(attempts(&delivery).last().unwrap()["trigger"], "manual");
    }
    assert_eq!(api.delivery_of(&other)["status"], "failed");
}

/// Its next attempt is made now, and what follows is the schedule from its beginning, not what was left of it.
#[test]
fn a_replay_gives_a_waiting_delivery_its_whole_schedule() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    let endpoint = id(&api.endpoint(&receiver.url()));
    let event = api.event();
    api.delivery_after(&event, 1);
    for attempts_made in [2, 3] {
        let everything = json!({"since": "2020-01-01T00:00:00Z", "select": "all"});
        let answer = api.post(&format!("/v1/endpoints/{endpoint}/replay"), &everything).expect(202);
        assert_eq!(answer["count"], 1);
        let delivery = api.delivery_after(&event, attempts_made);
        assert_eq!(delivery["status"], "pending", "{delivery:#}");
        let last = attempts(&delivery).last().unwrap().clone();
        assert_eq!(last["trigger"], "replay", "{delivery:#}");
        assert!(delivery["next_attempt_at"].as_str() > last["started_at"].as_str(), "{delivery:#}");
    }
}

#[test]
fn a_replay_takes_what_it_selects() {
    let server = Server::setup().schedule("10ms").start();
    let api = server.admin();
    let works = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = works.clone();
    let receiver = Receiver::start(move |request, _| {
        let failing = request.json()["type"] == "batch.failed" && !seen.load(std::sync::atomic::Ordering::SeqCst);
        if failing { 500 } else { 200 }
    });
    let endpoint = id(&api.endpoint(&receiver.url()));
    let good = api.event();
    let bad = api.event_of("batch.failed", &json!({}));
    api.delivery_in(&good, "delivered");
    api.delivery_in(&bad, "failed");
    works.store(true, std::sync::atomic::Ordering::SeqCst);
    let replay = |select: &str, more: Value| {
        let mut body = json!({"since": "2020-01-01T00:00:00Z", "select": select});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        api.post(&format!("/v1/endpoints/{endpoint}/replay"), &body)
    };
    let count_of = |event: &str| receiver.requests().iter().filter(|r| r.event_id() == event).count();

    replay("failed", json!({"until": "2020-01-02T00:00:00Z"})).expect(202);
    replay("failed", json!({"event_types": ["usage.*"]})).expect(202);
    replay("failed", json!({})).expect(202);
    until("the failed one is delivered", || api.deliveries_of(&bad).iter().any(|d| d["status"] == "delivered"));
    assert_eq!(count_of(&good), 1, "a delivered one was replayed with the failed");
    assert_eq!(count_of(&bad), 3);

    replay("all", json!({"event_types": ["batch.completed"]})).expect(202);
    until("the delivered one is sent again", || count_of(&good) == 2);
    replay("some", json!({})).any_problem();
    let without = json!({"select": "all"});
    let problem = api.post(&format!("/v1/endpoints/{endpoint}/replay"), &without).any_problem();
    assert!(problem.to_string().contains("since"), "{problem}");
}

#[test]
fn canceling_the_one_that_holds_the_others_of_an_ordered_endpoint_lets_them_go() {
    let server = Server::setup().documented_schedule().start();
    let api = server.admin();
    let receiver = Receiver::start(|_, n| if n == 0 { 500 } else { 200 });
    api.endpoint_with(&receiver.url(), &json!({"ordered": true}));
    let events: Vec<String> = (0..3).map(|_| api.event()).collect();
    let held_up = id(&api.delivery_after(&events[0], 1));
    let canceled = Instant::now();
    api.post_empty(&format!("/v1/deliveries/{held_up}/cancel")).expect(200);
    for event in &events[1..] {
        api.delivery_in(event, "delivered");
    }
    // An idle Dispatcher looks once more after ten seconds, and never again after that.
    assert!(canceled.elapsed() < Duration::from_secs(8), "nobody was woken");
    let order: Vec<String> = receiver.requests().iter().map(Recorded::event_id).collect();
    assert_eq!(order, events);
}
