//! The way out: one signed request to one endpoint, under one deadline, to an address that was checked.
//!
//! [`Transport`] is what the actors see; [`HttpTransport`] is the only one that is on the network. An attempt goes
//! look-up (`lookup`), guard (`guard`), a kept or a new connection to that one address (`pool`, `connect`), the exchange
//! (`http1`, `http2`), and what was seen on the way (`progress`) becomes the domain's `Outcome`.
//!
//! HTTP/1.1 is spoken here, on the socket itself (`socket`, `answer_head`, `answer_body`), HTTP/2 with the `h2` crate:
//! see `docs/ARCHITECTURE.md` for why neither is awc's.

mod answer_body;
mod answer_head;
mod connect;
mod destination;
mod guard;
mod http1;
mod http2;
mod http_transport;
mod lookup;
mod pool;
mod progress;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

use std::{future::Future, net::IpAddr, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
pub use http::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use tokio::sync::watch;

pub use self::{
    destination::{Destination, DestinationError},
    guard::{Guard, Refusal},
    http_transport::HttpTransport,
    lookup::{Resolve, SystemResolver, warm_up},
    tls::TlsError,
};
use crate::domain::attempt::Outcome;

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Ranges that are opened beside the public ones (`--allow-network`).
    pub allow_networks: Vec<IpNet>,
    /// Whether plain HTTP is allowed (`--allow-http`).
    pub allow_http: bool,
    /// A PEM file with certificates that are trusted beside the system's (`--ca-file`).
    pub extra_ca: Option<PathBuf>,
    /// Bytes of an answer's body that are read and kept.
    pub response_body_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { allow_networks: Vec::new(), allow_http: false, extra_ca: None, response_body_limit: 4096 }
    }
}

/// One request. `Debug` leaves the headers' values and the body out.
pub struct OutboundRequest {
    /// Where to.
    pub destination: Rc<Destination>,
    /// Every header but `Host` and `Content-Length`, which follow from the rest.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
    /// Over the whole attempt, from look-up to the last byte.
    pub timeout: Duration,
    /// Becomes true when the attempt is to end as [`ErrorKind::Interrupted`].
    ///
    /// [`ErrorKind::Interrupted`]: crate::domain::attempt::ErrorKind::Interrupted
    pub cut_off: watch::Receiver<bool>,
}

impl std::fmt::Debug for OutboundRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutboundRequest({} bytes, within {:?})", self.body.len(), self.timeout)
    }
}

/// This machine lacks what a connection needs, such as a free file descriptor: a sentence that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Shortage(String);

/// Sends requests. A transport belongs to one thread.
pub trait Transport {
    /// Makes one attempt. What went wrong with it is in the outcome. Dropping the future ends the attempt.
    ///
    /// # Errors
    /// There was no attempt, by no fault of the receiver's.
    fn send(&self, request: OutboundRequest) -> impl Future<Output = Result<Outcome, Shortage>>;
}

/// What the transports of all threads have in common; made once.
pub struct Shared {
    guard: Guard,
    allow_http: bool,
    response_body_limit: usize,
    tls: Arc<rustls::ClientConfig>,
    lanes: lookup::Lanes,
}

impl Shared {
    /// Reads the system's certificates and the extra ones. A system without any is fine: then only receivers signed by
    /// the extra ones are trusted. Errors when the file with the extra ones cannot be used. Reads files, so it blocks.
    pub fn new(settings: Settings) -> Result<Self, TlsError> {
        Ok(Self {
            tls: Arc::new(tls::client_config(settings.extra_ca.as_deref())?),
            guard: Guard::new(settings.allow_networks),
            allow_http: settings.allow_http,
            response_body_limit: settings.response_body_limit,
            lanes: lookup::Lanes::default(),
        })
    }

    /// Whether an address may be connected to; see [`Guard::check`].
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        self.guard.check(address)
    }
}
