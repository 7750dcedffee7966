//! What a receiver gets.

use proptest::prelude::*;

use super::*;
use crate::domain::endpoint_url::EndpointUrl;

proptest! {
    #[test]
    fn every_url_of_an_endpoint_can_be_sent_to(text in "https?://[a-z0-9.ü:\\[\\]-]{1,20}[/?]?\\PC{0,40}") {
        if let Ok(url) = EndpointUrl::parse(&text, true) {
            let destination = Destination::parse(&text).unwrap();
            prop_assert_eq!(destination.uri.host().unwrap(), url.host().to_string());
            prop_assert_eq!(destination.uri.to_string(), url.to_string());
            let target = destination.uri.path_and_query().unwrap();
            let opening = format!("POST {target} HTTP/1.1\r\nhost: {}\r\n", destination.authority);
            prop_assert_eq!(&*destination.opening, opening.as_str());
            prop_assert!(opening.is_ascii(), "{}", opening);
        }
    }
}

fn head_lines(request: &str) -> Vec<String> {
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().map(ToOwned::to_owned).collect();
    lines[1..].sort();
    lines
}

#[actix_web::test]
async fn the_request_has_the_given_headers_and_no_other() {
    let (address, seen) = serve_bytes(OK);
    let outcome = transport(settings()).send(request(&format!("http://{address}/a/b?c=d%20e"), LONG)).await.unwrap();
    assert_eq!((code(&outcome), body(&outcome)), (200, "ok"));
    let seen = seen.lock().unwrap();
    assert!(seen[0].ends_with("\r\n\r\n{\"id\":\"evt_1\"}"));
    assert_eq!(
        head_lines(&seen[0]),
        [
            "POST /a/b?c=d%20e HTTP/1.1",
            "content-length: 14",
            "content-type: application/json",
            &format!("host: {address}"),
            "user-agent: Mythichooks/test",
            "webhook-id: evt_1",
        ]
    );
}

#[actix_web::test]
async fn values_given_twice_are_sent_twice_and_the_host_is_the_names() {
    let (address, seen) = serve_bytes(OK);
    let resolver = Prepared::new([vec![address]]);
    let mut request = request(&format!("http://hooks.example:{}/", address.port()), LONG);
    for value in ["1", "2"] {
        request.headers.push((HeaderName::from_static("x-twice"), HeaderValue::from_static(value)));
    }
    assert_eq!(code(&prepared(settings(), &resolver).send(request).await.unwrap()), 200);
    let seen = seen.lock().unwrap();
    let lines = head_lines(&seen[0]);
    assert!(lines.contains(&format!("host: hooks.example:{}", address.port())));
    assert!(lines.contains(&"x-twice: 1".to_owned()) && lines.contains(&"x-twice: 2".to_owned()));
}

#[actix_web::test]
async fn an_empty_and_a_large_body_arrive_whole() {
    for size in [0, 1, 100_000, 3_000_000] {
        let (address, seen) = serve_bytes(OK);
        let mut request = request(&format!("http://{address}/"), LONG);
        request.body = vec![b'x'; size].into();
        assert_eq!(code(&transport(settings()).send(request).await.unwrap()), 200, "{size}");
        let seen = seen.lock().unwrap();
        assert_eq!(seen[0].split_once("\r\n\r\n").unwrap().1.len(), size);
        assert!(head_lines(&seen[0]).contains(&format!("content-length: {size}")));
    }
}

#[actix_web::test]
async fn redirects_are_not_followed_and_cookies_not_kept() {
    let (elsewhere, not_seen) = serve_bytes(OK);
    let answer =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n");
    let (address, seen) = serve_bytes(answer);
    let transport = transport(settings());
    for _ in 0..2 {
        assert_eq!(code(&post(&transport, address).await), 302);
    }
    assert!(not_seen.lock().unwrap().is_empty());
    assert!(!seen.lock().unwrap()[1].contains("cookie"));
}

#[actix_web::test]
async fn plain_http_is_blocked_without_the_flag() {
    let (address, seen) = serve_bytes(OK);
    let outcome = post(&transport(Settings { allow_http: false, ..settings() }), address).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Blocked));
    assert!(message(&outcome).contains("--allow-http"));
    assert!(seen.lock().unwrap().is_empty());
}
