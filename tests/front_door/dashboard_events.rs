//! Events by hand: listed, looked up, shown, sent, and asked about before they are sent.

use serde_json::json;

use crate::support::api::id;
use crate::support::browser::text;
use crate::support::{Browser, Receiver, Server, until};

#[test]
fn an_event_is_looked_up_by_its_id_or_a_producers_own() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::ok();
    admin.endpoint(&receiver.url());
    let minted = admin.event();
    let own = json!({"id": "evt_invoice-42", "type": "batch.failed", "data": {"object": {}}});
    admin.post("/v1/events", &own).expect(202);
    let delivery = id(&admin.deliveries_of(&minted)[0]);
    let browser = Browser::signed_in(&server, &admin);
    for (typed, place) in [
        (minted.as_str(), format!("/events/{minted}")),
        ("evt_invoice-42", "/events/evt_invoice-42".to_owned()),
        ("++evt_invoice-42+", "/events/evt_invoice-42".to_owned()),
        (&delivery, format!("/logs/{delivery}")),
    ] {
        let answer = browser.get(&format!("/events/find?id={typed}"));
        assert_eq!((answer.status, answer.header("location")), (303, Some(&*place)), "{answer}");
    }
    for (typed, status, said) in [
        ("evt_none", 404, "There is no such event"),
        ("invoice-42", 422, "Must be <span class=\"mono\">evt_</span>"),
        ("evt_a/b", 422, "evt_"),
        ("", 422, "evt_"),
    ] {
        let answer = browser.get(&format!("/events/find?id={typed}"));
        assert_eq!(answer.status, status, "{typed}: {answer}");
        let page = text(&answer);
        assert!(page.contains("id=\"id-error\"") && page.contains(said), "{typed}: {page}");
        assert!(page.contains(&format!("value=\"{typed}\"")), "{typed}: {page}");
        assert!(page.contains("method=\"get\" action=\"/events\"") && page.contains("href=\"/events?"), "{page}");
    }
}

#[test]
fn the_list_is_filtered_by_its_address() {
    let server = Server::start();
    let admin = server.admin();
    let post = |kind: &str, account: &str| {
        let event = json!({"type": kind, "account": account, "data": {"object": {}}});
        id(&admin.post("/v1/events", &event).expect(202))
    };
    let (one, two) = (post("batch.completed", "acme"), post("batch.failed", "globex"));
    let browser = Browser::signed_in(&server, &admin);
    let shows = |query: &str| {
        let page = browser.page(&format!("/events?{query}"));
        [&one, &two].map(|event| page.contains(&format!("href=\"/events/{event}\"")))
    };
    assert_eq!(shows(""), [true, true]);
    assert_eq!(shows("type=batch.failed&account=&since=&until="), [false, true]);
    assert_eq!(shows("account=acme"), [true, false]);
    assert_eq!(shows("since=2020-01-01T00:00:00Z"), [true, true]);
    assert_eq!(shows("until=2020-01-01T00:00:00Z"), [false, false]);
    let none = browser.page("/events?type=usage.threshold.reached");
    assert!(none.contains("matches this filter") && none.contains("selected>usage.threshold.reached"), "{none}");
    for (query, field) in [("since=yesterday", "since"), ("account=a%20b", "account")] {
        let answer = browser.get(&format!("/events?{query}"));
        assert_eq!(answer.status, 422, "{answer}");
        assert!(text(&answer).contains(&format!("id=\"{field}-error\"")), "{answer}");
    }
}

#[test]
fn a_fresh_server_says_how_to_begin() {
    let server = Server::start();
    let page = Browser::signed_in(&server, &server.admin()).page("/events");
    assert!(page.contains("No events yet") && page.contains("curl http://127.0.0.1:"), "{page}");
}

#[test]
fn one_event_shows_its_body_pretty_and_to_the_byte_and_its_deliveries() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let (good, bad) = (Receiver::ok(), Receiver::start(|_, _| 500));
    admin.endpoint(&good.url());
    admin.endpoint(&bad.url());
    let sent = r#"{"id":"evt_x","type":"batch.completed","created":1706140800,"data":{"object":{"n":1.10,"s":"<b>"}}}"#;
    admin.send_text("POST", "/v1/events", sent).expect(202);
    until("both were tried", || {
        let all = admin.deliveries_of("evt_x");
        all.len() == 2 && all.iter().all(|delivery| delivery["attempts_made"] == 1)
    });
    let browser = Browser::signed_in(&server, &admin);
    let pretty = browser.page("/events/evt_x");
    assert!(pretty.contains("2 deliveries:</strong> 1 delivered, 1 retrying."), "{pretty}");
    assert!(pretty.contains("&quot;n&quot;: 1.10") && !pretty.contains("<b>"), "{pretty}");
    let raw = browser.page("/events/evt_x?view=raw");
    let escaped = sent.replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    assert!(raw.contains(&escaped), "{raw}");
    for delivery in admin.deliveries_of("evt_x") {
        assert!(raw.contains(&format!("/logs/{}", id(&delivery))), "{raw}");
    }
    assert_eq!(browser.get("/events/evt_x?nonsense=1").status, 400);
}

#[test]
fn a_large_body_is_cut_and_said_to_be() {
    let server = Server::start();
    let admin = server.admin();
    let event = admin.event_of("batch.completed", &json!({"s": "\"".repeat(200_000)}));
    let browser = Browser::signed_in(&server, &admin);
    for view in ["", "?view=raw"] {
        let page = browser.page(&format!("/events/{event}{view}"));
        assert!(page.len() < 100_000 && page.contains("This is the beginning."), "{} bytes", page.len());
        assert!(!page.contains("/events/send?like="), "too large for a form");
    }
    assert_eq!(browser.get(&format!("/events/send?like={event}")).status, 413);
}

#[test]
fn the_catalogs_example_is_sent_as_it_was_edited() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::ok();
    admin.endpoint_with(&receiver.url(), &json!({"account": "acme"}));
    let mut browser = Browser::signed_in(&server, &admin);
    let page = browser.page("/events/send?type=batch.failed");
    assert!(page.contains("selected>batch.failed") && page.contains("&quot;"), "{page}");
    let other = browser.submit("/events/send", &[("do", "example"), ("type", "usage.threshold.reached")]);
    assert!(text(&other).contains("threshold") && other.status == 200, "{other}");
    let fields = [
        ("do", "send"),
        ("type", "batch.completed"),
        ("object", "{\r\n  \"n\": 1.10,\r\n  \"a\": \"\\u00e9\"\r\n}"),
        ("account", "acme"),
        ("id", "evt_by-hand"),
        ("created", "1706140800"),
    ];
    let sent = browser.submit("/events/send", &fields);
    assert_eq!((sent.status, sent.header("location")), (303, Some("/events/evt_by-hand?done=sent")), "{sent}");
    assert!(browser.page("/events/evt_by-hand?done=sent").contains("The event was accepted"));
    let body = receiver.wait_for(1).remove(0).body;
    let expected = r#"{"id":"evt_by-hand","type":"batch.completed","created":1706140800,"data":{"object":{"n":1.10,"a":"\u00e9"}}}"#;
    assert_eq!(String::from_utf8(body).unwrap(), expected);
    let again = browser.submit("/events/send", &fields);
    assert_eq!(again.header("location"), Some("/events/evt_by-hand?done=known"), "{again}");
    let like = browser.page("/events/send?like=evt_by-hand");
    assert!(like.contains("&quot;n&quot;: 1.10") && like.contains("value=\"acme\""), "{like}");
}

/// As large as the API takes it, and one byte more: then the form is shown again with what was typed.
#[test]
fn an_event_of_the_largest_size_is_sent_from_a_page() {
    let server = Server::setup().args(["--max-event-size", "600KiB"]).start();
    let admin = server.admin();
    let mut browser = Browser::signed_in(&server, &admin);
    let mut send = |size: usize| {
        let object = format!("{{\"s\":\"{}\"}}", "%".repeat(size - 8));
        browser.submit("/events/send", &[("do", "send"), ("type", "batch.completed"), ("object", &object)])
    };
    let largest = 600 << 10;
    assert_eq!(send(largest).status, 303);
    let refused = send(largest + 1);
    let page = text(&refused);
    assert!(refused.status == 422 && page.contains("id=\"object-error\""), "{}", refused.status);
    assert!(page.contains(&"%".repeat(1_000)) && page.contains("may have 614400 bytes at most"));
}

#[test]
fn what_is_wrong_with_an_event_is_said_at_the_field() {
    let server = Server::start();
    let admin = server.admin();
    let strict = json!({
        "name": "invoice.paid", "description": "d", "example": {"n": 1}, "enforce_schema": true,
        "schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    });
    admin.post("/v1/event-types", &strict).expect(201);
    let mut browser = Browser::signed_in(&server, &admin);
    let object = "{\"n\": 1}";
    for (fields, field, said) in [
        ([("type", "no.such"), ("object", object), ("x", "")], "type", "the catalog has no event type"),
        ([("type", "batch.completed"), ("object", "{\"n\": }"), ("x", "")], "object", "it is not JSON: expected value"),
        ([("type", "batch.completed"), ("object", "{}},\"id\":\"evt_1\",\"x\":{{}"), ("x", "")], "object", "not JSON"),
        ([("type", "batch.completed"), ("object", "[1]"), ("x", "")], "object", "must be an object"),
        ([("type", "batch.completed"), ("object", ""), ("x", "")], "object", "must be given"),
        ([("type", "batch.completed"), ("object", "{\"a\":1,\"a\":2}"), ("x", "")], "object", "given twice"),
        (
            [("type", "invoice.paid"), ("object", "{\"n\": \"x\"}"), ("x", "")],
            "object",
            "at <span class=\"mono\">/n</span>:",
        ),
        ([("type", "batch.completed"), ("object", object), ("account", "a b")], "account", "must be 1 to 64"),
        (
            [("type", "batch.completed"), ("object", object), ("id", "mine")],
            "id",
            "must be <span class=\"mono\">evt_</span>",
        ),
        ([("type", "batch.completed"), ("object", object), ("created", "now")], "created", "must be a whole number"),
    ] {
        for way in ["send", "ask"] {
            let mut all = fields.to_vec();
            all.push(("do", way));
            let answer = browser.submit("/events/send", &all);
            assert_eq!(answer.status, 422, "{fields:?}: {answer}");
            let page = text(&answer);
            assert!(page.contains(&format!("href=\"#{field}\"")), "{fields:?}: {page}");
            assert!(page.contains(&format!("id=\"{field}-error\"")), "{fields:?}: {page}");
            assert!(page.contains(said), "{fields:?}: {page}");
        }
    }
    assert!(admin.list("/v1/events").is_empty());
}

#[test]
fn who_would_get_it_is_told_with_the_reasons() {
    let server = Server::start();
    let admin = server.admin();
    let made = |name: &str, more: &serde_json::Value| {
        let mut more = more.clone();
        more["description"] = json!(name);
        id(&admin.endpoint_with("http://127.0.0.1:1/", &more))
    };
    made("Archive", &json!({"account": "acme", "event_types": ["*"]}));
    made("Billing", &json!({"account": "acme", "event_types": ["usage.threshold.reached", "batch.failed"]}));
    let held = made("Held one", &json!({"account": "acme", "event_types": ["batch.*"]}));
    let off = made("Old one", &json!({"account": "acme", "event_types": ["batch.completed"]}));
    made("Elsewhere", &json!({"account": "globex", "event_types": ["*"]}));
    for (id, status) in [(held, "paused"), (off, "disabled")] {
        admin.send("PATCH", &format!("/v1/endpoints/{id}"), &json!({"status": status})).expect(200);
    }
    let mut browser = Browser::signed_in(&server, &admin);
    let page = browser.page("/events/who?type=batch.completed&account=acme");
    for said in [
        "Two of acme’s four endpoints would get it",
        "Gets every type.",
        "paused: it would be held",
        "Two would not",
        " only.",
        "but disabled with the token ",
        "One other endpoint belongs to another account",
        "it would go to endpoints of globex",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("Elsewhere"), "{page}");
    let nobody = browser.page("/events/who?type=batch.completed&account=nobody");
    assert!(nobody.contains("The account nobody has no endpoints"), "{nobody}");
    assert_eq!(browser.get("/events/who?type=no.such").status, 422);
    // The same for an event that is written, before it is sent.
    let fields = [("do", "ask"), ("type", "batch.completed"), ("account", "acme"), ("object", "{}")];
    let asked = browser.submit("/events/send", &fields);
    assert!(asked.status == 200 && text(&asked).contains("Two of acme’s four endpoints"), "{asked}");
    assert!(admin.list("/v1/events").is_empty());
    let customer = Browser::signed_in(&server, &server.api_as("read", Some("acme")));
    let theirs = customer.page("/events/who?type=batch.completed");
    assert!(theirs.contains("Two of your four endpoints") && !theirs.contains("globex"), "{theirs}");
    assert_eq!(customer.get("/events/who?type=batch.completed&account=globex").status, 403);
}

#[test]
fn who_may_not_post_is_not_offered_to() {
    let server = Server::start();
    let mut reader = Browser::signed_in(&server, &server.api_as("read", None));
    assert!(!reader.page("/events").contains("/events/send"));
    assert_eq!(reader.get("/events/send").status, 403);
    let answer = reader.submit("/events/send", &[("do", "send"), ("type", "batch.completed"), ("object", "{}")]);
    assert_eq!(answer.status, 403, "{answer}");
    assert!(server.admin().list("/v1/events").is_empty());
}
