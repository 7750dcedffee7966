//! What has been seen of an attempt so far, written by every part of it as it happens, so that the deadline can strike
//! anywhere and the log still tells how far it came.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::io::Errno;

use super::{Shortage, answer_head::AnswerHead};
use crate::domain::attempt::{AttemptError, ErrorKind, Outcome, Response, Timing, is_success};

/// Where an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    LookUp,
    Connect(SocketAddr),
    Handshake(SocketAddr),
    Exchange,
    Body,
    /// The answer is whole, the request is not.
    RestOfRequest,
}

/// Why an attempt, or one try of it, came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection to this address; another one may do.
    Unreachable(AttemptError),
    /// A kept connection was closed before it brought anything; a new one may do.
    Stale(AttemptError),
    /// The attempt failed.
    Final(AttemptError),
    /// There was none.
    Shortage(Shortage),
}

impl Failure {
    /// A failed attempt.
    pub(super) fn new(kind: ErrorKind, message: String) -> Self {
        Self::Final(AttemptError { kind, message })
    }

    /// What is lacking here, if that is what the system says; else an attempt's failure by `or`.
    pub(super) fn of_io(error: &io::Error, message: String, or: impl FnOnce(String) -> Self) -> Self {
        let is_ours = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if Errno::from_io_error(error).is_some_and(|error| is_ours.contains(&error)) {
            Self::Shortage(Shortage(message))
        } else {
            or(message)
        }
    }

    /// For the log, unless there was no attempt.
    pub(super) fn into_error(self) -> Result<AttemptError, Shortage> {
        match self {
            Self::Unreachable(error) | Self::Stale(error) | Self::Final(error) => Ok(error),
            Self::Shortage(shortage) => Err(shortage),
        }
    }
}

/// Of one attempt.
pub(super) struct Progress {
    started: Instant,
    phase: Cell<Phase>,
    timing: Cell<Timing>,
    remote: Cell<Option<SocketAddr>>,
    /// Until when a connection may take to come about, where there are other addresses to try.
    pub(super) connect_by: Cell<Option<Instant>>,
    fresh: Cell<bool>,
    wrote_at: Cell<Option<Instant>>,
    heard: Cell<bool>,
    head_at: Cell<Option<Instant>>,
    response: RefCell<Option<Response>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            phase: Cell::new(Phase::LookUp),
            timing: Cell::default(),
            remote: Cell::default(),
            connect_by: Cell::default(),
            fresh: Cell::default(),
            wrote_at: Cell::default(),
            heard: Cell::default(),
            head_at: Cell::default(),
            response: RefCell::default(),
        }
    }

    /// Another connection is tried: forgets what the one before brought.
    pub(super) fn begin_try(&self, address: SocketAddr) {
        self.remote.set(Some(address));
        self.phase.set(Phase::Exchange);
        self.fresh.set(false);
        self.wrote_at.set(None);
        self.heard.set(false);
        self.time(|timing| (timing.connect, timing.tls) = (None, None));
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn looked_up(&self) {
        self.time(|timing| timing.dns = Some(self.started.elapsed()));
    }

    pub(super) fn connecting(&self, address: SocketAddr) {
        self.fresh.set(true);
        self.phase.set(Phase::Connect(address));
    }

    pub(super) fn connected(&self, address: SocketAddr, took: Duration) {
        self.phase.set(Phase::Handshake(address));
        self.time(|timing| timing.connect = Some(took));
    }

    pub(super) fn secured(&self, took: Duration) {
        self.time(|timing| timing.tls = Some(took));
    }

    /// Whether this try made its own connection.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh.get()
    }

    /// The request's first byte is on its way.
    pub(super) fn writes(&self) {
        self.phase.set(Phase::Exchange);
        self.wrote_at.set(Some(Instant::now()));
    }

    /// A receiver that took the event, as it says, still has to take the rest of the request.
    pub(super) fn writes_the_rest(&self) {
        self.phase.set(Phase::RestOfRequest);
    }

    /// Whether the answer says that the event was taken.
    pub(super) fn has_success(&self) -> bool {
        self.response.borrow().as_ref().is_some_and(|response| is_success(response.code))
    }

    /// Bytes of an answer have come.
    pub(super) fn hears(&self) {
        self.heard.set(true);
    }

    pub(super) fn has_heard(&self) -> bool {
        self.heard.get()
    }

    /// A final head has come.
    pub(super) fn answered(&self, head: AnswerHead) {
        let now = Instant::now();
        self.phase.set(Phase::Body);
        self.head_at.set(Some(now));
        self.time(|timing| timing.first_byte = self.wrote_at.get().map(|at| now - at));
        let response = Response { code: head.code, headers: head.headers, body: Vec::new(), truncated: false };
        self.response.replace(Some(response));
    }

    /// Keeps as much of a chunk as there is room for; whether that was all of it.
    pub(super) fn keep(&self, chunk: &[u8], limit: usize) -> bool {
        let mut response = self.response.borrow_mut();
        let Some(response) = response.as_mut() else { return true };
        let room = limit.saturating_sub(response.body.len()).min(chunk.len());
        response.body.extend_from_slice(&chunk[..room]);
        room == chunk.len()
    }

    /// Bytes of the body that are kept.
    pub(super) fn kept(&self) -> usize {
        self.response.borrow().as_ref().map_or(0, |response| response.body.len())
    }

    /// The body goes on, unread.
    pub(super) fn truncates(&self) {
        if let Some(response) = self.response.borrow_mut().as_mut() {
            response.truncated = true;
        }
    }

    /// What to say when the deadline strikes now.
    pub(super) fn deadline(&self, host: &str, timeout: Duration) -> AttemptError {
        let within = format!("within {}", seconds(timeout));
        let message = match self.phase.get() {
            Phase::LookUp => format!("looking up {host} did not end {within}"),
            Phase::Connect(address) => format!("no connection to {host} at {address} {within}"),
            Phase::Handshake(address) => format!("the TLS handshake with {host} at {address} did not end {within}"),
            Phase::Exchange => format!("no answer from {host}{} {within}", self.at()),
            Phase::Body => format!("the answer of {host}{} did not end {within}", self.at()),
            Phase::RestOfRequest => {
                format!("{host}{} answered, but did not take the request to its end {within}", self.at())
            }
        };
        AttemptError { kind: ErrorKind::Timeout, message }
    }

    /// " at ADDRESS", for a message.
    pub(super) fn at(&self) -> String {
        self.remote.get().map(|address| format!(" at {address}")).unwrap_or_default()
    }

    /// The outcome, with what there is by now.
    pub(super) fn outcome(&self, error: Option<AttemptError>) -> Outcome {
        self.time(|timing| timing.body = self.head_at.get().map(|at| at.elapsed()));
        let reached = self.timing.get().connect.is_some() || !self.fresh.get();
        Outcome {
            duration: self.started.elapsed(),
            timing: self.timing.get(),
            remote_addr: self.remote.get().filter(|_| reached),
            response: self.response.take(),
            error,
        }
    }

    fn time(&self, set: impl FnOnce(&mut Timing)) {
        let mut timing = self.timing.get();
        set(&mut timing);
        self.timing.set(timing);
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
