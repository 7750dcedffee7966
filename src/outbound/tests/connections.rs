//! Connections are kept, never to another address than the checked one, and what has gone stale costs no attempt.

use std::time::Instant;

use super::*;

/// Answers any number of requests a connection; notes the connection's number for each.
fn numbered(answers: usize) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let address = serve(move |mut stream, number| {
        for _ in 0..answers {
            if read_request(&mut stream).is_none() {
                return;
            }
            notes.lock().unwrap().push(number.to_string());
            stream.write_all(OK.as_bytes()).unwrap();
        }
        // Takes the next request and resets: closing with bytes unread does that.
        let _ = stream.read(&mut [0; 1]);
    });
    (address, seen)
}

#[actix_web::test]
async fn a_connection_is_used_again_and_then_has_no_times_of_its_own() {
    let (address, seen) = numbered(100);
    let transport = transport(settings());
    assert!(post(&transport, address).await.timing.connect.is_some());
    let second = post(&transport, address).await;
    assert_eq!((second.timing.connect, second.remote_addr), (None, Some(address)));
    assert!(second.timing.first_byte.is_some());
    assert_eq!(*seen.lock().unwrap(), ["0", "0"]);
}

#[actix_web::test]
async fn attempts_at_a_time_have_connections_of_their_own() {
    let (address, seen) = numbered(100);
    let transport = transport(settings());
    futures_util::future::join_all((0..8).map(|_| post(&transport, address))).await;
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    seen.dedup();
    assert!(seen.len() > 1, "{seen:?}");
    assert_eq!(transport.pool().len(), 1);
}

#[actix_web::test]
async fn a_kept_connection_that_is_reset_is_replaced_at_once() {
    let (address, seen) = numbered(1);
    let transport = transport(settings());
    for round in 0..4 {
        let outcome = post(&transport, address).await;
        assert_eq!(code(&outcome), 200, "round {round}");
        assert!(outcome.timing.connect.is_some(), "round {round}");
    }
    assert_eq!(*seen.lock().unwrap(), ["0", "1", "2", "3"]);
}

#[actix_web::test]
async fn a_new_connection_that_is_reset_is_a_failed_attempt() {
    let (address, seen) = numbered(0);
    let outcome = post(&transport(settings()), address).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Connect));
    assert!(message(&outcome).contains(&address.to_string()));
    assert_eq!(outcome.remote_addr, Some(address));
    assert!(seen.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn a_kept_connection_that_broke_within_an_answer_is_a_failed_attempt() {
    let address = serve(|mut stream, _| {
        read_request(&mut stream);
        stream.write_all(OK.as_bytes()).unwrap();
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-").unwrap();
    });
    let transport = transport(settings());
    assert_eq!(code(&post(&transport, address).await), 200);
    assert_eq!(kind(&post(&transport, address).await), Some(ErrorKind::Connect));
}

#[actix_web::test]
async fn what_is_left_of_an_answer_is_never_the_next_one() {
    // Without a length the answer goes to the connection's end; a second one behind it is not for the next request.
    let smuggled = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    for first in [
        format!("HTTP/1.1 200 OK\r\n\r\n{smuggled}"),
        format!("HTTP/1.1 204 No Content\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{smuggled}"),
    ] {
        let answer = first.clone();
        let address = serve(move |mut stream, number| {
            if read_request(&mut stream).is_some() {
                let _ = stream.write_all(if number == 0 { answer.as_bytes() } else { OK.as_bytes() });
            }
        });
        let transport = transport(settings());
        post(&transport, address).await;
        assert_eq!(code(&post(&transport, address).await), 200, "{first:?}");
    }
}

#[actix_web::test]
async fn a_connection_is_used_again_after_an_answer_that_ends_and_leaves_it_open() {
    let chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nTrailer: 1\r\n\r\n";
    for (answer, kept) in [
        (format!("HTTP/1.1 200 OK\r\n{chunked}"), true),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), true),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok".to_owned(), true),
        (format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{chunked}"), false),
        (format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{chunked}"), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), false),
    ] {
        let (address, _) = serve_bytes(answer.clone());
        let transport = transport(settings());
        post(&transport, address).await;
        let second = post(&transport, address).await;
        assert!(second.error.is_none(), "{answer:?}: {second:?}");
        assert_eq!(second.timing.connect.is_none(), kept, "{answer:?}");
    }
}

#[actix_web::test]
async fn what_a_waiting_connection_says_unasked_is_no_answer() {
    let (said, saying) = std::sync::mpsc::channel();
    let said = Mutex::new(said);
    let address = serve(move |mut stream, number| {
        read_request(&mut stream);
        stream.write_all(OK.as_bytes()).unwrap();
        if number == 0 {
            // Some receivers say so before they close what was not used for a while.
            thread::sleep(Duration::from_millis(50));
            stream.write_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n").unwrap();
            said.lock().unwrap().send(()).unwrap();
            thread::sleep(LONG);
        }
    });
    let transport = transport(settings());
    assert_eq!(code(&post(&transport, address).await), 200);
    // This thread does not look at its sockets meanwhile.
    saying.recv_timeout(LONG).unwrap();
    assert_eq!(code(&post(&transport, address).await), 200);
}

#[actix_web::test]
async fn nobody_there_is_a_connect_error_that_names_the_place() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = post(&transport(settings()), address).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Connect));
    assert!(message(&outcome).contains(&address.to_string()), "{}", message(&outcome));
    assert_eq!(outcome.remote_addr, None);
}

#[actix_web::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let (address, _) = numbered(100);
    let nobody = SocketAddr::new("127.0.0.9".parse().unwrap(), address.port());
    let resolver = Prepared::new([vec![nobody, address]]);
    let transport = prepared(settings(), &resolver);
    let url = format!("http://hooks.example:{}/", address.port());
    let first = transport.send(request(&url, LONG)).await.unwrap();
    assert_eq!((code(&first), first.remote_addr), (200, Some(address)));
    // The address that is held comes first, though it is second in the answer.
    let second = transport.send(request(&url, LONG)).await.unwrap();
    assert_eq!((second.timing.connect, second.remote_addr), (None, Some(address)));
    assert_eq!(resolver.asked.borrow().len(), 2, "one look-up an attempt");
}

#[actix_web::test]
async fn a_kept_connection_is_pinned_to_the_address_that_was_checked() {
    let (old, old_seen) = serve_bytes(OK);
    let listener = TcpListener::bind(("127.0.0.2", old.port())).unwrap();
    let new = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        while read_request(&mut stream).is_some() {
            stream.write_all(b"HTTP/1.1 201 New\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let resolver = Prepared::new([vec![old], vec![new], vec![old, new]]);
    let transport = prepared(settings(), &resolver);
    let url = format!("http://hooks.example:{}/", old.port());
    for (code_expected, address) in [(200, old), (201, new), (200, old)] {
        let outcome = transport.send(request(&url, LONG)).await.unwrap();
        assert_eq!((code(&outcome), outcome.remote_addr), (code_expected, Some(address)));
    }
    assert_eq!(old_seen.lock().unwrap().len(), 2);
    assert_eq!(transport.pool().len(), 2);
}

#[actix_web::test]
async fn links_are_let_go_when_idle() {
    let (address, _) = numbered(1_000);
    let transport = transport(settings());
    post(&transport, address).await;
    transport.pool().sweep(Instant::now());
    assert_eq!(transport.pool().len(), 1);
    transport.pool().sweep(Instant::now() + Duration::from_secs(31));
    assert_eq!(transport.pool().len(), 0);
}

#[actix_web::test]
async fn links_are_bounded_and_the_least_used_goes_first() {
    let (address, seen) = numbered(100);
    let transport = prepared(settings(), &Prepared::new([vec![address]]));
    let url = |at: usize| format!("http://hooks-{at}.example:{}/", address.port());
    for at in 0..260 {
        assert_eq!(code(&transport.send(request(&url(at), LONG)).await.unwrap()), 200);
        assert!(transport.pool().len() <= 256);
    }
    assert_eq!(transport.pool().len(), 256);
    let connections = |seen: &Seen| seen.lock().unwrap().last().unwrap().parse::<usize>().unwrap();
    assert_eq!(connections(&seen), 259, "each name has a connection of its own");
    assert_eq!(transport.send(request(&url(259), LONG)).await.unwrap().timing.connect, None, "kept");
    assert!(transport.send(request(&url(0), LONG)).await.unwrap().timing.connect.is_some(), "let go");
}

#[actix_web::test]
async fn a_link_that_failed_is_not_kept() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let transport = transport(settings());
    assert_eq!(kind(&post(&transport, nobody).await), Some(ErrorKind::Connect));
    assert_eq!(transport.pool().len(), 0);
}
