//! Where an endpoint's requests go: an absolute `https` (or, where it is allowed, `http`) URL, as normalised by the
//! WHATWG rules, so that every notation of an address or a name is judged in its one true form. Whether the address may
//! be connected to is not asked here but at each attempt (contract, section 4): names and configuration change.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// Longest URL, in characters, as given and as normalised.
pub const MAX_URL_LENGTH: usize = 2048;

/// Longest name of a host (RFC 1035, section 2.3.4, less the root's length byte and the final dot).
const MAX_HOST_LENGTH: usize = 253;

/// Longest label of a name (RFC 1035, section 2.3.4).
const MAX_LABEL_LENGTH: usize = 63;

/// A URL that requests can be sent to. `Display` gives the normalised text, which [`EndpointUrl::parse`] takes
/// unchanged; it is that text which is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndpointUrl(Url);

/// Why a text is no URL to send requests to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// As given, or once normalised.
    #[error("must be at most {MAX_URL_LENGTH} characters, once normalised too")]
    TooLong,
    /// White space, control characters and backslashes mean different things to different parsers.
    #[error("must not contain white space, control characters or backslashes (there is {0:?})")]
    Character(char),
    /// It has no scheme, or no `//` behind it.
    #[error("must be an absolute URL such as `https://example.com/webhooks`")]
    NotAbsolute,
    /// Neither `https` nor `http`.
    #[error("must have the scheme `https`")]
    Scheme,
    /// `http`, on a server for which it is not allowed.
    #[error("must be `https`: this server runs without --allow-http")]
    HttpNotAllowed,
    /// A name or password, even an empty one.
    #[error("must not contain user information (`user:password@`)")]
    UserInfo,
    /// No host.
    #[error("must name a host")]
    EmptyHost,
    /// An address with a zone means something on one machine alone.
    #[error("must not contain an IPv6 zone id")]
    ZoneId,
    /// A name or literal that nothing can answer to.
    #[error("must name a usable host: {0}")]
    Host(HostError),
    /// Not a number from 1 to 65535.
    #[error("must have a port from 1 to 65535")]
    Port,
    /// A fragment is never sent, so it would be lost without a word.
    #[error("must not contain a fragment (`#…`)")]
    Fragment,
}

/// What is wrong with the host of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Over 253 characters.
    #[error("a name has at most {MAX_HOST_LENGTH} characters")]
    NameTooLong,
    /// Between two dots.
    #[error("a label between dots must not be empty")]
    EmptyLabel,
    /// Over 63 characters.
    #[error("a label between dots has at most {MAX_LABEL_LENGTH} characters")]
    LabelTooLong,
    /// Characters that no host's name has.
    #[error("a label has letters, digits, `-` and `_` only, and no `-` at its ends")]
    LabelCharacters,
    /// A name that ends in a number is an IPv4 address, and this one is not.
    #[error("not an IPv4 address")]
    Ipv4,
    /// Between brackets, but not an address.
    #[error("not an IPv6 address")]
    Ipv6,
    /// The international name has no ASCII form.
    #[error("not a valid domain name")]
    Domain,
}

impl EndpointUrl {
    /// Checks and normalises a text. `allow_http` is the server's flag of that name; for a URL from the store pass
    /// `true`, and leave the flag to the attempt, which refuses a plain one in its log.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, UrlError> {
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.chars().nth(MAX_URL_LENGTH).is_some() {
            return Err(UrlError::TooLong);
        }
        if let Some(found) = text.chars().find(|c| c.is_control() || c.is_whitespace() || *c == '\\') {
            return Err(UrlError::Character(found));
        }
        check_authority(text, allow_http)?;
        let url = Url::parse(text).map_err(|error| explain(error, text))?;
        match url.host() {
            None => return Err(UrlError::EmptyHost),
            Some(Host::Domain(name)) => check_name(name).map_err(UrlError::Host)?,
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => {}
        }
        if url.port() == Some(0) {
            return Err(UrlError::Port);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        if url.as_str().len() > MAX_URL_LENGTH {
            return Err(UrlError::TooLong);
        }
        Ok(Self(url))
    }

    /// The normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// A name in lower-case ASCII, or an address.
    #[must_use]
    pub fn host(&self) -> Host<&str> {
        // `parse` lets no URL without a host through; the unspecified address is one that nothing may connect to.
        self.0.host().unwrap_or(Host::Ipv4(std::net::Ipv4Addr::UNSPECIFIED))
    }

    /// The port, the scheme's own where none is named.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// Whether requests go over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for EndpointUrl {
    type Err = UrlError;

    /// With `http` allowed; see [`EndpointUrl::parse`].
    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text, true)
    }
}

/// What the WHATWG parser would forgive: missing or surplus slashes, and an empty user name.
fn check_authority(text: &str, allow_http: bool) -> Result<(), UrlError> {
    let (scheme, rest) = text.split_once(':').ok_or(UrlError::NotAbsolute)?;
    let known = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let Some(rest) = rest.strip_prefix("//") else {
        // `localhost:8080` and `example.com/a:b` have something before a colon, but no scheme.
        let is_scheme =
            scheme.bytes().all(|b| b.is_ascii_alphabetic()) && !rest.starts_with(|c: char| c.is_ascii_digit());
        return Err(if is_scheme && !known { UrlError::Scheme } else { UrlError::NotAbsolute });
    };
    if !known {
        return Err(UrlError::Scheme);
    }
    if scheme.eq_ignore_ascii_case("http") && !allow_http {
        return Err(UrlError::HttpNotAllowed);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(UrlError::EmptyHost);
    }
    if authority.starts_with('[') && authority.contains('%') {
        return Err(UrlError::ZoneId);
    }
    Ok(())
}

fn explain(error: url::ParseError, text: &str) -> UrlError {
    use url::ParseError;
    match error {
        ParseError::EmptyHost => UrlError::EmptyHost,
        ParseError::InvalidPort => UrlError::Port,
        ParseError::InvalidIpv4Address => UrlError::Host(HostError::Ipv4),
        ParseError::InvalidIpv6Address => UrlError::Host(HostError::Ipv6),
        // The parser does not tell a bad label from a missing colon behind an address, nor need we.
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => UrlError::Host(HostError::Domain),
        _ if text.chars().count() >= MAX_URL_LENGTH => UrlError::TooLong,
        _ => UrlError::NotAbsolute,
    }
}

/// RFC 1123, section 2.1, and the underscore, which private networks use in names that do resolve. One final dot, the
/// root, is fine.
fn check_name(name: &str) -> Result<(), HostError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > MAX_HOST_LENGTH {
        return Err(HostError::NameTooLong);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(HostError::EmptyLabel);
        }
        if label.len() > MAX_LABEL_LENGTH {
            return Err(HostError::LabelTooLong);
        }
        let sound = label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if !sound || label.starts_with('-') || label.ends_with('-') {
            return Err(HostError::LabelCharacters);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_notation_becomes_its_one_normal_form() {
        for (given, normal) in [
            ("https://example.com", "https://example.com/"),
            ("HTTPS://Example.COM:443/Hooks?a=1", "https://example.com/Hooks?a=1"),
            ("https://example.com:8443/a/../b", "https://example.com:8443/b"),
            ("https://example.com?q", "https://example.com/?q"),
            ("http://example.com:80/", "http://example.com/"),
            ("https://example.com./", "https://example.com./"),
            ("https://my_service:8080/", "https://my_service:8080/"),
            ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
            ("https://EXAMPLE。com/", "https://example.com/"),
            ("https://2130706433/", "https://127.0.0.1/"),
            ("https://0x7f000001/", "https://127.0.0.1/"),
            ("https://0177.0.0.1/", "https://127.0.0.1/"),
            ("https://017700000001/", "https://127.0.0.1/"),
            ("https://127.1/", "https://127.0.0.1/"),
            ("https://127.0.0.1./", "https://127.0.0.1/"),
            ("https://0/", "https://0.0.0.0/"),
            ("https://0xa9.0xfe.0xa9.0xfe/latest", "https://169.254.169.254/latest"),
            ("https://127.0.0.1/", "https://127.0.0.1/"),
            ("https://①②⑦.0.0.1/", "https://127.0.0.1/"),
            ("https://%31%32%37.0.0.1/", "https://127.0.0.1/"),
            ("https://[::FFFF:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
            ("https://[0:0:0:0:0:0:0:1]:8443/", "https://[::1]:8443/"),
        ] {
            let url = EndpointUrl::parse(given, true).unwrap_or_else(|error| panic!("{given}: {error}"));
            assert_eq!(url.to_string(), normal, "{given}");
            assert_eq!(EndpointUrl::parse(normal, true), Ok(url), "{normal} again");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let long_label = format!("https://{}.example/", "a".repeat(64));
        let long_name = format!("https://{}/", ["a".repeat(60).as_str(); 5].join("."));
        let long_url = format!("https://example.com/{}", "a".repeat(2029));
        let long_once_normal = format!("https://example.com/{}", "ü".repeat(400));
        for (given, error) in [
            ("", UrlError::Empty),
            (&long_url, UrlError::TooLong),
            (&long_once_normal, UrlError::TooLong),
            (" https://example.com/", UrlError::Character(' ')),
            ("https://example.com/\n", UrlError::Character('\n')),
            ("https://exam\tple.com/", UrlError::Character('\t')),
            ("https://example.com/\0", UrlError::Character('\0')),
            ("https://example.com/\u{a0}", UrlError::Character('\u{a0}')),
            ("https://example.com\\@elsewhere.example/", UrlError::Character('\\')),
            ("example.com", UrlError::NotAbsolute),
            ("example.com:8080/hooks", UrlError::NotAbsolute),
            ("localhost:8080", UrlError::NotAbsolute),
            ("//example.com/", UrlError::NotAbsolute),
            ("/hooks", UrlError::NotAbsolute),
            ("https:example.com", UrlError::NotAbsolute),
            ("https:/example.com", UrlError::NotAbsolute),
            ("ftp://example.com/", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("gopher://example.com/", UrlError::Scheme),
            ("wss://example.com/", UrlError::Scheme),
            ("javascript:alert(1)", UrlError::Scheme),
            ("data:text/plain,x", UrlError::Scheme),
            ("http://example.com/", UrlError::HttpNotAllowed),
            ("https://user@example.com/", UrlError::UserInfo),
            ("https://user:secret@example.com/", UrlError::UserInfo),
            ("https://@example.com/", UrlError::UserInfo),
            ("https://:@example.com/", UrlError::UserInfo),
            ("https://", UrlError::EmptyHost),
            ("https:///example.com", UrlError::EmptyHost),
            ("https://:443/", UrlError::EmptyHost),
            ("https://?q", UrlError::EmptyHost),
            ("https://[fe80::1%25eth0]/", UrlError::ZoneId),
            ("https://[fe80::1%eth0]/", UrlError::ZoneId),
            (&long_label, UrlError::Host(HostError::LabelTooLong)),
            (&long_name, UrlError::Host(HostError::NameTooLong)),
            ("https://a..example/", UrlError::Host(HostError::EmptyLabel)),
            ("https://.example/", UrlError::Host(HostError::EmptyLabel)),
            ("https://./", UrlError::Host(HostError::EmptyLabel)),
            ("https://example.com../", UrlError::Host(HostError::EmptyLabel)),
            ("https://-a.example/", UrlError::Host(HostError::LabelCharacters)),
            ("https://a-.example/", UrlError::Host(HostError::LabelCharacters)),
            ("https://a*b.example/", UrlError::Host(HostError::LabelCharacters)),
            ("https://{host}.example/", UrlError::Host(HostError::LabelCharacters)),
            ("https://a%20b.example/", UrlError::Host(HostError::Domain)),
            ("https://user%40example.com/", UrlError::Host(HostError::Domain)),
            ("https://xn--a/", UrlError::Host(HostError::Domain)),
            ("https://256.1.1.1/", UrlError::Host(HostError::Ipv4)),
            ("https://1.2.3.4.5/", UrlError::Host(HostError::Ipv4)),
            ("https://[::1/", UrlError::Host(HostError::Ipv6)),
            ("https://[12345::1]/", UrlError::Host(HostError::Ipv6)),
            ("https://example.com:0/", UrlError::Port),
            ("https://example.com:65536/", UrlError::Port),
            ("https://example.com:https/", UrlError::Port),
            ("https://example.com/#", UrlError::Fragment),
            ("https://example.com/#part", UrlError::Fragment),
        ] {
            assert_eq!(EndpointUrl::parse(given, false), Err(error), "{given:?}");
        }
    }

    #[test]
    fn the_longest_urls_and_names_pass() {
        let url = format!("https://example.com/{}", "a".repeat(2028));
        assert!(EndpointUrl::parse(&url, false).is_ok());
        let name = [&"a".repeat(63), &"b".repeat(63), &"c".repeat(63), &"d".repeat(61)].map(String::as_str).join(".");
        assert!(EndpointUrl::parse(&format!("https://{name}/"), false).is_ok());
    }

    #[test]
    fn host_port_and_scheme_are_the_normalised_ones() {
        let url = EndpointUrl::parse("https://Example.com", false).unwrap();
        assert_eq!((url.host(), url.port(), url.is_https()), (Host::Domain("example.com"), 443, true));
        let url = EndpointUrl::parse("http://127.1", true).unwrap();
        assert_eq!((url.host(), url.port(), url.is_https()), (Host::Ipv4([127, 0, 0, 1].into()), 80, false));
        let url = EndpointUrl::parse("http://[::1]:8080", true).unwrap();
        assert_eq!((url.host(), url.port()), (Host::Ipv6(std::net::Ipv6Addr::LOCALHOST), 8080));
    }

    proptest! {
        #[test]
        fn the_normal_form_is_stable(text in "https?://[a-zA-Z0-9.ü%:\\[\\]@-]{0,20}[/?]?\\PC{0,30}") {
            if let Ok(url) = EndpointUrl::parse(&text, true) {
                prop_assert!(url.as_str().is_ascii());
                prop_assert_eq!(EndpointUrl::parse(url.as_str(), true), Ok(url));
            }
        }
    }
}
