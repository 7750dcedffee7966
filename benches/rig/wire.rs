//! Just as much of HTTP/1.1 as a load generator and a receiver need that cost next to nothing themselves.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection, and what was read of it beyond the last message.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// One request or answer; its parts are ranges of the wire's buffer.
pub struct Message {
    head: usize,
    length: usize,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::with_capacity(4_096) }
    }

    /// Reads until a whole message is there; `None`: the other side has closed.
    pub async fn receive(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = whole(&self.read) {
                return Some(message);
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The first line and the headers.
    pub fn head(&self, message: &Message) -> &[u8] {
        &self.read[..message.head]
    }

    pub fn body(&self, message: &Message) -> &[u8] {
        &self.read[message.head..message.head + message.length]
    }

    /// Makes room for what follows.
    pub fn done(&mut self, message: &Message) {
        self.read.drain(..message.head + message.length);
    }

    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }
}

fn whole(bytes: &[u8]) -> Option<Message> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let length = content_length(&bytes[..head]);
    (bytes.len() >= head + length).then_some(Message { head, length })
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let value =
        lines.filter_map(|line| line.split_at_checked(NAME.len())).find(|(name, _)| name.eq_ignore_ascii_case(NAME));
    value.map_or(0, |(_, value)| std::str::from_utf8(value).unwrap().trim().parse().unwrap())
}
