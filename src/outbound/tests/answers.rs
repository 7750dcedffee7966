//! What a receiver may answer: sound, odd, endless and broken.

use super::*;

async fn answered(bytes: impl Into<Vec<u8>>) -> Outcome {
    let bytes = bytes.into();
    let address = serve(move |mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(&bytes);
    });
    post(&transport(settings()), address).await
}

#[actix_web::test]
async fn head_and_body_are_kept() {
    let outcome =
        answered("HTTP/1.1 429 Slow\r\nZ: 1\r\nRetry-After: 7\r\nA: 2\r\nContent-Length: 4\r\n\r\nbusy").await;
    assert_eq!((code(&outcome), body(&outcome)), (429, "busy"));
    let response = outcome.response.unwrap();
    let names: Vec<_> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["z", "retry-after", "a", "content-length"]);
    assert!(!response.truncated);
    let timing = outcome.timing;
    assert_eq!((timing.dns, timing.tls), (None, None), "an address in a plain URL");
    assert!(timing.connect.is_some() && timing.first_byte.is_some() && timing.body.is_some());
    assert!(outcome.remote_addr.is_some_and(|address| address.ip().is_loopback()));
}

#[actix_web::test]
async fn bodies_end_in_every_way() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    ] {
        let outcome = answered(answer).await;
        assert_eq!((code(&outcome), body(&outcome)), (200, "hello"), "{answer:?}");
        assert!(!outcome.response.unwrap().truncated);
    }
}

#[actix_web::test]
async fn answers_without_a_body_wait_for_none() {
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (address, _) = serve_bytes(answer);
        let outcome = post(&transport(settings()), address).await;
        assert_eq!((outcome.error.as_ref(), body(&outcome)), (None, ""), "{answer:?}");
    }
}

#[actix_web::test]
async fn a_body_that_breaks_off_is_no_whole_answer() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
    ] {
        let outcome = answered(answer).await;
        assert_eq!(kind(&outcome), Some(ErrorKind::Connect), "{answer:?}");
        assert_eq!((outcome.response.as_ref().unwrap().code, body(&outcome)), (200, "hello"));
    }
}

#[actix_web::test]
async fn interim_answers_are_not_the_answer() {
    let hints =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let (address, seen) = serve_bytes(format!("{hints}{OK}"));
    let transport = transport(settings());
    for _ in 0..2 {
        let outcome = post(&transport, address).await;
        assert_eq!((code(&outcome), body(&outcome)), (200, "ok"));
    }
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_long_body_is_read_as_far_as_it_is_kept() {
    let limit = Settings::default().response_body_limit;
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {limit}\r\n\r\n{}", "a".repeat(limit));
    let outcome = answered(whole).await;
    assert_eq!((code(&outcome), body(&outcome).len()), (200, limit));
    assert!(!outcome.response.unwrap().truncated);
    for head in ["Content-Length: 1000000\r\n\r\n", "\r\n"] {
        let outcome = answered(format!("HTTP/1.1 200 OK\r\n{head}{}", "a".repeat(1_000_000))).await;
        assert_eq!((code(&outcome), body(&outcome).len()), (200, limit));
        assert!(outcome.response.unwrap().truncated);
    }
}

#[actix_web::test]
async fn an_endless_body_ends_the_connection_and_is_an_answer() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = Mutex::new(sender);
    let address = serve(move |mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream
            .write_all(b"400\r\n")
            .and_then(|()| stream.write_all(&[b'a'; 0x400]))
            .and_then(|()| stream.write_all(b"\r\n"))
            .is_ok()
        {}
        sender.lock().unwrap().send(()).unwrap();
    });
    let outcome = post(&transport(settings()), address).await;
    assert_eq!(code(&outcome), 200);
    assert!(outcome.response.unwrap().truncated);
    receiver.recv_timeout(LONG).expect("the connection is closed");
}

#[actix_web::test]
async fn a_body_that_stops_at_the_limit_is_not_waited_for() {
    let limit = Settings::default().response_body_limit;
    let address = serve(move |mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(limit)).as_bytes());
        read_request(&mut stream);
    });
    let outcome = post(&transport(settings()), address).await;
    assert_eq!(code(&outcome), 200);
    assert!(outcome.response.unwrap().truncated);
}

#[actix_web::test]
async fn what_is_not_http_is_a_protocol_error() {
    let huge = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(1_000_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(100_000));
    for answer in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "garbage",
        "HTTP/1.1 banana\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        &huge,
        &many,
    ] {
        let outcome = answered(answer).await;
        let shown = &answer[..answer.len().min(80)];
        assert_eq!(kind(&outcome), Some(ErrorKind::Protocol), "{shown:?}: {outcome:?}");
        assert!(message(&outcome).contains("127.0.0.1"), "{}", message(&outcome));
    }
}

#[actix_web::test]
async fn a_connection_without_a_whole_head_is_a_connect_error() {
    for answer in ["", "HT", "HTTP/1.1 200 OK\r\nContent-"] {
        let outcome = answered(answer).await;
        assert_eq!(kind(&outcome), Some(ErrorKind::Connect), "{answer:?}");
        assert_eq!(outcome.response, None);
    }
}

#[actix_web::test]
async fn an_answer_before_the_request_is_taken_in_counts() {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let address = serve(move |mut stream, number| {
        notes.lock().unwrap().push(number.to_string());
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
        // Neither reads on nor closes.
        thread::sleep(LONG);
    });
    let transport = transport(settings());
    for _ in 0..2 {
        let mut request = request(&format!("http://{address}/"), SHORT * 10);
        request.body = vec![b'x'; 20_000_000].into();
        let outcome = transport.send(request).await.unwrap();
        assert_eq!((code(&outcome), body(&outcome)), (413, "big"));
    }
    assert_eq!(*seen.lock().unwrap(), ["0", "1"], "a connection with half a request on it is not used again");
}

#[actix_web::test]
async fn a_receiver_that_refuses_and_closes_is_heard() {
    // Closing with bytes unread resets the connection, and what is still to be written fails.
    let address = serve(|mut stream, _| {
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    });
    for round in 0..20 {
        let mut request = request(&format!("http://{address}/"), LONG);
        request.body = vec![b'x'; 5_000_000].into();
        let outcome = transport(settings()).send(request).await.unwrap();
        assert_eq!((code(&outcome), body(&outcome)), (401, "no"), "round {round}");
    }
}

/// Reads a request's body to its end, after so much was read of the request; the number of bytes.
fn drain(stream: &mut TcpStream, mut read: usize, whole: usize) -> usize {
    let mut chunk = vec![0; 64 * 1024];
    while read < whole {
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => read += count,
            _ => break,
        }
    }
    read
}

const LARGE: usize = 20_000_000;

/// Sends a large request to a server that gets the stream, and how much of the request it has read, once the head is there.
async fn answered_early(answers: impl Fn(&mut TcpStream, usize) -> usize + Send + Sync + 'static) -> (Outcome, usize) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = Mutex::new(sender);
    let address = serve(move |mut stream, _| {
        let read = stream.read(&mut [0; 1000]).unwrap();
        let read = answers(&mut stream, read);
        sender.lock().unwrap().send(read).unwrap();
    });
    let mut request = request(&format!("http://{address}/"), LONG);
    request.body = vec![b'x'; LARGE].into();
    let outcome = transport(settings()).send(request).await.unwrap();
    (outcome, receiver.recv_timeout(LONG).unwrap())
}

#[actix_web::test]
async fn who_takes_an_event_before_it_is_there_gets_all_of_it() {
    for answer in
        ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"]
    {
        let (outcome, read) = answered_early(|stream, read| {
            stream.write_all(answer.as_bytes()).unwrap();
            thread::sleep(SHORT);
            drain(stream, read, LARGE)
        })
        .await;
        assert_eq!(outcome.error, None);
        assert!(read >= LARGE, "{answer:?}: {read}");
    }
}

#[actix_web::test]
async fn a_request_goes_on_while_its_answer_comes() {
    let (outcome, read) = answered_early(|stream, read| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let read = drain(stream, read, LARGE);
        stream.write_all(b"2\r\nok\r\n0\r\n\r\n").unwrap();
        read
    })
    .await;
    assert_eq!((code(&outcome), body(&outcome)), (200, "ok"));
    assert!(read >= LARGE, "{read}");
    // A long answer, which only goes on to come to who goes on to read it.
    let (outcome, _) = answered_early(|stream, mut read| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut chunk)
            && stream.write_all(&chunk[..count / 3]).is_ok()
        {
            read += count;
        }
        read
    })
    .await;
    assert_eq!(code(&outcome), 200);
    assert!(outcome.response.unwrap().truncated);
}

#[actix_web::test]
async fn who_takes_an_event_and_does_not_read_it_has_not_taken_it() {
    let address = serve(|mut stream, _| {
        let _ = stream.read(&mut [0; 1000]);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        thread::sleep(LONG);
    });
    let mut request = request(&format!("http://{address}/"), SHORT);
    request.body = vec![b'x'; LARGE].into();
    let outcome = transport(settings()).send(request).await.unwrap();
    assert_eq!(kind(&outcome), Some(ErrorKind::Timeout));
    assert!(message(&outcome).contains("did not take the request to its end"), "{}", message(&outcome));
    assert_eq!(outcome.response.unwrap().code, 204);
}

#[actix_web::test]
async fn endless_trailers_are_no_answer() {
    let trailers = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}", "A: b\r\n".repeat(100_000));
    let outcome = answered(trailers).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Protocol), "{outcome:?}");
}
