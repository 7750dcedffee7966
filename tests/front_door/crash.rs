//! `kill -9` in the middle of ingest and delivery, over and over: what was answered 202 is received, and the store is
//! consistent. `MYTHICHOOKS_CRASH_ROUNDS` sets the number of rounds (15).

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::attempts;
use crate::support::{Api, Behaviour, Receiver, Recorded, Server, until};

fn rounds() -> u64 {
    std::env::var("MYTHICHOOKS_CRASH_ROUNDS").map_or(15, |rounds| rounds.parse().unwrap())
}

/// Ids that were answered 202.
type Acknowledged = Arc<Mutex<HashSet<String>>>;

/// Posts single events and batches until told to stop; a request cut by the kill is not an acknowledgement.
fn produce(api: &Api, worker: u64, round: u64, stop: &AtomicBool, acknowledged: &Acknowledged) {
    for number in 0_u64.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let event = |part: u64| {
            json!({
                "id": format!("evt_r{round}w{worker}n{number}p{part}"),
                "type": "batch.completed",
                "data": {"object": {"n": number, "pad": "x".repeat((number as usize * 37) % 3000)}},
            })
        };
        let (path, body, count) = if number % 3 == 2 {
            let events: Vec<Value> = (0..20).map(event).collect();
            ("/v1/events/batch", json!({"events": events}), 20)
        } else {
            ("/v1/events", event(0), 1)
        };
        let headers = [("content-type", "application/json")];
        match api.try_request("POST", path, &headers, Some(body.to_string().as_bytes())) {
            Ok(answer) if answer.status == 202 => {
                let ids = (0..count).map(|part| format!("evt_r{round}w{worker}n{number}p{part}"));
                acknowledged.lock().unwrap().extend(ids);
            }
            Ok(answer) => assert_eq!(answer.status, 503, "{answer}"),
            Err(_) => return,
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_over_many_kills() {
    lose_nothing("sled", rounds());
}

#[test]
fn nothing_acknowledged_is_lost_over_many_kills_on_redb() {
    lose_nothing("redb", rounds().div_ceil(3));
}

fn lose_nothing(engine: &str, rounds: u64) {
    let setup = Server::setup().schedule("200ms,200ms,200ms,200ms,1s,1s,1s,1s").args(["--engine", engine]);
    let mut server = setup.start();
    let receiver = Receiver::start(|_, before| if before % 7 == 3 { 500 } else { 200 });
    server.admin().endpoint(&receiver.url());
    let acknowledged: Acknowledged = Arc::default();
    for round in 0..rounds {
        let stop = AtomicBool::new(false);
        let (api, killed) = (server.admin(), &mut server);
        std::thread::scope(|scope| {
            for worker in 0..3 {
                let (api, stop, acknowledged) = (api.clone(), &stop, &acknowledged);
                scope.spawn(move || produce(&api, worker, round, stop, acknowledged));
            }
            std::thread::sleep(Duration::from_millis(40 + round * 67 % 300));
            killed.kill();
            stop.store(true, Ordering::SeqCst);
        });
        if round % 5 == 4 {
            server.verify_store();
        }
        server.start_again();
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() as u64 > 10 * rounds, "only {} acknowledged: the load was too thin", acknowledged.len());
    let seen = || receiver.requests().iter().map(Recorded::event_id).collect::<HashSet<_>>();
    until("all that was acknowledged is received", || acknowledged.is_subset(&seen()));

    let api = server.admin();
    until("no delivery is left pending", || api.list("/v1/deliveries?status=pending").is_empty());
    for event in acknowledged.iter().take(50) {
        let read = api.get(&format!("/v1/events/{event}")).expect(200);
        assert_eq!(read["deliveries"].as_array().unwrap().len(), 1, "{read}");
    }
    server.kill();
    server.verify_store();
}

/// A kill repeats what was under way, and no more: what had its answer logged is not sent again.
#[test]
fn a_kill_repeats_only_what_was_under_way() {
    let mut server = Server::setup().schedule("1h").start();
    let receiver = Receiver::ok();
    let api = server.admin();
    let endpoint = api.endpoint(&receiver.url());
    let events: Vec<String> = (0..30).map(|_| api.event()).collect();
    for event in &events {
        api.delivery_in(event, "delivered");
    }
    // An outcome can be seen a moment before it is on stable storage; what is acknowledged after it is there with it.
    let path = format!("/v1/endpoints/{}", endpoint["id"].as_str().unwrap());
    api.send("PATCH", &path, &serde_json::json!({"description": "later"})).expect(200);
    server.kill();
    server.start_again();
    let marker = server.admin().event();
    server.admin().delivery_in(&marker, "delivered");
    assert_eq!(receiver.count(), 31);
}

/// The attempt that a kill cut off is not in the log, and is repeated at once.
#[test]
fn an_attempt_under_way_is_repeated() {
    let mut server = Server::setup().schedule("1h").start();
    let receiver = Receiver::start(|_, before| if before == 0 { Behaviour::Hang } else { Behaviour::from(200) });
    let api = server.admin();
    api.endpoint(&receiver.url());
    let event = api.event();
    receiver.wait_for(1);
    server.kill();
    server.start_again();
    server.admin().delivery_in(&event, "delivered");
    assert_eq!(receiver.count(), 2);
    assert_eq!(receiver.requests()[0].body, receiver.requests()[1].body);
}

/// A receiver that hangs until it is told to answer.
fn hangs_until_told() -> (Receiver, Arc<AtomicBool>) {
    let answers = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&answers);
    let script =
        move |_: &Recorded, _| if told.load(Ordering::SeqCst) { Behaviour::from(200) } else { Behaviour::Hang };
    (Receiver::start(script), answers)
}

/// The deliveries of an event to very many are written into their queues after they were sent: a server that never came
/// to that finds them all the same, and what it looks at tells of them.
#[test]
fn a_kill_before_deliveries_are_in_their_queues_loses_none() {
    const ENDPOINTS: usize = 600;
    // Of 600, 400 can be written, and 200 never.
    let mut server = Server::setup().schedule("1h").env("FAILPOINTS", "store::place=1*off->return").start();
    let (receiver, answers) = hangs_until_told();
    let api = server.admin();
    let endpoints: Vec<Value> = (0..ENDPOINTS).map(|n| api.endpoint(&receiver.url_of(&format!("/{n}")))).collect();
    let event = api.event();
    receiver.wait_for(1);
    server.kill();
    server.verify_store();

    let before = receiver.count();
    answers.store(true, Ordering::SeqCst);
    server.start_again();
    let api = server.admin();
    for endpoint in endpoints.iter().step_by(50) {
        let found = api.list(&format!("/v1/deliveries?endpoint_id={}", endpoint["id"].as_str().unwrap()));
        assert_eq!(found.iter().map(|found| &found["event_id"]).collect::<Vec<_>>(), [&json!(event)]);
    }
    until("none is pending", || api.list("/v1/deliveries?status=pending").is_empty());
    let requests = receiver.requests();
    let sent_to: HashSet<_> = requests[before..].iter().map(|request| &request.target).collect();
    assert_eq!(sent_to.len(), ENDPOINTS);
    server.kill();
    server.verify_store();
}

/// A second signal cuts off what is under way: the log tells how far it came.
#[test]
fn an_attempt_that_a_stop_cut_off_tells_how_far_it_came() {
    let mut server = Server::setup().schedule("1h").start();
    let (receiver, answers) = hangs_until_told();
    let api = server.admin();
    api.endpoint(&receiver.url());
    let event = api.event();
    receiver.wait_for(1);
    server.signal(rustix::process::Signal::TERM);
    until("it stops", || server.log().contains("stopping: no new work"));
    assert!(server.terminate().success());
    answers.store(true, Ordering::SeqCst);
    server.start_again();
    let delivery = server.admin().delivery_in(&event, "delivered");
    let cut_off = &attempts(&delivery)[0];
    assert_eq!(cut_off["error"]["kind"], "interrupted", "{cut_off}");
    assert_eq!(cut_off["remote_addr"], receiver.address.to_string());
    assert!(cut_off["duration_ms"].as_u64() > Some(0), "{cut_off}");
    assert!(cut_off["timing"]["connect_ms"].is_number(), "{cut_off}");
}

#[test]
fn a_kill_in_the_middle_of_changes_keeps_each_whole() {
    let mut server = Server::start();
    let mut made = Vec::new();
    for round in 0..5_u64 {
        let api = server.admin();
        let known = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0.. {
                    let body = json!({"url": "http://127.0.0.1:9/", "event_types": ["*"], "description": format!("{round}.{number}")});
                    let headers = [("content-type", "application/json")];
                    match api.try_request("POST", "/v1/endpoints", &headers, Some(body.to_string().as_bytes())) {
                        Ok(answer) => known.lock().unwrap().push(answer.expect(201)),
                        Err(_) => return,
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(30 + round * 23));
            server.kill();
        });
        made.extend(known.into_inner().unwrap());
        server.start_again();
    }
    let api = server.admin();
    for endpoint in &made {
        let path = format!("/v1/endpoints/{}/secret", endpoint["id"].as_str().unwrap());
        assert_eq!(api.get(&path).expect(200)["secret"], endpoint["secret"]);
    }
    server.kill();
    server.verify_store();
}
