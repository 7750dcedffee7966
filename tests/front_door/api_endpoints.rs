//! Endpoints: their life from registration to deletion, settings and health.

use serde_json::{Value, json};

use crate::support::api::{attempts, id};
use crate::support::clock::ms;
use crate::support::{Behaviour, Receiver, Recorded, Reply, Server, until};

#[test]
fn what_is_registered_can_be_read_and_never_shows_the_secret_again() {
    let server = Server::start();
    let api = server.admin();
    let asked = json!({
        "url": "http://127.0.0.1:9/hook", "event_types": ["batch.*", "usage.threshold.reached"], "account": "acme",
        "description": "Nightly batches", "headers": {"X-Tenant": "blue"}, "timeout": "5s",
        "retry_schedule": ["1s", "2m", "3h"], "max_in_flight": 3, "rate_limit": 50, "ordered": false,
        "metadata": {"team": "data"},
    });
    let made = api.post("/v1/endpoints", &asked).expect(201);
    let path = format!("/v1/endpoints/{}", id(&made));
    let secret = made["secret"].as_str().unwrap();
    assert!(id(&made).starts_with("ep_") && secret.starts_with("whsec_"));
    let read = api.get(&path).expect(200);
    for (field, value) in asked.as_object().unwrap().iter().filter(|(field, _)| *field != "headers") {
        assert_eq!(&read[field], value, "{field}");
    }
    assert_eq!(read["headers"].to_string().to_lowercase(), r#"{"x-tenant":"blue"}"#, "names are of no case");
    assert_eq!(read["status"], "enabled");
    assert_eq!(read["effective"]["timeout"], "5s");
    assert_eq!(read["effective"]["retry_schedule"], json!(["1s", "2m", "3h"]));
    for answer in [api.get(&path), api.get("/v1/endpoints"), api.send("PATCH", &path, &json!({"description": "x"}))] {
        assert_eq!(answer.status, 200, "{answer}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(secret), "{answer}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("whsec_"), "{answer}");
    }
    assert!(!server.log().contains("whsec_"), "a secret in the log");
}

#[test]
fn defaults_show_as_effective() {
    let server = Server::setup().documented_schedule().start();
    let endpoint = server.admin().endpoint("http://127.0.0.1:9/");
    assert_eq!(endpoint["effective"]["timeout"], "30s", "{endpoint:#}");
    assert_eq!(endpoint["effective"]["retry_schedule"], json!(["5m", "30m", "2h", "8h"]));
    assert_eq!(endpoint["effective"]["max_in_flight"], 8);
    assert_eq!(endpoint["account"], "default");
    assert_eq!(endpoint["ordered"], false);
}

#[test]
fn a_patch_changes_what_it_names() {
    let server = Server::start();
    let api = server.admin();
    let (old, new) = (Receiver::ok(), Receiver::ok());
    let made = api.endpoint_with(&old.url(), &json!({"description": "first", "max_in_flight": 4}));
    let path = format!("/v1/endpoints/{}", id(&made));
    let patched = api.send("PATCH", &path, &json!({"url": new.url(), "event_types": ["batch.failed"]})).expect(200);
    assert_eq!(patched["url"], new.url());
    assert_eq!(patched["description"], "first");
    assert_eq!(patched["max_in_flight"], 4);
    let none = json!({"type": "batch.completed", "data": {"object": {}}});
    assert_eq!(api.post("/v1/events", &none).expect(202)["deliveries"], 0);
    let event = api.event_of("batch.failed", &json!({}));
    api.delivery_in(&event, "delivered");
    assert_eq!((old.count(), new.count()), (0, 1));
    let cleared = api.send("PATCH", &path, &json!({"max_in_flight": null, "description": ""})).expect(200);
    assert!(cleared["max_in_flight"].is_null(), "{cleared}");
    assert_eq!(cleared["effective"]["max_in_flight"], 8);
}

#[test]
fn paused_holds_and_resumes() {
    let server = Server::start();
    let api = server.admin();
    let (receiver, beside) = (Receiver::ok(), Receiver::ok());
    let path = format!("/v1/endpoints/{}", id(&api.endpoint(&receiver.url())));
    api.endpoint_with(&beside.url(), &json!({"event_types": ["batch.failed"]}));
    assert_eq!(api.send("PATCH", &path, &json!({"status": "paused"})).expect(200)["status"], "paused");
    let held: Vec<String> = (0..5).map(|_| api.event()).collect();
    api.event_of("batch.failed", &json!({}));
    beside.wait_for(1);
    assert_eq!(receiver.count(), 0);
    for event in &held {
        assert_eq!(api.delivery_of(event)["status"], "pending");
    }
    api.send("PATCH", &path, &json!({"status": "enabled"})).expect(200);
    for event in &held {
        api.delivery_in(event, "delivered");
    }
    receiver.wait_for(6);
}

#[test]
fn a_retry_by_hand_on_a_paused_endpoint_does_not_pass_over_what_is_held() {
    let mut server = Server::start();
    let receiver = Receiver::ok();
    let path = format!("/v1/endpoints/{}", id(&server.admin().endpoint(&receiver.url())));
    server.admin().send("PATCH", &path, &json!({"status": "paused"})).expect(200);
    let held: Vec<String> = (0..3).map(|_| server.admin().event()).collect();
    let newest = id(&server.admin().delivery_of(&held[2]));
    server.admin().post_empty(&format!("/v1/deliveries/{newest}/retry")).expect(202);
    server.admin().delivery_in(&held[2], "delivered");
    // An outcome can be seen a moment before it is on stable storage; what is acknowledged after it is there with it.
    server.admin().send("PATCH", &path, &json!({"description": "later"})).expect(200);
    server.kill();
    server.start_again();
    server.admin().send("PATCH", &path, &json!({"status": "enabled"})).expect(200);
    for event in &held {
        server.admin().delivery_in(event, "delivered");
    }
    assert_eq!(receiver.count(), 3);
}

#[test]
fn disabled_queues_nothing_new_and_a_replay_of_the_missed_catches_up() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let path = format!("/v1/endpoints/{}", id(&api.endpoint(&receiver.url())));
    api.send("PATCH", &path, &json!({"status": "disabled"})).expect(200);
    let missed: Vec<String> = (0..3).map(|_| api.event()).collect();
    for event in &missed {
        assert_eq!(api.deliveries_of(event), Vec::<Value>::new());
    }
    api.send("PATCH", &path, &json!({"status": "enabled"})).expect(200);
    let after = api.event();
    api.delivery_in(&after, "delivered");
    assert_eq!(receiver.count(), 1);
    let since = "2020-01-01T00:00:00Z";
    let answer = api.post(&format!("{path}/replay"), &json!({"since": since, "select": "missed"})).expect(202);
    assert!(answer.to_string().contains('3'), "the count: {answer}");
    for event in &missed {
        let delivery = api.delivery_in(event, "delivered");
        assert_eq!(attempts(&delivery)[0]["trigger"], "replay", "{delivery:#}");
    }
    assert_eq!(receiver.count(), 4);
}

#[test]
fn deletion_cancels_what_was_pending_and_leaves_the_log() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    let endpoint = api.endpoint(&receiver.url());
    let path = format!("/v1/endpoints/{}", id(&endpoint));
    let event = api.event();
    api.delivery_after(&event, 1);
    let gone = api.delete(&path);
    assert!(matches!(gone.status, 200 | 204), "{gone}");
    api.get(&path).problem(404);
    api.delete(&path).problem(404);
    api.send("PATCH", &path, &json!({"description": "x"})).problem(404);
    assert!(api.list("/v1/endpoints").is_empty());
    api.delivery_in(&event, "canceled");
    let later = api.post("/v1/events", &json!({"type": "batch.completed", "data": {"object": {}}})).expect(202);
    assert_eq!(later["deliveries"], 0);
}

#[test]
fn health_tells_what_is_wrong_and_since_when() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| if before == 0 { 200 } else { 500 });
    let path = format!("/v1/endpoints/{}", id(&api.endpoint(&receiver.url())));
    let event = api.event();
    api.delivery_in(&event, "delivered");
    until("the endpoint shows the success", || !api.get(&path).expect(200)["health"]["last_success_at"].is_null());
    let health = api.get(&path).expect(200)["health"].clone();
    assert_eq!(health["pending"], 0, "{health}");
    assert!(health["failing_since"].is_null(), "{health}");
    ms(&health["last_success_at"]);
    let event = api.event();
    api.delivery_after(&event, 1);
    until("the endpoint shows as failing", || !api.get(&path).expect(200)["health"]["failing_since"].is_null());
    let health = api.get(&path).expect(200)["health"].clone();
    ms(&health["failing_since"]);
    assert_eq!(health["pending"], 1, "{health}");
    assert!(!health["last_error"].is_null(), "{health}");
}

#[test]
fn a_test_event_is_one_attempt_to_one_endpoint() {
    let server = Server::setup().schedule("50ms,50ms").start();
    let api = server.admin();
    let (receiver, beside) = (Receiver::start(|_, _| 500), Receiver::ok());
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"event_types": ["batch.failed"]}));
    api.endpoint(&beside.url());
    let secret = endpoint["secret"].as_str().unwrap();
    let path = format!("/v1/endpoints/{}/test", id(&endpoint));
    let answer = api.post(&path, &json!({"type": "usage.threshold.reached"}));
    assert!(matches!(answer.status, 200 | 202), "{answer}");
    let request = receiver.wait_for(1).remove(0);
    assert!(crate::support::sign::platform_verifies(secret, &request));
    let entry = api.get("/v1/event-types/usage.threshold.reached").expect(200);
    assert_eq!(request.json()["data"]["object"], entry["example"]);
    assert_eq!(request.json()["type"], "usage.threshold.reached");
    let event = request.event_id();
    let delivery = api.delivery_in(&event, "failed");
    assert_eq!(attempts(&delivery).len(), 1, "{delivery:#}");
    assert_eq!(attempts(&delivery)[0]["trigger"], "test");
    assert!(delivery["next_attempt_at"].is_null());
    api.post(&path, &json!({"type": "no.such"})).any_problem();
    let without = api.post(&path, &json!({}));
    assert!(matches!(without.status, 200 | 202), "{without}");
    receiver.wait_for(2);
    assert_eq!(beside.count(), 0);
}

#[test]
fn limits_are_kept() {
    let server = Server::start();
    let api = server.admin();
    let most = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let now = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (seen_most, seen_now) = (most.clone(), now.clone());
    let receiver = Receiver::start(move |_, _| {
        use std::sync::atomic::Ordering::SeqCst;
        let open = seen_now.fetch_add(1, SeqCst) + 1;
        seen_most.fetch_max(open, SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(30));
        seen_now.fetch_sub(1, SeqCst);
        200
    });
    api.endpoint_with(&receiver.url(), &json!({"max_in_flight": 3}));
    for _ in 0..20 {
        api.event();
    }
    receiver.wait_for(20);
    let most = most.load(std::sync::atomic::Ordering::SeqCst);
    assert!((2..=3).contains(&most), "{most} at once under max_in_flight 3");
}

#[test]
fn a_rate_limit_spreads_requests() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint_with(&receiver.url(), &json!({"rate_limit": 10}));
    for _ in 0..25 {
        api.event();
    }
    let requests = receiver.wait_for(25);
    let took = requests[24].at - requests[0].at;
    // A burst of up to a second's worth may go first: the other 15 then take 1.5 s at 10 a second.
    assert!(took.as_millis() >= 1350, "25 requests at 10 a second took {took:?}");
}

#[test]
fn ordered_sends_one_at_a_time_oldest_first() {
    let server = Server::setup().schedule("300ms,300ms").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| match before {
        2 => Behaviour::from(500),
        _ => Behaviour::Slow(std::time::Duration::from_millis(20), Reply::status(200)),
    });
    api.endpoint_with(&receiver.url(), &json!({"ordered": true}));
    let events: Vec<String> = (0..8).map(|_| api.event()).collect();
    let requests = receiver.wait_for(9);
    let mut expected = events.clone();
    expected.insert(3, events[2].clone());
    assert_eq!(
        requests.iter().map(Recorded::event_id).collect::<Vec<_>>(),
        expected,
        "the one that is retried holds the rest"
    );
}
