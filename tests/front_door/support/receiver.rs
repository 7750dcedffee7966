//! Receivers inside the test: plain sockets that record each request byte for byte and answer it as a script says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::wait::until;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub at: Instant,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Recorded {
    /// The value of the first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&String> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).count()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The `webhook-id`.
    pub fn event_id(&self) -> String {
        self.header("webhook-id").expect("a webhook-id").clone()
    }
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn status(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Reply {
        self.body = body.into();
        self
    }
}

/// What a receiver does with one request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    Answer(Reply),
    /// Answers after this long.
    Slow(Duration, Reply),
    /// Never answers; holds the connection.
    Hang,
    /// A proper head, then one byte of body every so often, without end.
    Drip(Duration),
    /// A proper head, then body bytes as fast as they are taken, without end.
    Endless,
    /// Closes with a TCP reset instead of an answer.
    Reset,
    /// Closes without an answer.
    Close,
    /// These bytes, then closes.
    Raw(Vec<u8>),
}

impl From<u16> for Behaviour {
    fn from(status: u16) -> Self {
        Behaviour::Answer(Reply::status(status))
    }
}

impl From<Reply> for Behaviour {
    fn from(reply: Reply) -> Self {
        Behaviour::Answer(reply)
    }
}

type Script = dyn Fn(&Recorded, usize) -> Behaviour + Send + Sync;

struct Shared {
    script: Box<Script>,
    requests: Mutex<Vec<Recorded>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    stopping: AtomicBool,
}

pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// The script gets each request and how many came before it.
    pub fn start<B: Into<Behaviour>>(script: impl Fn(&Recorded, usize) -> B + Send + Sync + 'static) -> Receiver {
        Self::start_on("127.0.0.1:0", script)
    }

    pub fn start_on<B: Into<Behaviour>>(
        address: &str,
        script: impl Fn(&Recorded, usize) -> B + Send + Sync + 'static,
    ) -> Receiver {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(move |request, before| script(request, before).into()),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                if let Ok(stream) = stream {
                    std::thread::spawn(move || shared.serve(&stream));
                }
            }
        });
        Receiver { address, shared }
    }

    /// Answers 200 to all.
    pub fn ok() -> Receiver {
        Receiver::start(|_, _| 200)
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Another address of it.
    pub fn url_of(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// Connections ever made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Requests that it holds open now, unanswered or with a body without end.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Waits for at least `count` requests; all of them.
    pub fn wait_for(&self, count: usize) -> Vec<Recorded> {
        until(&format!("{count} requests at {} (it got {})", self.url(), self.count()), || self.count() >= count);
        self.requests()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader) {
            let before = {
                let mut requests = self.requests.lock().unwrap();
                requests.push(request.clone());
                requests.len() - 1
            };
            let behaviour = (self.script)(&request, before);
            self.open.fetch_add(1, Ordering::SeqCst);
            let goes_on = self.behave(stream, behaviour);
            self.open.fetch_sub(1, Ordering::SeqCst);
            if !goes_on {
                return;
            }
        }
    }

    /// Whether the connection can carry another request.
    fn behave(&self, mut stream: &TcpStream, behaviour: Behaviour) -> bool {
        const ENDLESS_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
        match behaviour {
            Behaviour::Answer(reply) => write_reply(stream, &reply),
            Behaviour::Slow(delay, reply) => !self.gone_within(stream, delay) && write_reply(stream, &reply),
            Behaviour::Hang => {
                while !self.gone_within(stream, Duration::from_secs(1)) {}
                false
            }
            Behaviour::Drip(every) => {
                let mut alive = stream.write_all(ENDLESS_HEAD).is_ok();
                while alive && !self.gone_within(stream, every) {
                    alive = stream.write_all(b".").is_ok();
                }
                false
            }
            Behaviour::Endless => {
                let chunk = [b'.'; 16384];
                let mut alive = stream.write_all(ENDLESS_HEAD).is_ok();
                while alive && !self.stopping.load(Ordering::SeqCst) {
                    alive = stream.write_all(&chunk).is_ok();
                }
                false
            }
            Behaviour::Reset => {
                // A zero linger makes the close a reset.
                rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
                false
            }
            Behaviour::Close => {
                let _ = stream.shutdown(Shutdown::Both);
                false
            }
            Behaviour::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Both);
                false
            }
        }
    }

    /// Waits that long; true as soon as the peer is gone or the receiver stops.
    fn gone_within(&self, mut stream: &TcpStream, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now()).min(Duration::from_millis(100));
            if left.is_zero() {
                return false;
            }
            if self.stopping.load(Ordering::SeqCst) {
                return true;
            }
            stream.set_read_timeout(Some(left)).unwrap();
            match stream.read(&mut [0; 1]) {
                Ok(0) => return true,
                Ok(_) => panic!("the sender sent more than its request"),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(_) => return true,
            }
        }
    }
}

fn write_reply(mut stream: &TcpStream, reply: &Reply) -> bool {
    let mut bytes = Vec::new();
    write!(bytes, "HTTP/1.1 {} Because\r\n", reply.status).unwrap();
    for (name, value) in &reply.headers {
        write!(bytes, "{name}: {value}\r\n").unwrap();
    }
    if reply.status != 204 {
        write!(bytes, "content-length: {}\r\n", reply.body.len()).unwrap();
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&reply.body);
    stream.set_read_timeout(None).is_ok() && stream.write_all(&bytes).is_ok()
}

/// The next request of a connection; none at its end.
fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Recorded> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let at = Instant::now();
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Recorded { at, method, target, headers, body: Vec::new() };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    assert!(request.header("transfer-encoding").is_none(), "the body's length is known: no chunks are due");
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
