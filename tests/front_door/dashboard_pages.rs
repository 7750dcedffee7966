//! What holds for every page: its headers, its size, what it loads, whose rights it has, and that text stays text.

use serde_json::json;

use crate::support::browser::text;
use crate::support::{Browser, Receiver, Server, eventually};

const TABS: [&str; 8] = ["/", "/endpoints", "/logs", "/events", "/event-types", "/tokens", "/audit-log", "/live"];
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;";

/// What the attribute of this name is in every element of a page that has it.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let marker = format!(" {name}=\"");
    page.match_indices(&marker).map(|(at, _)| page[at + marker.len()..].split('"').next().unwrap()).collect()
}

#[test]
fn every_page_has_its_headers_loads_little_and_is_small() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 200);
    let endpoint = admin.endpoint(&receiver.url());
    for _ in 0..60 {
        admin.event();
    }
    let browser = Browser::signed_in(&server, &admin);
    let place = format!("/endpoints/{}", endpoint["id"].as_str().unwrap());
    let below = ["", "/edit", "/rotate", "/replay", "/delete"].map(|part| format!("{place}{part}"));
    let delivery = format!("/logs/{}", admin.list("/v1/deliveries")[0]["id"].as_str().unwrap());
    let event = format!("/events/{}", admin.list("/v1/events")[0]["id"].as_str().unwrap());
    let token = format!("/tokens/{}/delete", admin.list("/v1/tokens")[0]["id"].as_str().unwrap());
    let others = [
        "/endpoints/new",
        "/events/send",
        "/events/who?type=batch.completed",
        "/event-types/batch.completed",
        "/event-types/batch.completed/edit",
        "/event-types/batch.completed/delete",
        "/event-types/add-new",
        "/tokens/new",
        &token,
        "/?span=7d",
        "/logs/retry?type=batch.completed",
        "/sign-in",
        "/no/such/page",
    ]
    .map(str::to_owned);
    let all = TABS.map(str::to_owned).into_iter().chain(below).chain([delivery, event]).chain(others);
    for path in all {
        let answer = browser.get(&path);
        let expected = match &*path {
            "/sign-in" => 303,
            "/no/such/page" => 404,
            _ => 200,
        };
        assert_eq!(answer.status, expected, "{answer}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        if answer.status == 303 {
            continue;
        }
        let page = text(&answer);
        assert!(page.len() < 100_000, "{path}: {} bytes", page.len());
        assert!(page.contains("<html lang=\"en\"") && page.contains("<h1>") && page.contains("<title>"), "{path}");
        assert!(!page.contains(" style=\"") && !page.contains("<style") && !page.contains(" onclick"), "{path}");
        assert!(!page.contains("<script>") && page.matches("<script").count() == 1, "{path}");
        let loaded: Vec<_> = page.matches("/assets/").collect();
        assert!(loaded.len() <= 4, "{path}: a page and {} files", loaded.len());
        for link in attributes(&page, "href").into_iter().chain(attributes(&page, "src")) {
            assert!(link.starts_with(['/', '#']), "{path}: {link}");
        }
    }
}

#[test]
fn files_are_kept_for_ever_under_names_of_their_content() {
    let server = Server::start();
    let page = text(&Browser::new(&server).get("/sign-in"));
    let files: Vec<_> = attributes(&page, "href")
        .into_iter()
        .chain(attributes(&page, "src"))
        .filter(|f| f.starts_with("/assets/"))
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let answer = server.anonymous().get(file);
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{file}");
        let zipped = server.anonymous().request("GET", file, &[("accept-encoding", "gzip")], None);
        assert_eq!(zipped.header("content-encoding"), Some("gzip"), "{file}");
    }
    server.anonymous().get("/assets/style.000000000000.css").problem(404);
    server.anonymous().get("/assets/..%2f..%2fetc%2fpasswd").problem(404);
}

#[test]
fn who_may_only_read_sees_no_buttons_and_is_refused_when_asking_anyhow() {
    let server = Server::start();
    let receiver = Receiver::start(|_, _| 200);
    let endpoint = server.admin().endpoint(&receiver.url());
    let place = format!("/endpoints/{}", endpoint["id"].as_str().unwrap());
    let mut reader = Browser::signed_in(&server, &server.api_as("read", None));
    for path in ["/endpoints", &place] {
        let page = reader.page(path);
        for word in ["Add endpoint", "/edit", "/delete", "/rotate", "/test", "/secret"] {
            assert!(!page.contains(word), "{path} has {word}");
        }
    }
    for path in ["/endpoints/new", &format!("{place}/edit"), &format!("{place}/delete")] {
        assert_eq!(reader.get(path).status, 403, "{path}");
    }
    let token = reader.form_token();
    for below in ["edit", "test", "status", "secret", "rotate", "replay", "delete"] {
        let answer = reader.post(&format!("{place}/{below}"), &[("form_token", &token)]);
        assert_eq!(answer.status, 403, "{below}: {answer}");
        assert!(!text(&answer).contains("whsec_"), "{answer}");
    }
    assert!(receiver.requests().is_empty());
}

#[test]
fn a_bound_token_sees_its_account_alone() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 200);
    let mine = admin.endpoint_with(&receiver.url(), &json!({"account": "acme", "description": "MINE"}));
    let other = admin.endpoint_with(&receiver.url(), &json!({"account": "globex", "description": "THEIRS"}));
    admin
        .post("/v1/events", &json!({"type": "batch.completed", "account": "globex", "data": {"object": {}}}))
        .expect(202);
    let mut bound = Browser::signed_in(&server, &server.api_as("admin", Some("acme")));
    for tab in TABS.into_iter().filter(|tab| *tab != "/tokens") {
        let page = bound.page(tab);
        assert!(!page.contains("THEIRS") && !page.contains("globex"), "{tab}");
        assert!(!page.contains("href=\"/tokens\""), "{tab}");
    }
    assert!(bound.page("/endpoints").contains("MINE"));
    assert_eq!(bound.get("/tokens").status, 403);
    let id = |endpoint: &serde_json::Value| endpoint["id"].as_str().unwrap().to_owned();
    assert_eq!(bound.get(&format!("/endpoints/{}", id(&mine))).status, 200);
    let token = bound.form_token();
    for below in ["", "/edit", "/rotate", "/replay", "/delete"] {
        assert_eq!(bound.get(&format!("/endpoints/{}{below}", id(&other))).status, 404, "{below}");
    }
    for below in ["edit", "test", "status", "secret", "rotate", "delete"] {
        let path = format!("/endpoints/{}/{below}", id(&other));
        assert_eq!(bound.post(&path, &[("form_token", &token), ("status", "paused")]).status, 404, "{below}");
    }
    for list in ["/v1/deliveries?account=globex", "/v1/events?account=globex"] {
        let found = id(&admin.list(list)[0]);
        let tab = if list.contains("events") { "events" } else { "logs" };
        assert_eq!(bound.get(&format!("/{tab}/{found}")).status, 404);
    }
    assert_eq!(bound.get("/logs?account=globex").status, 403);
}

#[test]
fn text_from_outside_stays_text() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| crate::support::Reply::status(500).header("x-evil", HOSTILE).body(HOSTILE));
    let more = json!({"description": HOSTILE, "metadata": {"k": HOSTILE}, "headers": {"x-h": HOSTILE}});
    let endpoint = admin.endpoint_with(&receiver.url(), &more);
    let kind = json!({"name": "evil.kind", "description": HOSTILE, "example": {"k": HOSTILE}});
    admin.post("/v1/event-types", &kind).expect(201);
    admin.post("/v1/tokens", &json!({"name": HOSTILE, "role": "read"})).expect(201);
    let event = admin.event_of("evil.kind", &json!({"k": HOSTILE}));
    let delivery = admin.delivery_after(&event, 1);
    let mut browser = Browser::signed_in(&server, &admin);
    let place = format!("/endpoints/{}", endpoint["id"].as_str().unwrap());
    let test = browser.submit(&format!("{place}/test"), &[]);
    let mut paths: Vec<String> = TABS.map(str::to_owned).to_vec();
    paths.extend(["", "/edit", "/rotate", "/replay", "/delete"].map(|below| format!("{place}{below}")));
    paths.extend([format!("/logs/{}", delivery["id"].as_str().unwrap()), format!("/events/{event}")]);
    let kind = ["/event-types/evil.kind", "/event-types/evil.kind/edit", "/event-types/evil.kind/delete"];
    paths.extend(kind.into_iter().chain(["/endpoints/new"]).map(str::to_owned));
    let asked = ["/events/who?type=evil.kind", "/events/send?type=evil.kind"].map(str::to_owned);
    paths.extend(asked.into_iter().chain([format!("/events/send?like={event}")]));
    let named = admin.list("/v1/tokens").into_iter().find(|token| token["name"] == HOSTILE).unwrap();
    paths.push(format!("/tokens/{}/delete", named["id"].as_str().unwrap()));
    paths.push(format!("/logs/{}?attempt=1", delivery["id"].as_str().unwrap()));
    paths.push(format!("/logs/retry?endpoint_id={}", endpoint["id"].as_str().unwrap()));
    paths.push(test.header("location").unwrap().to_owned());
    for path in paths {
        let page = browser.page(&path);
        assert!(!page.contains("<script>") && !page.contains("<img"), "{path}: {page}");
    }
    let url = format!("http://127.0.0.1/{HOSTILE}");
    let refused =
        browser.submit("/endpoints/new", &[("url", &url), ("description", HOSTILE), ("event_types", HOSTILE)]);
    assert_eq!(refused.status, 422, "{refused}");
    assert!(!text(&refused).contains("<script>"), "{refused}");
    for path in [format!("/logs?status={HOSTILE}"), format!("/{HOSTILE}"), format!("/sign-in?next={HOSTILE}")] {
        let path = path.replace(' ', "%20").replace(['<', '>', '"'], "%3C");
        assert!(!text(&browser.get(&path)).contains("<script>"), "{path}");
    }
}

#[test]
fn what_is_unknown_or_badly_asked_is_a_page_too() {
    let server = Server::start();
    let browser = Browser::signed_in(&server, &server.admin());
    for (path, status) in [
        ("/nothing", 404),
        ("/endpoints/ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB", 404),
        ("/endpoints/nonsense", 404),
        ("/logs/nonsense", 404),
        ("/logs?status=nonsense", 400),
        ("/logs?nonsense=1", 400),
        ("/logs?cursor=nonsense", 400),
    ] {
        let answer = browser.get(path);
        assert_eq!(answer.status, status, "{answer}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{answer}");
        assert!(text(&answer).contains("<h1>"), "{answer}");
    }
    assert_eq!(browser.page("/logs?status=&type=").matches("<h1>").count(), 1, "empty fields count as left out");
    // Whoever asks for the API gets what the API answers.
    let page_please = [("accept", "text/html")];
    server.anonymous().request("GET", "/v1/nothing", &page_please, None).problem(404);
    server.anonymous().request("GET", "/v1/endpoints", &page_please, None).problem(401);
    server.anonymous().get("/nothing").problem(404);
    let method = browser.get("/sign-out");
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")), "{method}");
}

#[test]
fn lists_go_on_page_by_page() {
    let server = Server::start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| 200);
    admin.endpoint(&receiver.url());
    for _ in 0..7 {
        admin.event();
    }
    eventually("all are delivered", || (admin.list("/v1/deliveries?status=delivered").len() == 7).then_some(()));
    let browser = Browser::signed_in(&server, &admin);
    for (tab, kind) in [("/logs", "dlv_"), ("/events", "evt_")] {
        let mut path = format!("{tab}?limit=3");
        let mut seen = Vec::new();
        for pages in 1.. {
            let page = browser.page(&path);
            let prefix = format!("href=\"{tab}/{kind}");
            seen.extend(page.match_indices(&prefix).map(|(at, _)| page[at..].split('"').nth(1).unwrap().to_owned()));
            let Some(next) = page.split_once(" rel=\"next\"").and_then(|(before, _)| before.rsplit("href=\"").next())
            else {
                assert_eq!(pages, 3, "{tab}");
                break;
            };
            path = next.split('"').next().unwrap().replace("&amp;", "&");
        }
        seen.dedup();
        assert_eq!(seen.len(), 7, "{tab}");
    }
}
