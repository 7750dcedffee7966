//! A reader of server-sent events on a thread of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::server::Server;
use super::wait::eventually;

pub struct Events {
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    ended: Arc<AtomicBool>,
    stream: TcpStream,
    pub head: String,
}

impl Events {
    /// Opens `path` under `token`; returns when the head of the answer is there.
    pub fn open(server: &Server, token: &str, path: &str) -> Events {
        Events::open_with(server, &[("authorization", &format!("Bearer {token}"))], path)
    }

    /// Opens `path` with these headers.
    pub fn open_with(server: &Server, headers: &[(&str, &str)], path: &str) -> Events {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}accept: text/event-stream\r\n\r\n", server.address());
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "the stream ended in its head: {head}");
        }
        let seen = Arc::new(Mutex::new(Vec::new()));
        let filling = Arc::clone(&seen);
        let ended = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&ended);
        std::thread::spawn(move || {
            let mut name = "message".to_owned();
            for line in reader.lines() {
                let Ok(line) = line else { break };
                if let Some(event) = line.strip_prefix("event:") {
                    event.trim().clone_into(&mut name);
                } else if let Some(data) = line.strip_prefix("data:") {
                    let data = serde_json::from_str(data.trim()).unwrap_or(Value::Null);
                    filling.lock().unwrap().push((std::mem::replace(&mut name, "message".to_owned()), data));
                }
                // The last chunk of a chunked body is empty.
                if line == "0" {
                    break;
                }
            }
            ending.store(true, Ordering::SeqCst);
        });
        Events { seen, ended, stream, head }
    }

    pub fn seen(&self) -> Vec<(String, Value)> {
        self.seen.lock().unwrap().clone()
    }

    /// Whether the server has ended it.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Waits for an event that `wanted` takes.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || self.seen().into_iter().map(|(_, data)| data).find(|data| wanted(data)))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
