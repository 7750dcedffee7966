//! An endpoint's own request headers: what a name and a value may be, and which names are ours or the connection's.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    #[error("must be a header value of printable ASCII, at most 2048 bytes")]
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
