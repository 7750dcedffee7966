//! Each kind of token on each route of the OpenAPI document gets just what the contract says.

use serde_json::json;

use crate::support::clock::TestClock;
use crate::support::raw;
use crate::support::routes::{Fixture, ROUTES, Route, Scope, Who, documented};
use crate::support::{Answer, Api, Server};

/// A token's kind: role and, if bound, account. Things asked about are always of `acme`.
const KINDS: [(&str, Option<&str>); 9] = [
    ("admin", None),
    ("read", None),
    ("ingest", None),
    ("admin", Some("acme")),
    ("read", Some("acme")),
    ("ingest", Some("acme")),
    ("admin", Some("globex")),
    ("read", Some("globex")),
    ("ingest", Some("globex")),
];

#[derive(Debug, PartialEq)]
enum Expected {
    Served,
    Forbidden,
    NotFound,
}

fn expected(route: &Route, role: &str, account: Option<&str>) -> Expected {
    let role_suffices = match route.who {
        Who::Open => return Expected::Served,
        Who::All => true,
        Who::Producers => role != "read",
        Who::Readers => role != "ingest",
        Who::Admins => role == "admin",
        Who::ServerReaders => role != "ingest" && account.is_none(),
        Who::Operators => role == "admin" && account.is_none(),
    };
    match (role_suffices, route.scope, account) {
        (false, _, _) => Expected::Forbidden,
        (true, Scope::Thing, Some(account)) if account != "acme" => Expected::NotFound,
        _ => Expected::Served,
    }
}

fn ask(api: &Api, route: &Route, fixture: &Fixture) -> Answer {
    let (path, body) = fixture.request(route, "acme");
    match body {
        Some(body) => api.send(route.method, &path, &body),
        None if route.method == "POST" => api.post_empty(&path),
        None => api.request(route.method, &path, &[], None),
    }
}

/// The status of a route whose answer has no end.
fn streamed_status(fixture: &Fixture, token: &str) -> u16 {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(fixture.server.address()).unwrap();
    let request = format!("GET /v1/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 32];
    stream.read_exact(&mut head).unwrap();
    raw::status(&head).unwrap()
}

#[test]
fn the_table_holds_every_route_of_the_document() {
    let server = Server::start();
    let mut ours: Vec<String> = ROUTES.iter().map(Route::name).collect();
    ours.sort();
    assert_eq!(documented(&server.anonymous().get("/openapi.json").expect(200)), ours);
}

#[test]
fn each_kind_of_token_on_each_route() {
    let fixture = Fixture::new();
    let mut wrong = Vec::new();
    for (role, account) in KINDS {
        let api = fixture.server.api_as(role, account);
        for route in ROUTES {
            let status = if route.streams() {
                streamed_status(&fixture, api.token.as_ref().unwrap())
            } else {
                let answer = ask(&api, route, &fixture);
                match answer.status {
                    403 | 404 => answer.any_problem()["status"].as_u64().unwrap() as u16,
                    other => other,
                }
            };
            let got = match status {
                200..=299 => Expected::Served,
                403 => Expected::Forbidden,
                404 => Expected::NotFound,
                other => panic!("{role} {account:?} on {}: {other}", route.name()),
            };
            let expected = expected(route, role, account);
            if got != expected {
                wrong.push(format!(
                    "{role} of {} on {}: {status}, expected {expected:?}",
                    account.unwrap_or("all"),
                    route.name()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_token_or_a_bad_one_is_401_everywhere() {
    let fixture = Fixture::new();
    let address = fixture.server.address().to_owned();
    let admin = fixture.admin.token.clone().unwrap();
    let values: Vec<Option<String>> = vec![
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some("Bearer mhk_wrong".to_owned()),
        Some(format!("Bearer {admin}x")),
        Some(format!("Bearer {}", &admin[..admin.len() - 1])),
        Some(format!("Bearer {}", admin.to_uppercase())),
        Some(format!("Basic {admin}")),
        Some(admin.clone()),
        Some(format!("Bearer {admin} {admin}")),
        Some(format!("Bearer {}", "m".repeat(5000))),
    ];
    for route in ROUTES.iter().filter(|route| route.who != Who::Open) {
        let (path, body) = fixture.request(route, "acme");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        for value in &values {
            let header = value.as_ref().map_or(String::new(), |value| format!("authorization: {value}\r\n"));
            let request = format!(
                "{} {path} HTTP/1.1\r\nhost: {address}\r\n{header}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                route.method,
                body.len()
            );
            let answer = raw::exchange(&address, request.as_bytes());
            let said = String::from_utf8_lossy(&answer).to_lowercase();
            assert_eq!(raw::status(&answer), Some(401), "{} with {value:?}: {said}", route.name());
            assert!(said.contains("\r\nwww-authenticate: bearer"), "{said}");
            assert!(said.contains("content-type: application/problem+json"), "{said}");
        }
    }
}

/// Who has no right learns nothing: not even whether a thing exists, or that the request was badly made.
#[test]
fn rights_come_before_the_request_itself() {
    let fixture = Fixture::new();
    let reader = fixture.server.api_as("read", None);
    let nobody = fixture.server.anonymous();
    for (method, path) in [
        ("POST", "/v1/endpoints"),
        ("PATCH", "/v1/endpoints/ep_none"),
        ("POST", "/v1/events"),
        ("POST", "/v1/tokens"),
        ("PUT", "/v1/event-types/x"),
        ("POST", "/v1/deliveries/retry"),
    ] {
        reader.send_text(method, path, "{nonsense").problem(403);
        nobody.send_text(method, path, "{nonsense").problem(401);
    }
    nobody.get("/v1/nothing/at/all?x=1").any_problem();
    nobody.get("/v1/events/evt_none").problem(401);
}

#[test]
fn an_expired_token_is_no_token() {
    let setup = Server::setup();
    let mut clock = TestClock::new(setup.root());
    let file = clock.file().to_owned();
    let server = setup.env("MYTHICHOOKS_TEST_CLOCK", file).start();
    let admin = server.admin();
    let mut expiring = Vec::new();
    for role in ["admin", "read", "ingest"] {
        let made = admin.post("/v1/tokens", &json!({"name": "brief", "role": role, "expires_in": "1h"})).expect(201);
        expiring.push(admin.with_token(made["token"].as_str()));
    }
    clock.advance(std::time::Duration::from_secs(3601));
    for route in ROUTES.iter().filter(|route| route.who != Who::Open) {
        let path = route.path.replace("{}", "x_1");
        for api in &expiring {
            let body = route.body.then_some(b"{}".as_slice());
            api.request(route.method, &path, &[("content-type", "application/json")], body).problem(401);
        }
    }
}

#[test]
fn open_routes_need_no_token() {
    let server = Server::start();
    for route in ROUTES.iter().filter(|route| route.who == Who::Open) {
        assert_eq!(server.anonymous().get(route.path).status, 200, "{}", route.name());
    }
}
