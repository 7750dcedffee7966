//! `POST /v1/events/dry-run`: who would get an event and why the others would not, with nothing stored, counted or sent.

use serde_json::{Value, json};

use crate::support::api::id;
use crate::support::{Api, Receiver, Server};

const PATH: &str = "/v1/events/dry-run";

fn event(kind: &str) -> Value {
    json!({"type": kind, "data": {"object": {}}})
}

fn with(endpoint: &Value, api: &Api, status: &str) -> String {
    let id = id(endpoint);
    api.send("PATCH", &format!("/v1/endpoints/{id}"), &json!({"status": status})).expect(200);
    id
}

/// What the answer says of one endpoint.
fn said<'a>(answer: &'a Value, id: &str) -> &'a Value {
    let all = answer["endpoints"].as_array().unwrap();
    all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("{id} is not in {answer:#}"))
}

#[test]
fn every_endpoint_is_told_of_with_every_reason() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let made = |more: Value| api.endpoint_with(&receiver.url(), &more);
    let all = id(&made(json!({"event_types": ["*"]})));
    let below = id(&made(json!({"event_types": ["fine_tuning.*", "batch.*"], "description": "Results"})));
    let other_type = id(&made(json!({"event_types": ["usage.threshold.reached"]})));
    let paused = with(&made(json!({"event_types": ["batch.completed"]})), &api, "paused");
    let disabled = with(&made(json!({"event_types": ["batch.completed"]})), &api, "disabled");
    let both = with(&made(json!({"event_types": ["batch.failed"]})), &api, "disabled");
    let theirs = id(&made(json!({"event_types": ["*"], "account": "acme"})));
    let neither = with(&made(json!({"event_types": ["batch.failed"], "account": "acme"})), &api, "paused");
    let answer = api.post(PATH, &event("batch.completed")).expect(200);
    assert_eq!((&answer["type"], &answer["account"]), (&json!("batch.completed"), &json!("default")));
    assert_eq!((&answer["deliveries"], &answer["has_more_endpoints"]), (&json!(3), &json!(false)));
    for (endpoint, outcome, subscription, reasons) in [
        (&all, "sent", json!("*"), json!([])),
        (&below, "sent", json!("batch.*"), json!([])),
        (&paused, "held", json!("batch.completed"), json!(["paused"])),
        (&other_type, "skipped", json!(null), json!(["not_subscribed"])),
        (&disabled, "skipped", json!("batch.completed"), json!(["disabled"])),
        (&both, "skipped", json!(null), json!(["disabled", "not_subscribed"])),
        (&theirs, "skipped", json!("*"), json!(["other_account"])),
        (&neither, "skipped", json!(null), json!(["other_account", "not_subscribed", "paused"])),
    ] {
        let one = said(&answer, endpoint);
        let got = (&one["outcome"], &one["subscription"], &one["reasons"]);
        assert_eq!(got, (&json!(outcome), &subscription, &reasons), "{one:#}");
    }
    assert_eq!(said(&answer, &below)["description"], "Results");
    let order: Vec<&str> =
        answer["endpoints"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(order[..3].iter().filter(|outcome| **outcome == "skipped").count(), 0, "{order:?}");
    // And so it comes: the event is queued for just those.
    let posted = api.post("/v1/events", &event("batch.completed")).expect(202);
    assert_eq!(posted["deliveries"], answer["deliveries"]);
    let mut queued: Vec<_> = api.deliveries_of(&id(&posted)).iter().map(|d| d["endpoint_id"].clone()).collect();
    let mut expected = vec![json!(all), json!(below), json!(paused)];
    queued.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!(queued, expected);
}

#[test]
fn nothing_is_stored_counted_or_sent() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let sent = json!({"id": "evt_mine", "type": "batch.completed", "data": {"object": {"n": 1}}});
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    for _ in 0..3 {
        let answer = api.request("POST", PATH, &headers, Some(sent.to_string().as_bytes()));
        assert_eq!(answer.expect(200)["deliveries"], 1);
    }
    assert!(api.list("/v1/events").is_empty() && api.list("/v1/deliveries").is_empty());
    assert_eq!(api.get("/v1/stats").expect(200)["totals"]["accepted"], 0);
    assert!(api.list("/v1/audit-log").iter().all(|entry| entry["action"] != "event.dry_run"));
    // Neither the id nor the key is taken by it.
    let other = json!({"id": "evt_mine", "type": "batch.completed", "data": {"object": {"n": 2}}});
    api.request("POST", "/v1/events", &headers, Some(other.to_string().as_bytes())).expect(202);
    let delivery = api.delivery_in("evt_mine", "delivered");
    assert_eq!(receiver.requests().len(), 1, "{delivery:#}");
}

#[test]
fn what_would_be_refused_is_refused_in_the_same_words() {
    let server = Server::setup().args(["--max-event-size", "64KiB"]).start();
    let api = server.admin();
    let strict = json!({
        "name": "invoice.paid", "description": "d", "example": {"n": 1}, "enforce_schema": true,
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}
    });
    api.post("/v1/event-types", &strict).expect(201);
    let bound = server.api_as("admin", Some("acme"));
    for (api, body) in [
        (&api, event("no.such")),
        (&api, json!({"type": "invoice.paid", "data": {"object": {"n": "x"}}})),
        (&api, json!({"type": "batch.completed", "data": {"object": 7}})),
        (&api, json!({"type": "batch.completed", "data": {"object": {}}, "more": 1})),
        (&api, json!({"type": "batch.completed", "data": {"object": {"s": "x".repeat(70_000)}}})),
        (&api, json!({"type": "batch.completed"})),
        (&bound, json!({"type": "batch.completed", "data": {"object": {}}, "account": "globex"})),
    ] {
        let (dry, wet) = (api.post(PATH, &body).any_problem(), api.post("/v1/events", &body).any_problem());
        assert_eq!(dry, wet);
    }
    api.send_text("POST", PATH, "{\"type\":\"a\",\"type\":\"a\"}").problem(400);
    api.request("POST", PATH, &[("content-type", "text/plain")], Some(b"{}")).problem(415);
    api.post(&format!("{PATH}?x=1"), &event("batch.completed")).problem(400);
    api.get(PATH).problem(405);
}

#[test]
fn who_asks_is_told_of_no_more_than_it_sees() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let ours = id(&api.endpoint_with(&receiver.url(), &json!({"account": "acme"})));
    api.endpoint_with(&receiver.url(), &json!({"account": "globex", "description": "THEIRS"}));
    let of_acme = json!({"type": "batch.completed", "data": {"object": {}}, "account": "acme"});
    for role in ["admin", "read"] {
        let answer = server.api_as(role, Some("acme")).post(PATH, &event("batch.completed")).expect(200);
        assert_eq!((&answer["account"], &answer["deliveries"]), (&json!("acme"), &json!(1)), "{role}");
        let seen: Vec<_> = answer["endpoints"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
        assert_eq!(seen, [&json!(ours)], "{role}");
        assert!(!answer.to_string().contains("whsec_"));
        assert_eq!(
            server.api_as(role, None).post(PATH, &of_acme).expect(200)["endpoints"].as_array().unwrap().len(),
            2
        );
    }
    // A producer learns what posting would tell it, and no more.
    for account in [None, Some("acme")] {
        let answer = server.api_as("ingest", account).post(PATH, &of_acme).expect(200);
        assert_eq!((&answer["deliveries"], &answer["endpoints"]), (&json!(1), &json!(null)), "{answer:#}");
        assert_eq!(answer["has_more_endpoints"], false);
    }
    server.anonymous().post(PATH, &of_acme).problem(401);
}

#[test]
fn an_answer_is_bounded_however_many_endpoints_there_are() {
    let server = Server::start();
    let api = server.admin();
    let more = json!({"event_types": ["batch.failed"]});
    for _ in 0..1_001 {
        api.endpoint_with("http://127.0.0.1:1/", &more);
    }
    let matching = id(&api.endpoint_with("http://127.0.0.1:1/", &json!({"event_types": ["*"]})));
    let answer = api.post(PATH, &event("batch.completed")).expect(200);
    let all = answer["endpoints"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]["id"], &answer["has_more_endpoints"]), (1_000, &json!(matching), &json!(true)));
    assert_eq!(answer["deliveries"], 1);
}
