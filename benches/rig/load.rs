//! The load generator: kept connections that post as fast as they are answered, or at a pace.

use std::{
    cell::Cell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, task::LocalSet};

use super::wire::Wire;

/// Connections that keep a pace.
const PACED: u32 = 8;

/// Where requests go.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub path: &'static str,
    pub token: String,
    /// The answer that each must have.
    pub expected: u16,
}

/// Posts so many requests over so many connections, each as soon as the one before it is answered; how long it took.
pub fn post_all(
    target: &Target,
    connections: usize,
    requests: u64,
    body: impl Fn(u64) -> String + 'static,
) -> Duration {
    let body = Rc::new(body);
    let next = Rc::new(Cell::new(0));
    run(async {
        let mut opened = Vec::new();
        for _ in 0..connections {
            opened.push(Connection::open(target).await);
        }
        let start = Instant::now();
        let tasks = opened.into_iter().map(|mut connection| {
            let (body, next) = (Rc::clone(&body), Rc::clone(&next));
            tokio::task::spawn_local(async move {
                while next.get() < requests {
                    let n = next.replace(next.get() + 1);
                    connection.post(&body(n)).await;
                }
            })
        });
        finish(tasks.collect()).await;
        start.elapsed()
    })
}

/// Posts so many requests, at so many a second.
pub fn post_paced(target: &Target, per_second: u32, requests: u64, body: impl Fn(u64) -> String + 'static) {
    let body = Rc::new(body);
    run(async {
        let start = tokio::time::Instant::now() + Duration::from_millis(20);
        let tasks = (0..PACED).map(|own| {
            let (body, target) = (Rc::clone(&body), target.clone());
            tokio::task::spawn_local(async move {
                let mut connection = Connection::open(&target).await;
                for n in (u64::from(own)..requests).step_by(PACED as usize) {
                    tokio::time::sleep_until(start + Duration::from_secs(n) / per_second).await;
                    connection.post(&body(n)).await;
                }
            })
        });
        finish(tasks.collect()).await;
    });
}

fn run<T>(load: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, load)
}

async fn finish(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

struct Connection {
    wire: Wire,
    head: String,
    expected: u16,
    request: Vec<u8>,
}

impl Connection {
    async fn open(target: &Target) -> Self {
        let Target { address, path, token, expected } = target;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: "
        );
        let wire = Wire::new(TcpStream::connect(address).await.unwrap());
        Self { wire, head, expected: *expected, request: Vec::new() }
    }

    async fn post(&mut self, body: &str) {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        self.request.extend_from_slice(body.len().to_string().as_bytes());
        self.request.extend_from_slice(b"\r\n\r\n");
        self.request.extend_from_slice(body.as_bytes());
        self.wire.send(&self.request).await.unwrap();
        let answer = self.wire.receive().await.expect("the server closed a connection");
        let code: u16 = std::str::from_utf8(&self.wire.head(&answer)[9..12]).unwrap().parse().unwrap();
        let text = || String::from_utf8_lossy(self.wire.body(&answer)).into_owned();
        assert!(code == self.expected, "answered {code}: {}", text());
        self.wire.done(&answer);
    }
}
