//! The schedule as a receiver observes it, shortened: never early, five in all, `Retry-After`, 410.

use std::time::Duration;

use serde_json::json;

use crate::support::api::{attempts, id};
use crate::support::clock::ms;
use crate::support::{Behaviour, Receiver, Reply, Server, until};

#[test]
fn five_attempts_start_to_start_then_failed() {
    let server = Server::setup().schedule("150ms,300ms,200ms,250ms").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| Behaviour::Slow(Duration::from_millis(60), Reply::status(500)));
    api.endpoint(&receiver.url());
    let event = api.event();
    let delivery = api.delivery_in(&event, "failed");
    let started: Vec<i64> = attempts(&delivery).iter().map(|a| ms(&a["started_at"])).collect();
    assert_eq!(started.len(), 5, "{delivery:#}");
    for (number, wait) in [150, 300, 200, 250].into_iter().enumerate() {
        let apart = started[number + 1] - started[number];
        assert!(apart >= wait, "attempt {} came {apart} ms after the one before, due after {wait}", number + 2);
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 5);
    assert!(delivery["next_attempt_at"].is_null() && !delivery["completed_at"].is_null());
    assert_eq!(delivery["attempts_made"], 5);
    let numbers: Vec<u64> = attempts(&delivery).iter().map(|a| a["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    // Time for a sixth: a later event's whole life goes by.
    let marker = api.event();
    api.delivery_in(&marker, "failed");
    assert_eq!(attempts(&api.delivery_of(&event)).len(), 5);
}

#[test]
fn the_next_time_is_counted_from_the_start_of_the_attempt() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| Behaviour::Slow(Duration::from_millis(700), Reply::status(500)));
    api.endpoint(&receiver.url());
    let event = api.event();
    let delivery = api.delivery_after(&event, 1);
    let apart = ms(&delivery["next_attempt_at"]) - ms(&attempts(&delivery)[0]["started_at"]);
    assert_eq!(apart, 3_600_000, "{delivery:#}");
    assert!(attempts(&delivery)[0]["duration_ms"].as_f64().unwrap() >= 690.0);
}

#[test]
fn an_endpoint_may_have_a_schedule_of_its_own() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    api.endpoint_with(&receiver.url(), &json!({"retry_schedule": ["50ms", "50ms"]}));
    let event = api.event();
    assert_eq!(attempts(&api.delivery_in(&event, "failed")).len(), 3);
}

#[test]
fn success_ends_it() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::start(|_, before| if before < 3 { 502 } else { 201 });
    api.endpoint(&receiver.url());
    let event = api.event();
    let delivery = api.delivery_in(&event, "delivered");
    assert_eq!(attempts(&delivery).len(), 4);
    assert_eq!(delivery["last_response_code"], 201);
}

#[test]
fn retry_after_in_seconds_postpones_and_never_hastens() {
    let server = Server::setup().schedule("1h,1h").start();
    let api = server.admin();
    for (status, header, expected) in [
        (429, "7200", 7_200_000),
        (503, "7200", 7_200_000),
        (429, "1", 3_600_000),
        (503, "0", 3_600_000),
        (429, "864000", 86_400_000),
        (429, "99999999999999999999", 86_400_000),
        (503, "-5", 3_600_000),
        (503, "soon", 3_600_000),
        (503, "7200.5", 3_600_000),
        (500, "7200", 3_600_000),
        (404, "7200", 3_600_000),
    ] {
        let account = format!("r{status}_{}", header.len() * 100 + usize::from(header.as_bytes()[0]));
        let receiver = Receiver::start(move |_, _| Reply::status(status).header("retry-after", header));
        api.endpoint_with(&receiver.url(), &json!({"account": account}));
        let sent = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        let event = id(&api.post("/v1/events", &sent).expect(202));
        let delivery = api.delivery_after(&event, 1);
        let started = ms(&attempts(&delivery)[0]["started_at"]);
        let wait = ms(&delivery["next_attempt_at"]) - started;
        // It may be counted from the answer; a request takes well under the minute allowed here.
        let allowed = if header == "99999999999999999999" {
            // Beyond any number that a server must read: the cap, or as if it were not there.
            wait == 3_600_000 || (86_400_000..86_460_000).contains(&wait)
        } else {
            (expected..expected + 60_000).contains(&wait)
        };
        assert!(allowed, "{status} with Retry-After: {header}: next after {wait} ms, expected {expected}");
        if expected == 3_600_000 {
            assert_eq!(wait, expected, "{status} {header}: the schedule's own time");
        }
    }
}

#[test]
fn retry_after_as_a_date() {
    let server = Server::setup().schedule("1h,1h").start();
    let api = server.admin();
    let now = std::time::SystemTime::now();
    let in_two_hours = httpdate::fmt_http_date(now + Duration::from_secs(7200));
    let yesterday = httpdate::fmt_http_date(now - Duration::from_secs(86_400));
    let next_week = httpdate::fmt_http_date(now + Duration::from_secs(7 * 86_400));
    for (number, (date, expected)) in
        [(in_two_hours, 7_200_000), (yesterday, 3_600_000), (next_week, 86_400_000)].into_iter().enumerate()
    {
        let account = format!("d{number}");
        let shown = date.clone();
        let receiver = Receiver::start(move |_, _| Reply::status(503).header("Retry-After", &date));
        api.endpoint_with(&receiver.url(), &json!({"account": account}));
        let sent = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        let event = id(&api.post("/v1/events", &sent).expect(202));
        let delivery = api.delivery_after(&event, 1);
        let wait = ms(&delivery["next_attempt_at"]) - ms(&attempts(&delivery)[0]["started_at"]);
        // A date has whole seconds and was made before the server started to send.
        assert!((wait - expected).abs() < 60_000, "{shown}: next after {wait} ms, expected about {expected}");
        assert!(wait >= 3_600_000, "hastened");
    }
}

#[test]
fn a_short_retry_after_is_waited_for() {
    let server = Server::setup().schedule("20ms,20ms").start();
    let api = server.admin();
    let receiver =
        Receiver::start(
            |_, before| {
                if before == 0 { Reply::status(429).header("retry-after", "1") } else { Reply::status(200) }
            },
        );
    api.endpoint(&receiver.url());
    let event = api.event();
    let delivery = api.delivery_in(&event, "delivered");
    let apart = ms(&attempts(&delivery)[1]["started_at"]) - ms(&attempts(&delivery)[0]["started_at"]);
    assert!(apart >= 1000, "the second came {apart} ms after the first");
}

#[test]
fn gone_disables_the_endpoint_and_fails_the_delivery() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::start(|_, _| 410);
    let path = format!("/v1/endpoints/{}", id(&api.endpoint(&receiver.url())));
    let event = api.event();
    let delivery = api.delivery_in(&event, "failed");
    assert_eq!(attempts(&delivery).len(), 1, "{delivery:#}");
    until("the endpoint is disabled", || api.get(&path).expect(200)["status"] == "disabled");
    let later = api.post("/v1/events", &json!({"type": "batch.completed", "data": {"object": {}}})).expect(202);
    assert_eq!(later["deliveries"], 0);
    assert_eq!(receiver.count(), 1);
}

#[test]
fn a_timeout_is_over_the_whole_attempt() {
    let server = Server::setup().schedule("1h").args(["--request-timeout", "1s"]).start();
    let api = server.admin();
    for (number, behaviour) in [Behaviour::Hang, Behaviour::Drip(Duration::from_millis(100))].into_iter().enumerate() {
        let account = format!("t{number}");
        let shown = format!("{behaviour:?}");
        let receiver = Receiver::start(move |_, _| behaviour.clone());
        api.endpoint_with(&receiver.url(), &json!({"account": account}));
        let sent = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        let event = id(&api.post("/v1/events", &sent).expect(202));
        let delivery = api.delivery_after(&event, 1);
        assert_eq!(delivery["status"], "pending", "{shown}: {delivery:#}");
        let attempt = &attempts(&delivery)[0];
        assert_eq!(attempt["error"]["kind"], "timeout", "{shown}: {attempt}");
        assert!(attempt["duration_ms"].as_f64().unwrap() >= 990.0, "{shown}: {attempt}");
        until("the connection is closed", || receiver.open() == 0);
    }
}
