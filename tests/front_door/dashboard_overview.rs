//! The overview: what is broken and since when, what was done over three spans of time, what waits, and whose it is.

use std::time::Duration;

use serde_json::json;

use crate::support::browser::text;
use crate::support::clock::TestClock;
use crate::support::{Behaviour, Browser, Receiver, Reply, Server, eventually, until};

#[test]
fn before_there_is_an_endpoint_the_steps_that_are_left_are_shown() {
    let server = Server::start();
    let page = Browser::signed_in(&server, &server.admin()).page("/");
    for words in ["Nothing sent yet", "Add endpoint", "/v1/events", "href=\"/endpoints/new\""] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("data-plot"), "no chart of nothing: {page}");
    let reader = Browser::signed_in(&server, &server.api_as("read", None)).page("/");
    assert!(!reader.contains("href=\"/endpoints/new\""), "{reader}");
    let customer = Browser::signed_in(&server, &server.api_as("admin", Some("acme"))).page("/");
    assert!(customer.contains("Add endpoint") && !customer.contains("/v1/events"), "{customer}");
}

#[test]
fn it_tells_what_fails_since_when_and_what_is_tried_again() {
    let server = Server::setup().schedule("1h,2h").start();
    let admin = server.admin();
    let (good, bad) = (Receiver::ok(), Receiver::start(|_, _| 503));
    let browser = Browser::signed_in(&server, &admin);
    admin.endpoint_with(&good.url(), &json!({"event_types": ["batch.completed"], "description": "Good one"}));
    let page = browser.page("/");
    assert!(
        page.contains("Nothing is failing.") && page.contains("1 has taken nothing yet."),
        "it was not tried: {page}"
    );
    assert!(page.contains("Nothing is waiting for a retry."), "{page}");
    admin.delivery_in(&admin.event(), "delivered");
    let page = browser.page("/");
    assert!(page.contains("The one endpoint is healthy."), "{page}");
    assert!(!page.contains("Failing endpoints"), "{page}");

    let failing = admin.endpoint_with(&bad.url(), &json!({"event_types": ["batch.failed"], "description": "Bad one"}));
    let event = admin.event_of("batch.failed", &json!({}));
    let delivery = admin.delivery_after(&event, 1);
    let page = eventually("the counts are there", || {
        let page = browser.page("/");
        page.contains("1 delivered, 1 not taken yet, 0 failed").then_some(page)
    });
    assert!(page.contains("One endpoint is failing.") && page.contains("The other one is fine."), "{page}");
    let place = format!("href=\"/endpoints/{}\"", failing["id"].as_str().unwrap());
    assert!(page.contains(&place) && page.contains("HTTP status 503") && page.contains("1 waiting"), "{page}");
    assert!(page.contains(&format!("href=\"/logs/{}\"", delivery["id"].as_str().unwrap())), "{page}");
    assert!(page.contains("in 59 min") || page.contains("in 1 h"), "{page}");
    // The same in a table, for those who do not see charts.
    assert!(page.contains("<summary>Show as a table</summary>") && page.contains("data-th=\"Accepted\">2<"), "{page}");
    assert!(page.contains("2 accepted, 0 retried"), "{page}");
    for (span, words, parts) in [("15m", "15 minutes", 15), ("24h", "24 hours", 48), ("7d", "7 days", 56)] {
        let page = browser.page(&format!("/?span={span}"));
        assert!(page.contains(&format!("href=\"/?span={span}\" aria-current=\"true\">{words}")), "{page}");
        assert_eq!(page.matches("<th scope=\"row\">").count(), parts, "{span}");
        assert!(page.len() < 100_000, "{span}: {}", page.len());
    }
    assert_eq!(browser.get("/?span=9y").status, 400);
    assert_eq!(browser.get("/?colour=red").status, 400);
}

#[test]
fn a_week_is_counted_and_survives_a_restart() {
    let setup = Server::setup();
    let mut clock = TestClock::new(setup.root());
    let mut server = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).start();
    let admin = server.admin();
    let receiver = Receiver::ok();
    admin.endpoint(&receiver.url());
    for _ in 0..3 {
        admin.delivery_in(&admin.event(), "delivered");
        clock.advance(Duration::from_hours(50));
    }
    let week = |server: &Server| {
        let stats = server.admin().get("/v1/stats?window=7d&step=3h").expect(200);
        let counts: Vec<u64> =
            stats["per_minute"].as_array().unwrap().iter().map(|p| p["accepted"].as_u64().unwrap()).collect();
        assert_eq!((counts.len(), &stats["step"]), (56, &json!("3h")), "{stats:#}");
        (counts.iter().sum::<u64>(), counts.iter().filter(|count| **count == 1).count())
    };
    assert_eq!(week(&server), (3, 3));
    let seen = |server: &Server, span: &str| {
        let page = Browser::signed_in(server, &server.admin()).page(&format!("/?span={span}"));
        page.matches("data-th=\"Accepted\">1<").count()
    };
    assert_eq!((seen(&server, "7d"), seen(&server, "24h")), (3, 0));
    server.terminate();
    server.start_again();
    assert_eq!(week(&server), (3, 3));
    assert_eq!(seen(&server, "7d"), 3);
    let stats = server.admin().get("/v1/stats?window=7d&step=24h").expect(200);
    assert!(stats["latency"]["p99_ms"].as_f64().unwrap() > 0.0, "{stats:#}");
}

#[test]
fn steps_of_statistics_are_bounded() {
    let server = Server::start();
    let admin = server.admin();
    let minute = admin.get("/v1/stats").expect(200);
    assert_eq!((&minute["step"], minute["per_minute"].as_array().unwrap().len()), (&json!("1m"), 60));
    assert_eq!(minute["oldest_due_at"], json!(null));
    assert_eq!(admin.get("/v1/stats?window=24h").expect(200)["per_minute"].as_array().unwrap().len(), 1_440);
    for (query, status) in
        [("window=8d", 400), ("step=59s", 400), ("step=90s", 422), ("window=7d", 422), ("window=7d&step=6m", 422)]
    {
        let problem = admin.get(&format!("/v1/stats?{query}")).problem(status);
        assert!(
            problem["detail"].as_str().unwrap().contains(query.split(['=', '&']).next().unwrap()) || status == 422,
            "{problem}"
        );
    }
}

#[test]
fn the_oldest_due_delivery_is_told_and_what_is_held_is_not_due() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    let slow = admin.endpoint_with(&receiver.url(), &json!({"max_in_flight": 1, "event_types": ["batch.completed"]}));
    let first = admin.event();
    admin.event();
    until("the first is sent", || receiver.requests().len() == 1);
    let created = admin.delivery_of(&first)["created_at"].clone();
    assert_eq!(admin.get("/v1/stats").expect(200)["oldest_due_at"], created);
    let browser = Browser::signed_in(&server, &admin);
    let page = browser.page("/");
    assert!(
        page.contains("<dt>Oldest due</dt>") && page.contains(&format!("datetime=\"{}\"", created.as_str().unwrap())),
        "{page}"
    );
    assert!(page.contains("2 <small>waiting</small>"), "{page}");
    let paused =
        admin.send("PATCH", &format!("/v1/endpoints/{}", slow["id"].as_str().unwrap()), &json!({"status": "paused"}));
    paused.expect(200);
    assert_eq!(admin.get("/v1/stats").expect(200)["oldest_due_at"], json!(null));
    assert!(browser.page("/").contains("2 held by endpoints that are off"));
}

#[test]
fn a_customer_sees_what_its_own_endpoints_were_sent() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver =
        Receiver::start(|request, _| if request.target == "/no" { Reply::status(500) } else { Reply::status(200) });
    let post = |account: &str, count: usize| {
        for _ in 0..count {
            let event = json!({"type": "batch.completed", "account": account, "data": {"object": {}}});
            admin.post("/v1/events", &event).expect(202);
        }
    };
    admin.endpoint_with(&receiver.url(), &json!({"account": "acme", "description": "Mine"}));
    admin.endpoint_with(&receiver.url_of("/no"), &json!({"account": "acme", "description": "Mine too"}));
    admin.endpoint_with(&receiver.url_of("/no"), &json!({"account": "globex", "description": "Theirs"}));
    post("acme", 2);
    post("globex", 5);
    receiver.wait_for(9);
    let customer = Browser::signed_in(&server, &server.api_as("read", Some("acme")));
    let page = eventually("its counts are there", || {
        let page = customer.page("/");
        page.contains("2 taken, 2 not").then_some(page)
    });
    for (span, each) in [("15m", "each minute of the last 15 minutes"), ("7d", "each three hours of the last 7 days")] {
        let other = customer.page(&format!("/?span={span}"));
        assert!(other.contains(&format!("Attempts for {each}: 2 taken, 2 not.")), "{span}: {other}");
        assert!(page.contains(&format!("href=\"/?span={span}\"")), "{page}");
    }
    assert!(page.contains("One endpoint is failing.") && page.contains("Mine too"), "{page}");
    assert!(page.contains("2 <small>waiting</small>"), "{page}");
    assert_eq!(page.matches("href=\"/logs/dlv_").count(), 2, "{page}");
    for theirs in ["Theirs", "globex", "Accepted", "7 accepted", "7 <small>", "5 not"] {
        assert!(!page.contains(&format!(">{theirs}")), "{theirs}: {page}");
    }
    let whole = text(&Browser::signed_in(&server, &admin).get("/"));
    assert!(whole.contains("Two endpoints are failing.") && whole.contains("7 accepted"), "{whole}");
}
