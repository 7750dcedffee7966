//! Requests that no proper client sends: broken HTTP, bodies that lie, sizes without end. Never a 5xx, never a crash.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Server, raw};

#[test]
fn broken_http_is_4xx_or_a_closed_connection() {
    let server = Server::start();
    let address = server.address().to_owned();
    let token = server.admin().token.unwrap();
    let long_path = format!("GET /v1/events/{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let many_headers = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(5000));
    let long_header = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "b".repeat(1 << 20));
    let with = |rest: &str| {
        format!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\nconnection: close\r\n{rest}"
        )
    };
    let requests: Vec<Vec<u8>> = vec![
        b"\r\n\r\n\r\n".to_vec(),
        b"nonsense\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nhost x\r\n\r\n".to_vec(),
        b"GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
        b"GET /v1/events/%00 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
        b"GET /v1/events/\xff\xfe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
        vec![0; 1000],
        vec![0xff; 70_000],
        // A TLS hello on the plain port.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20),
        long_path.into_bytes(),
        many_headers.into_bytes(),
        long_header.into_bytes(),
        with("content-length: -1\r\n\r\n{}").into_bytes(),
        with("content-length: abc\r\n\r\n{}").into_bytes(),
        with("content-length: 99999999999999999999999\r\n\r\n{}").into_bytes(),
        with("content-length: 2\r\ncontent-length: 3\r\n\r\n{}").into_bytes(),
        with("transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n").into_bytes(),
        with("transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n").into_bytes(),
        with("transfer-encoding: gzip\r\n\r\n{}").into_bytes(),
        with("transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}").into_bytes(),
        with("content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}").into_bytes(),
        with("content-encoding: br\r\ncontent-length: 2\r\n\r\n{}").into_bytes(),
    ];
    for request in requests {
        let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
        // What waits for more is closed by us after half a second: it is not what is tested here.
        let answer = exchange_briefly(&address, &request);
        if let Some(status) = raw::status(&answer) {
            assert!((400..500).contains(&status), "{status} for {shown}");
        }
    }
    assert_eq!(server.anonymous().get("/healthz").status, 200);
    server.admin().event();
}

fn exchange_briefly(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let _ = stream.take(1 << 20).read_to_end(&mut said);
    said
}

/// A small gzip that unpacks to 100 MB is refused, not unpacked.
#[test]
fn a_compressed_body_is_refused() {
    let server = Server::start();
    let api = server.admin();
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let answer = api.request("POST", "/v1/events", &headers, Some(&[31, 139, 8, 0, 0, 0]));
        answer.any_problem();
    }
}

#[test]
fn another_media_type_is_415() {
    let server = Server::start();
    let api = server.admin();
    let body = br#"{"type":"batch.completed","data":{"object":{}}}"#;
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/jsonx",
        "json",
        "application/json-patch+json",
        "application/json; charset=latin1",
        "application/json, application/json",
        "",
    ] {
        let headers = [("content-type", media_type)];
        api.request("POST", "/v1/events", &headers, Some(body)).problem(415);
    }
    api.request("POST", "/v1/events", &[], Some(body)).problem(415);
    for media_type in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "application/json ;\tcharset=\"utf-8\"",
        "application/json; profile=\"https://example.com/a;b\"",
        "application/json;",
    ] {
        let headers = [("content-type", media_type)];
        api.request("POST", "/v1/events", &headers, Some(body)).expect(202);
    }
}

/// Clients that trickle a request, or never finish it, hold nothing up and are closed in the end.
#[test]
fn unfinished_requests_hold_nothing_up() {
    let server = Server::start();
    let api = server.admin();
    let mut held = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let start: &[u8] = if number % 2 == 0 {
            b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\ncontent-type: application/json\r\n\r\n{"
        } else {
            b"GET /healthz HT"
        };
        stream.write_all(start).unwrap();
        held.push(stream);
    }
    for _ in 0..20 {
        api.event();
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_costs_nothing() {
    let server = Server::start();
    let api = server.admin();
    let token = api.token.clone().unwrap();
    for cut in 1..40 {
        let body = r#"{"type":"batch.completed","data":{"object":{"s":"xxxxxxxxxxxxxxxx"}}}"#;
        let request = format!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(&request.as_bytes()[..request.len() - cut]).unwrap();
    }
    api.event();
    assert_eq!(api.list("/v1/events").len(), 1, "a cut request was taken");
}

#[test]
fn ids_in_paths_may_be_anything() {
    let server = Server::start();
    let api = server.admin();
    for collection in ["events", "endpoints", "deliveries"] {
        for bad in [
            "x",
            "evt_",
            "ep_1",
            "dlv_zzz",
            "evt_00000000000000000000000000",
            "%20",
            "%2F",
            "..%2f..",
            "a%00b",
            "%F0%9F%98%80",
            "evt_%C3%A9",
            "-1",
            "0",
            "null",
            "'%3B--",
            &"a".repeat(3000),
        ] {
            let answer = api.get(&format!("/v1/{collection}/{bad}"));
            assert!(matches!(answer.status, 400 | 404 | 414 | 422), "{answer}");
            answer.any_problem();
        }
    }
    for bad in ["x", "tok_none", "%00", &"a".repeat(3000)] {
        api.delete(&format!("/v1/tokens/{bad}")).any_problem();
        api.delete(&format!("/v1/event-types/{bad}")).any_problem();
        api.request("POST", &format!("/v1/deliveries/{bad}/retry"), &[], Some(b"")).any_problem();
        api.request("POST", &format!("/v1/deliveries/{bad}/cancel"), &[], Some(b"")).any_problem();
    }
}
