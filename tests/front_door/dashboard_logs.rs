//! The log: filters that stand in the address, pages, and all of a filter sent again.

use serde_json::json;

use crate::support::api::id;
use crate::support::browser::{hidden, text};
use crate::support::{Browser, Receiver, Server, until};

/// The ids of the deliveries that a page of the log shows.
fn shown(page: &str) -> Vec<String> {
    let links = page.match_indices("href=\"/logs/dlv_");
    links.map(|(at, _)| page[at + 12..].split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn filters_stand_in_the_address_and_in_the_controls() {
    let server = Server::setup().schedule("1ms").start();
    let admin = server.admin();
    let receiver = Receiver::start(|request, _| if request.target == "/no" { 503 } else { 200 });
    let good = id(&admin.endpoint_with(&receiver.url(), &json!({"description": "Good one"})));
    let bad = id(&admin.endpoint_with(&receiver.url_of("/no"), &json!({"description": "Bad one"})));
    let events = [admin.event(), admin.event_of("batch.failed", &json!({}))];
    until("both fail", || admin.list("/v1/deliveries?status=failed").len() == 2);
    until("both arrive", || admin.list("/v1/deliveries?status=delivered").len() == 2);
    let browser = Browser::signed_in(&server, &admin);
    let all = browser.page("/logs");
    assert_eq!(shown(&all).len(), 4, "{all}");
    assert!(!all.contains("Take off the filter") && !all.contains("/logs/retry"), "{all}");
    for (query, count, control) in [
        ("status=failed", 2, "<option value=\"failed\" selected>"),
        ("type=batch.failed", 2, "<option value=\"batch.failed\" selected>"),
        ("response_code=503", 2, "value=\"503\""),
        (&*format!("endpoint_id={good}"), 2, &*format!("<option value=\"{good}\" selected>Good one")),
        (&*format!("event_id={}", events[0]), 2, &*format!("value=\"{}\"", events[0])),
        ("status=failed&type=batch.failed", 1, "Take off the filter Type batch.failed"),
        ("since=2020-01-01T00:00:00Z", 4, "value=\"2020-01-01T00:00:00\""),
        ("until=2020-01-01T00:00:00Z", 0, "No delivery matches"),
        ("account=nobody", 0, "No delivery matches"),
    ] {
        let page = browser.page(&format!("/logs?{query}"));
        assert_eq!(shown(&page).len(), count, "{query}: {page}");
        assert!(page.contains(control), "{query}: {control}: {page}");
        assert!(page.contains("Take off the filter"), "{query}: {page}");
        assert_eq!(page.contains("/logs/retry?"), count > 0, "{query}: {page}");
    }
    // Taking off one leaves the other.
    let both = browser.page("/logs?status=failed&type=batch.failed");
    assert!(
        both.contains("href=\"/logs?type=batch.failed\"") && both.contains("href=\"/logs?status=failed\""),
        "{both}"
    );
    assert!(browser.page(&format!("/logs?endpoint_id={bad}")).contains("503 Service Unavailable"));
}

#[test]
fn what_the_form_sends_leads_to_an_address_that_can_be_kept() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::ok();
    admin.endpoint(&receiver.url());
    let delivery = id(&admin.delivery_in(&admin.event(), "delivered"));
    let browser = Browser::signed_in(&server, &admin);
    let to = |query: &str| {
        let answer = browser.get(&format!("/logs?{query}"));
        assert_eq!(answer.status, 303, "{answer}");
        answer.header("location").unwrap().to_owned()
    };
    let day = to("id=&status=&type=&endpoint_id=&response_code=&last=24h&since=&until=&account=&event_id=");
    assert!(day.starts_with("/logs?since=20") && !day.contains("last"), "{day}");
    assert_eq!(shown(&browser.page(&day)), std::slice::from_ref(&delivery));
    assert_eq!(to(&format!("id={delivery}&status=failed&last=")), format!("/logs/{delivery}"));
    assert_eq!(to("id=order-7&last="), "/logs?event_id=order-7");
    assert_eq!(to("since=2026-01-25T10%3A00&until="), "/logs?since=2026-01-25T10%3A00%3A00Z");
    for wrong in ["last=9y", "since=yesterday", "response_code=9", "status=gone", "colour=red"] {
        assert_eq!(browser.get(&format!("/logs?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn pages_go_on_with_the_same_filter() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::ok();
    admin.endpoint(&receiver.url());
    let event = json!({"type": "batch.completed", "data": {"object": {}}});
    admin.post("/v1/events/batch", &json!({"events": vec![event; 120]})).expect(202);
    receiver.wait_for(120);
    until("all are delivered", || server.admin().get("/v1/stats").expect(200)["queue_depth"] == 0);
    let browser = Browser::signed_in(&server, &admin);
    let mut path = "/logs?status=delivered".to_owned();
    let mut seen = Vec::new();
    for expected in [50, 50, 20] {
        let page = browser.page(&path);
        let ids = shown(&page);
        assert_eq!(ids.len(), expected, "{path}");
        assert_eq!(page.contains(">Newest<"), !seen.is_empty(), "{page}");
        seen.extend(ids);
        match page.split("\" rel=\"next\"").next().filter(|before| before.len() < page.len()) {
            Some(before) => path = before.rsplit("href=\"").next().unwrap().replace("&amp;", "&"),
            None => assert_eq!(seen.len(), 120),
        }
        assert!(path.contains("status=delivered"), "{path}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 120);
}

#[test]
fn all_of_a_filter_is_counted_and_then_sent_again() {
    let server = Server::setup().schedule("1ms").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, before| if before < 6 { 500 } else { 200 });
    admin.endpoint(&receiver.url());
    let events: Vec<_> = (0..3).map(|_| admin.event()).collect();
    for event in &events {
        admin.delivery_in(event, "failed");
    }
    let mut browser = Browser::signed_in(&server, &admin);
    let log = browser.page("/logs?status=failed");
    assert!(log.contains("href=\"/logs/retry?status=failed\""), "{log}");
    let asked = browser.page("/logs/retry?status=failed");
    assert!(
        asked.contains("3 deliveries will be sent again")
            && asked.contains("All deliveries with state <strong>failed</strong>."),
        "{asked}"
    );
    assert!(!asked.contains("taken already"), "{asked}");
    assert!(
        browser.page("/logs/retry?type=batch.completed").contains("Deliveries that were taken already are among them")
    );
    assert!(browser.page("/logs/retry?status=canceled").contains("There is nothing to retry"));
    let unbounded = browser.get("/logs/retry");
    assert_eq!(unbounded.status, 422, "{unbounded}");
    assert!(text(&unbounded).contains("at least one filter must be given"), "{unbounded}");
    assert_eq!(receiver.requests().len(), 6, "asking sends nothing");

    let (until_now, found) = (hidden(&asked, "until"), hidden(&asked, "found"));
    let later = admin.event();
    admin.delivery_in(&later, "delivered");
    let fields = [("status", "failed"), ("until", &*until_now), ("until_now", "yes"), ("found", &*found)];
    let done = browser.submit("/logs/retry", &fields);
    assert_eq!(done.header("location"), Some("/logs?status=failed&done=retried&count=3"), "{done}");
    for event in &events {
        let delivery = admin.delivery_in(event, "delivered");
        let triggers: Vec<_> = delivery["attempts"].as_array().unwrap().iter().map(|a| a["trigger"].clone()).collect();
        assert_eq!(triggers, ["schedule", "schedule", "manual"], "{delivery:#}");
    }
    let page = browser.page(done.header("location").unwrap());
    assert!(page.contains("3 deliveries are retried") && page.contains("data-place=\"/logs?status=failed\""), "{page}");
    let actions: Vec<_> = admin.list("/v1/audit-log").iter().map(|entry| entry["action"].clone()).collect();
    assert!(actions.contains(&json!("deliveries.retried")), "{actions:?}");
}

#[test]
fn retrying_many_takes_the_right_to_and_keeps_to_the_account() {
    let server = Server::setup().schedule("1ms").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    for account in ["acme", "globex"] {
        admin.endpoint_with(&receiver.url(), &json!({"account": account}));
        let event = json!({"type": "batch.completed", "account": account, "data": {"object": {}}});
        admin.delivery_in(&id(&admin.post("/v1/events", &event).expect(202)), "failed");
    }
    let mut reader = Browser::signed_in(&server, &server.api_as("read", None));
    assert!(!reader.page("/logs?status=failed").contains("/logs/retry"));
    assert_eq!(reader.get("/logs/retry?status=failed").status, 403);
    assert_eq!(reader.submit("/logs/retry", &[("status", "failed")]).status, 403);
    let mut customer = Browser::signed_in(&server, &server.api_as("admin", Some("acme")));
    let page = customer.page("/logs?status=failed");
    assert!(shown(&page).len() == 1 && !page.contains("globex") && !page.contains("name=\"account\""), "{page}");
    assert!(customer.page("/logs/retry?status=failed").contains("1 delivery will be sent again"));
    assert_eq!(customer.get("/logs/retry?account=globex").status, 403);
    assert_eq!(customer.submit("/logs/retry", &[("account", "globex")]).status, 403);
    let before = receiver.requests().len();
    customer.submit("/logs/retry", &[("status", "failed")]);
    receiver.wait_for(before + 1);
    let theirs = admin.list("/v1/deliveries?account=globex");
    assert_eq!(theirs[0]["attempts_made"], 2, "{theirs:?}");
}

#[test]
fn an_empty_log_says_how_to_fill_it() {
    let server = Server::start();
    let page = Browser::signed_in(&server, &server.admin()).page("/logs");
    assert!(page.contains("No deliveries yet") && page.contains("href=\"/endpoints\""), "{page}");
}

#[test]
fn what_is_wrong_with_an_address_is_said_at_its_field() {
    let server = Server::start();
    let browser = Browser::signed_in(&server, &server.admin());
    for (query, field) in
        [("type=BAD", "type"), ("response_code=9", "response_code"), ("since=soon", "since"), ("last=9y", "last")]
    {
        let answer = browser.get(&format!("/logs?{query}&status=failed"));
        let page = text(&answer);
        assert_eq!(answer.status, 400, "{query}");
        assert!(page.contains("One thing to fix") && page.contains(&format!("href=\"#{field}\"")), "{query}: {page}");
        assert!(
            page.contains("action=\"/logs\"") && page.contains("<option value=\"failed\" selected"),
            "{query}: {page}"
        );
    }
}
