//! One HTTP request of a delivery: why it was made, how long its parts took, and what came of it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Why an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trigger {
    /// Its time by the retry schedule had come.
    Schedule,
    /// Somebody asked for it.
    Manual,
    /// A replay since some time.
    Replay,
    /// A test of the endpoint.
    Test,
    /// The receiver refused an old secret's signature during a rotation's overlap.
    Rotation,
}

impl Trigger {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
            Self::Replay => "replay",
            Self::Test => "test",
            Self::Rotation => "rotation",
        }
    }
}

/// What kept an attempt from having an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// No complete answer within the endpoint's time-out.
    Timeout,
    /// The host's name could not be looked up.
    Dns,
    /// No connection, or it broke.
    Connect,
    /// No secure connection: certificate, version or handshake.
    Tls,
    /// The address guard forbids where it would have gone (contract, section 4).
    Blocked,
    /// What came is not HTTP.
    Protocol,
    /// The server stopped while it was under way.
    Interrupted,
}

impl ErrorKind {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Blocked => "blocked",
            Self::Protocol => "protocol",
            Self::Interrupted => "interrupted",
        }
    }
}

/// An attempt's error: its kind, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptError {
    /// The kind.
    pub kind: ErrorKind,
    /// What happened, without secrets or payload.
    pub message: String,
}

/// How long each part took; `None` for a part that there was not (a reused connection has no look-up of its own TLS).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The look-up of the name.
    pub dns: Option<Duration>,
    /// The TCP connection.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request's first byte to the answer's head.
    pub first_byte: Option<Duration>,
    /// From the head to the last byte that was read.
    pub body: Option<Duration>,
}

/// The part of an answer that is kept for the log. `Debug` leaves the body and the headers out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status code.
    pub code: u16,
    /// Names in lower case with their values, in the order in which they came, cut to a bound.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the body (4 KiB unless told otherwise).
    pub body: Vec<u8>,
    /// Whether the body went on.
    pub truncated: bool,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Response({}, {} bytes kept)", self.code, self.body.len())
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The whole attempt, from look-up to the last byte read.
    pub duration: Duration,
    /// Its parts.
    pub timing: Timing,
    /// The address that was connected to.
    pub remote_addr: Option<SocketAddr>,
    /// The answer's head and kept body. There may be an error beside it, when the body did not end in time.
    pub response: Option<Response>,
    /// Why there is no complete answer.
    pub error: Option<AttemptError>,
}

/// One finished attempt. A clone is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts a delivery's attempts from 1; the store gives it.
    pub number: u32,
    /// Why it was made.
    pub trigger: Trigger,
    /// When it started.
    pub started_at: Timestamp,
    /// What came of it.
    pub outcome: Arc<Outcome>,
}

/// Whether a receiver that answers with this code has taken the event.
#[must_use]
pub fn is_success(code: u16) -> bool {
    (200..300).contains(&code)
}

impl Attempt {
    /// The answer's status code.
    #[must_use]
    pub fn response_code(&self) -> Option<u16> {
        self.outcome.response.as_ref().map(|response| response.code)
    }

    /// A 2xx, whole and in time.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.outcome.error.is_none() && self.response_code().is_some_and(is_success)
    }

    /// The server's own stop cut it off: it says nothing about the receiver, and is made again.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        self.outcome.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Interrupted)
    }

    /// The receiver said 410: its endpoint is to be disabled, and the delivery fails for good (contract, section 2).
    #[must_use]
    pub fn says_gone(&self) -> bool {
        self.response_code() == Some(410)
    }

    /// The value of an answer's header.
    #[must_use]
    pub fn response_header(&self, name: &str) -> Option<&str> {
        let headers = &self.outcome.response.as_ref()?.headers;
        headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}
