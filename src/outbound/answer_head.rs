//! The head of an HTTP/1 answer: what is logged of it, in the order in which it came, and where its body ends. Interim
//! answers before it (RFC 9110, section 15.2) are dropped.

use std::borrow::Cow;

use super::answer_body::Framing;

/// Longest head, interim ones included, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Headers of an answer that are kept, at most.
const MAX_KEPT: usize = 64;

/// Bytes of names and values that are kept, about.
const MAX_KEPT_BYTES: usize = 2048;

/// Bytes of the value of a header that is kept whatever else is there.
const MAX_NEEDED_VALUE: usize = 256;

/// Headers that are never the ones left out: the schedule and the log need them.
const NEEDED: [&str; 2] = ["retry-after", "content-type"];

/// A final answer's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnswerHead {
    /// The status code.
    pub(super) code: u16,
    /// Names in lower case and values, in order, cut to a bound.
    pub(super) headers: Vec<(String, String)>,
}

/// What came is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    /// It does not begin as one.
    #[error("what came back is not HTTP")]
    NotHttp,
    /// A status code that is none.
    #[error("the answer has no valid status line")]
    StatusLine,
    /// A line that is no header.
    #[error("the answer has a malformed header")]
    Header,
    /// A length that is none, or two that differ.
    #[error("the answer has no valid Content-Length")]
    Length,
    /// It goes on and on.
    #[error("the answer's head is longer than {MAX_HEAD} bytes")]
    TooLong,
}

/// Takes in the bytes of a connection until a final head is whole.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    seen: Vec<u8>,
    dropped: usize,
}

/// A final head, and what follows from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FinalHead {
    /// For the log.
    pub(super) head: AnswerHead,
    /// Where the body ends.
    pub(super) framing: Framing,
    /// Whether the connection is used up with this answer.
    pub(super) closes: bool,
    /// What came behind the head.
    pub(super) rest: Vec<u8>,
}

impl HeadReader {
    /// Takes the next bytes; `None` while the head goes on.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<FinalHead>, HeadError> {
        let mut from = self.seen.len().saturating_sub(3);
        self.seen.extend_from_slice(bytes);
        loop {
            const START: &[u8] = b"HTTP/1.";
            let common = self.seen.len().min(START.len());
            if self.seen[..common] != START[..common] {
                return Err(HeadError::NotHttp);
            }
            let Some(end) = head_end(&self.seen, from) else {
                let whole = self.dropped + self.seen.len();
                return if whole > MAX_HEAD { Err(HeadError::TooLong) } else { Ok(None) };
            };
            if self.dropped + end > MAX_HEAD {
                return Err(HeadError::TooLong);
            }
            let parsed = parse(&self.seen[..end])?;
            if (100..200).contains(&parsed.code) && parsed.code != 101 {
                self.seen.drain(..end);
                self.dropped += end;
                from = 0;
                continue;
            }
            return parsed.into_final(&self.seen[end..]).map(Some);
        }
    }
}

/// Where the empty line ends; lines may end in a bare line feed (RFC 9112, section 2.2).
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).filter(|&at| bytes[at] == b'\n').find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

struct Parsed<'a> {
    code: u16,
    minor: u8,
    lines: Vec<(String, Cow<'a, [u8]>)>,
}

/// A later minor version is as the latest that is known, and a line that goes on in the next is one line (RFC 9110,
/// section 2.5; RFC 9112, section 5.2).
fn parse(head: &[u8]) -> Result<Parsed<'_>, HeadError> {
    let mut lines = head.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = lines.next().ok_or(HeadError::StatusLine)?;
    let (minor, code) = match status {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', b' ', code @ ..] => (minor - b'0', code),
        _ => return Err(HeadError::StatusLine),
    };
    let code = match code {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']
        | [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => return Err(HeadError::StatusLine),
    };
    let mut headers: Vec<(String, Cow<[u8]>)> = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        if line.iter().any(|b| matches!(b, 0 | b'\r')) {
            return Err(HeadError::Header);
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let (_, value) = headers.last_mut().ok_or(HeadError::Header)?;
            let value = value.to_mut();
            value.push(b' ');
            value.extend_from_slice(line.trim_ascii());
            continue;
        }
        let colon = line.iter().position(|&b| b == b':').ok_or(HeadError::Header)?;
        let name = line[..colon].trim_ascii_end();
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        if name.is_empty() || !name.iter().all(is_token) {
            return Err(HeadError::Header);
        }
        headers.push((String::from_utf8_lossy(name).to_ascii_lowercase(), line[colon + 1..].trim_ascii().into()));
    }
    Ok(Parsed { code, minor, lines: headers })
}

impl Parsed<'_> {
    fn into_final(self, rest: &[u8]) -> Result<FinalHead, HeadError> {
        let framing = self.framing()?;
        // What came with a length beside its coding, or with one that its version does not know, may be somebody's
        // attempt at smuggling (RFC 9112, section 6.1).
        let has = |name: &str| self.values(name).next().is_some();
        let odd = has("transfer-encoding") && (self.minor == 0 || has("content-length"));
        let closes = odd || self.says("close") || (self.minor == 0 && !self.says("keep-alive"));
        let headers = keep(self.lines.iter().map(|(name, value)| (name.as_str(), &**value)));
        Ok(FinalHead { head: AnswerHead { code: self.code, headers }, framing, closes, rest: rest.to_vec() })
    }

    /// Of RFC 9112, section 6.3. The same length once more says nothing new (RFC 9110, section 8.6), and `identity` is
    /// what HTTP/1.1 once called no coding.
    fn framing(&self) -> Result<Framing, HeadError> {
        if matches!(self.code, 204 | 304) {
            return Ok(Framing::Length(0));
        }
        let codings = self.values("transfer-encoding").flat_map(tokens);
        if let Some(last) = codings.filter(|coding| !coding.eq_ignore_ascii_case(b"identity")).last() {
            let chunked = last.eq_ignore_ascii_case(b"chunked");
            return Ok(if chunked { Framing::Chunked } else { Framing::UntilClose });
        }
        let mut lengths = self.values("content-length").flat_map(|value| value.split(|&b| b == b',')).map(length);
        match lengths.next() {
            None => Ok(Framing::UntilClose),
            Some(Some(first)) if lengths.all(|other| other == Some(first)) => Ok(Framing::Length(first)),
            Some(_) => Err(HeadError::Length),
        }
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(move |(of, _)| of == name).map(|(_, value)| &**value)
    }

    fn says(&self, option: &str) -> bool {
        self.values("connection").flat_map(tokens).any(|token| token.eq_ignore_ascii_case(option.as_bytes()))
    }
}

/// The entries of a list (RFC 9110, section 5.6.1).
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let only_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    only_digits.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// Cuts headers to a bound, in their order: the needed ones are in whatever comes before them.
pub(super) fn keep<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    let mut still_needed = NEEDED.map(Some);
    let mut room = MAX_KEPT_BYTES;
    let mut places = MAX_KEPT - NEEDED.len();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value);
        if let Some(needed) = still_needed.iter_mut().find(|needed| **needed == Some(name)) {
            *needed = None;
            kept.push((name.to_owned(), cut(&value, MAX_NEEDED_VALUE)));
        } else if let (Some(left), Some(places_left)) =
            (room.checked_sub(name.len() + value.len()), places.checked_sub(1))
        {
            (room, places) = (left, places_left);
            kept.push((name.to_owned(), value.into_owned()));
        }
    }
    kept
}

fn cut(value: &str, bytes: usize) -> String {
    if value.len() <= bytes {
        return value.to_owned();
    }
    format!("{}…", &value[..value.floor_char_boundary(bytes)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<FinalHead>, HeadError> {
        let whole = HeadReader::default().feed(bytes);
        let mut reader = HeadReader::default();
        let mut one_by_one = Ok(None);
        for (at, byte) in bytes.iter().enumerate() {
            one_by_one = reader.feed(&[*byte]);
            match &mut one_by_one {
                Ok(None) => {}
                Ok(Some(done)) => {
                    done.rest.extend_from_slice(&bytes[at + 1..]);
                    break;
                }
                Err(_) => break,
            }
        }
        assert_eq!(whole, one_by_one, "in one piece and byte by byte");
        whole
    }

    #[test]
    fn headers_keep_their_order_and_what_is_behind_them_is_left() {
        let bytes = "HTTP/1.1 200 Fine\r\nB: 1\r\nContent-Length: 2\r\na:2 \r\n\t 2a\r\n \r\nB : 3\r\n\r\nok";
        let done = read(bytes.as_bytes()).unwrap().unwrap();
        let headers: Vec<_> = done.head.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(headers, ["b=1", "content-length=2", "a=2 2a ", "b=3"]);
        assert_eq!((done.head.code, done.framing, done.closes), (200, Framing::Length(2), false));
        assert_eq!(done.rest, b"ok");
    }

    #[test]
    fn where_the_body_ends_and_whether_the_connection_is_used_up() {
        use Framing::{Chunked, Length, UntilClose};
        for (head, framing, closes) in [
            ("1.1 200 OK", UntilClose, false),
            ("1.1 200", UntilClose, false),
            ("1.1 200 OK\nContent-Length: 2", Length(2), false),
            ("1.1 204 No\r\nContent-Length: 5", Length(0), false),
            ("1.1 304 No\r\nTransfer-Encoding: chunked", Length(0), false),
            ("1.0 204 No", Length(0), true),
            ("1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0", Length(0), true),
            ("1.0 200 OK\r\nContent-Length: 0", Length(0), true),
            ("1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0", Length(0), false),
            ("1.3 200 OK\r\nContent-Length: 2\r\ncontent-length: 2", Length(2), false),
            ("1.1 200 OK\r\nContent-Length: 2 , 2", Length(2), false),
            ("1.1 500 No\r\nUpgrade: h2c\r\nTransfer-Encoding: Chunked", Chunked, false),
            ("1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked", Chunked, false),
            ("1.1 200 OK\r\nTransfer-Encoding: chunked, gzip", UntilClose, false),
            ("1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2", Length(2), true),
            ("1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2", Chunked, true),
            ("1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked", Chunked, true),
        ] {
            let done = read(format!("HTTP/{head}\r\n\r\nbody").as_bytes()).unwrap().unwrap();
            assert_eq!((done.framing, done.closes), (framing, closes), "{head:?}");
            assert_eq!(done.rest, b"body", "{head:?}");
        }
    }

    #[test]
    fn interim_answers_are_dropped_however_many() {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
        let bytes = format!("{interim}{interim}HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(read(bytes.as_bytes()).unwrap().unwrap().head.code, 202);
        assert_eq!(read(interim.as_bytes()), Ok(None));
        let endless = interim.repeat(MAX_HEAD / interim.len() + 1);
        assert_eq!(HeadReader::default().feed(endless.as_bytes()), Err(HeadError::TooLong));
    }

    #[test]
    fn what_is_not_http_is_refused_early() {
        for (bytes, error) in [
            (&b"SSH-2.0-OpenSSH\r\n"[..], HeadError::NotHttp),
            (b"\r\n\r\n", HeadError::NotHttp),
            (b"HTTP/2.0 200 OK\r\n\r\n", HeadError::NotHttp),
            (b"HTTP/1.x 200 OK\r\n\r\n", HeadError::StatusLine),
            (b"HTTP/1.1 20 OK\r\n\r\n", HeadError::StatusLine),
            (b"HTTP/1.1 2000 OK\r\n\r\n", HeadError::StatusLine),
            (b"HTTP/1.1 099 OK\r\n\r\n", HeadError::StatusLine),
            (b"HTTP/1.1\r\n\r\n", HeadError::StatusLine),
            (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", HeadError::Header),
            (b"HTTP/1.1 200 OK\r\n: nameless\r\n\r\n", HeadError::Header),
            (b"HTTP/1.1 200 OK\r\n folded\r\na: b\r\n\r\n", HeadError::Header),
            (b"HTTP/1.1 200 OK\r\na: b\r\n fol\0ded\r\n\r\n", HeadError::Header),
            (b"HTTP/1.1 200 OK\r\na: b\0\r\n\r\n", HeadError::Header),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n", HeadError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\n", HeadError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\n", HeadError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n", HeadError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", HeadError::Length),
        ] {
            assert_eq!(read(bytes), Err(error), "{}", String::from_utf8_lossy(bytes));
        }
        let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(MAX_HEAD));
        assert_eq!(HeadReader::default().feed(long.as_bytes()), Err(HeadError::TooLong));
        assert_eq!(HeadReader::default().feed(format!("{long}\r\n\r\n").as_bytes()), Err(HeadError::TooLong));
    }

    #[test]
    fn headers_are_cut_but_never_the_needed_ones() {
        let mut headers: Vec<(String, Vec<u8>)> = (0..200).map(|i| (format!("x-{i}"), vec![b'a'; 10])).collect();
        headers.push(("retry-after".into(), b"120".to_vec()));
        headers.push(("content-type".into(), vec![b'b'; 5000]));
        headers.push(("x-long".into(), vec![b'c'; 5000]));
        let kept = keep(headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        assert_eq!(kept.len(), MAX_KEPT);
        assert_eq!(kept[0].0, "x-0");
        assert!(kept.contains(&("retry-after".into(), "120".into())));
        assert_eq!(kept[MAX_KEPT - 1].0, "content-type");
        let bytes: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes <= MAX_KEPT_BYTES + 2 * (MAX_NEEDED_VALUE + 16), "{bytes}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_the_same_in_any_pieces(tail in "[ -~\r\n:\u{ff}]{0,60}", status in "(1[0-9]{2}|200|304)") {
            let _ = read(format!("HTTP/1.1 {status} OK\r\n{tail}\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest").as_bytes());
            let _ = read(tail.as_bytes());
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_do_no_harm() {
        let done = read(b"HTTP/1.1 200 OK\r\na: \xff\xfe\r\ncontent-length: 0\r\n\r\n").unwrap().unwrap();
        assert_eq!(done.head.headers[0], ("a".into(), "\u{fffd}\u{fffd}".into()));
    }
}
