//! The request beside its signatures: headers, custom headers, answers that are logged but not followed.

use serde_json::json;

use crate::support::api::{attempts, id};
use crate::support::{Behaviour, Receiver, Reply, Server};

#[test]
fn method_and_headers_are_the_documented_ones() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    let url = format!("http://{}/a/b?c=d&e=%20f", receiver.address);
    api.endpoint_with(&url, &json!({"headers": {"X-Tenant": "blue", "Authorization": "Basic Zm9v"}}));
    let event = api.event();
    let request = receiver.wait_for(1).remove(0);
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/a/b?c=d&e=%20f");
    assert_eq!(request.header("host").unwrap(), &receiver.address.to_string());
    assert_eq!(request.header("content-type").unwrap(), "application/json");
    assert_eq!(request.header("user-agent").unwrap(), &format!("Mythichooks/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(request.header("x-tenant").unwrap(), "blue");
    assert_eq!(request.header("authorization").unwrap(), "Basic Zm9v");
    assert_eq!(request.header("content-length").unwrap(), &request.body.len().to_string());
    let platform = request.header("x-mythicdot-signature").unwrap();
    assert!(platform.len() == 64 && platform.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature", "x-mythicdot-signature", "content-type"] {
        assert_eq!(request.count(name), 1, "{name}: {:?}", request.headers);
    }
    for absent in ["cookie", "accept-encoding", "expect", "transfer-encoding"] {
        assert!(request.header(absent).is_none(), "{absent}: {:?}", request.headers);
    }

    let delivery = api.delivery_in(&event, "delivered");
    let logged = delivery["request_headers"].to_string().to_lowercase();
    assert!(logged.contains("x-mythicdot-signature") && logged.contains("webhook-id"), "{delivery:#}");
}

#[test]
fn custom_headers_cannot_override_the_contracts() {
    let server = Server::start();
    let api = server.admin();
    for name in [
        "Content-Type",
        "content-length",
        "HOST",
        "User-Agent",
        "X-MythicDot-Signature",
        "webhook-id",
        "Webhook-Timestamp",
        "webhook-signature",
        "Connection",
        "Transfer-Encoding",
        "Upgrade",
        "TE",
        "Trailer",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
    ] {
        let body = json!({"url": "http://127.0.0.1:9/", "event_types": ["*"], "headers": {name: "x"}});
        let problem = api.post("/v1/endpoints", &body).any_problem();
        assert!(problem["pointer"].as_str().is_some_and(|p| p.starts_with("/headers")), "{name}: {problem}");
    }
    for (name, value) in
        [("X Space", "x"), ("", "x"), ("X:Y", "x"), ("X-Line", "a\r\nB: c"), ("X-Nul", "a\u{0}b"), ("Ünï", "x")]
    {
        let body = json!({"url": "http://127.0.0.1:9/", "event_types": ["*"], "headers": {name: value}});
        api.post("/v1/endpoints", &body).any_problem();
    }
}

#[test]
fn any_2xx_is_success_and_nothing_else_is() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    for (status, delivered) in [
        (200, true),
        (201, true),
        (202, true),
        (204, true),
        (207, true),
        (226, true),
        (299, true),
        (300, false),
        (301, false),
        (304, false),
        (307, false),
        (308, false),
        (400, false),
        (401, false),
        (404, false),
        (429, false),
        (500, false),
        (502, false),
        (503, false),
        (599, false),
    ] {
        let account = format!("s{status}");
        let receiver = Receiver::start(move |_, _| Reply::status(status).body(if status == 304 { "" } else { "said" }));
        api.endpoint_with(&receiver.url(), &json!({"account": account}));
        let sent = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        let event = id(&api.post("/v1/events", &sent).expect(202));
        let delivery = api.delivery_after(&event, 1);
        assert_eq!(delivery["status"], if delivered { "delivered" } else { "pending" }, "{status}: {delivery:#}");
        assert_eq!(delivery["last_response_code"], status);
        let attempt = &attempts(&delivery)[0];
        assert_eq!(attempt["response_code"], status);
        assert!(attempt["error"].is_null(), "{attempt}");
    }
}

#[test]
fn redirects_are_not_followed_and_cookies_not_kept() {
    let server = Server::start();
    let api = server.admin();
    let elsewhere = Receiver::ok();
    let target = elsewhere.url();
    let receiver = Receiver::start(move |_, _| {
        Reply::status(307).header("location", &target).header("set-cookie", "session=1; Path=/")
    });
    api.endpoint(&receiver.url());
    let event = api.event();
    let delivery = api.delivery_in(&event, "failed");
    assert_eq!(attempts(&delivery).len(), 5);
    assert_eq!(elsewhere.count(), 0, "the redirect was followed");
    assert!(receiver.requests().iter().all(|request| request.header("cookie").is_none()));
}

#[test]
fn the_answer_is_logged_up_to_4_kib_and_not_unpacked() {
    let server = Server::start();
    let api = server.admin();
    // "hi" in gzip.
    let gzip: &[u8] = &[31, 139, 8, 0, 0, 0, 0, 0, 2, 255, 203, 200, 4, 0, 172, 42, 147, 216, 2, 0, 0, 0];
    let receiver = Receiver::start(move |_, before| match before {
        0 => Reply::status(200).header("x-answer", "yes").header("content-type", "text/plain").body("thanks"),
        1 => Reply::status(200).body(vec![b'x'; 100_000]),
        _ => Reply::status(200).header("content-encoding", "gzip").body(gzip),
    });
    api.endpoint(&receiver.url());

    let event = api.event();
    let attempt = attempts(&api.delivery_in(&event, "delivered"))[0].clone();
    assert_eq!(attempt["response_body"], "thanks");
    assert!(attempt["response_headers"].to_string().contains("x-answer"), "{attempt}");
    assert_eq!(attempt["number"], 1);
    assert_eq!(attempt["trigger"], "schedule");
    assert!(attempt["duration_ms"].is_number() && attempt["timing"].is_object(), "{attempt}");
    assert!(attempt["remote_addr"].as_str().unwrap().starts_with("127.0.0.1"), "{attempt}");

    let event = api.event();
    let attempt = attempts(&api.delivery_in(&event, "delivered"))[0].clone();
    let kept = attempt["response_body"].as_str().unwrap();
    assert!(kept.starts_with("xxxx") && kept.len() <= 4200, "{} bytes kept", kept.len());

    let event = api.event();
    let attempt = attempts(&api.delivery_in(&event, "delivered"))[0].clone();
    assert_ne!(attempt["response_body"], "hi", "unpacked: {attempt}");
    assert!(receiver.connections() >= 2, "the connection with the long answer was used again");
}

#[test]
fn connections_are_kept_alive_between_deliveries() {
    let server = Server::start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint_with(&receiver.url(), &json!({"max_in_flight": 1}));
    for _ in 0..10 {
        let event = api.event();
        api.delivery_in(&event, "delivered");
    }
    assert_eq!(receiver.count(), 10);
    assert!(receiver.connections() <= 2, "{} connections for 10 requests", receiver.connections());
}

#[test]
fn malformed_answers_cost_their_attempt_only() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let answers: [(&str, &[u8]); 6] = [
        ("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("bad status", b"HTTP/1.1 abc OK\r\n\r\n"),
        ("cut head", b"HTTP/1.1 200 OK\r\ncontent-le"),
        ("bad length", b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n"),
        ("bad chunk", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
        ("cut body", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nshort"),
    ];
    for (number, (what, answer)) in answers.into_iter().enumerate() {
        let account = format!("m{number}");
        let receiver = Receiver::start(move |_, _| Behaviour::Raw(answer.to_vec()));
        api.endpoint_with(&receiver.url(), &json!({"account": account}));
        let sent = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        let event = id(&api.post("/v1/events", &sent).expect(202));
        let delivery = api.delivery_after(&event, 1);
        assert_eq!(delivery["status"], "pending", "{what}: {delivery:#}");
        let error = &attempts(&delivery)[0]["error"];
        assert!(matches!(error["kind"].as_str(), Some("protocol" | "connect")), "{what}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_dead_port_is_a_connect_error() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    api.endpoint(&format!("http://{free}/"));
    let event = api.event();
    let attempt = attempts(&api.delivery_after(&event, 1))[0].clone();
    assert_eq!(attempt["error"]["kind"], "connect", "{attempt}");
    assert!(attempt["response_code"].is_null());
}

/// A kept-alive connection that the peer closed in between is no failed attempt.
#[test]
fn a_stale_connection_costs_nothing() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::start(|request, _| {
        // The first request of each connection is answered, the second finds it closed without an answer.
        let _ = request;
        Behaviour::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())
    });
    api.endpoint_with(&receiver.url(), &json!({"max_in_flight": 1}));
    for _ in 0..5 {
        let event = api.event();
        let delivery = api.delivery_in(&event, "delivered");
        assert_eq!(attempts(&delivery).len(), 1, "{delivery:#}");
    }
}
