//! The live tail: rows as they happen, for who is signed in, of what it may see, for as long as the session lasts.

use serde_json::{Value, json};

use crate::support::api::id;
use crate::support::stream::Events;
use crate::support::{Browser, Receiver, Server, until};

const HOSTILE: &str = "<script>alert(1)</script>";

fn open(server: &Server, browser: &Browser, path: &str) -> Events {
    let cookie = browser.cookie.as_deref().unwrap_or_default();
    // As browsers ask; compressed, rows would be kept back.
    Events::open_with(server, &[("cookie", cookie), ("accept-encoding", "gzip, br")], path)
}

fn rows(events: &Events) -> Vec<String> {
    events
        .seen()
        .into_iter()
        .filter(|(name, _)| name == "row")
        .map(|(_, row)| row.as_str().unwrap().to_owned())
        .collect()
}

fn has(events: &Events, parts: &[&str]) -> Value {
    events.wait_for(&format!("a row with {parts:?}"), |row| {
        row.as_str().is_some_and(|row| parts.iter().all(|part| row.contains(part)))
    })
}

#[test]
fn attempts_and_changes_come_as_rows() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, before| if before == 0 { 503 } else { 200 });
    let made = admin.endpoint_with(&receiver.url(), &json!({"description": HOSTILE}));
    let browser = Browser::signed_in(&server, &admin);
    let live = open(&server, &browser, "/live/stream?");
    assert!(live.head.starts_with("HTTP/1.1 200") && live.head.contains("text/event-stream"), "{}", live.head);
    assert!(live.head.contains("content-security-policy: default-src 'none'"), "{}", live.head);
    let event = admin.event();
    let delivery = id(&admin.deliveries_of(&event)[0]);
    let place = format!("href=\"/logs/{delivery}\"");
    has(&live, &["Waiting", "queued", &place]);
    has(&live, &["Retrying", "503", "batch.completed", &place]);
    admin.post_empty(&format!("/v1/deliveries/{delivery}/retry")).expect(202);
    has(&live, &["Delivered", "200", "2, by hand", &place]);
    admin.send("PATCH", &format!("/v1/endpoints/{}", id(&made)), &json!({"status": "paused"})).expect(200);
    let held = admin.event();
    let held = id(&admin.deliveries_of(&held)[0]);
    admin.post_empty(&format!("/v1/deliveries/{held}/cancel")).expect(200);
    has(&live, &["Canceled", "canceled", &held]);
    let all = rows(&live);
    assert!(all.iter().all(|row| row.starts_with("<tr>") && row.ends_with("</tr>")), "{all:?}");
    assert!(all.iter().all(|row| !row.contains("<script>")) && all[0].contains("&lt;script&gt;"), "{all:?}");
    assert_eq!(all.len(), 5, "each attempt, each beginning, the cancellation: {all:#?}");
}

#[test]
fn the_filter_of_the_page_is_the_filter_of_its_stream() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let (good, bad) = (Receiver::ok(), Receiver::start(|_, _| 500));
    let good = id(&admin.endpoint_with(&good.url(), &json!({"description": "GOOD"})));
    admin.endpoint_with(&bad.url(), &json!({"description": "BAD"}));
    let browser = Browser::signed_in(&server, &admin);
    let page = browser.page(&format!("/live?type=batch.failed&endpoint_id={good}&status=&account="));
    let query = format!("type=batch.failed&amp;endpoint_id={good}&amp;status=&amp;account=");
    assert!(page.contains(&format!("data-live=\"/live/stream?{query}\"")), "{page}");
    assert!(page.contains("<noscript>") && page.contains(&format!("/logs?type=batch.failed&amp;endpoint_id={good}\"")));
    let all = open(&server, &browser, "/live/stream");
    let one = open(&server, &browser, &format!("/live/stream?endpoint_id={good}&type=batch.completed&status="));
    let failed = open(&server, &browser, "/live/stream?type=batch.failed");
    let delivered = open(&server, &browser, "/live/stream?status=delivered");
    admin.event();
    has(&all, &["GOOD", "Delivered"]);
    has(&all, &["BAD", "Retrying"]);
    has(&one, &["GOOD", "Delivered"]);
    has(&delivered, &["GOOD", "Delivered"]);
    assert!(rows(&one).iter().all(|row| row.contains("GOOD")), "{:?}", rows(&one));
    assert!(rows(&delivered).iter().all(|row| row.contains("Delivered")), "{:?}", rows(&delivered));
    assert!(rows(&failed).is_empty());
    let wrong = browser.get("/live?status=nonsense");
    assert_eq!(wrong.status, 422, "{wrong}");
    assert_eq!(browser.get("/live/stream?status=nonsense").status, 400);
}

#[test]
fn a_customers_tail_has_its_account_alone() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::ok();
    for account in ["acme", "globex"] {
        admin.endpoint_with(&receiver.url(), &json!({"account": account, "description": format!("OF {account}")}));
    }
    let customer = Browser::signed_in(&server, &server.api_as("read", Some("acme")));
    assert!(!customer.page("/live").contains("globex"));
    let live = open(&server, &customer, "/live/stream");
    for account in ["globex", "acme"] {
        let event = json!({"type": "batch.completed", "account": account, "data": {"object": {}}});
        let event = id(&admin.post("/v1/events", &event).expect(202));
        admin.delivery_in(&event, "delivered");
    }
    has(&live, &["OF acme", "Delivered"]);
    assert!(rows(&live).iter().all(|row| row.contains("OF acme")), "{:?}", rows(&live));
    assert_eq!(customer.get("/live?account=globex").status, 200, "the form can be changed");
    assert_eq!(customer.get("/live/stream?account=globex").status, 403);
}

#[test]
fn a_tail_ends_with_its_session() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::ok();
    admin.endpoint(&receiver.url());
    let anonymous = Browser::new(&server);
    assert_eq!(anonymous.get("/live/stream").status, 303, "to the sign-in");
    let made = admin.post("/v1/tokens", &json!({"name": "t", "role": "read"})).expect(201);
    let held = admin.with_token(Some(made["token"].as_str().unwrap()));
    let (mut leaving, losing) = (Browser::signed_in(&server, &held), Browser::signed_in(&server, &held));
    let staying = Browser::signed_in(&server, &admin);
    let tails = [&leaving, &losing, &staying].map(|browser| open(&server, browser, "/live/stream"));
    leaving.submit("/sign-out", &[]);
    admin.event();
    until("the one that signed out is cut off", || tails[0].has_ended());
    has(&tails[1], &["Delivered"]);
    admin.delete(&format!("/v1/tokens/{}", id(&made)));
    admin.event();
    until("the one whose token is gone is cut off", || tails[1].has_ended());
    has(&tails[2], &["Delivered"]);
    assert!(!tails[2].has_ended());
}

#[test]
fn one_accounts_readers_do_not_keep_out_the_others() {
    let server = Server::start();
    let [own, other] = ["acme", "globex"].map(|account| server.api_as("read", Some(account)));
    let header = |api: &crate::support::Api| format!("Bearer {}", api.token.as_deref().unwrap());
    let open = |bearer: &str| Events::open_with(&server, &[("authorization", bearer)], "/v1/stream");
    let readers: Vec<Events> = (0..32).map(|_| open(&header(&own))).collect();
    assert!(readers.iter().all(|reader| reader.head.starts_with("HTTP/1.1 200")));
    let refused = own.get("/v1/stream");
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{refused}");
    for bearer in [header(&other), header(&server.admin())] {
        assert!(open(&bearer).head.starts_with("HTTP/1.1 200"));
    }
}
