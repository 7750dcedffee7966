//! What operators look at: audit log, stats, the stream, health and metrics.

use serde_json::{Value, json};

use crate::support::api::id;
use crate::support::clock::ms;
use crate::support::stream::Events;
use crate::support::{Receiver, Server, eventually, until};

fn token(server: &Server) -> String {
    server.admin().token.unwrap()
}

#[test]
fn every_change_is_in_the_audit_log() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    let endpoint = id(&api.endpoint(&receiver.url()));
    api.send("PATCH", &format!("/v1/endpoints/{endpoint}"), &json!({"description": "d"})).expect(200);
    api.post(&format!("/v1/endpoints/{endpoint}/rotate-secret"), &json!({})).expect(200);
    let other = api.post("/v1/tokens", &json!({"name": "t", "role": "read"})).expect(201);
    api.delete(&format!("/v1/tokens/{}", id(&other)));
    api.post("/v1/event-types", &json!({"name": "a.b", "description": "d", "example": {}})).expect(201);
    let event = api.event();
    let delivery = id(&api.delivery_after(&event, 1));
    api.post_empty(&format!("/v1/deliveries/{delivery}/cancel"));
    api.delete(&format!("/v1/endpoints/{endpoint}"));

    let log = eventually("the deletion is in the audit log", || {
        let log = api.list("/v1/audit-log?limit=500");
        let touching = log.iter().filter(|entry| entry.to_string().contains(&endpoint)).count();
        (touching >= 4).then_some(log)
    });
    let whole = Value::Array(log.clone()).to_string();
    for thing in [&endpoint, &id(&other), &"a.b".to_owned(), &delivery] {
        assert!(whole.contains(thing), "nothing about {thing}: {whole}");
    }
    assert!(!whole.contains("whsec_") && !whole.contains("mhk_"), "a secret in the audit log");
    let text = log[0].to_string();
    assert!(text.contains(&endpoint), "newest first: {text}");
    let has_time = log[0]
        .as_object()
        .unwrap()
        .values()
        .any(|value| value.as_str().is_some_and(|text| text.len() == 24 && text.ends_with('Z')));
    assert!(has_time, "when: {text}");
}

#[test]
fn stats_count_what_happened() {
    let server = Server::setup().schedule("20ms").start();
    let api = server.admin();
    let (good, bad) = (Receiver::ok(), Receiver::start(|_, _| 500));
    api.endpoint_with(&good.url(), &json!({"event_types": ["batch.completed"]}));
    api.endpoint_with(&bad.url(), &json!({"event_types": ["batch.failed"]}));
    for _ in 0..3 {
        let event = api.event();
        api.delivery_in(&event, "delivered");
    }
    let event = api.event_of("batch.failed", &json!({}));
    api.delivery_in(&event, "failed");
    let stats = eventually("stats catch up", || {
        let stats = api.get("/v1/stats").expect(200);
        (stats["totals"]["delivered"] == 3 && stats["totals"]["failed"] == 1).then_some(stats)
    });
    assert_eq!(stats["totals"]["accepted"], 4, "{stats:#}");
    assert_eq!(stats["totals"]["retried"], 1, "{stats:#}");
    assert!(stats.to_string().contains("queue_depth"), "{stats:#}");
    assert!(stats.to_string().contains("latency"), "{stats:#}");
    for query in ["step=90s", "window=7d&step=1m"] {
        assert_eq!(api.get(&format!("/v1/stats?{query}")).problem(422)["parameter"], "step");
    }
}

#[test]
fn the_stream_tells_every_attempt_and_change() {
    let server = Server::setup().schedule("100ms").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| if before == 0 { 500 } else { 200 });
    api.endpoint(&receiver.url());
    let stream = Events::open(&server, &token(&server), "/v1/stream");
    assert!(stream.head.starts_with("HTTP/1.1 200"), "{}", stream.head);
    assert!(stream.head.to_lowercase().contains("text/event-stream"), "{}", stream.head);
    let event = api.event();
    stream.wait_for("the first attempt", |data| data.to_string().contains(&event) && data.to_string().contains("500"));
    stream.wait_for("its delivery", |data| data.to_string().contains(&event) && data.to_string().contains("delivered"));
    assert!(!format!("{:?}", stream.seen()).contains("whsec_"));
}

#[test]
fn a_delivery_that_a_replay_makes_is_a_new_one_to_the_stream() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let path = format!("/v1/endpoints/{}", id(&api.endpoint(&receiver.url())));
    api.send("PATCH", &path, &json!({"status": "disabled"})).expect(200);
    api.event();
    api.send("PATCH", &path, &json!({"status": "enabled"})).expect(200);
    let stream = Events::open(&server, &token(&server), "/v1/stream");
    api.post(&format!("{path}/replay"), &json!({"since": "2020-01-01T00:00:00Z", "select": "missed"})).expect(202);
    stream.wait_for("it is delivered", |data| data["previous_status"] == "pending");
    let seen = stream.seen();
    let statuses = seen.iter().filter(|(name, _)| name == "delivery");
    let changes: Vec<_> = statuses.map(|(_, data)| (&data["previous_status"], &data["status"])).collect();
    assert_eq!(changes, [(&json!(null), &json!("pending")), (&json!("pending"), &json!("delivered"))]);
}

#[test]
fn the_stream_filters_and_keeps_accounts_apart() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let acme = id(&api.endpoint_with(&receiver.url(), &json!({"account": "acme"})));
    let globex = id(&api.endpoint_with(&receiver.url(), &json!({"account": "globex"})));
    let bound = server.api_as("read", Some("acme")).token.unwrap();
    let theirs = Events::open(&server, &bound, "/v1/stream");
    let filtered = Events::open(&server, &token(&server), &format!("/v1/stream?endpoint_id={globex}"));
    for account in ["globex", "acme", "globex", "acme"] {
        let sent = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        api.delivery_in(&id(&api.post("/v1/events", &sent).expect(202)), "delivered");
    }
    until("acme's stream has both", || count(&theirs, &acme) >= 2);
    until("the filtered stream has both", || count(&filtered, &globex) >= 2);
    assert_eq!(count(&theirs, &globex), 0, "{:?}", theirs.seen());
    assert_eq!(count(&filtered, &acme), 0, "{:?}", filtered.seen());
}

fn count(stream: &Events, text: &str) -> usize {
    stream.seen().iter().filter(|(_, data)| data.to_string().contains(text)).count()
}

/// What was done to many at once says to which, and the account whose they are sees it.
#[test]
fn the_audit_log_says_what_was_retried_and_replayed() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    let endpoint = id(&api.endpoint_with(&receiver.url(), &json!({"account": "acme"})));
    let event = json!({"type": "batch.failed", "account": "acme", "data": {"object": {}}});
    api.delivery_after(&id(&api.post("/v1/events", &event).expect(202)), 1);
    let filter = json!({"endpoint_id": endpoint, "status": "pending", "since": "2020-01-01T00:00:00Z"});
    api.post("/v1/deliveries/retry", &filter).expect(202);
    let replay = json!({
        "since": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z", "select": "all",
        "event_types": ["batch.failed"],
    });
    api.post(&format!("/v1/endpoints/{endpoint}/replay"), &replay).expect(202);
    let log = server.api_as("read", Some("acme")).list(&format!("/v1/audit-log?subject={endpoint}"));
    let details = |action: &str| {
        log.iter().find(|entry| entry["action"] == action).unwrap_or_else(|| panic!("{log:#?}"))["details"].clone()
    };
    let since = "since 2020-01-01T00:00:00.000Z";
    let retried = format!("1 deliveries with status pending, endpoint_id {endpoint}, {since}");
    assert_eq!(details("deliveries.retried"), retried);
    let replayed = format!("all {since} until 2021-01-01T00:00:00.000Z of batch.failed: 0 deliveries");
    assert_eq!(details("endpoint.replayed"), replayed);
}

/// One commit tells of thousands of deliveries at once, and the next of as many attempts.
#[test]
fn a_reader_that_keeps_up_gets_all_of_a_large_batch() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    for _ in 0..2 {
        api.endpoint_with(&receiver.url(), &json!({"max_in_flight": 64}));
    }
    let stream = Events::open(&server, &token(&server), "/v1/stream");
    let one = json!({"type": "batch.completed", "data": {"object": {}}});
    api.post("/v1/events/batch", &json!({"events": vec![one; 1_000]})).expect(202);
    // Each delivery is made, has its attempt, and is delivered.
    until("all of it has come", || stream.seen().len() >= 6_000);
}

/// A reader that never reads is dropped; deliveries do not wait for it.
#[test]
fn a_slow_reader_of_the_stream_is_never_waited_for() {
    use std::io::Write as _;
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let mut lazy = std::net::TcpStream::connect(server.address()).unwrap();
    let request = format!("GET /v1/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", token(&server));
    lazy.write_all(request.as_bytes()).unwrap();
    let one = json!({"type": "batch.completed", "data": {"object": {"s": "x".repeat(500)}}});
    for _ in 0..6 {
        api.post("/v1/events/batch", &json!({"events": vec![one.clone(); 500]})).expect(202);
    }
    receiver.wait_for(3000);
    api.get("/v1/stats").expect(200);
}

#[test]
fn health_and_metrics_are_open() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let endpoint = id(&api.endpoint(&receiver.url()));
    let event = api.event();
    api.delivery_in(&event, "delivered");
    let open = server.anonymous();
    for path in ["/healthz", "/readyz", "/openapi.json", "/metrics"] {
        assert_eq!(open.get(path).status, 200, "{path}");
    }
    let metrics = String::from_utf8(open.get("/metrics").body).unwrap();
    assert!(metrics.contains("# TYPE mythichooks_"), "{metrics}");
    assert!(!metrics.contains(&endpoint), "no per-endpoint label");
    for line in metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        assert!(line.starts_with("mythichooks_") || line.starts_with("process_"), "{line}");
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(!line.contains("_ms"), "base units: {line}");
    }
}

#[test]
fn an_unknown_path_and_a_wrong_method_are_problems() {
    let server = Server::start();
    let api = server.admin();
    api.get("/v1/nothing").problem(404);
    api.get("/v1/events/evt_none").problem(404);
    let wrong = api.request("PUT", "/v1/events", &[], Some(b"{}"));
    assert!(wrong.header("allow").is_some_and(|allow| allow.contains("POST")), "{wrong}");
    wrong.problem(405);
    ms(&api.list("/v1/tokens")[0]["created_at"]);
}
