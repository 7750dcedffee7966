//! The body of an HTTP/1 answer: where it ends, as its head says, and what of the bytes that come belongs to it.

/// Bytes around chunks that are read whatever is in them: sizes, extensions, trailers.
const MAX_AROUND: u64 = 64 * 1024;

/// Bytes around chunks that are read for each that is in them.
const AROUND_A_BYTE: u64 = 16;

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
    #[error("there is far more around its chunks than in them")]
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
    Chunked(Chunks),
    /// All is body.
    UntilClose,
}

/// A chunked body.
#[derive(Debug)]
pub(super) struct Chunks {
    at: Chunk,
    /// Of the line that it is in, what has come.
    line: Vec<u8>,
    /// How many bytes more may come around chunks.
    around: u64,
}

/// Where in a chunked body it is.
#[derive(Debug, Clone, Copy)]
enum Chunk {
    /// In the line with a chunk's size.
    Size,
    /// So many bytes are left of a chunk.
    Data(u64),
    /// In the empty line behind a chunk.
    DataEnd,
    /// In a line behind the last chunk; an empty one ends the body.
    Trailer,
    /// Behind all.
    Done,
}

impl BodyReader {
    /// Of a body that ends in this way.
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunks { at: Chunk::Size, line: Vec::new(), around: MAX_AROUND }),
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
            Self::Chunked(chunks) => chunks.next(bytes),
        }
    }
}

impl Chunks {
    fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Piece<'a>, BodyError> {
        loop {
            self.at = match self.at {
                Chunk::Done => return Ok(Piece::End),
                Chunk::Data(0) => Chunk::DataEnd,
                Chunk::Data(mut left) => {
                    let piece = data(bytes, &mut left);
                    if let Piece::Data(data) = piece {
                        self.around = self.around.saturating_add(data.len() as u64 * AROUND_A_BYTE);
                    }
                    self.at = Chunk::Data(left);
                    return Ok(piece);
                }
                at => {
                    if !self.read_line(bytes)? {
                        return Ok(Piece::More);
                    }
                    let after = after_line(at, &self.line)?;
                    self.line.clear();
                    after
                }
            };
        }
    }

    /// Whether the line is whole, with its end.
    fn read_line(&mut self, bytes: &mut &[u8]) -> Result<bool, BodyError> {
        let end = bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
        let (taken, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        *bytes = rest;
        self.around = self.around.checked_sub(taken.len() as u64).ok_or(BodyError::TooLong)?;
        self.line.extend_from_slice(taken);
        Ok(end.is_some())
    }
}

fn after_line(at: Chunk, line: &[u8]) -> Result<Chunk, BodyError> {
    match (at, line) {
        (Chunk::Size, _) => match chunk_size(line).ok_or(BodyError::ChunkSize)? {
            0 => Ok(Chunk::Trailer),
            size => Ok(Chunk::Data(size)),
        },
        (Chunk::DataEnd, b"\r\n") => Ok(Chunk::Size),
        (Chunk::DataEnd, _) => Err(BodyError::ChunkEnd),
        (Chunk::Trailer, b"\r\n" | b"\n") => Ok(Chunk::Done),
        (at, _) => Ok(at),
    }
}

/// What the line before a chunk says. `httparse` takes no digit at all for a zero, and no more than sixteen of them.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let zeros = line.iter().take_while(|&&digit| digit == b'0').count();
    let significant = &line[zeros..];
    let has_digits = zeros > 0 || significant.first().is_some_and(u8::is_ascii_hexdigit);
    match httparse::parse_chunk_size(significant) {
        Ok(httparse::Status::Complete((_, size))) if has_digits => Some(size),
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
            assert_eq!(of(Framing::Chunked, "00000000000000000001\r\na\r\n00000000000000000000;b\r\n\r\n").0, "a");
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
            ("0x1\r\n", BodyError::ChunkSize),
            ("2\r\nhel\r\n", BodyError::ChunkEnd),
            ("2\r\nhe\n", BodyError::ChunkEnd),
        ] {
            assert_eq!(read(Framing::Chunked, bytes.as_bytes(), 100), Err(error), "{bytes:?}");
        }
        let most = usize::try_from(MAX_AROUND).unwrap();
        for endless in [
            format!("1;{}", "a".repeat(most)),
            format!("0\r\nA: {}", "b".repeat(most)),
            format!("0\r\n{}", "A: b\r\n".repeat(most / 5)),
            format!("1;{}\r\na\r\n", "b".repeat(1_000)).repeat(100),
        ] {
            assert_eq!(read(Framing::Chunked, endless.as_bytes(), 100), Err(BodyError::TooLong));
        }
        let tiny = format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(100_000));
        assert!(read(Framing::Chunked, tiny.as_bytes(), 1_000).unwrap().1);
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
