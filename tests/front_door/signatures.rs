//! The body and both signatures, to the byte: what contract section 2 says a receiver sees.

use serde_json::json;

use crate::support::api::id;
use crate::support::{Receiver, Server, sign};

#[test]
fn every_catalog_example_arrives_signed_both_ways() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let secret = api.endpoint(&receiver.url())["secret"].as_str().unwrap().to_owned();

    let catalog = api.list("/v1/event-types");
    let names: Vec<&str> = catalog.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    for built_in in [
        "batch.completed",
        "batch.failed",
        "fine_tuning.job.created",
        "fine_tuning.job.succeeded",
        "fine_tuning.job.failed",
        "usage.threshold.reached",
    ] {
        assert!(names.contains(&built_in), "{built_in} is not in the catalog: {names:?}");
    }
    for entry in &catalog {
        assert!(entry["example"].is_object(), "{entry}: a realistic example object");
        assert!(!entry["description"].as_str().unwrap().is_empty(), "{entry}");
        let event = api.event_of(entry["name"].as_str().unwrap(), &entry["example"]);
        let delivery = api.delivery_in(&event, "delivered");
        assert_eq!(delivery["type"], entry["name"]);
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), catalog.len());
    for request in &requests {
        assert!(sign::platform_verifies(&secret, request), "{request:?}");
        assert_eq!(sign::standard_matches(&secret, request), 1, "{request:?}");
        let entry = catalog.iter().find(|entry| entry["name"] == request.json()["type"]).unwrap();
        assert_eq!(request.json()["data"]["object"], entry["example"]);
    }
}

#[test]
fn the_body_is_exact_and_the_object_byte_for_byte() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let secret = api.endpoint(&receiver.url())["secret"].as_str().unwrap().to_owned();
    let objects = [
        "{}",
        r#"{"b":1,"a":2}"#,
        "{ \"a\" :\t1 ,\n \"b\":[ 1,2 ] }",
        r#"{"n":12345678901234567890123456789.000100}"#,
        r#"{"n":0.10,"m":1E+2,"z":-0.0,"k":1e400}"#,
        r#"{"s":"caf\u00e9 café \/ \ud83d\ude00 😀"}"#,
        r#"{"nul":"\u0000","line":"a\nb","quote":"\""}"#,
        r#"{"same":{"x":1},"deep":[[[[{"y":null}]]]],"t":true}"#,
    ];
    for (number, object) in objects.iter().enumerate() {
        let created = 1_706_140_800 + number;
        let event = format!("evt_exact{number}");
        let body = format!(
            r#"{{ "data": {{"object": {object}}}, "created":{created}, "id":"{event}", "type":"batch.completed" }}"#
        );
        let answer = api.send_text("POST", "/v1/events", &body).expect(202);
        assert_eq!(answer["id"], *event, "{answer}");
        let request = receiver.wait_for(number + 1).pop().unwrap();
        let expected =
            format!(r#"{{"id":"{event}","type":"batch.completed","created":{created},"data":{{"object":{object}}}}}"#);
        assert_eq!(String::from_utf8(request.body.clone()).unwrap(), expected);
        assert!(sign::platform_verifies(&secret, &request));
        assert_eq!(sign::standard_matches(&secret, &request), 1);
    }
}

#[test]
fn every_attempt_sends_the_same_bytes_and_its_own_timestamp() {
    let server = Server::setup().schedule("1s,50ms,50ms").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| if before < 2 { 500 } else { 200 });
    let secret = api.endpoint(&receiver.url())["secret"].as_str().unwrap().to_owned();
    let event = api.event();
    let requests = receiver.wait_for(3);
    let delivery = api.delivery_in(&event, "delivered");
    for (number, request) in requests.iter().enumerate() {
        assert_eq!(request.body, requests[0].body);
        assert_eq!(request.event_id(), event);
        assert_eq!(request.header("x-mythicdot-signature"), requests[0].header("x-mythicdot-signature"));
        assert_eq!(sign::standard_matches(&secret, request), 1);
        let started = crate::support::clock::ms(&delivery["attempts"][number]["started_at"]) / 1000;
        let stamped: i64 = request.header("webhook-timestamp").unwrap().parse().unwrap();
        assert!((stamped - started).abs() <= 1, "attempt {number}: stamped {stamped}, started {started}");
    }
    assert_ne!(
        requests[0].header("webhook-timestamp"),
        requests[1].header("webhook-timestamp"),
        "a second lies between the attempts"
    );
}

#[test]
fn generated_secrets_have_the_documented_form_and_differ() {
    use base64::Engine as _;
    let server = Server::start();
    let api = server.admin();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let endpoint = api.endpoint("http://127.0.0.1:9/");
        let secret = endpoint["secret"].as_str().unwrap();
        let key = base64::engine::general_purpose::STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(key.len(), 24);
        assert!(seen.insert(secret.to_owned()), "the same secret twice");
        let again = api.get(&format!("/v1/endpoints/{}/secret", id(&endpoint))).expect(200);
        assert_eq!(again["secret"], secret);
    }
}

#[test]
fn imported_secrets_sign_as_they_are() {
    use base64::Engine as _;
    let server = Server::start();
    let api = server.admin();
    for (length, byte) in [(24_usize, 0_u8), (32, 0xff), (33, 7), (64, 0xfb)] {
        let secret = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(vec![byte; length]));
        let receiver = Receiver::ok();
        let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": secret, "account": format!("a{length}")}));
        assert_eq!(endpoint["secret"], *secret);
        let sent = json!({"type": "batch.failed", "data": {"object": {}}, "account": format!("a{length}")});
        api.post("/v1/events", &sent).expect(202);
        let request = receiver.wait_for(1).remove(0);
        assert!(sign::platform_verifies(&secret, &request));
        assert_eq!(sign::standard_matches(&secret, &request), 1);
    }
}

/// Signatures of a fixed body under a fixed secret, computed with Python's `hmac` and written down: they guard the
/// tests' own `sign` as well as the server.
#[test]
fn a_known_vector() {
    let body =
        br#"{"id":"evt_vector","type":"batch.completed","created":1706140800,"data":{"object":{"id":"batch_1"}}}"#;
    let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    assert_eq!(sign::platform(secret, body), "8430b19235427c40b747306d82bc1f2e44d39b143a94803deb57a917abc28572");
    assert_eq!(
        sign::standard(secret, "evt_vector", "1706140800", body),
        "v1,Bujn2QG1dMfQUK2TJxTd++4PRIqauGs8fTStnVflc4Y="
    );

    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint_with(&receiver.url(), &json!({"secret": secret}));
    let event =
        r#"{"id":"evt_vector","type":"batch.completed","created":1706140800,"data":{"object":{"id":"batch_1"}}}"#;
    api.send_text("POST", "/v1/events", event).expect(202);
    let request = receiver.wait_for(1).remove(0);
    assert_eq!(request.body, body);
    assert_eq!(
        request.header("x-mythicdot-signature").unwrap(),
        "8430b19235427c40b747306d82bc1f2e44d39b143a94803deb57a917abc28572"
    );
}
