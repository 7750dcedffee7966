//! Lists and cursors: newest first, complete, stable while things are added, and refused when unusable.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::api::id;
use crate::support::{Api, Receiver, Server};

const LISTS: [&str; 5] = ["/v1/events", "/v1/endpoints", "/v1/deliveries", "/v1/tokens", "/v1/audit-log"];

fn filled() -> (Server, Api) {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    for number in 0..12 {
        api.endpoint_with(&receiver.url(), &json!({"account": format!("a{number}")}));
        let sent = json!({"type": "batch.completed", "data": {"object": {}}, "account": format!("a{number}")});
        api.post("/v1/events", &sent).expect(202);
        api.post("/v1/tokens", &json!({"name": format!("t{number}"), "role": "read"})).expect(201);
    }
    (server, api)
}

fn walk(api: &Api, path: &str, limit: usize, mut between: impl FnMut()) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let mut next = format!("{path}?limit={limit}");
    loop {
        let page = api.get(&next).expect(200);
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        all.extend(data.iter().cloned());
        assert_eq!(page["has_more"] == true, page["next_cursor"].is_string(), "{page}");
        let Some(cursor) = page["next_cursor"].as_str() else { return all };
        assert_eq!(data.len(), limit, "a page with more to come is full");
        between();
        next = format!("{path}?limit={limit}&cursor={cursor}");
    }
}

#[test]
fn pages_are_complete_and_do_not_overlap() {
    let (_server, api) = filled();
    for path in LISTS {
        let whole = api.list(&format!("{path}?limit=500"));
        assert!(whole.len() >= 12, "{path}: {} things", whole.len());
        for limit in [1, 5, 12] {
            assert_eq!(ids(&walk(&api, path, limit, || {})), ids(&whole), "{path} by {limit}");
        }
    }
}

fn ids(things: &[Value]) -> Vec<String> {
    things.iter().map(id).collect()
}

#[test]
fn a_cursor_stays_valid_while_things_are_added() {
    let (_server, api) = filled();
    let before = ids(&api.list("/v1/events?limit=500"));
    let mut added = 0;
    let walked = ids(&walk(&api, "/v1/events", 5, || {
        api.event();
        added += 1;
    }));
    assert!(added >= 2);
    assert_eq!(walked, before, "what was there when the walk began, each once");
    assert_eq!(walked.iter().collect::<HashSet<_>>().len(), walked.len());
}

#[test]
fn newest_first() {
    let (_server, api) = filled();
    for path in ["/v1/endpoints", "/v1/deliveries"] {
        let times: Vec<String> =
            api.list(path).iter().map(|thing| thing["created_at"].as_str().unwrap().to_owned()).collect();
        assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{path}: {times:?}");
    }
}

#[test]
fn the_default_page_is_50() {
    let server = Server::start();
    let api = server.admin();
    let events: Vec<Value> = (0..60).map(|_| json!({"type": "batch.completed", "data": {"object": {}}})).collect();
    api.post("/v1/events/batch", &json!({"events": events})).expect(202);
    let page = api.get("/v1/events").expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 50);
    assert_eq!(page["has_more"], true);
    assert_eq!(api.get("/v1/events?limit=500").expect(200)["has_more"], false);
}

#[test]
fn unusable_queries_are_refused() {
    let (_server, api) = filled();
    for path in LISTS.into_iter().chain(["/v1/event-types"]) {
        for query in [
            "limit=0",
            "limit=501",
            "limit=-1",
            "limit=abc",
            "limit=",
            "limit=1.5",
            "limit=99999999999999999999",
            "limit=5&limit=6",
            "cursor=nonsense",
            "cursor=",
            "cursor=%00",
            "cursor=AAAA",
            "unknown=1",
            "Limit=5",
            "limit=%C3%28",
            "cursor=../../etc",
            "LIMIT=1",
            "page=2",
        ] {
            let answer = api.get(&format!("{path}?{query}"));
            let shown = answer.to_string();
            let problem = answer.any_problem();
            // What is no UTF-8 has no parameters that could be named.
            let named = if query.contains("%C3%28") { "UTF-8" } else { query.split('=').next().unwrap() };
            assert!(problem.to_string().contains(named), "the fault is not named: {shown}");
        }
    }
    for path in ["/v1/events", "/v1/deliveries"] {
        for query in ["since=yesterday", "since=2024-13-01T00:00:00Z", "until=1", "until=", "since=2024-01-01"] {
            api.get(&format!("{path}?{query}")).any_problem();
        }
    }
    for query in ["status=done", "status=", "response_code=99", "response_code=abc", "response_code=1000", "type=a%20b"]
    {
        let answer = api.get(&format!("/v1/deliveries?{query}"));
        // A type that is well formed but unknown may match nothing; the rest is refused.
        if !(query.starts_with("type") && answer.status == 200) {
            answer.any_problem();
        }
    }
}

/// A cursor of one list, or of other filters, is not silently taken for another's.
#[test]
fn a_cursor_belongs_to_its_list() {
    let (_server, api) = filled();
    let cursor = api.get("/v1/events?limit=2").expect(200)["next_cursor"].as_str().unwrap().to_owned();
    for path in ["/v1/deliveries", "/v1/endpoints", "/v1/audit-log"] {
        let problem = api.get(&format!("{path}?cursor={cursor}")).any_problem();
        assert!(problem.to_string().contains("cursor"), "{problem}");
    }
}
