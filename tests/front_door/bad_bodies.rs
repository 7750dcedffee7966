//! Faults that any JSON body can have, on every route that takes one: always a problem that names the fault, and
//! nothing changed.

use serde_json::{Value, json};

use crate::support::Answer;
use crate::support::routes::{Fixture, ROUTES, Route};

fn body_routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.body)
}

/// Asks with `body` as it stands.
fn ask(fixture: &Fixture, route: &Route, path: &str, body: &[u8]) -> Answer {
    fixture.admin.request(route.method, path, &[("content-type", "application/json")], Some(body))
}

#[test]
fn the_good_bodies_are_good() {
    let fixture = Fixture::new();
    for route in body_routes() {
        let (path, body) = fixture.request(route, "default");
        let answer = ask(&fixture, route, &path, body.unwrap().to_string().as_bytes());
        assert!((200..300).contains(&answer.status), "{answer}");
    }
}

#[test]
fn text_that_is_no_json_object() {
    let fixture = Fixture::new();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let bodies: Vec<&[u8]> = vec![
        b"",
        b" ",
        b"{",
        b"}",
        b"null",
        b"true",
        b"1",
        b"\"text\"",
        b"[]",
        b"[{}]",
        b"{]",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{'a':1}",
        b"{a:1}",
        b"{\"a\":NaN}",
        b"{\"a\":01}",
        b"{\"a\":1,}",
        b"{} {}",
        b"{}x",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":\"\n\"}",
        b"\x00",
        b"{\"a\":1}\x00",
        b"// c\n{}",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ];
    for route in body_routes() {
        let (path, _) = fixture.request(route, "default");
        for body in &bodies {
            // A body may be left out where nothing in it is required.
            let optional = body.iter().all(u8::is_ascii_whitespace)
                && ["/test", "/rotate-secret", "/portal-link"].iter().any(|end| path.ends_with(end));
            let answer = ask(&fixture, route, &path, body);
            if !(optional && answer.status < 300) {
                answer.any_problem();
            }
        }
    }
}

#[test]
fn an_unknown_field_is_named() {
    let fixture = Fixture::new();
    for route in body_routes() {
        let (path, body) = fixture.request(route, "default");
        for name in ["surprise", "", "Type", "a/b~c", "\u{1F600}"] {
            let mut body = body.clone().unwrap();
            body[name] = json!(1);
            let problem = ask(&fixture, route, &path, body.to_string().as_bytes()).any_problem();
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            assert_eq!(problem["pointer"], pointer, "{}: {problem}", route.name());
        }
    }
}

#[test]
fn a_duplicate_key_is_named() {
    let fixture = Fixture::new();
    for route in body_routes() {
        let (path, body) = fixture.request(route, "default");
        let body = body.unwrap();
        let (key, value) = body.as_object().unwrap().iter().next().unwrap();
        let text = body.to_string();
        let doubled = format!("{},{}:{value}}}", &text[..text.len() - 1], json!(key));
        let problem = ask(&fixture, route, &path, doubled.as_bytes()).any_problem();
        assert!(problem.to_string().contains(key.as_str()), "{}: {problem}", route.name());
    }
}

/// Each field of each good body, with each JSON type that it does not have.
#[test]
fn a_wrong_type_is_named() {
    let fixture = Fixture::new();
    for route in body_routes() {
        let (path, body) = fixture.request(route, "default");
        let body = body.unwrap();
        for (key, value) in body.as_object().unwrap() {
            for wrong in [json!(7), json!(true), json!("\u{0}"), json!([[[]]]), json!({"no": "such"}), json!(-1.5)] {
                if std::mem::discriminant(&wrong) == std::mem::discriminant(value) {
                    continue;
                }
                let mut body = body.clone();
                body[key] = wrong.clone();
                let problem = ask(&fixture, route, &path, body.to_string().as_bytes()).any_problem();
                let pointer = problem["pointer"].as_str().unwrap_or_default();
                assert!(pointer.starts_with(&format!("/{key}")), "{} with {key} = {wrong}: {problem}", route.name());
            }
        }
    }
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    let fixture = Fixture::new();
    for (route, required) in [
        ("POST /v1/events", vec!["type", "data"]),
        ("POST /v1/events/batch", vec!["events"]),
        ("POST /v1/endpoints", vec!["url", "event_types"]),
        ("POST /v1/endpoints/{}/replay", vec!["since", "select"]),
        ("POST /v1/event-types", vec!["name"]),
        ("POST /v1/tokens", vec!["name", "role"]),
    ] {
        let route = ROUTES.iter().find(|r| r.name() == route).unwrap();
        let (path, body) = fixture.request(route, "default");
        for field in required {
            let mut body = body.clone().unwrap();
            body.as_object_mut().unwrap().remove(field);
            let problem = ask(&fixture, route, &path, body.to_string().as_bytes()).any_problem();
            assert!(problem.to_string().contains(field), "{} without {field}: {problem}", route.name());
        }
    }
}

#[test]
fn nothing_of_a_refused_request_is_kept() {
    let fixture = Fixture::new();
    let api = &fixture.admin;
    let counts = |path: &str| api.list(&format!("{path}?limit=500")).len();
    let endpoint = fixture.endpoint("default");
    let before: Vec<Value> = api.list("/v1/endpoints");
    let entries = counts("/v1/audit-log");
    api.send("PATCH", &format!("/v1/endpoints/{endpoint}"), &json!({"description": "new", "timeout": "soon"}))
        .any_problem();
    api.send("PATCH", &format!("/v1/endpoints/{endpoint}"), &json!({"description": "new", "surprise": 1}))
        .any_problem();
    api.post("/v1/events", &json!({"type": "batch.completed", "data": {"object": {}}, "surprise": 1})).any_problem();
    api.post("/v1/tokens", &json!({"name": "n", "role": "root"})).any_problem();
    assert_eq!(api.list("/v1/endpoints"), before);
    assert_eq!(counts("/v1/events"), 0);
    assert_eq!(counts("/v1/audit-log"), entries, "a refused change is no change");
}

/// Bodies beyond the limit of every route are 413, and read no further.
#[test]
fn a_huge_body_is_413() {
    let fixture = Fixture::new();
    let huge = format!(r#"{{"description":"{}"}}"#, "x".repeat(80 << 20));
    for route in body_routes().filter(|route| route.path != "/v1/events/batch") {
        let (path, _) = fixture.request(route, "default");
        // The server may close before all is written: then no answer comes through, and that is as good.
        let headers = [("content-type", "application/json")];
        if let Ok(answer) = fixture.admin.try_request(route.method, &path, &headers, Some(huge.as_bytes())) {
            answer.problem(413);
        }
    }
}
