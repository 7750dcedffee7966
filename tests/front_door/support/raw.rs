//! One HTTP exchange over a bare socket, for what no proper client would send, and for Unix sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Sends `bytes`, shuts nothing down, and reads until the server closes or 10 s pass; all that came.
pub fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    converse(stream, bytes)
}

/// The same over a Unix socket.
pub fn exchange_unix(path: &std::path::Path, bytes: &[u8]) -> Vec<u8> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    converse(stream, bytes)
}

fn converse(mut stream: impl Read + Write, bytes: &[u8]) -> Vec<u8> {
    // A server may answer and close before it has read all: what it said still counts.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let mut buffer = [0; 16384];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            break;
        }
        said.extend_from_slice(&buffer[..read]);
    }
    said
}

/// The status of a raw answer, if it is one.
pub fn status(answer: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next()?).into_owned();
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
