//! One deadline over everything: wherever an attempt is when it strikes, the log says where.

use super::*;
use crate::domain::attempt::Timing;

#[track_caller]
fn timed_out(outcome: &Outcome, says: &str) {
    assert_eq!(kind(outcome), Some(ErrorKind::Timeout), "{outcome:?}");
    assert!(message(outcome).contains(says), "{}", message(outcome));
    assert!(outcome.duration >= SHORT);
}

#[actix_web::test]
async fn in_the_look_up() {
    let resolver = Prepared::new([vec![]]);
    let outcome = prepared(settings(), &resolver).send(request("http://hangs.example/", SHORT)).await.unwrap();
    timed_out(&outcome, "looking up hangs.example");
    assert_eq!((outcome.timing, outcome.remote_addr), (Timing::default(), None));
}

#[actix_web::test]
async fn in_the_connection() {
    // A full backlog swallows what comes after it.
    let listener = short_backlog();
    let address = listener.local_addr().unwrap();
    let _fill: Vec<_> =
        (0..64).map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()).collect();
    let outcome = transport(settings()).send(request(&format!("http://{address}/"), SHORT)).await.unwrap();
    timed_out(&outcome, "no connection to 127.0.0.1");
    assert_eq!((outcome.timing.connect, outcome.remote_addr), (None, None));
}

/// Listens with the shortest backlog.
fn short_backlog() -> TcpListener {
    use actix_rt::net::TcpSocket;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(1).unwrap().into_std().unwrap()
}

#[actix_web::test]
async fn an_address_that_swallows_leaves_time_for_the_next() {
    let swallows = short_backlog();
    let hole = swallows.local_addr().unwrap();
    let _fill: Vec<_> =
        (0..64).map_while(|_| TcpStream::connect_timeout(&hole, Duration::from_millis(50)).ok()).collect();
    let (answers, _) = serve_bytes(OK);
    let resolver = Prepared::new([vec![hole, answers]]);
    let outcome = prepared(settings(), &resolver).send(request("http://hooks.example/", SHORT * 4)).await.unwrap();
    assert_eq!((code(&outcome), outcome.remote_addr), (200, Some(answers)));
}

#[actix_web::test]
async fn in_the_handshake() {
    let address = serve(|mut stream, _| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let outcome = transport(settings()).send(request(&format!("https://{address}/"), SHORT)).await.unwrap();
    timed_out(&outcome, "TLS handshake");
    assert!(outcome.timing.connect.is_some() && outcome.timing.tls.is_none());
}

#[actix_web::test]
async fn before_the_head_and_the_connection_is_not_used_again() {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let address = serve(move |mut stream, number| {
        while read_request(&mut stream).is_some() {
            notes.lock().unwrap().push(number.to_string());
            if number > 0 {
                let _ = stream.write_all(OK.as_bytes());
            }
        }
        notes.lock().unwrap().push(format!("{number} closed"));
    });
    let transport = transport(settings());
    let outcome = transport.send(request(&format!("http://{address}/"), SHORT)).await.unwrap();
    timed_out(&outcome, "no answer");
    assert_eq!((outcome.remote_addr, outcome.response.as_ref()), (Some(address), None));
    assert_eq!(code(&post(&transport, address).await), 200);
    eventually(|| {
        let seen = seen.lock().unwrap();
        seen.contains(&"0 closed".to_owned()) && seen.contains(&"1".to_owned())
    })
    .await;
}

#[actix_web::test]
async fn in_a_head_and_in_a_body_that_drip() {
    for (begins, has_head) in
        [("HTTP/1.1 200 OK\r\nA: ", false), ("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nab", true)]
    {
        let address = serve(move |mut stream, _| {
            read_request(&mut stream);
            let _ = stream.write_all(begins.as_bytes());
            while stream.write_all(b"c").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let outcome = transport(settings()).send(request(&format!("http://{address}/"), SHORT)).await.unwrap();
        timed_out(&outcome, if has_head { "did not end" } else { "no answer" });
        assert_eq!(outcome.response.is_some(), has_head);
        if has_head {
            assert_eq!(outcome.response.as_ref().unwrap().code, 200);
            assert!(body(&outcome).starts_with("abc"), "what came is kept");
            assert!(outcome.timing.body.is_some());
        }
    }
}

#[actix_web::test]
async fn while_the_request_is_not_taken_in() {
    let address = serve(|stream, _| {
        thread::sleep(SHORT * 3);
        drop(stream);
    });
    let mut request = request(&format!("http://{address}/"), SHORT);
    request.body = vec![b'x'; 20_000_000].into();
    timed_out(&transport(settings()).send(request).await.unwrap(), "no answer");
}

#[actix_web::test]
async fn a_slow_receiver_does_not_keep_the_others_waiting() {
    let slow = serve(|mut stream, _| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (healthy, _) = serve_bytes(OK);
    let transport = transport(settings());
    let hung = transport.clone();
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let hung = hung.clone();
            actix_rt::spawn(async move { hung.send(request(&format!("http://{slow}/"), LONG)).await.unwrap() })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(code(&post(&transport, healthy).await), 200);
    }
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    for waiting in waiting {
        waiting.abort();
    }
}
