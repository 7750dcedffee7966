//! Making a connection to one checked address, and to no other.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    progress::{Failure, Progress},
    socket::{Socket, TlsSocket},
    tls,
};
use crate::domain::attempt::{AttemptError, ErrorKind};

/// A connection, by what is spoken on it.
pub(super) enum Opened {
    /// HTTP/1.1.
    Http1(Socket),
    /// HTTP/2.
    Http2(Box<TlsSocket>),
}

/// Connects to an address, and secures the connection where there is a configuration for that: for a name, or an
/// address without brackets, that the certificate has to be for.
pub(super) async fn open(
    address: SocketAddr,
    host: &str,
    config: Option<&Arc<rustls::ClientConfig>>,
    progress: &Progress,
) -> Result<Opened, Failure> {
    let socket = connect(address, progress).await.map_err(|error| {
        let message = format!("no connection to {host} at {address}: {error}");
        Failure::of_io(&error, message, |message| {
            Failure::Unreachable(AttemptError { kind: ErrorKind::Connect, message })
        })
    })?;
    let Some(config) = config else { return Ok(Opened::Http1(Socket::Plain(socket))) };
    let insecure = |why: String| Failure::new(ErrorKind::Tls, format!("no secure connection to {address}: {why}"));
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| insecure(format!("no certificate can be for {host}: {error}")))?;
    let started = Instant::now();
    let socket = TlsConnector::from(Arc::clone(config)).connect(name, socket).await.map_err(|error| {
        insecure(match tls::cause(&error) {
            Some(cause) => tls::explain(cause, host),
            None => format!("{host} broke off the TLS handshake: {error}"),
        })
    })?;
    progress.secured(started.elapsed());
    let agreed = socket.get_ref().1.alpn_protocol() == Some(b"h2");
    let socket = Box::new(socket);
    Ok(if agreed { Opened::Http2(socket) } else { Opened::Http1(Socket::Tls(socket)) })
}

async fn connect(address: SocketAddr, progress: &Progress) -> io::Result<TcpStream> {
    progress.connecting(address);
    let started = Instant::now();
    let connecting = TcpStream::connect(address);
    let socket = match progress.connect_by.get() {
        Some(until) => tokio::time::timeout_at(until.into(), connecting)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
        None => connecting.await?,
    };
    progress.connected(address, started.elapsed());
    socket.set_nodelay(true)?;
    Ok(socket)
}
