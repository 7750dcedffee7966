//! The way out against small servers of the test's own, on loopback. Each file has one concern; this one has what they
//! share: scripted servers, a resolver with prepared answers, and the transport in front of both.

mod answers;
mod connections;
mod deadlines;
mod names;
mod requests;
mod secure;

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;

use super::{
    Destination, HeaderName, HeaderValue, HttpTransport, OutboundRequest, Resolve, Settings, Shared, Transport,
};
use crate::domain::attempt::{ErrorKind, Outcome};

/// Far more than any of these needs.
const LONG: Duration = Duration::from_secs(20);

/// Enough for something on loopback to have happened, and short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);

/// What a server has seen, in order.
type Seen = Arc<Mutex<Vec<String>>>;

/// Runs a script for each connection, on threads of its own; the connections are numbered from 0.
fn serve(script: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Arc::new(script);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (Ok(stream), script) = (stream, Arc::clone(&script)) else { return };
            stream.set_read_timeout(Some(LONG)).unwrap();
            thread::spawn(move || script(stream, number));
        }
    });
    address
}

/// Answers every request on every connection with the same bytes, and notes the requests.
fn serve_bytes(answer: impl Into<Vec<u8>>) -> (SocketAddr, Seen) {
    let (seen, answer) = (Seen::default(), answer.into());
    let notes = Arc::clone(&seen);
    let address = serve(move |mut stream, _| {
        while let Some(request) = read_request(&mut stream) {
            notes.lock().unwrap().push(request);
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    });
    (address, seen)
}

/// Reads one request to its end; `None` when the connection ends first.
fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        if body.len() >= length {
            return Some(text.into_owned());
        }
    }
}

/// A whole, small answer.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

/// Settings for receivers on loopback.
fn settings() -> Settings {
    Settings { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], allow_http: true, ..Settings::default() }
}

fn transport(settings: Settings) -> HttpTransport {
    HttpTransport::new(Arc::new(Shared::new(settings).unwrap()))
}

fn request(url: &str, timeout: Duration) -> OutboundRequest {
    OutboundRequest {
        destination: Rc::new(Destination::parse(url).unwrap()),
        headers: vec![
            (HeaderName::from_static("content-type"), HeaderValue::from_static("application/json")),
            (HeaderName::from_static("user-agent"), HeaderValue::from_static("Mythichooks/test")),
            (HeaderName::from_static("webhook-id"), HeaderValue::from_static("evt_1")),
        ],
        body: Bytes::from_static(b"{\"id\":\"evt_1\"}"),
        timeout,
        cut_off: tokio::sync::watch::channel(false).1,
    }
}

/// One attempt at a path of a server on loopback.
async fn post(transport: &impl Transport, address: SocketAddr) -> Outcome {
    transport.send(request(&format!("http://{address}/hooks"), LONG)).await.unwrap()
}

#[track_caller]
fn kind(outcome: &Outcome) -> Option<ErrorKind> {
    outcome.error.as_ref().map(|error| error.kind)
}

#[track_caller]
fn code(outcome: &Outcome) -> u16 {
    assert_eq!(outcome.error, None);
    outcome.response.as_ref().unwrap().code
}

#[track_caller]
fn message(outcome: &Outcome) -> &str {
    &outcome.error.as_ref().unwrap().message
}

/// Waits until something holds.
async fn eventually(holds: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONG, "it never holds");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

fn body(outcome: &Outcome) -> &str {
    std::str::from_utf8(&outcome.response.as_ref().unwrap().body).unwrap()
}

/// Gives prepared answers, one a look-up, the last one for ever; it counts the look-ups. An empty one hangs.
#[derive(Clone, Default)]
struct Prepared {
    answers: Rc<RefCell<VecDeque<Vec<SocketAddr>>>>,
    asked: Rc<RefCell<Vec<String>>>,
}

impl Prepared {
    fn new<const N: usize>(answers: [Vec<SocketAddr>; N]) -> Self {
        Self { answers: Rc::new(RefCell::new(answers.into())), asked: Rc::default() }
    }
}

impl Resolve for Prepared {
    fn resolve(&self, host: &str, _port: u16) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.asked.borrow_mut().push(host.to_owned());
        let mut answers = self.answers.borrow_mut();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap_or_default();
        Box::pin(async move { if answer.is_empty() { std::future::pending().await } else { Ok(answer) } })
    }
}

/// With prepared answers to look-ups.
fn prepared(settings: Settings, resolver: &Prepared) -> HttpTransport<Prepared> {
    HttpTransport::with_resolver(Arc::new(Shared::new(settings).unwrap()), resolver.clone())
}
