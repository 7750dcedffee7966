//! What a receiver finds in a request's head: the headers of the contract (section 2), and an endpoint's own, whose
//! names may be neither ours nor the connection's.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{endpoint::Endpoint, event::EventBody, ids::EventId, time::Timestamp};

/// The `User-Agent` of every attempt.
pub const USER_AGENT: &str = concat!("Mythichooks/", env!("CARGO_PKG_VERSION"));

/// The headers of one attempt, in the order in which they are sent.
///
/// `at` is the wall clock's time of the attempt. `platform_generation` says which secret `X-MythicDot-Signature` is
/// made with; `webhook-signature` carries one signature for each secret that is live at that time.
#[must_use]
pub fn sent_headers<'a>(
    endpoint: &'a Endpoint,
    event: &EventId,
    body: &EventBody,
    at: Timestamp,
    platform_generation: u32,
) -> Vec<(&'a str, String)> {
    let bytes = body.bytes();
    let platform = endpoint.secrets.at_least(platform_generation, at).secret.platform_signature(bytes);
    let mut standard = String::new();
    for secret in endpoint.secrets.signing_at(at) {
        if !standard.is_empty() {
            standard.push(' ');
        }
        standard.push_str(&secret.standard_webhooks_signature(event, at, bytes));
    }
    let ours = [
        ("content-type", "application/json".to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
        ("x-mythicdot-signature", platform),
        ("webhook-id", event.as_str().to_owned()),
        ("webhook-timestamp", at.as_seconds().to_string()),
        ("webhook-signature", standard),
    ];
    let own = endpoint.headers.iter().map(|header| (header.name(), header.value().to_owned()));
    ours.into_iter().chain(own).collect()
}

/// One custom header. Values can hold credentials, so `Debug` shows the name alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomHeader {
    name: Box<str>,
    value: Box<str>,
}

/// Why a custom header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomHeaderError {
    /// Not a token of RFC 9110, or longer than 128 bytes.
    #[error("is not a header name")]
    Name,
    /// A header that the contract sets, or that belongs to the connection.
    #[error("is a header that cannot be overridden")]
    Reserved,
    /// Control characters, characters beyond ASCII, white space at an end, or more than 2,048 bytes.
    #[error("must be a header value of printable ASCII without spaces at its ends, at most 2048 bytes")]
    Value,
}

/// Set by the contract (section 2), hop-by-hop (RFC 9110, section 7.6.1), or of the message's framing and routing.
const RESERVED: [&str; 24] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-mythicdot-signature",
];

impl CustomHeader {
    /// # Errors
    /// The name or the value is not allowed.
    pub fn new(name: &str, value: &str) -> Result<Self, CustomHeaderError> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
            return Err(CustomHeaderError::Name);
        }
        let name = name.to_ascii_lowercase();
        if RESERVED.contains(&name.as_str()) {
            return Err(CustomHeaderError::Reserved);
        }
        let printable = value.bytes().all(|b| (0x20..0x7f).contains(&b));
        if value.len() > 2_048 || !printable || value.trim() != value {
            return Err(CustomHeaderError::Value);
        }
        Ok(Self { name: name.into(), value: value.into() })
    }

    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for CustomHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: (hidden)", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_and_the_connections_headers_cannot_be_set() {
        assert_eq!(CustomHeader::new("X-Team", "blue").map(|h| h.name().to_owned()), Ok("x-team".to_owned()));
        assert!(CustomHeader::new("Authorization", "Bearer abc").is_ok());
        for name in ["Host", "Webhook-Id", "X-MythicDot-Signature", "Transfer-Encoding", "Content-Type", "User-Agent"] {
            assert_eq!(CustomHeader::new(name, "x"), Err(CustomHeaderError::Reserved), "{name}");
        }
        for name in ["", "a b", "a:", "ä", "a\r\nb"] {
            assert_eq!(CustomHeader::new(name, "x"), Err(CustomHeaderError::Name), "{name}");
        }
        for value in ["a\r\nX: y", "\u{e4}", " a", "a\t", "\0"] {
            assert_eq!(CustomHeader::new("x-a", value), Err(CustomHeaderError::Value), "{value:?}");
        }
        let hidden = CustomHeader::new("authorization", "Bearer abc").unwrap();
        assert!(!format!("{hidden:?}").contains("abc"));
    }
}
