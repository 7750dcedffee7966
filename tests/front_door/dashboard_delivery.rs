//! One delivery: its attempts in full, what happens next, its request, and what people do with it.

use std::process::Command;

use serde_json::json;

use crate::support::api::id;
use crate::support::browser::{text, unescaped};
use crate::support::{Behaviour, Browser, Receiver, Reply, Server};

/// The text of the element with this id, as a browser reads it.
fn content(page: &str, id: &str) -> String {
    let start = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no #{id}: {page}"));
    let inside = page[start..].split_once('>').unwrap().1.split("</pre>").next().unwrap();
    let mut text = String::new();
    for (n, part) in inside.split('<').enumerate() {
        text.push_str(if n == 0 { part } else { part.split_once('>').unwrap().1 });
    }
    unescaped(&text)
}

#[test]
fn every_attempt_is_shown_in_full_and_what_comes_next() {
    let server = Server::setup().documented_schedule().start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, before| {
        let code = if before == 0 { 503 } else { 500 };
        Reply::status(code)
            .header("x-trace", "t-1")
            .header("content-type", "text/plain")
            .body(format!("answer {before}"))
    });
    let endpoint = admin.endpoint_with(&receiver.url(), &json!({"description": "Results intake"}));
    let event = admin.event_of("batch.failed", &json!({"n": 1}));
    let delivery = id(&admin.delivery_after(&event, 1));
    let mut browser = Browser::signed_in(&server, &admin);
    let place = format!("/logs/{delivery}");
    let page = browser.page(&place);
    for words in [
        "<h1>batch.failed</h1>",
        "Attempt 2 of 5 in 4 minutes",
        "503 Service Unavailable",
        "answer 0",
        "x-trace:",
        "t-1",
        "Look-up",
        "First byte",
        "Results intake",
        &*event,
        "Attempt 3, if 2 fails",
        "Attempt 5, the last",
        "x-mythicdot-signature:",
        "Retry now",
        "Cancel delivery",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains(endpoint["secret"].as_str().unwrap()), "{page}");
    assert!(!page.contains("rotated"), "{page}");

    let retried = browser.submit(&format!("{place}/retry"), &[]);
    assert_eq!(retried.header("location"), Some(&*format!("{place}?retried=1")), "{retried}");
    let page = browser.page(retried.header("location").unwrap());
    assert!(page.contains("The retry was not taken") && page.contains("500 Internal Server Error, by hand"), "{page}");
    assert!(page.contains("answer 1") && !page.contains("answer 0"), "the last attempt is shown: {page}");
    assert!(page.contains("Attempt 3 of 5"), "the schedule goes on: {page}");
    let first = browser.page(&format!("{place}?attempt=1"));
    assert!(first.contains("answer 0") && !first.contains("answer 1"), "{first}");
    assert_eq!(browser.get(&format!("{place}?attempt=0")).status, 400);

    let canceled = browser.submit(&format!("{place}/cancel"), &[]);
    assert_eq!(canceled.header("location"), Some(&*place), "{canceled}");
    let page = browser.page(&place);
    assert!(
        page.contains("Canceled") && page.contains("Nothing more is sent") && !page.contains("if 3 fails"),
        "{page}"
    );
    assert!(!page.contains("Cancel delivery") && page.contains("Retry now"), "{page}");
    assert_eq!(browser.submit(&format!("{place}/cancel"), &[]).status, 409);
    assert_eq!(receiver.requests().len(), 2);
}

#[test]
fn the_command_sends_the_same_request_again() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    let hostile = "it's $HOME `id` \"x\"";
    admin.endpoint_with(&receiver.url_of("/a?b=%7B'c"), &json!({"headers": {"x-own": hostile, "x-empty": ""}}));
    let event = admin.event_of("batch.completed", &json!({"note": "it's <b>\"bold\"</b> & $(id)\nnew"}));
    let delivery = id(&admin.delivery_after(&event, 1));
    let browser = Browser::signed_in(&server, &admin);
    let command = content(&browser.page(&format!("/logs/{delivery}")), "command");
    // The shell itself says what curl would be given.
    let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{command}");
    let output = Command::new("sh").arg("-c").arg(&script).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}: {command}");
    let text = String::from_utf8(output.stdout).unwrap();
    let given: Vec<&str> = text.split_terminator('\0').collect();
    let sent = &receiver.requests()[0];
    assert!(given[0].ends_with(&sent.target), "{given:?}");
    assert_eq!(given[given.len() - 2..], ["--data-raw", std::str::from_utf8(&sent.body).unwrap()]);
    let headers: Vec<&str> = given.windows(2).filter(|two| two[0] == "-H").map(|two| two[1]).collect();
    for name in [
        "content-type",
        "user-agent",
        "x-mythicdot-signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-own",
    ] {
        let expected = format!("{name}: {}", sent.header(name).unwrap());
        assert!(headers.contains(&&*expected), "{expected}: {headers:?}");
    }
    assert!(headers.contains(&"x-empty;"), "{headers:?}");
    let reader = Browser::signed_in(&server, &server.api_as("read", None)).page(&format!("/logs/{delivery}"));
    assert!(reader.contains("x-own: ***") && !reader.contains("$HOME"), "{reader}");
}

#[test]
fn a_payload_is_laid_out_raw_and_whole_as_a_file() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| Reply::status(500).body("\"&<>".repeat(1_000)));
    admin.endpoint(&receiver.url());
    let body = r#"{"type":"batch.completed","data":{"object":{"b": 1.50,"a":[ ],"big":12345678901234567890123}}}"#;
    let event = id(&admin.send_text("POST", "/v1/events", body).expect(202));
    let browser = Browser::signed_in(&server, &admin);
    let delivery = id(&admin.delivery_after(&event, 1));
    let page = browser.page(&format!("/logs/{delivery}"));
    let pretty = content(&page, "payload");
    assert!(
        pretty.contains("\n      \"b\": 1.50,\n      \"a\": [],\n      \"big\": 12345678901234567890123\n"),
        "{pretty}"
    );
    let sent = receiver.requests()[0].body.clone();
    assert_eq!(content(&page, "raw").as_bytes(), sent);

    let large = json!({"list": vec!["<&\">"; 30_000]});
    let event = admin.event_of("batch.completed", &large);
    let delivery = id(&admin.delivery_after(&event, 1));
    let page = browser.page(&format!("/logs/{delivery}"));
    assert!(page.len() < 100_000, "{}", page.len());
    assert!(
        page.contains("This is its beginning") && content(&page, "command").contains(&format!("'@{delivery}.json'")),
        "{page}"
    );
    let file = browser.get(&format!("/logs/{delivery}/payload"));
    assert_eq!(file.status, 200, "{file}");
    assert_eq!(file.header("content-disposition"), Some(&*format!("attachment; filename=\"{delivery}.json\"")));
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    assert!(receiver.requests().iter().any(|request| request.body == file.body), "byte for byte");
}

#[test]
fn a_page_stays_small_whatever_was_sent_and_answered() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| {
        let reply = Reply::status(500).body("\"".repeat(4_000));
        (0..60).fold(reply, |reply, n| reply.header(&format!("x-{n}"), &"\"".repeat(30)))
    });
    let headers: serde_json::Map<_, _> = (0..50).map(|n| (format!("x-own-{n}"), json!("\"".repeat(500)))).collect();
    admin.endpoint_with(&receiver.url(), &json!({"headers": headers}));
    let event = admin.event_of("batch.completed", &json!({"list": vec!["\""; 1_500]}));
    let delivery = id(&admin.delivery_after(&event, 1));
    for made in 2..=30 {
        admin.post_empty(&format!("/v1/deliveries/{delivery}/retry")).expect(202);
        admin.delivery_after(&event, made);
    }
    let page = Browser::signed_in(&server, &admin).page(&format!("/logs/{delivery}"));
    assert!(page.len() < 100_000, "{} bytes", page.len());
    assert!(page.contains("too long for a command") && page.contains("x-own-49:"), "{page}");
}

#[test]
fn an_attempt_that_is_under_way_is_told_from_one_that_waits() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    admin.endpoint_with(&receiver.url(), &json!({"max_in_flight": 1}));
    let events = [admin.event(), admin.event()];
    receiver.wait_for(1);
    let browser = Browser::signed_in(&server, &admin);
    let pages = events.map(|event| browser.page(&format!("/logs/{}", id(&admin.delivery_of(&event)))));
    assert!(pages[0].contains("Attempt 1 is under way.") && pages[0].contains("Sending"), "{}", pages[0]);
    assert!(pages[1].contains("is due now.") && pages[1].contains("Waiting"), "{}", pages[1]);
    let log = browser.page("/logs");
    assert_eq!((log.matches("</svg>Sending<").count(), log.matches("</svg>Waiting<").count()), (1, 1), "{log}");
}

#[test]
fn what_is_held_or_without_an_endpoint_says_so() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    let endpoint = format!("/v1/endpoints/{}", id(&admin.endpoint(&receiver.url())));
    let event = admin.event();
    let delivery = id(&admin.delivery_after(&event, 1));
    let mut browser = Browser::signed_in(&server, &admin);
    let place = format!("/logs/{delivery}");
    admin.send("PATCH", &endpoint, &json!({"status": "paused"})).expect(200);
    assert!(browser.page(&place).contains("Held while its endpoint is paused."));
    admin.delete(&endpoint);
    admin.delivery_in(&event, "canceled");
    let page = browser.page(&place);
    assert!(page.contains("deleted") && !page.contains("Retry now") && !page.contains("Send it yourself"), "{page}");
    assert_eq!(browser.submit(&format!("{place}/retry"), &[]).status, 409);
}

#[test]
fn many_attempts_are_shown_some_at_a_time() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    admin.endpoint(&receiver.url());
    let event = admin.event();
    let delivery = id(&admin.delivery_after(&event, 1));
    for made in 2..=40 {
        admin.post_empty(&format!("/v1/deliveries/{delivery}/retry")).expect(202);
        admin.delivery_after(&event, made);
    }
    let browser = Browser::signed_in(&server, &admin);
    let place = format!("/logs/{delivery}");
    let newest = browser.page(&place);
    let numbers = |page: &str| {
        let links = page.match_indices("#attempt\"").filter(|(at, _)| !page[*at..*at + 40].contains("attempts<"));
        links.count()
    };
    assert_eq!(numbers(&newest), 25, "{newest}");
    assert!(newest.contains("Earlier attempts") && !newest.contains("Later attempts"), "{newest}");
    let earliest = browser.page(&format!("{place}?attempt=15"));
    assert!(earliest.contains("Later attempts") && earliest.contains("?attempt=1#attempt"), "{earliest}");
}

#[test]
fn a_delivery_is_its_accounts_and_changed_by_who_may() {
    let server = Server::setup().schedule("1h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    admin.endpoint_with(&receiver.url(), &json!({"account": "globex"}));
    let event = json!({"type": "batch.completed", "account": "globex", "data": {"object": {}}});
    let event = id(&admin.post("/v1/events", &event).expect(202));
    let delivery = id(&admin.delivery_after(&event, 1));
    let place = format!("/logs/{delivery}");
    let mut other = Browser::signed_in(&server, &server.api_as("admin", Some("acme")));
    for path in [&place, &format!("{place}/payload"), &format!("{place}?attempt=1")] {
        assert_eq!(other.get(path).status, 404, "{path}");
    }
    let mut reader = Browser::signed_in(&server, &server.api_as("read", None));
    let page = reader.page(&place);
    assert!(!page.contains("Retry now") && !page.contains("/cancel"), "{page}");
    for below in ["retry", "cancel"] {
        assert_eq!(other.submit(&format!("{place}/{below}"), &[]).status, 404, "{below}");
        let refused = reader.submit(&format!("{place}/{below}"), &[]);
        assert_eq!(refused.status, 403, "{below}: {}", text(&refused));
    }
    assert_eq!(admin.delivery_of(&event)["attempts_made"], 1);
    let mut own = Browser::signed_in(&server, &server.api_as("admin", Some("globex")));
    assert!(!own.page(&place).contains("<dt>Account</dt>"));
    own.submit(&format!("{place}/retry"), &[]);
    admin.delivery_after(&event, 2);
}

/// Of an ordered endpoint only the oldest has a time of its own; the others go out after it.
#[test]
fn a_delivery_behind_another_of_an_ordered_endpoint_says_so() {
    let server = Server::setup().schedule("2h").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 503);
    admin.endpoint_with(&receiver.url(), &json!({"ordered": true}));
    let first = id(&admin.delivery_after(&admin.event(), 1));
    let second = id(&admin.delivery_of(&admin.event()));
    let mut browser = Browser::signed_in(&server, &admin);
    let page = browser.page(&format!("/logs/{second}"));
    assert!(page.contains("Held behind") && page.contains(&format!("/logs/{first}")), "{page}");
    assert!(page.contains("after an earlier delivery") && !page.contains("due now"), "{page}");
    let page = browser.page(&format!("/logs/{first}"));
    assert!(page.contains("Attempt 2 of 2 in 2 hours") || page.contains("Attempt 2 of 2 in 1 hour"), "{page}");
    browser.submit(&format!("/logs/{first}/cancel"), &[]);
    admin.delivery_after(admin.get(&format!("/v1/deliveries/{second}")).expect(200)["event_id"].as_str().unwrap(), 1);
    assert!(!browser.page(&format!("/logs/{second}")).contains("Held behind"));
}
