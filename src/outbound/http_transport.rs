//! One attempt from look-up to outcome: which address, which connection, what is tried again, and the deadline over all.

use std::{cell::RefCell, net::SocketAddr, pin::pin, rc::Rc, sync::Arc, time::Instant};

use url::Host;

use super::{
    Destination, OutboundRequest, Resolve, Shared, Shortage, SystemResolver, Transport,
    connect::{self, Opened},
    http1::{self, Afterwards},
    http2::Http2,
    pool::{Link, Place, Pool},
    progress::{Failure, Progress},
};
use crate::domain::attempt::{AttemptError, ErrorKind, Outcome};

/// Ends a sentence that names a forbidden address.
const CLOSED: &str = "where this server does not send (see --allow-network)";

/// The transport over the network. It holds connections, so it stays on one thread; clones share them. Use it within an
/// actix runtime.
pub struct HttpTransport<R = SystemResolver> {
    shared: Arc<Shared>,
    resolver: R,
    pool: Rc<Pool>,
}

impl HttpTransport {
    /// With the system's own look-up of names.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self::with_resolver(shared, SystemResolver)
    }
}

impl<R: Resolve> HttpTransport<R> {
    /// With another look-up of names.
    pub fn with_resolver(shared: Arc<Shared>, resolver: R) -> Self {
        Self { shared, resolver, pool: Rc::default() }
    }

    #[cfg(test)]
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl<R: Clone> Clone for HttpTransport<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), resolver: self.resolver.clone(), pool: Rc::clone(&self.pool) }
    }
}

impl<R: Resolve> Transport for HttpTransport<R> {
    async fn send(&self, request: OutboundRequest) -> Result<Outcome, Shortage> {
        let progress = Progress::new();
        let attempt = Attempt {
            transport: self,
            destination: &request.destination,
            request: &request,
            progress: &progress,
            link: RefCell::default(),
        };
        let run = pin!(attempt.run_with_what_there_is());
        let mut cut_off = request.cut_off.clone();
        let result = tokio::select! {
            result = tokio::time::timeout(request.timeout, run) => result,
            // Who sends may be gone before it is told to end.
            Ok(_) = cut_off.wait_for(|cut| *cut) => {
                let message = "the server was stopped".to_owned();
                Ok(Err(Failure::Final(AttemptError { kind: ErrorKind::Interrupted, message })))
            }
        };
        let error = match result {
            Ok(result) => result.err().map(Failure::into_error).transpose()?,
            Err(_) => Some(progress.deadline(&request.destination.host, request.timeout)),
        };
        if error.is_some() {
            attempt.retire();
        }
        Ok(progress.outcome(error))
    }
}

struct Attempt<'a, R> {
    transport: &'a HttpTransport<R>,
    destination: &'a Destination,
    request: &'a OutboundRequest,
    progress: &'a Progress,
    /// The link in use.
    link: RefCell<Option<Rc<Link>>>,
}

impl<R: Resolve> Attempt<'_, R> {
    /// Connections that only wait for another request have what this one may lack.
    async fn run_with_what_there_is(&self) -> Result<(), Failure> {
        match self.run().await {
            Err(Failure::Shortage(_)) if self.transport.pool.let_idle_go() => Box::pin(self.run()).await,
            ran => ran,
        }
    }

    async fn run(&self) -> Result<(), Failure> {
        let Destination { url, authority, host, .. } = self.destination;
        if !url.is_https() && !self.transport.shared.allow_http {
            let message = format!("{host} is reached over plain HTTP, and this server runs without --allow-http");
            return Err(Failure::new(ErrorKind::Blocked, message));
        }
        let mut addresses = self.addresses().await?;
        if addresses.len() > 1
            && let Some(held) = self.transport.pool.held(url.is_https(), authority, &addresses)
        {
            addresses.retain(|address| *address != held);
            addresses.insert(0, held);
        }
        let mut unreachable = None;
        for (at, &address) in addresses.iter().enumerate() {
            self.share_time(addresses.len() - at);
            let place = Place { https: url.is_https(), authority: Rc::clone(authority), address };
            match self.try_place(place).await {
                Err(Failure::Unreachable(error)) => {
                    self.retire();
                    unreachable = Some(Failure::Unreachable(error));
                }
                other => return other,
            }
        }
        Err(unreachable.unwrap_or_else(|| self.no_address()))
    }

    /// The addresses to try. One that is forbidden refuses all: a name that leads to one is not to be trusted.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let Destination { url, host, .. } = self.destination;
        let (shared, port) = (&self.transport.shared, url.port());
        let found = match url.host() {
            Host::Ipv4(address) => vec![SocketAddr::new(address.into(), port)],
            Host::Ipv6(address) => vec![SocketAddr::new(address.into(), port)],
            Host::Domain(name) => {
                let found = shared.lanes.look_up(&self.transport.resolver, name, port).await;
                self.progress.looked_up();
                found.map_err(|error| {
                    let message = format!("{host} could not be looked up: {error}");
                    Failure::of_io(&error, message, |message| Failure::new(ErrorKind::Dns, message))
                })?
            }
        };
        let mut addresses: Vec<SocketAddr> = Vec::with_capacity(found.len());
        for address in found {
            if let Err(refusal) = shared.guard.check(address.ip()) {
                let message = if matches!(url.host(), Host::Domain(_)) {
                    format!("{host} leads to {}, {}, {CLOSED}", refusal.address, refusal.what)
                } else {
                    format!("{refusal}, {CLOSED}")
                };
                return Err(Failure::new(ErrorKind::Blocked, message));
            }
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() { Err(self.no_address()) } else { Ok(addresses) }
    }

    /// Gives the next of these addresses its share of the time that is left, so that one which swallows everything
    /// leaves some for the others. The last one has it all.
    fn share_time(&self, addresses: usize) {
        let left = self.request.timeout.saturating_sub(self.progress.started().elapsed());
        let share = left / u32::try_from(addresses).unwrap_or(u32::MAX).max(1);
        self.progress.connect_by.set(if addresses > 1 { Instant::now().checked_add(share) } else { None });
    }

    /// On a kept connection if there is one, and where that turns out to be closed, once more on a new one.
    async fn try_place(&self, place: Place) -> Result<(), Failure> {
        match self.try_link(place.clone()).await {
            Err(Failure::Stale(_)) => {
                self.retire();
                self.try_link(place).await
            }
            other => other,
        }
    }

    async fn try_link(&self, place: Place) -> Result<(), Failure> {
        let (progress, limit) = (self.progress, self.transport.shared.response_body_limit);
        progress.begin_try(place.address);
        let link = self.transport.pool.link(place);
        self.link.replace(Some(Rc::clone(&link)));
        // In boxes, since they are large and most attempts have none: a future is copied whole each time that it is moved.
        if let Some(http2) = link.open_http2() {
            return Box::pin(http2.exchange(self.request, progress, limit)).await;
        }
        let mut socket = match link.take_idle() {
            Some(socket) => socket,
            None => match Box::pin(self.connect(&link)).await? {
                Opened::Http1(socket) => socket,
                Opened::Http2(socket) => {
                    let http2 = Box::pin(Http2::begin(*socket, &self.destination.host, progress)).await?;
                    link.http2.replace(Some(Rc::clone(&http2)));
                    return Box::pin(http2.exchange(self.request, progress, limit)).await;
                }
            },
        };
        if http1::exchange(&mut socket, self.request, progress, limit).await? == Afterwards::Kept {
            link.keep(socket);
        }
        Ok(())
    }

    async fn connect(&self, link: &Link) -> Result<Opened, Failure> {
        let config = link.place.https.then_some(&self.transport.shared.tls);
        connect::open(link.place.address, &self.destination.host, config, self.progress).await
    }

    fn no_address(&self) -> Failure {
        Failure::new(ErrorKind::Dns, format!("{} has no address", self.destination.host))
    }
}

impl<R> Attempt<'_, R> {
    /// Lets go of the link in use: what is wrong with one connection is likely wrong with the others.
    fn retire(&self) {
        if let Some(link) = self.link.take() {
            self.transport.pool.retire(&link);
        }
    }
}
