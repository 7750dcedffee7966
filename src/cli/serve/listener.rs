//! Where the API is served: a TCP address or a Unix socket, in plain or over TLS. The socket is bound before the store
//! is opened, so that a wrong address is told at once.

use std::{
    fs, io,
    net::{TcpListener, ToSocketAddrs},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::Server};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};

use crate::http::{Api, configure};

/// Requests under way get so many seconds when the server stops.
const REQUEST_GRACE_SECONDS: u64 = 5;

/// Connections that one worker has, at most.
const MOST_CONNECTIONS: usize = 25_600;

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A certificate or key.
    #[error("{flag} {file}: {reason}")]
    Tls {
        /// What it was given for.
        flag: &'static str,
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// TLS on a Unix socket.
    #[error("--tls-cert cannot be used with a Unix socket")]
    TlsOnUnixSocket,
}

/// A bound socket, not yet served.
pub(super) enum Bound {
    Tcp { listener: TcpListener, tls: Option<Box<ServerConfig>> },
    Unix { listener: UnixListener, path: PathBuf },
}

/// Binds the address.
///
/// # Errors
/// It is taken, not ours, or malformed; or a certificate cannot be used.
pub(super) fn bind(address: &str, cert: Option<&Path>, key: Option<&Path>) -> Result<Bound, ListenError> {
    let failed = |source| ListenError::Bind { address: address.to_owned(), source };
    if let Some(path) = address.strip_prefix("unix:") {
        if cert.is_some() {
            return Err(ListenError::TlsOnUnixSocket);
        }
        let path = PathBuf::from(path);
        remove_stale_socket(&path).map_err(failed)?;
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
        return Ok(Bound::Unix { listener, path });
    }
    let tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(Box::new(tls_config(cert, key)?)),
        _ => None,
    };
    let addresses: Vec<_> = address.to_socket_addrs().map_err(failed)?.collect();
    let listener = TcpListener::bind(&addresses[..]).map_err(failed)?;
    Ok(Bound::Tcp { listener, tls })
}

/// A socket file whose server is gone is in the way; one that answers is not ours to remove.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            fs::remove_file(path)
        }
        _ => Ok(()),
    }
}

fn tls_config(cert: &Path, key: &Path) -> Result<ServerConfig, ListenError> {
    let failed = |(flag, file): (&'static str, &Path), reason: String| ListenError::Tls {
        flag,
        file: file.display().to_string(),
        reason,
    };
    let (cert_flag, key_flag) = (("--tls-cert", cert), ("--tls-key", key));
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(cert_flag, error.to_string()))?;
    if chain.is_empty() {
        return Err(failed(cert_flag, "has no certificate in it".to_owned()));
    }
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => failed(key_flag, "has no private key in it".to_owned()),
        error => failed(key_flag, error.to_string()),
    })?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private_key));
    config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => failed(key_flag, format!("is not the key of {}", cert.display())),
        rustls::Error::InvalidCertificate(_) => failed(cert_flag, "has a certificate that cannot be read".to_owned()),
        error => failed(cert_flag, error.to_string()),
    })
}

/// Serves the API over at most so many connections; the server, and the address as a client would name it.
///
/// # Errors
/// The runtime does not take the socket.
pub(super) fn start(
    bound: Bound,
    api: &Api,
    workers: usize,
    connections: usize,
) -> Result<(Server, String), ListenError> {
    let api = api.clone();
    let server = HttpServer::new(move || App::new().configure(configure(api.clone())))
        .workers(workers)
        .max_connections((connections / workers).clamp(1, MOST_CONNECTIONS))
        .backlog(4_096)
        .keep_alive(Duration::from_secs(75))
        .client_request_timeout(Duration::from_secs(10))
        .shutdown_timeout(REQUEST_GRACE_SECONDS)
        .disable_signals();
    let (server, address) = match bound {
        Bound::Unix { listener, path } => {
            let address = format!("unix:{}", path.display());
            (server.listen_uds(listener), address)
        }
        Bound::Tcp { listener, tls } => {
            let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
            match tls {
                Some(tls) => (server.listen_rustls_0_23(listener, *tls), address),
                None => (server.listen(listener), address),
            }
        }
    };
    match server {
        Ok(server) => Ok((server.run(), address)),
        Err(source) => Err(ListenError::Bind { address, source }),
    }
}
