//! Receivers that we did not write verify real deliveries: Flask as on the platform's page, `standardwebhooks`, `openai`.

use serde_json::json;

use crate::support::Server;
use crate::support::api::id;
use crate::support::flask::Flask;
use crate::support::sign;

const APPS: [&str; 3] = ["platform_page", "standard_webhooks", "openai_client"];

fn verifies(app: &str) {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let secret = sign::secret(0xa5);
    let receiver = Flask::start(app, &secret);
    api.endpoint_with(&receiver.url(), &json!({"secret": secret}));
    let mut sent = Vec::new();
    for entry in api.list("/v1/event-types") {
        sent.push(api.event_of(entry["name"].as_str().unwrap(), &entry["example"]));
    }
    sent.push(api.event_of("batch.completed", &json!({"text": "café 😀 \u{2028} \\ / \"", "n": 1.5e300})));
    for event in &sent {
        api.delivery_in(event, "delivered");
    }
    let (mut seen, refused) = receiver.seen();
    seen.sort();
    sent.sort();
    assert_eq!(seen, sent);
    assert_eq!(refused, 0);

    // The receiver can say no: a wrong secret there is a failed attempt here.
    receiver.switch(&sign::secret(0x11));
    let event = api.event();
    let delivery = api.delivery_after(&event, 1);
    assert_eq!(delivery["status"], "pending", "{delivery:#}");
    assert_eq!(delivery["last_response_code"], 401);
}

#[test]
fn the_platforms_page() {
    verifies(APPS[0]);
}

#[test]
fn standard_webhooks() {
    verifies(APPS[1]);
}

#[test]
fn openai_client() {
    verifies(APPS[2]);
}

/// The receiver changes its one secret some time within the overlap; it misses nothing and waits for no retry.
fn goes_through_a_rotation(app: &str, refusals: u64) {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let old = sign::secret(1);
    let receiver = Flask::start(app, &old);
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
    let mut sent = vec![api.event()];
    api.delivery_in(&sent[0], "delivered");

    let path = format!("/v1/endpoints/{}/rotate-secret", id(&endpoint));
    let rotated = api.post(&path, &json!({"overlap": "1h"})).expect(200);
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(new, old);
    for _ in 0..3 {
        sent.push(api.event());
        api.delivery_in(sent.last().unwrap(), "delivered");
    }
    assert_eq!(receiver.seen().1, 0, "it still knows the old secret, and got it");
    receiver.switch(new);
    for _ in 0..3 {
        sent.push(api.event());
        api.delivery_in(sent.last().unwrap(), "delivered");
    }
    let (seen, refused) = receiver.seen();
    assert_eq!(seen, sent);
    assert_eq!(refused, refusals);
}

#[test]
fn the_platforms_page_through_a_rotation() {
    // One refusal tells the server that the receiver has switched.
    goes_through_a_rotation(APPS[0], 1);
}

#[test]
fn standard_webhooks_through_a_rotation() {
    goes_through_a_rotation(APPS[1], 0);
}

#[test]
fn openai_client_through_a_rotation() {
    goes_through_a_rotation(APPS[2], 0);
}
