//! Where requests may go: every way to write a forbidden address, through registration and attempts.

use std::net::TcpListener;

use serde_json::json;

use crate::support::api::{attempts, id};
use crate::support::{Receiver, Server};

/// Hosts that mean an address that is not public, in all forms that some parser somewhere takes.
const FORBIDDEN: &[&str] = &[
    // Loopback in decimal, octal, hex, short, mixed and padded forms.
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0x7f.1",
    "127.0.0.1.",
    "127.255.255.254",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "app.localhost",
    // Full-width digits and dots, and circled digits, which IDNA maps to the plain ones.
    "１２７.０.０.１",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "%31%32%37.0.0.1",
    // "This" network, private, shared, link-local and metadata.
    "0.0.0.0",
    "0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "169.254.1.1",
    // Protocol assignments, documentation, benchmarks, relays, multicast, reserved, broadcast.
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "198.18.0.1",
    "198.19.255.255",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    // IPv6: loopback, unspecified, unique local, link-local, site-local, documentation, discard, multicast, SRv6.
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[feff::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[100:0:0:1::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[5f00::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    // IPv4 in IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2002:a9fe:a9fe::1]",
    "[2001::1]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::5efe:127.0.0.1]",
    "[2001:470:1:1::5efe:127.0.0.1]",
    "[2001:470:1:1:200:5efe:10.0.0.1]",
    // Names of public services that lead to private addresses need a look-up; these are for the wire.
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::FFFF:7F00:0001]",
];

/// Not hosts at all.
const UNUSABLE: &[&str] = &[
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1%25]",
    "[::1",
    "::1",
    "256.0.0.1",
    "1.2.3.4.5",
    "127.0.0.1:99999",
    "[127.0.0.1]",
    "",
    "a b",
    "exa mple.com",
    "ex%00ample.com",
    "-",
    ".",
    "..",
    "a..b",
    "[::g]",
    "0x100000000",
    "4294967296",
    "xn--a",
];

#[test]
fn no_form_of_a_forbidden_address_is_connected_to() {
    let server = Server::setup().guarded().args(["--allow-http"]).schedule("1h").start();
    let api = server.admin();
    let four = Receiver::ok();
    let port = four.address.port();
    // The same port on IPv6, where the machine has it.
    let has_six = TcpListener::bind(("::1", port)).is_ok();
    let six = has_six.then(|| Receiver::start_on(&format!("[::1]:{port}"), |_, _| 200));
    let mut wrong = Vec::new();
    let mut sent = Vec::new();
    for (number, host) in FORBIDDEN.iter().enumerate() {
        let account = format!("g{number}");
        let url = format!("http://{host}:{port}/hook");
        let body = json!({"url": url, "event_types": ["*"], "account": account});
        let answer = api.post("/v1/endpoints", &body);
        match answer.status {
            201 => {
                let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
                sent.push((host, id(&api.post("/v1/events", &event).expect(202))));
            }
            // Refused at registration, which names the URL.
            400..=499 if answer.json()["pointer"] == "/url" => {}
            _ => wrong.push(format!("{host}: {answer}")),
        }
    }
    for (host, event) in sent {
        let delivery = api.delivery_after(&event, 1);
        let attempt = &attempts(&delivery)[0];
        let kind = attempt["error"]["kind"].as_str().unwrap_or("none");
        // A name may not resolve on this machine; an address is always blocked.
        let is_name = host.to_lowercase().contains("localhost");
        if !(kind == "blocked" || is_name && kind == "dns") || delivery["status"] == "delivered" {
            wrong.push(format!("{host}: {kind}: {attempt}"));
        }
    }
    assert_eq!(four.connections(), 0, "something connected to 127.0.0.1");
    assert_eq!(six.map_or(0, |six| six.connections()), 0, "something connected to ::1");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unusable_hosts_are_refused_at_registration() {
    let server = Server::setup().guarded().args(["--allow-http"]).start();
    let api = server.admin();
    let mut taken = Vec::new();
    for host in UNUSABLE {
        let answer = api.post("/v1/endpoints", &json!({"url": format!("http://{host}/hook"), "event_types": ["*"]}));
        if answer.status == 201 {
            taken.push(*host);
        } else {
            assert_eq!(answer.any_problem()["pointer"], "/url", "{host}");
        }
    }
    assert!(taken.is_empty(), "registered: {taken:?}");
}

#[test]
fn plain_http_needs_its_flag() {
    let server = Server::setup().guarded().args(["--allow-network", "127.0.0.0/8"]).schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let answer = api.post("/v1/endpoints", &json!({"url": receiver.url(), "event_types": ["*"]}));
    if answer.status == 201 {
        let event = api.event();
        let delivery = api.delivery_after(&event, 1);
        assert_eq!(attempts(&delivery)[0]["error"]["kind"], "blocked", "{delivery:#}");
    } else {
        assert_eq!(answer.any_problem()["pointer"], "/url");
    }
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn an_opened_range_opens_no_other() {
    let server = Server::setup()
        .guarded()
        .args(["--allow-http", "--allow-network", "127.0.0.2/32", "--allow-network", "::1/128"])
        .schedule("1h")
        .start();
    let api = server.admin();
    let open = Receiver::start_on("127.0.0.2:0", |_, _| 200);
    let closed = Receiver::start_on("127.0.0.3:0", |_, _| 200);
    let mapped = format!("http://[::ffff:127.0.0.3]:{}/", closed.address.port());
    for (number, (url, delivered)) in
        [(open.url(), true), (closed.url(), false), (mapped, false)].into_iter().enumerate()
    {
        let account = format!("o{number}");
        let body = json!({"url": url, "event_types": ["*"], "account": account});
        let answer = api.post("/v1/endpoints", &body);
        if !delivered && answer.status != 201 {
            continue;
        }
        answer.expect(201);
        let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        let event = id(&api.post("/v1/events", &event).expect(202));
        let delivery = api.delivery_after(&event, 1);
        assert_eq!(delivery["status"] == "delivered", delivered, "{url}: {delivery:#}");
    }
    assert_eq!(closed.connections(), 0);
}

#[test]
fn a_redirect_to_a_metadata_address_is_not_followed() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    for (number, status) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        let account = format!("r{number}");
        let receiver = Receiver::start(move |_, _| {
            crate::support::Reply::status(status).header("location", "http://169.254.169.254/latest/meta-data/")
        });
        api.endpoint_with(&receiver.url(), &json!({"account": account}));
        let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        let event = id(&api.post("/v1/events", &event).expect(202));
        let delivery = api.delivery_after(&event, 1);
        let attempt = &attempts(&delivery)[0];
        assert_eq!(attempt["response_code"], status, "{attempt}");
        assert!(attempt["error"].is_null(), "{attempt}");
        assert_eq!(delivery["status"], "pending");
        assert_eq!(receiver.count(), 1);
    }
}

#[test]
fn proxies_in_the_environment_are_ignored() {
    let proxy = Receiver::ok();
    let address = format!("http://{}", proxy.address);
    let mut setup = Server::setup().schedule("1h");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        setup = setup.env(name, &address);
    }
    let server = setup.start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    let event = api.event();
    api.delivery_in(&event, "delivered");
    assert_eq!((proxy.connections(), receiver.count()), (0, 1));
}

/// The URL of an endpoint can be changed: the guard looks at what is connected to, not at what was registered.
#[test]
fn a_patched_url_is_guarded_too() {
    let server =
        Server::setup().guarded().args(["--allow-http", "--allow-network", "127.0.0.2/32"]).schedule("1h").start();
    let api = server.admin();
    let open = Receiver::start_on("127.0.0.2:0", |_, _| 200);
    let closed = Receiver::ok();
    let path = format!("/v1/endpoints/{}", id(&api.endpoint(&open.url())));
    let answer = api.send("PATCH", &path, &json!({"url": closed.url()}));
    if answer.status == 200 {
        let event = api.event();
        let delivery = api.delivery_after(&event, 1);
        assert_eq!(attempts(&delivery)[0]["error"]["kind"], "blocked");
    } else {
        answer.any_problem();
    }
    assert_eq!(closed.connections(), 0);
}
