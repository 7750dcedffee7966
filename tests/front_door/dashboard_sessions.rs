//! Sign-in, sessions and their end; what is refused for coming from elsewhere.

use std::time::Duration;

use serde_json::json;

use crate::support::browser::{hidden, text};
use crate::support::clock::TestClock;
use crate::support::{Api, Browser, Server};

type Pairs<'a> = Vec<(&'a str, &'a str)>;

fn admin_text(server: &Server) -> String {
    server.admin().token.unwrap()
}

#[test]
fn a_token_opens_a_session_with_a_cookie_that_scripts_and_other_sites_do_not_get() {
    let server = Server::start();
    let mut browser = Browser::new(&server);
    let answer = browser.post("/sign-in", &[("token", &admin_text(&server)), ("next", "/logs?status=failed")]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/logs?status=failed")), "{answer}");
    let cookie = answer.header("set-cookie").unwrap();
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("mhk_"), "{cookie}");
    assert!(browser.page("/").contains("Sign out"));
    assert!(!browser.page("/").contains(&admin_text(&server)));
}

#[test]
fn who_is_not_signed_in_is_sent_to_the_sign_in_and_back() {
    let server = Server::start();
    let mut browser = Browser::new(&server);
    for path in ["/", "/endpoints", "/endpoints/new", "/logs?status=failed", "/tokens", "/live", "/logs/dlv_x"] {
        let answer = browser.get(path);
        assert_eq!(answer.status, 303, "{answer}");
        let location = answer.header("location").unwrap();
        assert!(location.starts_with("/sign-in"), "{path}: {location}");
        if path != "/" {
            assert_eq!(hidden(&browser.page(location), "next"), path);
        }
    }
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let answer = browser.post("/sign-in", &[("token", &admin_text(&server)), ("next", next)]);
        assert_eq!(answer.header("location"), Some("/"), "{next}");
    }
    assert_eq!(browser.get("/sign-in?next=/logs").header("location"), Some("/logs"), "signed in already");
}

#[test]
fn a_wrong_token_or_one_that_sees_nothing_is_refused_with_a_sentence() {
    let server = Server::start();
    let mut browser = Browser::new(&server);
    for wrong in ["", "mhk_wrong", "' OR 1=1", &"x".repeat(5_000)] {
        let answer = browser.sign_in(wrong);
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{answer}");
        assert!(text(&answer).contains("The token is not known, was deleted, or has expired."), "{answer}");
    }
    let ingest = server.api_as("ingest", None);
    let answer = browser.sign_in(ingest.token.as_ref().unwrap());
    assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{answer}");
    assert!(text(&answer).contains("can only post events"), "{answer}");
}

#[test]
fn trying_is_throttled_and_says_when_to_try_again() {
    let server = Server::start();
    let mut browser = Browser::new(&server);
    for _ in 0..10 {
        assert_eq!(browser.sign_in("mhk_wrong").status, 401);
    }
    for token in ["mhk_wrong".to_owned(), admin_text(&server)] {
        let answer = browser.sign_in(&token);
        assert_eq!(answer.status, 429, "{answer}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(text(&answer).contains("Try again in "), "{answer}");
    }
    server.admin().get("/v1/endpoints").expect(200);
}

#[test]
fn a_form_from_elsewhere_or_of_another_session_does_nothing() {
    let server = Server::start();
    let mut browser = Browser::signed_in(&server, &server.admin());
    let token = browser.form_token();
    let other = Browser::signed_in(&server, &server.admin()).form_token();
    assert_ne!(token, other);
    let base = server.base.clone();
    let fields = |token| vec![("form_token", token), ("url", "http://127.0.0.1:1/"), ("events", "all")];
    let ours = ("origin", &*base);
    let cases: Vec<(Pairs<'_>, Pairs<'_>)> = vec![
        (fields(&token), vec![("origin", "https://evil.example")]),
        (fields(&token), vec![("origin", "null")]),
        (fields(&token), vec![ours, ("sec-fetch-site", "cross-site")]),
        (fields(&token), vec![("sec-fetch-site", "same-site")]),
        (fields(&other), vec![ours]),
        (fields(""), vec![ours]),
        (fields(&token)[1..].to_vec(), vec![ours]),
    ];
    for (fields, said) in cases {
        let answer = browser.post_from("/endpoints/new", &fields, &said);
        assert_eq!(answer.status, 403, "{said:?}: {answer}");
        assert!(text(&answer).contains("nothing was done"), "{answer}");
    }
    let foreign = browser.post_from("/sign-in", &[("token", "x")], &[("origin", "https://evil.example")]);
    assert_eq!(foreign.status, 403, "{foreign}");
    assert!(server.admin().list("/v1/endpoints").is_empty());
    assert_eq!(browser.post_from("/endpoints/new", &fields(&token), &[ours]).status, 201);
}

#[test]
fn a_session_survives_a_restart_and_ends_with_a_sign_out() {
    let mut server = Server::start();
    let mut browser = Browser::signed_in(&server, &server.admin());
    let cookie = browser.cookie.clone().unwrap();
    let old = server.setup.root().to_owned();
    server.kill();
    server.start_again();
    assert_eq!(server.setup.root(), old);
    let mut browser_after = Browser::new(&server);
    browser_after.cookie = Some(cookie.clone());
    assert!(browser_after.page("/").contains("Sign out"));
    browser = browser_after;
    let answer = browser.submit("/sign-out", &[]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/sign-in")), "{answer}");
    assert_eq!(browser.cookie, None, "{answer}");
    browser.cookie = Some(cookie.clone());
    assert_eq!(browser.get("/").status, 303, "the session is gone, whoever has its cookie");
    server.terminate();
    server.verify_store();
    server.start_again();
    let mut browser = Browser::new(&server);
    browser.cookie = Some(cookie);
    assert_eq!(browser.get("/").status, 303);
}

#[test]
fn a_session_ends_with_its_token() {
    let server = Server::start();
    let admin = server.admin();
    let made = admin.post("/v1/tokens", &json!({"name": "brief", "role": "admin"})).expect(201);
    let browser = Browser::signed_in(&server, &Api::new(&server.base, made["token"].as_str()));
    assert_eq!(browser.get("/").status, 200);
    admin.delete(&format!("/v1/tokens/{}", made["id"].as_str().unwrap())).expect(204);
    assert_eq!(browser.get("/").status, 303);
}

#[test]
fn a_session_ends_when_its_time_or_its_tokens_is_over() {
    let setup = Server::setup();
    let mut clock = TestClock::new(setup.root());
    let file = clock.file().to_owned();
    let server = setup.env("MYTHICHOOKS_TEST_CLOCK", file).start();
    let made = server.admin().post("/v1/tokens", &json!({"name": "b", "role": "read", "expires_in": "1h"})).expect(201);
    let brief = Browser::signed_in(&server, &Api::new(&server.base, made["token"].as_str()));
    let long = Browser::signed_in(&server, &server.admin());
    clock.advance(Duration::from_secs(3_601));
    assert_eq!((brief.get("/").status, long.get("/").status), (303, 200));
    clock.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(long.get("/").status, 303);
}

#[test]
fn a_public_url_with_https_makes_the_cookie_secure() {
    let server = Server::setup().args(["--public-url", "https://hooks.example"]).start();
    let mut browser = Browser::new(&server);
    let token = admin_text(&server);
    let answer = browser.post_from("/sign-in", &[("token", &token)], &[("origin", "https://hooks.example")]);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-") && cookie.contains("Secure") && cookie.contains("Path=/"), "{cookie}");
    assert_eq!(browser.get("/").status, 200);
}

#[test]
fn a_new_session_of_the_same_browser_ends_the_one_before() {
    let server = Server::start();
    let mut browser = Browser::signed_in(&server, &server.admin());
    let mut before = Browser::new(&server);
    before.cookie = browser.cookie.clone();
    assert_eq!(before.get("/endpoints").status, 200);
    assert_eq!(browser.sign_in(&admin_text(&server)).status, 303);
    assert_eq!((browser.get("/endpoints").status, before.get("/endpoints").status), (200, 303));
}

#[test]
fn a_wrong_token_does_not_lose_the_way() {
    let server = Server::start();
    let mut browser = Browser::new(&server);
    let answer = browser.post("/sign-in", &[("token", "mhk_wrong"), ("next", "/logs?status=failed")]);
    assert_eq!(hidden(&text(&answer), "next"), "/logs?status=failed");
}

#[test]
fn a_form_of_a_session_that_is_over_leads_back_to_its_page_and_says_that_nothing_was_saved() {
    let server = Server::start();
    let mut browser = Browser::new(&server);
    let here = format!("http://{}/endpoints/new", server.address());
    let answer = browser.post_from("/endpoints/new", &[("url", "https://a.example")], &[("referer", &here)]);
    let location = answer.header("location").unwrap();
    let page = browser.page(location);
    assert!(page.contains("You were signed out") && page.contains("was not saved"), "{page}");
    assert_eq!(hidden(&page, "next"), "/endpoints/new");
    let elsewhere = browser.post_from("/endpoints/new", &[], &[("referer", "http://evil.example/endpoints/new")]);
    assert_eq!(hidden(&browser.page(elsewhere.header("location").unwrap()), "next"), "/");
    assert_eq!(browser.post("/sign-out", &[]).header("location"), Some("/sign-in"));

    browser.sign_in(&admin_text(&server));
    let other = browser.post("/endpoints/new", &[("form_token", "of-another-session")]);
    let page = text(&other);
    assert!(other.status == 403 && page.contains("The form is out of date"), "{other}");
    assert!(!page.contains("Sign in with another token"), "{page}");
}
