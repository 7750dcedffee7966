//! The body of an HTTP/1 answer: where it ends, as its head says, and what of the bytes that come belongs to it.

/// Longest line between chunks, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// What ends a body (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// A chunk of no bytes (RFC 9112, section 7.1).
    Chunked,
    /// The end of the connection.
    UntilClose,
}

/// The bytes that came are no such body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// A chunk does not begin with its size.
    #[error("a chunk has no valid size")]
    ChunkSize,
    /// A chunk is longer than its size.
    #[error("a chunk does not end where its size says")]
    ChunkEnd,
    /// It goes on and on.
    #[error("a line between chunks is longer than {MAX_LINE} bytes")]
    TooLong,
}

/// The next of what came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes of the body.
    Data(&'a [u8]),
    /// The rest is not here yet.
    More,
    /// The body is whole.
    End,
}

/// Takes in the bytes behind a head, in pieces as they come.
#[derive(Debug)]
pub(super) enum BodyReader {
    /// So many bytes are left.
    Length(u64),
    /// Each chunk with what is around it.
    Chunked(Chunk),
    /// All is body.
    UntilClose,
}

/// Where in a chunked body it is.
#[derive(Debug)]
pub(super) enum Chunk {
    /// In the line with a chunk's size.
    Size(Vec<u8>),
    /// So many bytes are left of a chunk.
    Data(u64),
    /// In the empty line behind a chunk.
    DataEnd(Vec<u8>),
    /// In a line behind the last chunk; an empty one ends the body.
    Trailer(Vec<u8>),
    /// Behind all.
    Done,
}

impl BodyReader {
    /// Of a body that ends in this way.
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunk::Size(Vec::new())),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Takes the next piece off the front of these bytes.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Piece<'a>, BodyError> {
        match self {
            Self::Length(0) => Ok(Piece::End),
            Self::Length(left) => Ok(data(bytes, left)),
            Self::UntilClose => {
                let mut all = u64::MAX;
                Ok(data(bytes, &mut all))
            }
            Self::Chunked(chunk) => chunk.next(bytes),
        }
    }
}

impl Chunk {
    fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Piece<'a>, BodyError> {
        loop {
            *self = match self {
                Self::Done => return Ok(Piece::End),
                Self::Data(0) => Self::DataEnd(Vec::new()),
                Self::Data(left) => return Ok(data(bytes, left)),
                Self::Size(line) => {
                    let Some(line) = whole_line(line, bytes)? else { return Ok(Piece::More) };
                    match chunk_size(line).ok_or(BodyError::ChunkSize)? {
                        0 => Self::Trailer(Vec::new()),
                        size => Self::Data(size),
                    }
                }
                Self::DataEnd(line) => match whole_line(line, bytes)? {
                    None => return Ok(Piece::More),
                    Some(b"\r\n") => Self::Size(Vec::new()),
                    Some(_) => return Err(BodyError::ChunkEnd),
                },
                Self::Trailer(line) => match whole_line(line, bytes)? {
                    None => return Ok(Piece::More),
                    Some(b"\r\n" | b"\n") => Self::Done,
                    Some(_) => Self::Trailer(Vec::new()),
                },
            };
        }
    }
}

/// What the line before a chunk says. To `httparse` no digit at all is a zero.
fn chunk_size(line: &[u8]) -> Option<u64> {
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((_, size))) if line[0].is_ascii_hexdigit() => Some(size),
        _ => None,
    }
}

/// As many of these bytes as there are, and as are left.
fn data<'a>(bytes: &mut &'a [u8], left: &mut u64) -> Piece<'a> {
    if bytes.is_empty() {
        return Piece::More;
    }
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    let (data, rest) = bytes.split_at(count);
    *bytes = rest;
    *left -= data.len() as u64;
    Piece::Data(data)
}

/// The line, once it is whole, with its end.
fn whole_line<'a>(line: &'a mut Vec<u8>, bytes: &mut &[u8]) -> Result<Option<&'a [u8]>, BodyError> {
    let end = bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
    let (taken, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    *bytes = rest;
    line.extend_from_slice(taken);
    if line.len() > MAX_LINE {
        return Err(BodyError::TooLong);
    }
    Ok(end.map(|_| &**line))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body, whether it is whole, and what is left behind it; in pieces of a size.
    fn read(framing: Framing, bytes: &[u8], size: usize) -> Result<(Vec<u8>, bool, usize), BodyError> {
        let (mut reader, mut body, mut left) = (BodyReader::new(framing), Vec::new(), bytes.len());
        for piece in bytes.chunks(size.max(1)) {
            let mut piece = piece;
            left -= piece.len();
            loop {
                match reader.next(&mut piece)? {
                    Piece::Data(data) => body.extend_from_slice(data),
                    Piece::More => break,
                    Piece::End => return Ok((body, true, left + piece.len())),
                }
            }
        }
        Ok((body, matches!(reader.next(&mut &b""[..])?, Piece::End), left))
    }

    #[test]
    fn bodies_end_where_their_framing_says() {
        for size in [1, 2, 3, 100] {
            let of = |framing, bytes: &str| {
                let (body, whole, left) = read(framing, bytes.as_bytes(), size).unwrap();
                (String::from_utf8(body).unwrap(), whole, left)
            };
            assert_eq!(of(Framing::Length(0), ""), (String::new(), true, 0));
            assert_eq!(of(Framing::Length(5), "hellomore"), ("hello".into(), true, 4));
            assert_eq!(of(Framing::Length(5), "hell"), ("hell".into(), false, 0));
            assert_eq!(of(Framing::UntilClose, "hello"), ("hello".into(), false, 0));
            assert_eq!(of(Framing::Chunked, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nmore"), ("hello".into(), true, 4));
            assert_eq!(of(Framing::Chunked, "00A;x=\"y\"\r\n0123456789\r\n0;z\r\n\r\n").0, "0123456789");
            assert_eq!(of(Framing::Chunked, "1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n"), ("a".into(), true, 0));
            for cut in ["", "2", "2\r\nh", "2\r\nhe", "2\r\nhe\r\n", "2\r\nhe\r\n0\r\n", "0\r\nA: b\r\n"] {
                assert!(!of(Framing::Chunked, cut).1, "{cut:?}");
            }
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for (bytes, error) in [
            ("zz\r\n", BodyError::ChunkSize),
            ("\r\n", BodyError::ChunkSize),
            ("-1\r\n", BodyError::ChunkSize),
            ("5 5\r\nhello\r\n", BodyError::ChunkSize),
            ("11111111111111111\r\n", BodyError::ChunkSize),
            ("2\r\nhel\r\n", BodyError::ChunkEnd),
            ("2\r\nhe\n", BodyError::ChunkEnd),
        ] {
            assert_eq!(read(Framing::Chunked, bytes.as_bytes(), 100), Err(error), "{bytes:?}");
        }
        for endless in [format!("1;{}", "a".repeat(MAX_LINE)), format!("0\r\nA: {}", "b".repeat(MAX_LINE))] {
            assert_eq!(read(Framing::Chunked, endless.as_bytes(), 100), Err(BodyError::TooLong));
        }
    }

    proptest! {
        #[test]
        fn chunks_of_any_sizes_in_any_pieces(chunks in prop::collection::vec("[a-z\r\n]{1,40}", 0..8), size in 1..50usize) {
            let framed: Vec<_> = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
            let (body, whole, left) = read(Framing::Chunked, format!("{}0\r\n\r\nxy", framed.concat()).as_bytes(), size).unwrap();
            prop_assert_eq!((body, whole, left), (chunks.concat().into_bytes(), true, 2));
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in "[0-9a-f;\r\nx]{0,60}", size in 1..20usize) {
            let one = read(Framing::Chunked, bytes.as_bytes(), size);
            prop_assert_eq!(one, read(Framing::Chunked, bytes.as_bytes(), 100));
        }
    }
}
