//! The same event twice: by its own id, and by `Idempotency-Key`.

use serde_json::{Value, json};

use crate::support::api::id;
use crate::support::{Answer, Api, Receiver, Server};

fn with_key(api: &Api, key: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    api.request("POST", "/v1/events", &headers, Some(body.to_string().as_bytes()))
}

#[test]
fn the_same_id_and_content_again_sends_nothing_twice() {
    let mut server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let event = json!({"id": "evt_mine-1", "type": "batch.completed", "data": {"object": {"n": 1}}});
    let first = api.post("/v1/events", &event).expect(202);
    for _ in 0..3 {
        let again = api.post("/v1/events", &event).expect(200);
        assert_eq!(again["id"], first["id"]);
        assert_eq!(again["created"], first["created"], "it tells of the event that there is");
    }
    for other in [
        json!({"id": "evt_mine-1", "type": "batch.completed", "data": {"object": {"n": 2}}}),
        json!({"id": "evt_mine-1", "type": "batch.failed", "data": {"object": {"n": 1}}}),
    ] {
        api.post("/v1/events", &other).problem(409);
    }
    api.delivery_in("evt_mine-1", "delivered");
    server.kill();
    server.start_again();
    let api = server.admin();
    api.post("/v1/events", &event).expect(200);
    let marker = api.event();
    api.delivery_in(&marker, "delivered");
    let mine = receiver.requests().iter().filter(|r| r.event_id() == "evt_mine-1").count();
    assert_eq!(mine, 1);
}

/// A producer may repeat the time that it was told, though it had left it to the server.
#[test]
fn the_time_that_the_server_gave_is_the_same_content() {
    let server = Server::start();
    let api = server.admin();
    for n in 0..3 {
        let mut event = json!({"id": format!("evt_told-{n}"), "type": "batch.completed", "data": {"object": {"n": n}}});
        let told = api.post("/v1/events", &event).expect(202)["created"].clone();
        let key = format!("told-{n}");
        with_key(&api, &key, &json!({"type": "batch.completed", "data": {"object": {}}})).expect(202);
        event["created"] = told.clone();
        api.post("/v1/events", &event).expect(200);
        event["created"] = json!(told.as_i64().unwrap() + 1);
        assert_eq!(api.post("/v1/events", &event).problem(409)["pointer"], "/id");
        let other = json!({"type": "batch.completed", "created": 1, "data": {"object": {}}});
        assert_eq!(with_key(&api, &key, &other).problem(409)["parameter"], "Idempotency-Key");
    }
}

#[test]
fn an_idempotency_key_does_the_same() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let event = json!({"type": "batch.completed", "data": {"object": {"n": 1}}});
    let first = with_key(&api, "job-17", &event).expect(202);
    let again = with_key(&api, "job-17", &event).expect(200);
    assert_eq!(first["id"], again["id"]);
    with_key(&api, "job-17", &json!({"type": "batch.completed", "data": {"object": {"n": 2}}})).problem(409);
    let other = with_key(&api, "job-18", &event).expect(202);
    assert_ne!(first["id"], other["id"]);
    api.delivery_in(&id(&other), "delivered");
    api.delivery_in(&id(&first), "delivered");
    assert_eq!(receiver.count(), 2);
}

/// A producer that lost the 202 asks again after the catalog changed: its event was accepted all the same.
#[test]
fn a_change_of_the_catalog_does_not_disown_what_was_accepted() {
    let server = Server::start();
    let api = server.admin();
    let entry = json!({"name": "invoice.paid", "description": "", "example": {}});
    let by_id = json!({"id": "evt_paid-1", "type": "invoice.paid", "data": {"object": {"n": 1}}});
    let by_key = json!({"type": "invoice.paid", "data": {"object": {"n": 2}}});
    let batch = json!({"events": [by_id, {"type": "batch.completed", "data": {"object": {}}}]});
    let other = json!({"id": "evt_paid-1", "type": "invoice.paid", "data": {"object": {"n": 3}}});
    let unheard = json!({"id": "evt_paid-2", "type": "invoice.paid", "data": {"object": {"n": 1}}});
    let strict = json!({
        "description": "", "example": {"sum": 1}, "schema": {"required": ["sum"]}, "enforce_schema": true,
    });
    api.post("/v1/event-types", &entry).expect(201);
    api.post("/v1/events", &by_id).expect(202);
    with_key(&api, "job-1", &by_key).expect(202);
    for (change, pointer) in [("stricter", "/data/object"), ("gone", "/type")] {
        if change == "gone" {
            api.delete("/v1/event-types/invoice.paid").expect(204);
        } else {
            api.send("PUT", "/v1/event-types/invoice.paid", &strict).expect(200);
        }
        assert_eq!(api.post("/v1/events", &by_id).expect(200)["id"], "evt_paid-1", "{change}");
        with_key(&api, "job-1", &by_key).expect(200);
        api.post("/v1/events/batch", &batch).expect(202);
        api.post("/v1/events", &other).problem(409);
        assert_eq!(api.post("/v1/events", &unheard).problem(422)["pointer"], pointer);
        assert_eq!(with_key(&api, "job-2", &by_key).problem(422)["pointer"], pointer);
        let mixed = json!({"events": [by_id, unheard]});
        let problem = api.post("/v1/events/batch", &mixed).problem(422);
        assert_eq!(problem["pointer"], format!("/events/1{pointer}"), "{problem}");
    }
    api.get("/v1/events/evt_paid-2").problem(404);
    assert_eq!(api.list("/v1/events?type=invoice.paid").len(), 2);
}

#[test]
fn many_at_once_with_one_key_make_one_event() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let event = json!({"type": "batch.completed", "data": {"object": {"n": 1}}});
    let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..16)
            .map(|_| {
                let event = &event;
                let api = server.admin();
                scope.spawn(move || {
                    let answer = with_key(&api, "race", event);
                    (answer.status, id(&answer.json()))
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|(status, _)| *status == 202).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|(status, event)| (*status == 202 || *status == 200) && *event == answers[0].1));
    api.delivery_in(&answers[0].1, "delivered");
    assert_eq!(receiver.count(), 1);
}

#[test]
fn keys_of_two_accounts_do_not_meet() {
    let server = Server::start();
    let (acme, globex) = (server.api_as("ingest", Some("acme")), server.api_as("ingest", Some("globex")));
    let event = json!({"type": "batch.completed", "data": {"object": {}}});
    let first = with_key(&acme, "k", &event).expect(202);
    let second = with_key(&globex, "k", &json!({"type": "batch.failed", "data": {"object": {}}})).expect(202);
    assert_ne!(first["id"], second["id"]);
}

#[test]
fn a_batch_sent_again_is_accepted_once() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let events: Vec<Value> = (0..5)
        .map(|n| json!({"id": format!("evt_b{n}"), "type": "batch.completed", "data": {"object": {"n": n}}}))
        .collect();
    api.post("/v1/events/batch", &json!({"events": events})).expect(202);
    let again = api.post("/v1/events/batch", &json!({"events": events}));
    assert!(matches!(again.status, 200 | 202), "{again}");
    let mut changed = events.clone();
    changed[3]["data"]["object"]["n"] = json!(99);
    changed[4]["id"] = json!("evt_new");
    let problem = api.post("/v1/events/batch", &json!({"events": changed})).problem(409);
    assert!(problem["pointer"].as_str().is_some_and(|p| p.starts_with("/events/3")), "{problem}");
    api.get("/v1/events/evt_new").problem(404);
    for n in 0..5 {
        api.delivery_in(&format!("evt_b{n}"), "delivered");
    }
    assert_eq!(receiver.count(), 5);
}
