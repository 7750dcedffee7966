//! A damaged record in the store of a running server: the delivery that needs it is held and named once in the log, all
//! others go on, lists leave it out, and after a restart without the damage it is sent.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use crate::support::{Receiver, Recorded, Server, until};

/// Which record of the second of three events is damaged.
fn held_by(damage: impl Fn(&str, &str) -> String, ordered: bool) {
    let mut server = Server::setup().schedule("50ms,50ms,50ms,50ms").start();
    let receiver = Receiver::ok();
    let api = server.admin();
    let body = json!({"url": receiver.url(), "event_types": ["*"], "ordered": ordered});
    let endpoint = api.post("/v1/endpoints", &body).expect(201)["id"].as_str().unwrap().to_owned();
    api.send("PATCH", &format!("/v1/endpoints/{endpoint}"), &json!({"status": "paused"})).expect(200);
    let events: Vec<String> = (0..3).map(|_| api.event()).collect();
    let read = api.get(&format!("/v1/events/{}", events[1])).expect(200);
    let delivery = read["deliveries"][0]["id"].as_str().unwrap().to_owned();
    assert!(server.terminate().success());

    let point = format!("store::read=return({})", damage(&events[1], &delivery));
    server.setup.set_env("FAILPOINTS", Some(&point));
    server.start_again();
    let api = server.admin();
    api.send("PATCH", &format!("/v1/endpoints/{endpoint}"), &json!({"status": "enabled"})).expect(200);
    let arrived = || receiver.requests().iter().map(Recorded::event_id).collect::<HashSet<_>>();
    until("the others are received", || arrived().contains(&events[0]) && arrived().contains(&events[2]));
    for _ in 0..5 {
        let later = api.event();
        until("later ones are received", || arrived().contains(&later));
        // Each turn is a chance to try the damaged one again.
        std::thread::sleep(Duration::from_millis(120));
    }
    assert!(!arrived().contains(&events[1]));
    let held = |log: &str| log.lines().filter(|line| line.contains("is held") && line.contains(&delivery)).count();
    let log = server.log();
    assert_eq!(held(&log), 1, "{log}");
    assert!(!log.contains("trying again"), "{log}");
    // The rest of the API does not fail for it.
    let listed = api.list("/v1/events");
    assert!(listed.iter().any(|event| event["id"] == events[2].as_str()));
    assert!(api.list("/v1/deliveries").len() >= 7);
    assert!(server.terminate().success());

    server.setup.set_env("FAILPOINTS", None);
    server.start_again();
    until("it is sent after all", || arrived().contains(&events[1]));
    let status = || server.admin().get(&format!("/v1/deliveries/{delivery}")).expect(200)["status"].clone();
    until("it is delivered", || status() == "delivered");
    assert!(server.terminate().success());
    server.verify_store();
}

#[test]
fn a_delivery_whose_event_is_damaged_is_held() {
    held_by(|event, _| format!("event {event}"), false);
}

#[test]
fn a_delivery_whose_record_is_damaged_is_held() {
    held_by(|_, delivery| format!("delivery {delivery}"), false);
}

#[test]
fn a_damaged_delivery_does_not_hold_up_an_ordered_endpoint() {
    held_by(|_, delivery| format!("delivery {delivery}"), true);
}
