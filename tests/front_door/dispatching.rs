//! What an endpoint's Dispatcher does next while other attempts of the same endpoint are under way: nothing that is due
//! is forgotten, nothing that was taken back is sent, and an ordered endpoint keeps its order.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::{attempts, id};
use crate::support::receiver::{Behaviour, Recorded, Reply};
use crate::support::{Api, Receiver, Server, until};

/// Hangs on `batch.failed`, fails each other event the first time.
fn hangs_or_fails_once(request: &Recorded, seen: &Mutex<HashSet<String>>) -> Behaviour {
    if request.json()["type"] == "batch.failed" {
        return Behaviour::Hang;
    }
    let first = seen.lock().unwrap().insert(request.event_id());
    Behaviour::Answer(Reply::status(if first { 500 } else { 200 }))
}

/// A hung attempt keeps the endpoint from ever being idle; all that falls due beside it goes out all the same.
#[test]
fn retries_go_on_beside_a_hung_attempt() {
    let server = Server::setup().schedule("500ms,1h").args(["--request-timeout", "5m"]).start();
    let api = server.admin();
    let seen = Mutex::new(HashSet::new());
    let receiver = Receiver::start(move |request, _| hangs_or_fails_once(request, &seen));
    api.endpoint(&receiver.url());
    api.event_of("batch.failed", &json!({}));
    until("one hangs", || receiver.open() == 1);
    let events: Vec<String> = (0..4)
        .map(|number| {
            let event = api.event();
            // Each fails by itself, so that each is due at a time of its own.
            receiver.wait_for(2 + number);
            event
        })
        .collect();
    for event in &events {
        api.delivery_in(event, "delivered");
    }
    assert_eq!(receiver.open(), 1, "the first still hangs");
}

/// Asked for while an attempt of the same delivery is under way: made when that is over, whatever else goes on.
#[test]
fn a_manual_attempt_waits_for_its_own_delivery_alone() {
    let server = Server::setup().schedule("1h").args(["--request-timeout", "5m"]).start();
    let api = server.admin();
    let receiver = Receiver::start(|request, _| match request.json()["type"].as_str() {
        Some("batch.failed") => Behaviour::Hang,
        _ => Behaviour::Slow(Duration::from_millis(500), Reply::status(500)),
    });
    api.endpoint(&receiver.url());
    api.event_of("batch.failed", &json!({}));
    until("one hangs", || receiver.open() == 1);
    let event = api.event();
    until("the other is under way", || receiver.open() == 2);
    let delivery = id(&api.delivery_of(&event));
    api.post_empty(&format!("/v1/deliveries/{delivery}/retry")).expect(202);
    let delivery = api.delivery_after(&event, 2);
    assert_eq!(attempts(&delivery).iter().filter(|attempt| attempt["trigger"] == "manual").count(), 1);
}

/// The manual attempts of many deliveries were read together; one that is canceled before its turn is not sent.
#[test]
fn a_canceled_delivery_loses_the_attempts_that_were_asked_for() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| match before {
        0..3 => Behaviour::Answer(Reply::status(500)),
        _ => Behaviour::Slow(Duration::from_millis(500), Reply::status(500)),
    });
    let endpoint = id(&api.endpoint_with(&receiver.url(), &json!({"max_in_flight": 1})));
    let events: Vec<String> = (0..3).map(|_| api.event()).collect();
    for event in &events {
        api.delivery_after(event, 1);
    }
    api.post("/v1/deliveries/retry", &json!({"endpoint_id": endpoint})).expect(202);
    receiver.wait_for(4);
    let going = receiver.requests()[3].event_id();
    let canceled = events.iter().rfind(|event| **event != going).unwrap();
    let delivery = id(&api.delivery_of(canceled));
    api.post_empty(&format!("/v1/deliveries/{delivery}/cancel")).expect(200);
    for event in events.iter().filter(|event| *event != canceled) {
        api.delivery_after(event, 2);
    }
    let last = api.event();
    api.delivery_after(&last, 1);
    assert_eq!(attempts(&api.delivery_of(canceled)).len(), 1, "it was sent after it had been canceled");
}

/// An ordered endpoint whose oldest delivery waits for a retry that is far away: the API, the receiver, the delivery.
fn held_up(receiver: &Receiver) -> (Server, Api, Value) {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    api.endpoint_with(&receiver.url(), &json!({"ordered": true}));
    let first = api.event();
    let first = api.delivery_after(&first, 1);
    (server, api, first)
}

fn cancel(api: &Api, delivery: &Value) {
    api.post_empty(&format!("/v1/deliveries/{}/cancel", id(delivery))).expect(200);
}

#[test]
fn a_canceled_delivery_no_longer_holds_those_behind_it() {
    let receiver = Receiver::start(|_, before| if before == 0 { 500 } else { 200 });
    let (_server, api, first) = held_up(&receiver);
    let second = api.event();
    // So much later the Dispatcher has ended itself, and only a wake-up makes a new one.
    let later = Receiver::start(|_, before| if before == 0 { 500 } else { 200 });
    api.endpoint_with(&later.url(), &json!({"account": "other", "retry_schedule": ["1s"]}));
    api.post("/v1/events", &json!({"type": "batch.completed", "account": "other", "data": {"object": {}}})).expect(202);
    later.wait_for(2);
    cancel(&api, &first);
    api.delivery_in(&second, "delivered");
}

#[test]
fn a_replayed_delivery_of_an_ordered_endpoint_keeps_its_place_behind_a_canceled_one() {
    let receiver = Receiver::start(|_, before| if before == 0 { 500 } else { 200 });
    let (_server, api, first) = held_up(&receiver);
    let canceled = api.delivery_of(&api.event());
    let replayed = api.event_of("batch.failed", &json!({}));
    let last = api.event();
    api.post_empty(&format!("/v1/deliveries/{}/retry", id(&api.delivery_of(&replayed)))).expect(202);
    api.delivery_in(&replayed, "delivered");
    let endpoint = first["endpoint_id"].as_str().unwrap();
    let body = json!({"since": "2020-01-01T00:00:00Z", "select": "all", "event_types": ["batch.failed"]});
    api.post(&format!("/v1/endpoints/{endpoint}/replay"), &body).expect(202);
    cancel(&api, &canceled);
    cancel(&api, &first);
    api.delivery_in(&last, "delivered");
    let order: Vec<String> = receiver.requests().iter().skip(2).map(Recorded::event_id).collect();
    assert_eq!(order, [replayed, last]);
}

/// The delivery that a replay makes of a missed event is younger than those of later events, and goes before them.
#[test]
fn a_missed_event_of_an_ordered_endpoint_keeps_its_place() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let endpoint = id(&api.endpoint_with(&receiver.url(), &json!({"ordered": true})));
    let becomes = |status: &str| {
        api.send("PATCH", &format!("/v1/endpoints/{endpoint}"), &json!({"status": status})).expect(200);
    };
    let replay = |select: &str| {
        let body = json!({"since": "2020-01-01T00:00:00Z", "select": select});
        api.post(&format!("/v1/endpoints/{endpoint}/replay"), &body).expect(202)["count"].as_u64().unwrap()
    };
    becomes("disabled");
    let missed = [api.event(), api.event()];
    becomes("paused");
    let waiting = [api.event(), api.event()];
    assert_eq!(replay("missed"), 2);
    becomes("enabled");
    let in_order: Vec<String> = missed.into_iter().chain(waiting).collect();
    let sent = |skipped: usize, count: usize| -> Vec<String> {
        receiver.wait_for(skipped + count).iter().skip(skipped).map(Recorded::event_id).collect()
    };
    assert_eq!(sent(0, 4), in_order);
    api.delivery_in(&in_order[3], "delivered");
    becomes("paused");
    assert_eq!(replay("all"), 4);
    becomes("enabled");
    assert_eq!(sent(4, 4), in_order);
}

/// A delivery that was taken from the window while the store could not be read is not forgotten.
#[test]
fn a_read_that_fails_loses_no_turn() {
    let server = Server::setup().env("FAILPOINTS", "dispatcher::read=1*return->off").start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let events = [api.event(), api.event()];
    for event in &events {
        api.delivery_in(event, "delivered");
    }
    assert!(server.log().contains("could not be read"), "the failpoint never struck");
}
