//! Endpoints by hand: added, changed, tested, paused, rotated, replayed and deleted on their pages.

use serde_json::json;

use crate::support::api::id;
use crate::support::browser::{hidden, text, unescaped};
use crate::support::{Browser, Receiver, Reply, Server, sign};

#[test]
fn an_endpoint_is_added_with_its_secret_this_once() {
    let server = Server::start();
    let receiver = Receiver::start(|_, _| 200);
    let mut browser = Browser::signed_in(&server, &server.admin());
    let fields = [
        ("url", &*receiver.url()),
        ("description", "Results intake"),
        ("account", "acme"),
        ("events", "ticked"),
        ("event_types", "batch.completed"),
        ("event_types", "fine_tuning.*"),
        ("timeout", "5s"),
        ("retry_schedule", "1m, 2h"),
        ("max_in_flight", "3"),
        ("rate_limit", "50"),
        ("ordered", "on"),
        ("headers", "X-Team: blue\r\nX-Other: a:b"),
        ("metadata", "owner: data platform"),
    ];
    let answer = browser.submit("/endpoints/new", &fields);
    assert_eq!(answer.status, 201, "{answer}");
    let page = text(&answer);
    let made = server.admin().list("/v1/endpoints").remove(0);
    let secret = server.admin().get(&format!("/v1/endpoints/{}/secret", made["id"].as_str().unwrap())).expect(200);
    assert!(page.contains(secret["secret"].as_str().unwrap()), "the secret is shown");
    for (field, value) in [
        ("account", json!("acme")),
        ("description", json!("Results intake")),
        ("event_types", json!(["batch.completed", "fine_tuning.*"])),
        ("timeout", json!("5s")),
        ("retry_schedule", json!(["1m", "2h"])),
        ("max_in_flight", json!(3)),
        ("rate_limit", json!(50)),
        ("ordered", json!(true)),
        ("headers", json!({"x-team": "blue", "x-other": "a:b"})),
        ("metadata", json!({"owner": "data platform"})),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let again = browser.page(&format!("/endpoints/{}", made["id"].as_str().unwrap()));
    assert!(!again.contains(secret["secret"].as_str().unwrap()), "only once");
}

#[test]
fn what_is_wrong_is_said_at_the_field_in_the_words_of_the_api() {
    let server = Server::start();
    let mut browser = Browser::signed_in(&server, &server.admin());
    for (fields, field, said) in [
        (vec![("url", "ftp://x"), ("events", "all")], "url", "the URL must have the scheme"),
        (vec![("url", ""), ("events", "all")], "url", "must have 1 to"),
        (vec![("url", "http://x.example"), ("events", "ticked")], "event_types", "must have 1 to 100 items"),
        (vec![("url", "http://x.example"), ("event_types", "no.such")], "event_types", "no.such"),
        (vec![("url", "http://x.example"), ("events", "all"), ("timeout", "9h")], "timeout", "must be 100ms to 5m"),
        (vec![("url", "http://x.example"), ("events", "all"), ("rate_limit", "lots")], "rate_limit", "a whole number"),
        (vec![("url", "http://x.example"), ("events", "all"), ("headers", "Host: x")], "headers", "Host"),
        (vec![("url", "http://x.example"), ("events", "all"), ("headers", "nonsense")], "headers", "Name: value"),
        (vec![("url", "http://x.example"), ("events", "all"), ("account", "a b")], "account", "must be 1 to 64"),
        (vec![("url", "http://x.example"), ("events", "all"), ("secret", "hunter2")], "secret", "whsec_"),
    ] {
        let answer = browser.submit("/endpoints/new", &fields);
        assert_eq!(answer.status, 422, "{fields:?}: {answer}");
        let page = text(&answer);
        assert!(page.contains(&format!("href=\"#{field}\"")), "{fields:?}: {page}");
        assert!(page.contains(&format!("id=\"{field}-error\"")), "{fields:?}: {page}");
        assert!(page.contains(&format!("id=\"{field}\"")), "{fields:?}: {page}");
        assert!(page.contains(said), "{fields:?}: {page}");
        assert!(page.contains("One thing to fix") && page.contains("role=\"alert\""), "{page}");
        // What was typed is still there.
        assert!(page.contains(&format!("value=\"{}\"", fields[0].1)), "{page}");
    }
    assert!(server.admin().list("/v1/endpoints").is_empty());
}

#[test]
fn an_endpoint_is_changed_and_what_is_emptied_goes_back() {
    let server = Server::start();
    let admin = server.admin();
    let more = json!({"timeout": "5s", "rate_limit": 7, "headers": {"x-a": "1"}, "description": "before"});
    let made = admin.endpoint_with("http://127.0.0.1:1/a", &more);
    let place = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let mut browser = Browser::signed_in(&server, &admin);
    let page = browser.page(&format!("{place}/edit"));
    for value in ["http://127.0.0.1:1/a", "before", "value=\"5s\"", "value=\"7\"", "x-a: 1"] {
        assert!(page.contains(value), "{value}: {page}");
    }
    let answer = browser.submit(
        &format!("{place}/edit"),
        &[("url", "http://127.0.0.1:1/b"), ("description", "after"), ("events", "ticked"), ("event_types", "batch.*")],
    );
    assert_eq!((answer.status, answer.header("location")), (303, Some(&*format!("{place}?done=saved"))), "{answer}");
    let now = admin.get(&format!("/v1{place}")).expect(200);
    assert_eq!(now["url"], "http://127.0.0.1:1/b");
    assert_eq!(now["event_types"], json!(["batch.*"]));
    assert_eq!((&now["timeout"], &now["rate_limit"]), (&json!(null), &json!(null)));
    assert_eq!(now["headers"], json!({}));
    assert!(browser.page(&format!("{place}?done=saved")).contains("Saved"));
}

#[test]
fn a_test_is_sent_and_its_answer_shows_at_once() {
    let server = Server::start();
    let receiver =
        Receiver::start(
            |_, number| if number == 0 { Reply::status(503).body("out of order") } else { Reply::status(200) },
        );
    let made = server.admin().endpoint(&receiver.url());
    let place = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let mut browser = Browser::signed_in(&server, &server.admin());
    let refused = browser.submit(&format!("{place}/test"), &[("type", "batch.failed")]);
    assert_eq!(refused.status, 303, "{refused}");
    let page = browser.page(refused.header("location").unwrap());
    assert!(page.contains("The test was refused: 503") && page.contains("out of order"), "{page}");
    assert!(page.contains("batch.failed"), "{page}");
    let taken = browser.submit(&format!("{place}/test"), &[]);
    assert!(browser.page(taken.header("location").unwrap()).contains("The test was taken: 200"));
    assert_eq!(receiver.requests().len(), 2);
    let unknown = browser.submit(&format!("{place}/test"), &[("type", "no.such")]);
    assert_eq!(unknown.status, 422, "{unknown}");
}

#[test]
fn an_endpoint_is_paused_and_resumed() {
    let server = Server::start();
    let receiver = Receiver::start(|_, _| 200);
    let admin = server.admin();
    let made = admin.endpoint(&receiver.url());
    let place = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let mut browser = Browser::signed_in(&server, &admin);
    browser.submit(&format!("{place}/status"), &[("status", "paused")]);
    let event = admin.event();
    let page = browser.page(&place);
    assert!(page.contains("1 delivery is held") && page.contains("Resume"), "{page}");
    assert!(browser.page("/endpoints?status=paused").contains(&*place));
    browser.submit(&format!("{place}/status"), &[("status", "enabled")]);
    admin.delivery_in(&event, "delivered");
    browser.submit(&format!("{place}/status"), &[("status", "disabled")]);
    assert_eq!(admin.get(&format!("/v1{place}")).expect(200)["status"], "disabled");
    assert!(browser.page(&place).contains("Disabled with the token <span class=\"mono\">system:admin-token</span>."));
    assert_eq!(browser.submit(&format!("{place}/status"), &[("status", "gone")]).status, 400);
}

#[test]
fn a_secret_is_shown_rotated_and_both_stand_in_the_audit_log() {
    let server = Server::start();
    let admin = server.admin();
    let made = admin.endpoint("http://127.0.0.1:1/");
    let place = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let old = made["secret"].as_str().unwrap();
    let mut browser = Browser::signed_in(&server, &admin);
    assert!(!browser.page(&place).contains(old));
    assert!(text(&browser.submit(&format!("{place}/secret"), &[])).contains(old));
    let bad = browser.submit(&format!("{place}/rotate"), &[("overlap", "99d")]);
    assert_eq!(bad.status, 422, "{bad}");
    assert!(text(&bad).contains("id=\"overlap-error\""), "{bad}");
    let same = browser.submit(&format!("{place}/rotate"), &[("overlap", "1h"), ("secret", old)]);
    assert!(text(&same).contains("it is the secret that the endpoint has already"), "{same}");
    let rotated = text(&browser.submit(&format!("{place}/rotate"), &[("overlap", "1h")]));
    let new = admin.get(&format!("/v1{place}/secret")).expect(200);
    assert_ne!(new["secret"], old);
    assert!(rotated.contains(new["secret"].as_str().unwrap()) && !rotated.contains(old), "{rotated}");
    let actions: Vec<_> = admin.list("/v1/audit-log").iter().map(|entry| entry["action"].clone()).collect();
    for action in ["endpoint.secret_read", "endpoint.secret_rotated", "session.opened"] {
        assert!(actions.contains(&json!(action)), "{action} in {actions:?}");
    }
}

#[test]
fn a_replay_is_counted_before_it_is_done() {
    let server = Server::setup().schedule("1ms").start();
    let receiver = Receiver::start(|_, number| if number < 6 { 500 } else { 200 });
    let admin = server.admin();
    let made = admin.endpoint(&receiver.url());
    let place = format!("/endpoints/{}/replay", made["id"].as_str().unwrap());
    let events: Vec<_> = (0..3).map(|_| admin.event()).collect();
    for event in &events {
        admin.delivery_in(event, "failed");
    }
    let mut browser = Browser::signed_in(&server, &admin);
    let counted = browser.page(&format!("{place}?since=2020-01-01T00:00:00Z&until=&select=failed"));
    assert!(counted.contains("3 deliveries will be sent again"), "{counted}");
    assert_eq!(receiver.requests().len(), 6, "counting sends nothing");
    let none = browser.page(&format!("{place}?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z&select=all"));
    assert!(none.contains("nothing to send again"), "{none}");
    let wrong = browser.get(&format!("{place}?since=yesterday&select=failed"));
    assert_eq!(wrong.status, 422, "{wrong}");
    assert!(text(&wrong).contains("id=\"since-error\""), "{wrong}");
    let done = browser.submit(&place, &[("since", "2020-01-01T00:00:00Z"), ("until", ""), ("select", "failed")]);
    assert!(done.header("location").unwrap().ends_with("?done=replayed&count=3"), "{done}");
    for event in &events {
        admin.delivery_in(event, "delivered");
    }
    assert!(browser.page(done.header("location").unwrap()).contains("3 deliveries go out now"));
}

#[test]
fn deleting_says_what_it_drops_and_asks_first() {
    let server = Server::setup().schedule("1h").start();
    let receiver = Receiver::start(|_, _| 500);
    let admin = server.admin();
    let made = admin.endpoint(&receiver.url());
    let place = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let events = [admin.event(), admin.event()];
    for event in &events {
        admin.delivery_after(event, 1);
    }
    let mut browser = Browser::signed_in(&server, &admin);
    let asked = browser.page(&format!("{place}/delete"));
    assert!(asked.contains("2 waiting deliveries are canceled"), "{asked}");
    admin.get(&format!("/v1{place}")).expect(200);
    let answer = browser.submit(&format!("{place}/delete"), &[]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/endpoints")), "{answer}");
    admin.get(&format!("/v1{place}")).problem(404);
    for event in &events {
        admin.delivery_in(event, "canceled");
    }
    assert!(browser.page("/endpoints").contains("No endpoints yet"));
}

#[test]
fn the_last_day_of_an_endpoint_survives_a_restart() {
    let mut server = Server::setup().schedule("1h").start();
    let receiver = Receiver::start(|_, number| if number == 0 { 500 } else { 200 });
    let admin = server.admin();
    let made = admin.endpoint(&receiver.url());
    let place = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let first = admin.event();
    admin.delivery_after(&first, 1);
    for _ in 0..3 {
        let event = admin.event();
        admin.delivery_in(&event, "delivered");
    }
    let seen = |server: &Server| Browser::signed_in(server, &server.admin()).page(&place);
    assert!(seen(&server).contains("3 attempts were taken, 1 not."), "{}", seen(&server));
    server.terminate();
    server.verify_store();
    server.start_again();
    assert!(seen(&server).contains("3 attempts were taken, 1 not."), "{}", seen(&server));
}

#[test]
fn saving_sends_what_was_changed_in_the_form_and_nothing_else() {
    let server = Server::start();
    let admin = server.admin();
    let settings = json!({
        "description": "First line\nSecond line",
        "metadata": {"crm:id": "42", "multi": "one\ntwo: three", "padded": " a "},
        "headers": {"X-Team": "billing"},
    });
    let made = admin.endpoint_with("http://127.0.0.1:1/", &settings);
    let place = format!("/endpoints/{}", id(&made));
    let mut browser = Browser::signed_in(&server, &admin);
    let form = browser.page(&format!("{place}/edit"));
    let carried = hidden(&form, "shown");
    let start = form.find("name=\"metadata\"").unwrap();
    let metadata = unescaped(form[start..].split_once('>').unwrap().1.split("</textarea>").next().unwrap().trim());
    admin.send("PATCH", &format!("/v1{place}"), &json!({"max_in_flight": 3})).expect(200);
    let mut fields = vec![
        ("shown", &*carried),
        ("url", "http://127.0.0.1:1/"),
        ("description", "First line\r\nSecond line"),
        ("events", "all"),
        ("headers", "x-team: billing"),
        ("metadata", &*metadata),
        ("timeout", ""),
        ("retry_schedule", ""),
        ("max_in_flight", ""),
        ("rate_limit", "7"),
    ];
    assert_eq!(browser.submit(&format!("{place}/edit"), &fields).status, 303);
    let saved = admin.get(&format!("/v1{place}")).expect(200);
    for name in ["description", "metadata", "headers", "url", "event_types", "timeout", "ordered"] {
        assert_eq!(saved[name], made[name], "{name}");
    }
    assert_eq!((&saved["max_in_flight"], &saved["rate_limit"]), (&json!(3), &json!(7)), "{saved:#}");
    assert_eq!(admin.list("/v1/audit-log")[0]["details"], "rate_limit");
    fields[9] = ("rate_limit", "many");
    let again = browser.submit(&format!("{place}/edit"), &fields);
    assert_eq!((again.status, hidden(&text(&again), "shown")), (422, carried.clone()), "what it showed goes along");
}

#[test]
fn every_type_and_only_some_is_a_fault_of_the_field() {
    let server = Server::start();
    let admin = server.admin();
    let mut browser = Browser::signed_in(&server, &admin);
    let fields = [("url", "http://127.0.0.1:1/"), ("events", "all"), ("event_types", "batch.failed")];
    let answer = browser.submit("/endpoints/new", &fields);
    assert_eq!(answer.status, 422, "{answer}");
    assert!(text(&answer).contains("either every type, or only those ticked: not both"), "{answer}");
    assert!(admin.list("/v1/endpoints").is_empty());
}

#[test]
fn a_secret_that_was_typed_is_there_still_after_an_error() {
    let server = Server::start();
    let admin = server.admin();
    let place = format!("/endpoints/{}", id(&admin.endpoint("http://127.0.0.1:1/")));
    let mut browser = Browser::signed_in(&server, &admin);
    let secret = sign::secret(7);
    let answer = browser.submit(&format!("{place}/rotate"), &[("overlap", "99d"), ("secret", &secret)]);
    assert_eq!(answer.status, 422, "{answer}");
    assert!(text(&answer).contains(&format!("value=\"{secret}\"")), "{answer}");
}

#[test]
fn a_replay_of_a_paused_endpoint_says_when_it_goes_out() {
    let server = Server::setup().schedule("10ms").start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 500);
    let place = format!("/endpoints/{}", id(&admin.endpoint(&receiver.url())));
    admin.delivery_in(&admin.event(), "failed");
    let mut browser = Browser::signed_in(&server, &admin);
    browser.submit(&format!("{place}/status"), &[("status", "paused")]);
    let asked = browser.page(&format!("{place}/replay?since=2020-01-01T00:00:00Z&until=&select=failed"));
    assert!(asked.contains("once the endpoint is resumed"), "{asked}");
    let done = browser.submit(&format!("{place}/replay"), &[("since", "2020-01-01T00:00:00Z"), ("select", "failed")]);
    let page = browser.page(done.header("location").unwrap());
    assert!(page.contains("1 delivery goes out once the endpoint is resumed"), "{page}");
}
