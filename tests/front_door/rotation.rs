//! A secret's rotation, request by request: which signatures, when they change, and what the log says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::{attempts, id};
use crate::support::clock::TestClock;
use crate::support::{Api, Receiver, Recorded, Server, sign};

/// A receiver that takes requests whose platform header verifies under the one secret it knows.
fn knowing(secret: &str) -> (Receiver, Arc<Mutex<String>>) {
    knowing_or(secret, 401)
}

fn knowing_or(secret: &str, refusal: u16) -> (Receiver, Arc<Mutex<String>>) {
    let known = Arc::new(Mutex::new(secret.to_owned()));
    let shared = Arc::clone(&known);
    let receiver =
        Receiver::start(
            move |request: &Recorded, _| {
                if sign::platform_verifies(&shared.lock().unwrap(), request) { 200 } else { refusal }
            },
        );
    (receiver, known)
}

fn rotate(api: &Api, endpoint: &Value, body: &Value) -> String {
    let answer = api.post(&format!("/v1/endpoints/{}/rotate-secret", id(endpoint)), body).expect(200);
    answer["secret"].as_str().unwrap().to_owned()
}

#[test]
fn the_refused_delivery_goes_out_at_once_under_the_new_secret() {
    for refusal in [401, 403] {
        let server = Server::setup().schedule("1h").start();
        let api = server.admin();
        let old = sign::secret(1);
        let (receiver, known) = knowing_or(&old, refusal);
        let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
        let new = rotate(&api, &endpoint, &json!({"overlap": "24h"}));
        *known.lock().unwrap() = new.clone();
        let event = api.event();
        let delivery = api.delivery_in(&event, "delivered");
        let triggers: Vec<&str> = attempts(&delivery).iter().map(|a| a["trigger"].as_str().unwrap()).collect();
        assert_eq!(triggers, ["schedule", "rotation"], "{delivery:#}");
        assert_eq!(attempts(&delivery)[0]["response_code"], refusal);
        let requests = receiver.requests();
        assert!(sign::platform_verifies(&old, &requests[0]) && sign::platform_verifies(&new, &requests[1]));
        assert_eq!(requests[0].body, requests[1].body);
        for request in &requests {
            let signatures: Vec<&str> = request.header("webhook-signature").unwrap().split(' ').collect();
            assert_eq!(signatures.len(), 2, "one for each live secret: {signatures:?}");
            assert_eq!(sign::standard_matches(&old, request) + sign::standard_matches(&new, request), 2);
        }
        // After the first 2xx under the new one it is used from then on.
        let event = api.event();
        let delivery = api.delivery_in(&event, "delivered");
        assert_eq!(attempts(&delivery).len(), 1, "{delivery:#}");
        assert!(sign::platform_verifies(&new, receiver.requests().last().unwrap()));
    }
}

#[test]
fn other_refusals_do_not_change_the_secret() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let old = sign::secret(1);
    let (receiver, known) = knowing_or(&old, 400);
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
    *known.lock().unwrap() = rotate(&api, &endpoint, &json!({"overlap": "24h"}));
    let event = api.event();
    let delivery = api.delivery_after(&event, 1);
    assert_eq!(delivery["status"], "pending");
    let marker = api.event();
    api.delivery_after(&marker, 1);
    assert_eq!(receiver.count(), 2, "no second request under the new secret for a 400");
}

#[test]
fn rotation_attempts_do_not_count_against_the_schedule() {
    let server = Server::setup().schedule("30ms,30ms,30ms,30ms").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 401);
    let endpoint = api.endpoint(&receiver.url());
    rotate(&api, &endpoint, &json!({"overlap": "24h"}));
    let event = api.event();
    let delivery = api.delivery_in(&event, "failed");
    let scheduled = attempts(&delivery).iter().filter(|a| a["trigger"] == "schedule").count();
    let rotations = attempts(&delivery).iter().filter(|a| a["trigger"] == "rotation").count();
    assert_eq!(scheduled, 5, "{delivery:#}");
    assert!((1..=5).contains(&rotations), "{delivery:#}");
    assert_eq!(receiver.count(), scheduled + rotations);
    let numbers: Vec<u64> = attempts(&delivery).iter().map(|a| a["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[test]
fn what_was_queued_before_goes_out_under_the_secrets_of_its_attempt() {
    let setup = Server::setup().schedule("10m");
    let mut clock = TestClock::new(setup.root());
    let file = clock.file().to_owned();
    let server = setup.env("MYTHICHOOKS_TEST_CLOCK", file).start();
    let api = server.admin();
    let old = sign::secret(1);
    let down = Arc::new(Mutex::new(true));
    let shared = Arc::clone(&down);
    let receiver = Receiver::start(move |_, _| if *shared.lock().unwrap() { 500 } else { 200 });
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
    let event = api.event();
    api.delivery_after(&event, 1);
    let new = rotate(&api, &endpoint, &json!({"overlap": "5m"}));
    *down.lock().unwrap() = false;
    clock.advance(Duration::from_secs(601));
    api.delivery_in(&event, "delivered");
    let last = receiver.requests().pop().unwrap();
    assert!(sign::platform_verifies(&new, &last), "the overlap has ended: the new secret alone");
    assert_eq!(last.header("webhook-signature").unwrap().split(' ').count(), 1);
    assert_eq!(sign::standard_matches(&new, &last), 1);
}

#[test]
fn the_overlap_ends() {
    let setup = Server::setup().schedule("1h");
    let mut clock = TestClock::new(setup.root());
    let file = clock.file().to_owned();
    let server = setup.env("MYTHICHOOKS_TEST_CLOCK", file).start();
    let api = server.admin();
    let old = sign::secret(1);
    let receiver = Receiver::ok();
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
    let new = rotate(&api, &endpoint, &json!({}));
    let send = || {
        let event = api.event();
        api.delivery_in(&event, "delivered");
        receiver.requests().pop().unwrap()
    };
    clock.advance(Duration::from_secs(24 * 3600 - 30));
    let request = send();
    assert!(sign::platform_verifies(&old, &request), "24 hours by default, and never refused: still the old one");
    assert_eq!(sign::standard_matches(&new, &request) + sign::standard_matches(&old, &request), 2);
    clock.advance(Duration::from_secs(60));
    let request = send();
    assert!(sign::platform_verifies(&new, &request));
    assert_eq!(sign::standard_matches(&old, &request), 0, "the old secret outlived its overlap");
}

#[test]
fn without_an_overlap_the_new_secret_is_used_at_once() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let old = sign::secret(1);
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
    let imported = sign::secret(9);
    let new = rotate(&api, &endpoint, &json!({"overlap": "0s", "secret": imported}));
    assert_eq!(new, imported);
    let event = api.event();
    api.delivery_in(&event, "delivered");
    let request = receiver.requests().pop().unwrap();
    assert!(sign::platform_verifies(&new, &request));
    assert_eq!(sign::standard_matches(&old, &request), 0);
    let shown = api.get(&format!("/v1/endpoints/{}/secret", id(&endpoint))).expect(200);
    assert_eq!(shown["secret"], new);
}

#[test]
fn a_rotation_without_an_overlap_ends_those_before_it() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let endpoint = api.endpoint(&receiver.url());
    let first = endpoint["secret"].as_str().unwrap().to_owned();
    let second = rotate(&api, &endpoint, &json!({"overlap": "24h"}));
    let third = rotate(&api, &endpoint, &json!({"overlap": "0s"}));
    let event = api.event();
    api.delivery_in(&event, "delivered");
    let request = receiver.requests().pop().unwrap();
    assert!(sign::platform_verifies(&third, &request));
    assert_eq!(sign::standard_matches(&third, &request), 1);
    assert_eq!(sign::standard_matches(&first, &request) + sign::standard_matches(&second, &request), 0);
}

#[test]
fn no_rotation_ends_an_overlap_that_was_promised() {
    let server = Server::start();
    let api = server.admin();
    let endpoint = api.endpoint_with("http://127.0.0.1:9/", &json!({"secret": sign::secret(1)}));
    let secrets = [(); 4].map(|()| rotate(&api, &endpoint, &json!({})));
    let path = format!("/v1/endpoints/{}/rotate-secret", id(&endpoint));
    let problem = api.post(&path, &json!({"overlap": "1s"})).problem(409);
    assert_eq!(problem["pointer"], "/overlap");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("4 older secrets") && detail.contains("an overlap of 0s ends them all"), "{detail}");
    let shown = api.get(&format!("/v1/endpoints/{}/secret", id(&endpoint))).expect(200);
    assert_eq!(shown["secret"], secrets[3], "a refused rotation changed the secret");
    rotate(&api, &endpoint, &json!({"overlap": "0s"}));
    rotate(&api, &endpoint, &json!({}));
}

#[test]
fn the_switch_outlives_a_crash() {
    let mut server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let old = sign::secret(1);
    let (receiver, known) = knowing(&old);
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
    let new = rotate(&api, &endpoint, &json!({"overlap": "24h"}));
    *known.lock().unwrap() = new;
    let event = api.event();
    api.delivery_in(&event, "delivered");
    server.kill();
    server.start_again();
    let api = server.admin();
    let event = api.event();
    let delivery = api.delivery_in(&event, "delivered");
    assert_eq!(attempts(&delivery).len(), 1, "it had learned that the receiver switched: {delivery:#}");
}

#[test]
fn many_in_flight_while_the_receiver_switches_lose_nothing() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let old = sign::secret(1);
    let (receiver, known) = knowing(&old);
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
    let new = rotate(&api, &endpoint, &json!({"overlap": "24h"}));
    let one = json!({"type": "batch.completed", "data": {"object": {}}});
    api.post("/v1/events/batch", &json!({"events": vec![one.clone(); 150]})).expect(202);
    receiver.wait_for(40);
    *known.lock().unwrap() = new;
    api.post("/v1/events/batch", &json!({"events": vec![one; 150]})).expect(202);
    crate::support::until("all 300 are delivered", || {
        api.list("/v1/deliveries?status=delivered&limit=500").len() == 300
    });
}

#[test]
fn unusable_requests_are_refused() {
    let server = Server::start();
    let api = server.admin();
    let endpoint = api.endpoint("http://127.0.0.1:9/");
    let path = format!("/v1/endpoints/{}/rotate-secret", id(&endpoint));
    for (body, pointer) in [
        (json!({"overlap": "soon"}), "/overlap"),
        (json!({"overlap": 5}), "/overlap"),
        (json!({"overlap": "-1h"}), "/overlap"),
        (json!({"secret": "whsec_AAAA"}), "/secret"),
        (json!({"secret": "nonsense"}), "/secret"),
        (json!({"more": 1}), "/more"),
    ] {
        let problem = api.post(&path, &body).any_problem();
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
    }
    let after = api.get(&format!("/v1/endpoints/{}/secret", id(&endpoint))).expect(200);
    assert_eq!(after["secret"], endpoint["secret"], "a refused rotation changed the secret");
}

/// Who rotates back finds the receiver as it was: it never notices, and no secret signs twice.
#[test]
fn a_secret_that_signs_still_can_become_the_newest_again() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let old = sign::secret(1);
    let (receiver, known) = knowing(&old);
    let endpoint = api.endpoint_with(&receiver.url(), &json!({"secret": old}));
    let between = rotate(&api, &endpoint, &json!({"overlap": "24h"}));
    assert_eq!(rotate(&api, &endpoint, &json!({"overlap": "24h", "secret": old})), old);
    let delivery = api.delivery_in(&api.event(), "delivered");
    assert_eq!(attempts(&delivery).len(), 1, "{delivery:#}");
    let request = receiver.requests().pop().unwrap();
    assert_eq!(request.header("webhook-signature").unwrap().split(' ').count(), 2);
    assert_eq!(sign::standard_matches(&old, &request) + sign::standard_matches(&between, &request), 2);
    *known.lock().unwrap() = between;
    let delivery = api.delivery_in(&api.event(), "delivered");
    assert_eq!(attempts(&delivery)[1]["trigger"], "rotation", "nor does one miss it that had taken the other");
}
