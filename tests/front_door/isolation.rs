//! Bad receivers beside a healthy one: it gets all its events while the others' attempts are still open.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::{attempts, id};
use crate::support::{Api, Behaviour, Receiver, Server, until};

fn post(api: &Api, account: &str, count: usize) {
    let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
    api.post("/v1/events/batch", &json!({"events": vec![event; count]})).expect(202);
}

fn in_status(api: &Api, account: &str, status: &str) -> Vec<Value> {
    api.list(&format!("/v1/deliveries?account={account}&status={status}&limit=500"))
}

/// One account: five receivers subscribed to the same events, four of them bad in their own ways.
#[test]
fn a_healthy_receiver_is_done_while_the_others_hang() {
    let server = Server::setup().schedule("1h").args(["--request-timeout", "60s"]).start();
    let api = server.admin();
    let healthy = Receiver::ok();
    let hung = Receiver::start(|_, _| Behaviour::Hang);
    let dripping = Receiver::start(|_, _| Behaviour::Drip(Duration::from_millis(100)));
    let endless = Receiver::start(|_, _| Behaviour::Endless);
    let resetting = Receiver::start(|_, _| Behaviour::Reset);
    for receiver in [&hung, &dripping, &endless, &resetting, &healthy] {
        api.endpoint(&receiver.url());
    }
    post(&api, "default", 60);
    until("hung attempts are open", || hung.open() > 0 && dripping.open() > 0);
    healthy.wait_for(60);
    let healthy_id = id(&api.list("/v1/endpoints")[0]);
    until("all 60 are logged as delivered", || {
        api.list(&format!("/v1/deliveries?endpoint_id={healthy_id}&status=delivered&limit=500")).len() == 60
    });
    assert!(hung.open() > 0 && dripping.open() > 0, "the hung attempts ended before the healthy one was done");
    assert!(hung.open() <= 8, "{} open at once: above max_in_flight", hung.open());
    // More, with the others as they are: still nothing in its way.
    post(&api, "default", 60);
    healthy.wait_for(120);
    assert!(hung.open() > 0);
    assert_eq!(hung.count(), hung.open(), "no hung attempt has ended");
}

/// Far fewer files may be open than attempts could be under way: these have to leave some for others.
#[test]
fn hung_receivers_leave_files_for_the_healthy_one_and_the_api() {
    let setup = Server::setup().schedule("1h").args(["--request-timeout", "60s"]).limit("-n 256");
    let server = setup.start();
    let api = server.admin();
    let hung = Receiver::start(|_, _| Behaviour::Hang);
    for _ in 0..40 {
        api.endpoint_with(&hung.url(), &json!({"account": "hung"}));
    }
    let healthy = Receiver::ok();
    api.endpoint_with(&healthy.url(), &json!({"account": "well"}));
    post(&api, "hung", 8);
    until("each has an attempt under way, and some have more", || hung.open() > 60);
    post(&api, "well", 200);
    until("all are delivered", || in_status(&api, "well", "delivered").len() == 200);
    for delivery in in_status(&api, "well", "delivered") {
        assert_eq!(delivery["attempts_made"], 1, "{delivery}");
    }
    assert_eq!(api.get("/healthz").status, 200);
    let log = server.log();
    assert!(log.contains("the limit of open files allows for fewer attempts under way asked=10000"), "{log}");
}

/// More endpoints hang than files may be open, each with the one attempt that it may always have.
#[test]
fn more_hung_endpoints_than_files_take_turns() {
    let setup = Server::setup().schedule("1h").args(["--request-timeout", "1s"]).limit("-n 160");
    let server = setup.start();
    let api = server.admin();
    let hung = Receiver::start(|_, _| Behaviour::Hang);
    for _ in 0..100 {
        api.endpoint_with(&hung.url(), &json!({"account": "hung"}));
    }
    let healthy = Receiver::ok();
    for _ in 0..20 {
        api.endpoint_with(&healthy.url(), &json!({"account": "well"}));
    }
    // Each has one attempt after the other that hangs for a second: for fifty seconds there is a place for 60 of 120.
    post(&api, "hung", 30);
    until("there is no more place", || hung.open() == 60);
    post(&api, "well", 1);
    assert_eq!(api.get("/healthz").status, 200);
    until("those who wait had their turn", || in_status(&api, "well", "delivered").len() == 20);
    until("the others hang still", || hung.open() > 40);
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
}

/// What cannot be sent for want of a file was not tried.
#[test]
fn an_attempt_without_a_file_to_be_had_waits_and_does_not_count() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::ok();
    for host in ["127.0.0.1", "localhost"] {
        api.endpoint(&format!("http://{host}:{}/", receiver.address.port()));
    }
    let event = r#"{"type":"batch.completed","data":{"object":{}},"id":"evt_waits"}"#;
    let mut connection = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        api.token.as_ref().unwrap(),
        event.len()
    );
    // Once it has answered, the server has taken this connection.
    connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(connection.read(&mut [0; 1_000]).unwrap() > 0);

    let before = server.limit_files(1);
    connection.write_all(format!("{head}{event}").as_bytes()).unwrap();
    let told = || server.log().matches("attempts wait until this machine has what they need").count();
    until("there is no file for it", || told() == 1);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!((receiver.count(), told()), (0, 1), "it was tried more than once, and told once");
    server.limit_files(before);
    let deliveries = || api.deliveries_of("evt_waits");
    until("it is delivered", || deliveries().iter().all(|delivery| delivery["status"] == "delivered"));
    for delivery in deliveries() {
        assert_eq!(delivery["attempts_made"], 1, "{delivery}");
    }
    assert!(server.log().contains("Too many open files"));
}

/// Many hung endpoints, each up to its limit: 600 attempts that do not end.
#[test]
fn no_number_of_hung_endpoints_uses_up_what_the_healthy_one_needs() {
    let server = Server::setup().schedule("1h").args(["--request-timeout", "100s"]).start();
    let api = server.admin();
    let hung = Receiver::start(|_, _| Behaviour::Hang);
    for _ in 0..150 {
        api.endpoint_with(&hung.url(), &json!({"account": "hung", "max_in_flight": 4}));
    }
    let healthy = Receiver::ok();
    api.endpoint_with(&healthy.url(), &json!({"account": "well"}));
    post(&api, "hung", 10);
    until("most are hung", || hung.open() >= 300);
    post(&api, "well", 100);
    healthy.wait_for(100);
    until("all are logged", || in_status(&api, "well", "delivered").len() == 100);
    assert_eq!(hung.count(), hung.open(), "a hung attempt ended before the healthy receiver was done");
    assert!(in_status(&api, "hung", "delivered").is_empty());
    api.get("/v1/stats").expect(200);
}

#[test]
fn what_each_bad_receiver_costs_is_its_own_attempt() {
    let server = Server::setup().schedule("1h").args(["--request-timeout", "2s"]).start();
    let api = server.admin();
    for (account, behaviour, kinds) in [
        ("hung", Behaviour::Hang, &["timeout"][..]),
        ("dripping", Behaviour::Drip(Duration::from_millis(50)), &["timeout"]),
        ("resetting", Behaviour::Reset, &["connect", "protocol"]),
        ("closing", Behaviour::Close, &["connect", "protocol"]),
    ] {
        let receiver = Receiver::start(move |_, _| behaviour.clone());
        api.endpoint_with(&receiver.url(), &json!({"account": account}));
        post(&api, account, 1);
        until("its attempt is logged", || in_status(&api, account, "pending").iter().any(|d| d["attempts_made"] == 1));
        let listed = in_status(&api, account, "pending").remove(0);
        let delivery = api.get(&format!("/v1/deliveries/{}", id(&listed))).expect(200);
        let error = attempts(&delivery)[0]["error"]["kind"].as_str().unwrap_or("none").to_owned();
        assert!(kinds.contains(&error.as_str()), "{account}: {delivery:#}");
        until("its connection is closed", || receiver.open() == 0);
    }
}

/// Only the part of an answer that is kept is read: an endless 200 is a success, and the connection is closed.
#[test]
fn an_endless_answer_is_read_as_far_as_it_is_kept() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| Behaviour::Endless);
    api.endpoint(&receiver.url());
    let event = api.event();
    let delivery = api.delivery_in(&event, "delivered");
    let kept = attempts(&delivery)[0]["response_body"].as_str().unwrap().len();
    assert!((4096..=4200).contains(&kept), "{kept} bytes kept");
    until("the connection is closed", || receiver.open() == 0);
}

#[test]
fn a_hung_receiver_does_not_hold_up_the_next_of_its_account_or_a_retry_by_hand() {
    let server = Server::setup().schedule("1h").args(["--request-timeout", "60s"]).start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| if before == 0 { Behaviour::Hang } else { Behaviour::from(200) });
    api.endpoint(&receiver.url());
    api.event();
    receiver.wait_for(1);
    let next = api.event();
    api.delivery_in(&next, "delivered");
    assert_eq!(receiver.open(), 1);
}

#[test]
fn an_endpoint_deleted_with_attempts_open_is_gone() {
    let server = Server::setup().schedule("1h").args(["--request-timeout", "2s"]).start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    let path = format!("/v1/endpoints/{}", id(&api.endpoint(&receiver.url())));
    post(&api, "default", 20);
    receiver.wait_for(1);
    api.delete(&path);
    until("its attempts are over", || receiver.open() == 0);
    until("nothing is pending", || in_status(&api, "default", "pending").is_empty());
    api.event();
}
