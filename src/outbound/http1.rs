//! One request and its answer over HTTP/1.1. An answer counts too that comes before the request was taken in to its end,
//! as when a receiver refuses at once and closes.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::{
    OutboundRequest,
    answer_body::{BodyReader, Framing, Piece},
    answer_head::{FinalHead, HeadReader},
    progress::{Failure, Progress},
    socket::Socket,
    tls,
};
use crate::domain::attempt::{AttemptError, ErrorKind};

/// Bytes that are read at a time.
const CHUNK: usize = 4096;

/// Bytes of an answer that are read only so that its receiver goes on to take the request; several times the largest event.
const MOST_UNHEARD: usize = 4 << 20;

/// A body of so many bytes is copied behind the head: one write of one piece is cheaper than one of two.
const SMALL: usize = 8 * 1024;

/// Whether a connection can carry another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// It can.
    Kept,
    /// It is used up.
    Closed,
}

/// Sends a request on a connection and reads the answer; the answer goes into the progress.
pub(super) async fn exchange(
    socket: &mut Socket,
    request: &OutboundRequest,
    progress: &Progress,
    limit: usize,
) -> Result<Afterwards, Failure> {
    let host = request.destination.host_in_uri();
    let (head, body) = in_pieces(request);
    let mut writing = Writing { left: Buf::chain(&*head, body), state: WritingState::GoesOn };
    let mut reader = HeadReader::default();
    progress.writes();
    let answer = poll_fn(|cx| {
        writing.poll(socket, cx).map_err(HeadFailure::Io)?;
        poll_head(socket, &mut reader, progress, cx)
    });
    let answer = answer.await.map_err(|failure| failure.explain(host, progress))?;
    let switches = answer.head.code == 101;
    progress.answered(answer.head);
    if switches {
        let message = format!("{host} switched protocols, which nobody asked for");
        return Err(Failure::new(ErrorKind::Protocol, message));
    }
    let ended = read_body(socket, &mut writing, answer.framing, answer.rest, host, progress, limit).await?;
    if writing.goes_on() && progress.has_success() {
        progress.writes_the_rest();
        write_the_rest(socket, &mut writing).await;
    }
    Ok(if writing.state == WritingState::Done && !answer.closes { ended } else { Afterwards::Closed })
}

/// The request: its head, with its body if that is small, else the body apart.
fn in_pieces(request: &OutboundRequest) -> (Vec<u8>, &[u8]) {
    let (behind, apart): (&[u8], &[u8]) =
        if request.body.len() <= SMALL { (&request.body, &[]) } else { (&[], &request.body) };
    let mut head = Vec::with_capacity(1024 + behind.len());
    head.extend_from_slice(request.destination.opening.as_bytes());
    head.extend_from_slice(format!("content-length: {}\r\n", request.body.len()).as_bytes());
    for (name, value) in &request.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(behind);
    (head, apart)
}

/// A request on its way.
struct Writing<B> {
    left: B,
    state: WritingState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WritingState {
    /// There is more to be written, or to be handed on.
    GoesOn,
    /// All of it is written.
    Done,
    /// The peer takes no more of it.
    Broken,
}

impl<B: Buf> Writing<B> {
    fn goes_on(&self) -> bool {
        self.state == WritingState::GoesOn
    }

    /// Writes as much as there is room for. Of a peer that takes no more there may still be an answer, so that is no
    /// error.
    fn poll(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.goes_on() {
            return Ok(());
        }
        match self.poll_all(socket, cx) {
            Poll::Ready(Err(error)) if !is_closed(&error) => return Err(error),
            Poll::Ready(Err(_)) => self.state = WritingState::Broken,
            Poll::Ready(Ok(())) => self.state = WritingState::Done,
            Poll::Pending => {}
        }
        Ok(())
    }

    fn poll_all(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left.has_remaining() {
            let mut pieces = [IoSlice::new(&[]); 2];
            let socket = Pin::new(&mut *socket);
            let written = match self.left.chunks_vectored(&mut pieces) {
                1 => socket.poll_write(cx, &pieces[0]),
                count => socket.poll_write_vectored(cx, &pieces[..count]),
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                written => self.left.advance(written),
            }
        }
        Pin::new(socket).poll_flush(cx)
    }
}

/// Why there is no head of an answer.
enum HeadFailure {
    Io(io::Error),
    /// The connection ended.
    Ended,
    Malformed(super::answer_head::HeadError),
}

fn poll_head(
    socket: &mut Socket,
    reader: &mut HeadReader,
    progress: &Progress,
    cx: &mut Context<'_>,
) -> Poll<Result<FinalHead, HeadFailure>> {
    loop {
        let fed = poll_chunk(socket, cx, |bytes| {
            if bytes.is_empty() {
                return Err(HeadFailure::Ended);
            }
            progress.hears();
            reader.feed(bytes).map_err(HeadFailure::Malformed)
        });
        let head = match ready!(fed) {
            Ok(fed) => fed?,
            // How TLS says that the connection ended without a word.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Err(HeadFailure::Ended)),
            Err(error) => return Poll::Ready(Err(HeadFailure::Io(error))),
        };
        if let Some(head) = head {
            return Poll::Ready(Ok(head));
        }
    }
}

impl HeadFailure {
    fn explain(self, host: &str, progress: &Progress) -> Failure {
        let at = progress.at();
        let (kind, message) = match self {
            Self::Ended if progress.has_heard() => {
                (ErrorKind::Connect, format!("{host}{at} closed the connection within the head of the answer"))
            }
            Self::Ended => (ErrorKind::Connect, format!("{host}{at} closed the connection without an answer")),
            Self::Io(error) => match tls::cause(&error) {
                Some(cause) => (ErrorKind::Tls, tls::explain(cause, host)),
                None => (ErrorKind::Connect, format!("the connection to {host}{at} broke: {error}")),
            },
            Self::Malformed(error) => (ErrorKind::Protocol, format!("{host}{at}: {error}")),
        };
        let error = AttemptError { kind, message };
        if kind == ErrorKind::Connect && !progress.is_fresh() && !progress.has_heard() {
            Failure::Stale(error)
        } else {
            Failure::Final(error)
        }
    }
}

/// Reads the body, and goes on writing the request meanwhile: a receiver may answer piece by piece as it takes it in.
async fn read_body(
    socket: &mut Socket,
    writing: &mut Writing<impl Buf>,
    framing: Framing,
    mut bytes: Vec<u8>,
    host: &str,
    progress: &Progress,
    limit: usize,
) -> Result<Afterwards, Failure> {
    let mut reader = BodyReader::new(framing);
    loop {
        let mut left = &*bytes;
        loop {
            match reader.next(&mut left) {
                Ok(Piece::Data(data)) => {
                    if !progress.keep(data, limit) {
                        progress.truncates();
                        return Ok(Afterwards::Closed);
                    }
                }
                Ok(Piece::More) => break,
                // What came behind the end was not asked for.
                Ok(Piece::End) if left.is_empty() => return Ok(Afterwards::Kept),
                Ok(Piece::End) => return Ok(Afterwards::Closed),
                Err(error) => {
                    let message = format!("the body of the answer of {host}{} is malformed: {error}", progress.at());
                    return Err(Failure::new(ErrorKind::Protocol, message));
                }
            }
        }
        let reading = poll_fn(|cx| {
            // What is wrong with the connection is seen by reading, too.
            let _ = writing.poll(socket, cx);
            poll_chunk(socket, cx, |chunk| {
                bytes.clear();
                bytes.extend_from_slice(chunk);
                bytes.len()
            })
        });
        let read = if progress.kept() < limit {
            reading.await
        } else if let Some(read) = reading.now_or_never() {
            // No more is kept, so no more is waited for: either the end is here, or the body goes on.
            read
        } else {
            progress.truncates();
            return Ok(Afterwards::Closed);
        };
        match read {
            Ok(count) if count > 0 => {}
            Ok(_) if framing == Framing::UntilClose => return Ok(Afterwards::Closed),
            // Many servers end TLS without its close message.
            Err(error) if framing == Framing::UntilClose && error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Afterwards::Closed);
            }
            Ok(_) | Err(_) => {
                let at = progress.at();
                let message = format!("{host}{at} closed the connection before the end of the answer's body");
                return Err(Failure::new(ErrorKind::Connect, message));
            }
        }
    }
}

/// Who took the event before it was there is to have it. Where the connection ends meanwhile, so it was meant. What more
/// comes of the answer is of no interest, but who sends it may not take the request otherwise.
async fn write_the_rest(socket: &mut Socket, writing: &mut Writing<impl Buf>) {
    let (mut left, mut ended) = (MOST_UNHEARD, false);
    poll_fn(|cx| {
        if writing.poll(socket, cx).is_err() || !writing.goes_on() {
            return Poll::Ready(());
        }
        while !ended {
            match ready!(poll_chunk(socket, cx, <[u8]>::len)) {
                Ok(count) if count > 0 && left > count => left -= count,
                // A receiver that says no more may read on.
                _ => ended = true,
            }
        }
        Poll::Pending
    })
    .await;
}

/// Reads the next bytes; none at the end of the connection.
fn poll_chunk<T>(socket: &mut Socket, cx: &mut Context<'_>, take: impl FnOnce(&[u8]) -> T) -> Poll<io::Result<T>> {
    let mut chunk = [MaybeUninit::uninit(); CHUNK];
    let mut buf = ReadBuf::uninit(&mut chunk);
    ready!(Pin::new(socket).poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(take(buf.filled())))
}

/// Whether an error says that the peer is gone.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::BrokenPipe | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::NotConnected | Kind::UnexpectedEof
    )
}
