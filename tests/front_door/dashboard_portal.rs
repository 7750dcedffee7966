//! The customers' view: by a link that opens one session, for one account, once.

use std::time::Duration;

use serde_json::json;

use crate::support::browser::text;
use crate::support::clock::TestClock;
use crate::support::{Browser, Server};

/// The path of a fresh link for this account.
fn link(server: &Server, account: &str) -> String {
    let made = server.admin().post(&format!("/v1/accounts/{account}/portal-link"), &json!({})).expect(201);
    let url = made["url"].as_str().unwrap();
    url.strip_prefix(&server.base).unwrap_or_else(|| panic!("{url} is not at {}", server.base)).to_owned()
}

#[test]
fn a_link_opens_one_session_once_and_only_when_it_is_pressed() {
    let server = Server::start();
    let path = link(&server, "acme");
    let mut browser = Browser::new(&server);
    for _ in 0..3 {
        let page = browser.page(&path);
        assert!(page.contains(&format!("action=\"{path}\"")), "looking does not use it up: {page}");
    }
    let foreign = browser.post_from(&path, &[], &[("origin", "https://evil.example")]);
    assert_eq!(foreign.status, 403, "{foreign}");
    let opened = browser.post(&path, &[]);
    assert_eq!((opened.status, opened.header("location")), (303, Some("/endpoints")), "{opened}");
    let cookie = opened.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(browser.page("/endpoints").contains("acme"));
    let mut late = Browser::new(&server);
    assert_eq!(late.get(&path).status, 404);
    assert_eq!(late.post(&path, &[]).status, 404);
    assert_eq!(late.get("/portal/nonsense").status, 404);
}

#[test]
fn a_customer_manages_its_own_endpoints_and_reaches_no_other_account() {
    let server = Server::start();
    let admin = server.admin();
    let other = admin.endpoint_with("http://127.0.0.1:1/", &json!({"account": "globex"}));
    let mut customer = Browser::new(&server);
    let path = link(&server, "acme");
    customer.post(&path, &[]);
    let made = customer.submit("/endpoints/new", &[("url", "http://127.0.0.1:1/mine"), ("events", "all")]);
    assert_eq!(made.status, 201, "{made}");
    assert_eq!(admin.list("/v1/endpoints?account=acme").len(), 1);
    let stolen = [("url", "http://127.0.0.1:1/x"), ("events", "all"), ("account", "globex")];
    assert_eq!(customer.submit("/endpoints/new", &stolen).status, 403);
    let other = other["id"].as_str().unwrap();
    for path in [format!("/endpoints/{other}"), format!("/endpoints/{other}/edit")] {
        assert_eq!(customer.get(&path).status, 404, "{path}");
    }
    assert_eq!(customer.get("/tokens").status, 403);
    // What was done through the portal is told apart in the audit log.
    let entries = admin.list("/v1/audit-log?account=acme");
    let names: Vec<_> = entries.iter().map(|entry| (&entry["action"], &entry["actor"]["name"])).collect();
    assert!(names.contains(&(&json!("endpoint.created"), &json!("system:portal"))), "{names:?}");
    assert!(names.contains(&(&json!("session.opened"), &json!("system:portal"))), "{names:?}");
    assert!(names.contains(&(&json!("portal_link.created"), &json!("system:admin-token"))), "{names:?}");
}

#[test]
fn links_and_their_sessions_expire() {
    let setup = Server::setup();
    let mut clock = TestClock::new(setup.root());
    let file = clock.file().to_owned();
    let server = setup.env("MYTHICHOOKS_TEST_CLOCK", file).start();
    let (early, late) = (link(&server, "acme"), link(&server, "acme"));
    let mut browser = Browser::new(&server);
    clock.advance(Duration::from_secs(9 * 60));
    assert_eq!(browser.post(&early, &[]).status, 303);
    clock.advance(Duration::from_secs(2 * 60));
    assert_eq!(Browser::new(&server).post(&late, &[]).status, 404);
    clock.advance(Duration::from_secs(7 * 3_600));
    assert_eq!(browser.get("/endpoints").status, 200);
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(browser.get("/endpoints").status, 303);
    for bad in ["30s", "2h", "soon"] {
        server.admin().post("/v1/accounts/acme/portal-link", &json!({"expires_in": bad})).problem(400);
    }
}

#[test]
fn customers_see_the_platforms_name_logo_and_colour() {
    let setup = Server::setup();
    let logo = setup.root().join("logo.svg");
    std::fs::write(&logo, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"></svg>").unwrap();
    let args = ["--portal-name", "Halcyon <AI>", "--portal-accent", "#9d174d", "--public-url", "http://hooks.example"];
    let server = setup.args(args).args(["--portal-logo".into(), logo.into_os_string()]).start();
    let made = server.admin().post_empty("/v1/accounts/acme/portal-link").expect(201);
    let url = made["url"].as_str().unwrap();
    let path = url.strip_prefix("http://hooks.example").unwrap_or_else(|| panic!("{url}"));
    let mut customer = Browser::new(&server);
    assert!(customer.page(path).contains("Halcyon &lt;AI&gt;"));
    assert_eq!(customer.post(path, &[]).status, 303);
    let page = customer.page("/endpoints");
    assert!(page.contains("<html lang=\"en\" class=\"customer\">"), "{page}");
    assert!(page.contains("Halcyon &lt;AI&gt;") && page.contains("Sent by"), "{page}");
    let file = |marker: &str| {
        let start = page.find(marker).unwrap_or_else(|| panic!("no {marker}"));
        page[start..].split('"').next().unwrap().to_owned()
    };
    assert!(text(&server.anonymous().get(&file("/assets/style"))).contains(".customer { --accent: #9d174d; }"));
    assert_eq!(server.anonymous().get(&file("/assets/logo")).header("content-type"), Some("image/svg+xml"));
    let operator = Browser::signed_in(&server, &server.admin()).page("/endpoints");
    assert!(!operator.contains("Halcyon"), "operators see it as it is");
}

#[test]
fn a_colour_that_cannot_be_read_is_refused_at_the_start() {
    for (flag, value, said) in [
        ("--portal-accent", "#ffcc00", "take a darker one"),
        ("--portal-accent", "red", "must be a colour like"),
        ("--portal-name", "", "1 to 40 characters"),
        ("--public-url", "https://x.example/path", "without a path"),
        ("--portal-logo", "/no/such/file", "--portal-logo /no/such/file"),
    ] {
        let output = Server::setup().args([flag, value]).command().output().unwrap();
        assert!(!output.status.success(), "{flag} {value}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(said), "{flag} {value}: {told}");
    }
}

#[test]
fn who_is_signed_in_already_is_asked_before_a_link_takes_the_place() {
    let server = Server::start();
    let mut browser = Browser::signed_in(&server, &server.admin());
    let old = browser.cookie.clone();
    let path = link(&server, "acme");
    let asked = browser.post(&path, &[]);
    assert_eq!((asked.status, asked.header("set-cookie")), (200, None), "{asked}");
    let page = text(&asked);
    assert!(page.contains("You are signed in already") && page.contains("system:admin-token"), "{page}");
    assert!(!page.contains("data-onward"), "no script presses this button");
    assert!(browser.page("/tokens").contains("Tokens"), "it is still the operator's");
    let opened = browser.post(&format!("{path}?replace"), &[]);
    assert_eq!((opened.status, opened.header("location")), (303, Some("/endpoints")), "{opened}");
    assert_eq!(browser.get("/tokens").status, 403);
    let mut left = Browser::new(&server);
    left.cookie = old;
    assert_eq!(left.get("/endpoints").status, 303, "the session before it has ended");
    // The same customer again is not asked.
    assert_eq!(browser.post(&link(&server, "acme"), &[]).status, 303);
    assert_eq!(browser.post(&link(&server, "globex"), &[]).status, 200);
}
