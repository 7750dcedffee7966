//! Where an endpoint's requests go, in each form that a part of an attempt needs: made once from the endpoint's URL, and
//! not at every attempt.

use std::rc::Rc;

use http::uri::{InvalidUri, Uri};
use url::Host;

use crate::domain::endpoint_url::{EndpointUrl, UrlError};

/// A URL, ready to be sent to. It stays on one thread.
pub struct Destination {
    pub(super) url: EndpointUrl,
    /// For HTTP/2.
    pub(super) uri: Uri,
    /// How a request over HTTP/1.1 begins: its first line, and its `Host`.
    pub(super) opening: Box<str>,
    /// Host and port, as in the `Host` header.
    pub(super) authority: Rc<str>,
    /// What a certificate has to be for: an address without its brackets, a name without its final dot.
    pub(super) host: Rc<str>,
}

/// Why nothing can be sent to a URL.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// It is none that an endpoint may have.
    #[error("it {0}")]
    Url(#[from] UrlError),
    /// HTTP does not take it.
    #[error(transparent)]
    Uri(#[from] InvalidUri),
}

impl Destination {
    /// Of the URL of an endpoint. Whether the server may send there is asked at each attempt.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        let url = EndpointUrl::parse(text, true)?;
        let uri: Uri = url.as_str().parse()?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let opening = format!("POST {target} HTTP/1.1\r\nhost: {authority}\r\n").into();
        let authority = authority.into();
        let host = match url.host() {
            Host::Domain(name) => name.strip_suffix('.').unwrap_or(name).into(),
            Host::Ipv4(address) => address.to_string().into(),
            Host::Ipv6(address) => address.to_string().into(),
        };
        Ok(Self { url, uri, opening, authority, host })
    }

    /// The host as the URL has it, for messages.
    pub(super) fn host_in_uri(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }
}
