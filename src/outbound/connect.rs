//! Making a connection to one checked address, and to no other, whatever awc asks for.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Host, rustls_0_23::TlsConnector};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;

use super::{
    progress::{Failure, Progress},
    tls,
    wire::{TlsSocket, Wire},
};
use crate::domain::attempt::{AttemptError, ErrorKind};

/// Where an awc client's connections go.
#[derive(Clone)]
pub(super) struct Pinned {
    /// The checked address.
    pub(super) address: SocketAddr,
    /// A name or an address without brackets: what the certificate is for.
    pub(super) host: Rc<str>,
    /// For `https`.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

impl Service<ConnectInfo<Uri>> for Pinned {
    type Response = Connection<Uri, Wire>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// The target is not looked at. A connection that speaks HTTP/2 is not for awc: it is laid into the progress, and
    /// awc is told that there is none.
    fn call(&self, target: ConnectInfo<Uri>) -> Self::Future {
        let pinned = self.clone();
        Box::pin(async move {
            let progress = Progress::current().ok_or(ConnectError::Unresolved)?;
            match pinned.open(&progress).await {
                Ok(Opened::Http1(wire)) => Ok(Connection::new(target.request().clone(), wire)),
                Ok(Opened::Http2(socket)) => {
                    progress.offer_http2(*socket);
                    Err(ConnectError::Unresolved)
                }
                Err(failure) => {
                    progress.fails(failure);
                    Err(ConnectError::Unresolved)
                }
            }
        })
    }
}

enum Opened {
    Http1(Wire),
    Http2(Box<TlsSocket>),
}

impl Pinned {
    async fn open(&self, progress: &Progress) -> Result<Opened, Failure> {
        let socket = self.connect(progress).await.map_err(|error| {
            let message = format!("no connection to {} at {}: {error}", self.host, self.address);
            Failure::Unreachable(AttemptError { kind: ErrorKind::Connect, message })
        })?;
        let Some(config) = &self.tls else { return Ok(Opened::Http1(Wire::plain(socket, self.host.clone()))) };
        let started = Instant::now();
        let connector = TlsConnector::service(Arc::clone(config));
        let connection = Connection::new(ServerName(self.host.clone()), socket);
        let socket = connector.call(connection).await.map_err(|error| self.explain(&error))?.into_parts().0;
        progress.secured(started.elapsed());
        Ok(if socket.get_ref().1.alpn_protocol() == Some(b"h2") {
            Opened::Http2(Box::new(socket))
        } else {
            Opened::Http1(Wire::tls(socket, self.host.clone()))
        })
    }

    async fn connect(&self, progress: &Progress) -> io::Result<TcpStream> {
        progress.connecting(self.address);
        let started = Instant::now();
        let connecting = TcpStream::connect(self.address);
        let socket = match progress.connect_by.get() {
            Some(until) => tokio::time::timeout_at(until.into(), connecting)
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
            None => connecting.await?,
        };
        progress.connected(self.address, started.elapsed());
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    fn explain(&self, error: &io::Error) -> Failure {
        let message = match tls::cause(error) {
            Some(cause) => tls::explain(cause, &self.host),
            None => format!("{} broke off the TLS handshake: {error}", self.host),
        };
        Failure::new(ErrorKind::Tls, format!("no secure connection to {}: {message}", self.address))
    }
}

/// The name that a certificate has to be for.
struct ServerName(Rc<str>);

impl Host for ServerName {
    fn hostname(&self) -> &str {
        &self.0
    }
}
