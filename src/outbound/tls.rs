//! TLS as a client: versions, roots, and what a failed handshake means in words.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{CertificateError, ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// The certificates to trust cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of `--ca-file` cannot be read, or is not PEM.
    #[error("the CA file {} cannot be read: {source}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// There is none in it.
    #[error("the CA file {} has no certificate in it", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// It has one that is none.
    #[error("the CA file {} has a certificate that cannot be used: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The cryptography has no TLS version to offer.
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, the system's roots and the extra ones.
pub(super) fn client_config(extra_ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (trusted, unusable) = roots.add_parsable_certificates(system.certs);
    for error in &system.errors {
        tracing::warn!(%error, "some of the system's certificates cannot be read");
    }
    if trusted == 0 && extra_ca.is_none() {
        tracing::warn!("the system has no certificates: no receiver's certificate can be trusted without --ca-file");
    } else {
        tracing::debug!(trusted, unusable, "read the system's certificates");
    }
    if let Some(path) = extra_ca {
        add_extra(&mut roots, path)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn add_extra(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let unreadable = |source| TlsError::CaFile { path: path.to_owned(), source };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots
            .add(certificate.map_err(unreadable)?)
            .map_err(|source| TlsError::Certificate { path: path.to_owned(), source })?;
    }
    if roots.len() == before {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(())
}

/// The TLS error inside an I/O error, if that is what it is.
pub(super) fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What a TLS error means, as the end of a sentence on the connection to `host`.
pub(super) fn explain(error: &rustls::Error, host: &str) -> String {
    use rustls::Error;
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => {
                format!("the certificate of {host} is not signed by an authority that is trusted here (see --ca-file)")
            }
            CertificateError::Other(_) if certificate.to_string().contains("CaUsedAsEndEntity") => format!(
                "the certificate of {host} is that of an authority, or signed by itself, and not a server's own (sign one \
                 with it, and give the authority's to --ca-file)"
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the certificate is not for {host}: {certificate}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate of {host} has expired: {certificate}")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("the certificate of {host} is not valid yet: {certificate}")
            }
            other => format!("the certificate of {host} cannot be used: {other}"),
        },
        Error::AlertReceived(alert) => format!("{host} refused the TLS handshake with the alert {alert:?}"),
        Error::InvalidMessage(_) => format!("{host} does not speak TLS there ({error})"),
        other => format!("the TLS handshake with {host} failed: {other}"),
    }
}
