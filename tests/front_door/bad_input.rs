//! Values that a field cannot have: a table for events and endpoints, and unknown query parameters on every route.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::routes::{Fixture, ROUTES, Who};

fn with(base: &Value, field: &str, value: &Value) -> Value {
    let mut body = base.clone();
    body[field] = value.clone();
    body
}

#[test]
fn values_that_an_event_cannot_have() {
    let server = Server::start();
    let api = server.admin();
    let base = json!({"type": "batch.completed", "data": {"object": {}}});
    for (field, value, pointer) in [
        ("id", json!(""), "/id"),
        ("id", json!("mine"), "/id"),
        ("id", json!("evt_"), "/id"),
        ("id", json!("evt_a b"), "/id"),
        ("id", json!("evt_é"), "/id"),
        ("id", json!("evt_a\nb"), "/id"),
        ("id", json!("evt_a/b"), "/id"),
        ("id", json!(format!("evt_{}", "x".repeat(1000))), "/id"),
        ("created", json!(-1), "/created"),
        ("created", json!(1.5), "/created"),
        ("created", json!("2024-01-01"), "/created"),
        ("created", json!(1e30), "/created"),
        ("account", json!(""), "/account"),
        ("account", json!("a b"), "/account"),
        ("account", json!("x".repeat(1000)), "/account"),
        ("account", json!("a/b"), "/account"),
        ("data", json!({}), "/data"),
        ("data", json!({"object": []}), "/data/object"),
        ("data", json!({"object": "text"}), "/data/object"),
        ("data", json!({"object": null}), "/data/object"),
        ("data", json!({"object": {}, "more": 1}), "/data/more"),
    ] {
        let problem = api.post("/v1/events", &with(&base, field, &value)).any_problem();
        let told = problem["pointer"].as_str().unwrap_or_default();
        assert!(
            told.starts_with(pointer) || pointer.starts_with(told) && !told.is_empty(),
            "{field} = {value}: {problem}"
        );
    }
    let too_great = r#"{"type":"batch.completed","data":{"object":{}},"created":99999999999999999999999}"#;
    api.send_text("POST", "/v1/events", too_great).any_problem();
    let doubled = r#"{"type":"batch.completed","data":{"object":{"a":1,"a":2}}}"#;
    let problem = api.send_text("POST", "/v1/events", doubled).any_problem();
    assert!(problem["pointer"].as_str().unwrap_or_default().starts_with("/data/object"), "{problem}");
    let deep = format!(
        r#"{{"type":"batch.completed","data":{{"object":{{"a":{}1{}}}}}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let answer = api.send_text("POST", "/v1/events", &deep);
    assert!(matches!(answer.status, 202 | 400 | 413 | 422), "{answer}");
    assert_eq!(api.list("/v1/events").len(), usize::from(answer.status == 202));
}

/// The limit is the payload's, whatever stands around it: what is good by itself is good in a batch, and as an example.
#[test]
fn a_payload_may_be_a_hundred_deep() {
    let server = Server::start();
    let api = server.admin();
    for (deep, taken) in [(100, true), (101, false)] {
        let object = format!("{}1{}", r#"{"a":"#.repeat(deep), "}".repeat(deep));
        let event = format!(r#"{{"type":"batch.completed","data":{{"object":{object}}}}}"#);
        let example = format!(r#"{{"description":"deep","example":{object}}}"#);
        for (method, path, body, pointer) in [
            ("POST", "/v1/events", event.clone(), "/data/object"),
            ("POST", "/v1/events/batch", format!(r#"{{"events":[{event}]}}"#), "/events/0/data/object"),
            ("POST", "/v1/events/dry-run", event, "/data/object"),
            ("PUT", "/v1/event-types/deep.thing", example, "/example"),
        ] {
            let answer = api.send_text(method, path, &body);
            if taken {
                assert!(matches!(answer.status, 200..=202), "{answer}");
            } else {
                assert_eq!(answer.problem(400)["pointer"], pointer);
            }
        }
    }
}

#[test]
fn what_is_at_fault_is_named() {
    let server = Server::start();
    let api = server.admin();
    let endpoint = api.endpoint("http://127.0.0.1:9/");
    let replay = format!("/v1/endpoints/{}/replay", endpoint["id"].as_str().unwrap());
    let future = json!({"since": "2999-01-01T00:00:00Z", "select": "all"});
    assert_eq!(api.post(&replay, &future).problem(422)["pointer"], "/since");
    let backwards = json!({"since": "2020-01-02T00:00:00Z", "until": "2020-01-01T00:00:00Z", "select": "all"});
    assert_eq!(api.post(&replay, &backwards).problem(422)["pointer"], "/until");
    assert_eq!(api.get("/v1/events?account=%ff").problem(400)["parameter"], "account");
    let body = json!({"description": "a type", "example": {}});
    assert_eq!(api.send("PUT", "/v1/event-types/BAD", &body).problem(400)["parameter"], "name");
    api.get("/v1/event-types/BAD").problem(404);
}

#[test]
fn an_idempotency_key_has_bounds() {
    let server = Server::start();
    let api = server.admin();
    let body = br#"{"type":"batch.completed","data":{"object":{}}}"#;
    let long = "k".repeat(5000);
    for key in ["", &long] {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        api.request("POST", "/v1/events", &headers, Some(body)).any_problem();
    }
}

#[test]
fn values_that_an_endpoint_cannot_have() {
    let server = Server::start();
    let api = server.admin();
    let base = json!({"url": "http://127.0.0.1:9/", "event_types": ["*"]});
    let many_headers: Value =
        (0..1000).map(|n| (format!("x-h{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    for (field, value) in [
        ("url", json!("")),
        ("url", json!("nonsense")),
        ("url", json!("/path")),
        ("url", json!("127.0.0.1:80")),
        ("url", json!("ftp://127.0.0.1/")),
        ("url", json!("file:///etc/passwd")),
        ("url", json!("javascript:alert(1)")),
        ("url", json!("gopher://127.0.0.1/")),
        ("url", json!("http://")),
        ("url", json!("http:///path")),
        ("url", json!("http://user@127.0.0.1/")),
        ("url", json!("http://user:pass@127.0.0.1/")),
        ("url", json!("http://:pass@127.0.0.1/")),
        ("url", json!("http://127.0.0.1:99999/")),
        ("url", json!("http://127.0.0.1:0/")),
        ("url", json!("http://a b/")),
        ("url", json!("http://[::1/")),
        ("url", json!("http://[fe80::1%25eth0]/")),
        ("url", json!("http://256.1.1.1/")),
        ("url", json!(format!("http://127.0.0.1/{}", "x".repeat(20_000)))),
        ("account", json!("")),
        ("account", json!("a b")),
        ("description", json!("x".repeat(20_000))),
        ("secret", json!("")),
        ("secret", json!("whsec_")),
        ("secret", json!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        ("secret", json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa")),
        ("secret", json!(format!("whsec_{}", "AAAA".repeat(22)))),
        ("secret", json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!")),
        ("secret", json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_")),
        ("timeout", json!("0s")),
        ("timeout", json!("-1s")),
        ("timeout", json!("1")),
        ("timeout", json!(30)),
        ("timeout", json!("1y")),
        ("timeout", json!("99999999999999999999d")),
        ("retry_schedule", json!("5m")),
        ("retry_schedule", json!(["soon"])),
        ("retry_schedule", json!([5])),
        ("retry_schedule", json!(["-5m"])),
        ("retry_schedule", json!(vec!["1m"; 1000])),
        ("retry_schedule", json!(["9999999999999d"])),
        ("max_in_flight", json!(0)),
        ("max_in_flight", json!(-1)),
        ("max_in_flight", json!(1.5)),
        ("max_in_flight", json!(1_000_000_000)),
        ("rate_limit", json!(0)),
        ("rate_limit", json!(-1)),
        ("rate_limit", json!("fast")),
        ("ordered", json!("yes")),
        ("headers", json!([])),
        ("headers", json!({"X-A": 1})),
        ("headers", json!({"X-A": "x".repeat(20_000)})),
        ("headers", many_headers),
        ("metadata", json!("text")),
        ("metadata", json!({"big": "x".repeat(20_000)})),
        ("status", json!("broken")),
    ] {
        let shown = value.to_string();
        let shown = &shown[..shown.len().min(100)];
        let problem = api.post("/v1/endpoints", &with(&base, field, &value)).any_problem();
        let pointer = problem["pointer"].as_str().unwrap_or_default();
        assert!(pointer.starts_with(&format!("/{field}")), "{field} = {shown}: {problem}");
        if field != "account" {
            let made = api.endpoint("http://127.0.0.1:9/");
            let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
            let answer = api.send("PATCH", &path, &json!({field: value}));
            // What cannot be set at all by a patch is refused as well.
            answer.any_problem();
            api.delete(&path);
        }
    }
    assert!(api.list("/v1/endpoints").is_empty());
}

#[test]
fn unknown_query_parameters_are_refused_on_every_route() {
    let fixture = Fixture::new();
    let mut taken = Vec::new();
    for route in ROUTES.iter().filter(|route| route.who != Who::Open) {
        let (path, body) = fixture.request(route, "default");
        let path = format!("{path}?surprise=1");
        let text = body.map(|body| body.to_string());
        let headers: &[(&str, &str)] = if text.is_some() { &[("content-type", "application/json")] } else { &[] };
        let body = text.as_ref().map(String::as_bytes).or((route.method == "POST").then_some(b"".as_slice()));
        // A stream that was opened has no end, so no answer in time.
        match fixture.admin.try_request(route.method, &path, headers, body) {
            Ok(answer) if (400..500).contains(&answer.status) => {
                let problem = answer.any_problem();
                assert!(problem.to_string().contains("surprise"), "the fault is not named: {problem}");
            }
            _ => taken.push(route.name()),
        }
    }
    assert!(taken.is_empty(), "these took an unknown query parameter: {taken:?}");
}

#[test]
fn durations_and_times_have_one_form() {
    let server = Server::start();
    let api = server.admin();
    for (given, shown) in [("30s", "30s"), ("5m", "5m"), ("2h", "2h"), ("7d", "7d")] {
        let made = api.endpoint_with("http://127.0.0.1:9/", &json!({"retry_schedule": [given]}));
        assert_eq!(made["retry_schedule"], json!([shown]));
    }
    let endpoint = api.endpoint("http://127.0.0.1:9/")["id"].as_str().unwrap().to_owned();
    let replay =
        |since: &str| api.post(&format!("/v1/endpoints/{endpoint}/replay"), &json!({"since": since, "select": "all"}));
    for good in ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.123Z", "2024-01-01T02:00:00+02:00"] {
        replay(good).expect(202);
    }
    for bad in ["2024-01-01", "1704067200", "2024-01-01T00:00:00", "2024-02-30T00:00:00Z", "now", ""] {
        let problem = replay(bad).any_problem();
        assert_eq!(problem["pointer"], "/since", "{bad}: {problem}");
    }
}
