//! The receiver: answers 200 at once, or never, and knows how many came and how long each was on its way.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use super::{payload, wire::Wire};
use crate::cores;

/// What it answers; the headers are those of many a framework.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nserver: receiver\r\ncontent-length: 17\r\n\r\n{\"received\":true}";
/// Requests to paths that begin with it are never answered.
const HANGING: &str = "/hang";
/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Default)]
struct Shared {
    /// Requests that were answered.
    answered: AtomicU64,
    /// Requests that hang.
    hanging: AtomicU64,
    /// At so many answers somebody is told.
    goal: AtomicU64,
    reached: Mutex<Option<Instant>>,
    bell: Condvar,
    delays: Mutex<Vec<Duration>>,
}

/// Listens until the process ends, or it is dropped.
pub struct Receiver {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Receiver {
    /// One on a port.
    pub fn start() -> Self {
        Self::on_ports(1)
    }

    /// One on several ports, as if it were several receivers.
    pub fn on_ports(ports: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let listeners: Vec<_> = (0..ports).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                for listener in listeners {
                    listener.set_nonblocking(true).unwrap();
                    tokio::spawn(listen(tokio::net::TcpListener::from_std(listener).unwrap(), Arc::clone(&own)));
                }
                // Dropped, or sent: both mean the end.
                let _ = stopped.await;
            });
        });
        Self { addresses, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// The URL of its `n`th port.
    pub fn url(&self, n: usize) -> String {
        format!("http://{}/hook/{n}", self.addresses[n % self.addresses.len()])
    }

    /// A URL whose requests are never answered.
    pub fn hanging_url(&self, n: usize) -> String {
        format!("http://{}{HANGING}/{n}", self.addresses[n % self.addresses.len()])
    }

    /// How many were answered so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many requests hang.
    pub fn wait_for_hanging(&self, count: u64) {
        let start = Instant::now();
        while self.shared.hanging.load(Ordering::Relaxed) < count {
            assert!(start.elapsed() < PATIENCE, "fewer requests hang than should");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until so many have come in all; when that was. To be asked for before they come.
    pub fn expect(&self, count: u64) -> Goal<'_> {
        *self.shared.reached.lock().unwrap() = None;
        self.shared.goal.store(count, Ordering::SeqCst);
        Goal(self)
    }

    /// How long each was on its way since the last call.
    pub fn take_delays(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.shared.delays.lock().unwrap())
    }
}

/// A number of answers that is waited for.
pub struct Goal<'a>(&'a Receiver);

impl Goal<'_> {
    /// When it was reached.
    pub fn wait(self) -> Instant {
        let reached = self.0.shared.reached.lock().unwrap();
        let (reached, _) =
            self.0.shared.bell.wait_timeout_while(reached, PATIENCE, |reached| reached.is_none()).unwrap();
        reached.unwrap_or_else(|| panic!("only {} requests came", self.0.answered()))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listen(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&shared)));
    }
}

async fn answer(stream: TcpStream, shared: Arc<Shared>) {
    let mut wire = Wire::new(stream);
    while let Some(request) = wire.receive().await {
        let hangs = wire.head(&request)[b"POST ".len()..].starts_with(HANGING.as_bytes());
        if hangs {
            shared.hanging.fetch_add(1, Ordering::Relaxed);
        } else {
            shared.count(wire.body(&request));
        }
        wire.done(&request);
        if !hangs && wire.send(ANSWER).await.is_err() {
            return;
        }
    }
}

impl Shared {
    fn count(&self, body: &[u8]) {
        if let Some(sent_at) = payload::sent_at(body)
            && sent_at != payload::UNSTAMPED
        {
            let delay = Duration::from_nanos(cores::now().saturating_sub(sent_at));
            self.delays.lock().unwrap().push(delay);
        }
        let answered = self.answered.fetch_add(1, Ordering::SeqCst) + 1;
        if answered == self.goal.load(Ordering::SeqCst) {
            *self.reached.lock().unwrap() = Some(Instant::now());
            self.bell.notify_all();
        }
    }
}
