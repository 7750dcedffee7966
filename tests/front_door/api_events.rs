//! `POST /v1/events`, `/v1/events/batch` and reading events back.

use serde_json::{Value, json};

use crate::support::api::id;
use crate::support::clock::ms;
use crate::support::{Receiver, Server, until};

#[test]
fn an_accepted_event_is_described_and_can_be_read() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    api.endpoint(&receiver.url());
    api.endpoint_with(&receiver.url(), &json!({"event_types": ["usage.threshold.reached"]}));

    let answer =
        api.post("/v1/events", &json!({"type": "batch.completed", "data": {"object": {"id": "b"}}})).expect(202);
    let event = id(&answer);
    assert!(event.starts_with("evt_"), "{answer}");
    assert_eq!(answer["type"], "batch.completed");
    assert_eq!(answer["account"], "default");
    assert_eq!(answer["deliveries"], 2);
    let created = answer["created"].as_i64().unwrap();

    let read = api.get(&format!("/v1/events/{event}")).expect(200);
    assert_eq!(read["id"], *event);
    assert_eq!(read["type"], "batch.completed");
    assert_eq!(read["account"], "default");
    let deliveries = read["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 2, "{read:#}");
    for delivery in deliveries {
        assert!(delivery["id"].as_str().unwrap().starts_with("dlv_"), "{delivery}");
    }
    let sent = receiver.wait_for(2);
    assert_eq!(sent[0].json()["created"], created);
    assert_eq!(sent[0].body, sent[1].body);
    assert!(read.to_string().contains(r#""object":{"id":"b"}"#), "its payload: {read}");
}

#[test]
fn an_event_that_nobody_wants_is_kept_with_no_delivery() {
    let server = Server::start();
    let api = server.admin();
    let answer = api.post("/v1/events", &json!({"type": "batch.failed", "data": {"object": {}}})).expect(202);
    assert_eq!(answer["deliveries"], 0);
    let read = api.get(&format!("/v1/events/{}", id(&answer))).expect(200);
    assert_eq!(read["deliveries"], json!([]));
}

#[test]
fn accounts_are_apart() {
    let server = Server::start();
    let api = server.admin();
    let (ours, theirs) = (Receiver::ok(), Receiver::ok());
    api.endpoint_with(&ours.url(), &json!({"account": "acme"}));
    api.endpoint_with(&theirs.url(), &json!({"account": "globex"}));
    let sent = json!({"type": "batch.completed", "data": {"object": {}}, "account": "acme"});
    let answer = api.post("/v1/events", &sent).expect(202);
    assert_eq!(answer["account"], "acme");
    assert_eq!(answer["deliveries"], 1);
    api.delivery_in(&id(&answer), "delivered");
    assert_eq!((ours.count(), theirs.count()), (1, 0));
}

#[test]
fn a_batch_is_all_or_none() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let good = |n: usize| json!({"type": "batch.completed", "data": {"object": {"n": n}}});

    let mut events: Vec<Value> = (0..10).map(good).collect();
    events[7]["type"] = json!("no.such.type");
    let problem = api.post("/v1/events/batch", &json!({"events": events})).any_problem();
    assert!(problem["pointer"].as_str().unwrap().starts_with("/events/7"), "{problem}");
    assert_eq!(api.list("/v1/events").len(), 0, "something of a refused batch was kept");

    let events: Vec<Value> = (0..10).map(good).collect();
    api.post("/v1/events/batch", &json!({"events": events})).expect(202);
    let numbers: std::collections::BTreeSet<u64> =
        receiver.wait_for(10).iter().map(|r| r.json()["data"]["object"]["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 10);
    assert_eq!(api.list("/v1/events").len(), 10);
}

#[test]
fn a_batch_holds_1_to_1000() {
    let server = Server::start();
    let api = server.admin();
    let one = json!({"type": "batch.completed", "data": {"object": {}}});
    api.post("/v1/events/batch", &json!({"events": []})).any_problem();
    api.post("/v1/events/batch", &json!({"events": vec![one.clone(); 1001]})).any_problem();
    api.post("/v1/events/batch", &json!({"events": vec![one.clone(); 1]})).expect(202);
    api.post("/v1/events/batch", &json!({"events": vec![one; 1000]})).expect(202);
    let total: usize = pages(&api, "/v1/events?limit=500").len();
    assert_eq!(total, 1001);
}

fn pages(api: &crate::support::Api, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let path = cursor.as_ref().map_or(path.to_owned(), |cursor| format!("{path}&cursor={cursor}"));
        let page = api.get(&path).expect(200);
        all.extend(page["data"].as_array().unwrap().clone());
        assert_eq!(page["has_more"].as_bool().unwrap(), page["next_cursor"].is_string(), "has_more and next_cursor");
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return all,
        }
    }
}

#[test]
fn filters_of_the_list() {
    let server = Server::start();
    let api = server.admin();
    let mut made = Vec::new();
    for (kind, account) in [
        ("batch.completed", "acme"),
        ("batch.failed", "acme"),
        ("batch.completed", "globex"),
        ("batch.failed", "globex"),
    ] {
        let sent = json!({"type": kind, "data": {"object": {}}, "account": account});
        made.push(id(&api.post("/v1/events", &sent).expect(202)));
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    let ids = |path: &str| api.list(path).iter().map(id).collect::<Vec<_>>();
    let newest_first: Vec<String> = made.iter().rev().cloned().collect();
    assert_eq!(ids("/v1/events"), newest_first);
    assert_eq!(ids("/v1/events?type=batch.failed"), [made[3].clone(), made[1].clone()]);
    assert_eq!(ids("/v1/events?account=acme"), [made[1].clone(), made[0].clone()]);
    assert_eq!(ids("/v1/events?account=acme&type=batch.completed"), [made[0].clone()]);
    assert_eq!(ids("/v1/events?account=nobody"), Vec::<String>::new());
    assert_eq!(ids("/v1/events?since=2020-01-01T00:00:00Z"), newest_first);
    assert_eq!(ids("/v1/events?until=2020-01-01T00:00:00Z"), Vec::<String>::new());
    assert_eq!(ids("/v1/events?since=2099-01-01T00:00:00Z"), Vec::<String>::new());
}

#[test]
fn an_event_may_name_its_own_past_creation() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let sent = json!({"type": "batch.completed", "data": {"object": {}}, "created": 1_706_140_800});
    let answer = api.post("/v1/events", &sent).expect(202);
    assert_eq!(answer["created"], 1_706_140_800);
    assert_eq!(receiver.wait_for(1)[0].json()["created"], 1_706_140_800);
}

#[test]
fn the_size_limit_is_kept_and_named() {
    let server = Server::setup().args(["--max-event-size", "64KiB"]).start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let of = |size: usize| json!({"type": "batch.completed", "data": {"object": {"s": "x".repeat(size)}}});
    api.post("/v1/events", &of(70_000)).problem(413);
    api.post("/v1/events", &of(10_000_000)).problem(413);
    let answer = api.post("/v1/events", &of(60_000)).expect(202);
    api.delivery_in(&id(&answer), "delivered");
    assert_eq!(receiver.wait_for(1)[0].json()["data"]["object"]["s"].as_str().unwrap().len(), 60_000);
    // A batch as a whole may be larger than one event; each of its events may not.
    api.post("/v1/events/batch", &json!({"events": vec![of(40_000); 5]})).expect(202);
    let problem = api.post("/v1/events/batch", &json!({"events": [of(10), of(70_000)]})).problem(413);
    assert!(problem["pointer"].as_str().is_some_and(|p| p.starts_with("/events/1")), "{problem}");
}

#[test]
fn a_megabyte_goes_through_by_default() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let text: String = (0..1_000_000).map(|n: u32| char::from(b'a' + (n % 23) as u8)).collect();
    let event = api.event_of("batch.completed", &json!({"s": text}));
    assert_eq!(receiver.wait_for(1)[0].json()["data"]["object"]["s"], *text);
    until("delivered", || api.delivery_of(&event)["status"] == "delivered");
}

#[test]
fn times_in_resources_are_rfc_3339_with_milliseconds() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let endpoint = api.endpoint(&receiver.url());
    ms(&endpoint["created_at"]);
    let event = api.event();
    let delivery = api.delivery_in(&event, "delivered");
    let (created, completed) = (ms(&delivery["created_at"]), ms(&delivery["completed_at"]));
    let started = ms(&delivery["attempts"][0]["started_at"]);
    assert!(created <= started && started <= completed, "{delivery:#}");
}
