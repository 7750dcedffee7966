//! The stream that awc gets: a plain or TLS socket that reads the head of each answer itself (see `answer_head`) and
//! notes in the attempt's progress what happens. It also lets an answer through that comes before the request was
//! taken in to its end, as when a receiver refuses at once and closes; awc would only see that it cannot write.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_tls::connect::rustls_0_23::reexports::AsyncTlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    answer_head::HeadReader,
    progress::{Failure, Progress},
};
use crate::domain::attempt::ErrorKind;

/// A secured connection.
pub(super) type TlsSocket = AsyncTlsStream<TcpStream>;

enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsSocket>),
}

/// What the bytes that come are.
enum Incoming {
    /// Nobody asked for any.
    Nothing,
    /// An answer's head.
    Head(HeadReader),
    /// The head for awc and what came behind it, from a position on; then the body.
    Ready(Vec<u8>, usize),
    /// The body.
    Body,
}

/// One HTTP/1 connection.
pub(super) struct Wire {
    socket: Socket,
    host: Rc<str>,
    incoming: Incoming,
    /// The attempt whose request was written last.
    attempt: Option<u64>,
    /// The peer takes no more of the request. What is left of it goes nowhere, and the connection is used up.
    deaf: bool,
}

impl Wire {
    /// Over plain TCP.
    pub(super) fn plain(socket: TcpStream, host: Rc<str>) -> Self {
        Self::new(Socket::Plain(socket), host)
    }

    /// Over TLS.
    pub(super) fn tls(socket: TlsSocket, host: Rc<str>) -> Self {
        Self::new(Socket::Tls(Box::new(socket)), host)
    }

    fn new(socket: Socket, host: Rc<str>) -> Self {
        Self { socket, host, incoming: Incoming::Nothing, attempt: None, deaf: false }
    }

    fn read_socket(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Socket::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }

    /// Reads until the answer's head is whole, the connection ends (`false`), or nothing more is there.
    fn read_head(&mut self, cx: &mut Context<'_>, progress: &Progress) -> Poll<io::Result<bool>> {
        let mut chunk = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut chunk);
            ready!(self.read_socket(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            progress.hears();
            let Incoming::Head(reader) = &mut self.incoming else { return Poll::Ready(Ok(true)) };
            match reader.feed(buf.filled()) {
                Ok(None) => {}
                Ok(Some(done)) => {
                    let code = done.head.code;
                    progress.answered(done.head);
                    if code == 101 {
                        let message = format!("{} switched protocols, which nobody asked for", self.host);
                        return Poll::Ready(Err(refuse(progress, message)));
                    }
                    self.incoming = Incoming::Ready(done.replacement, 0);
                    return Poll::Ready(Ok(true));
                }
                Err(error) => {
                    let message = format!("{}{}: {error}", self.host, progress.at());
                    return Poll::Ready(Err(refuse(progress, message)));
                }
            }
        }
    }

    /// What a write came to: an answer may be there though the request was not taken in to its end.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Err(error)) if is_closed(&error) => {}
            Poll::Pending => {
                let Some(progress) = Progress::current() else { return Poll::Pending };
                if matches!(self.incoming, Incoming::Head(_)) {
                    match self.read_head(cx, &progress) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Err(error)) if !is_closed(&error) => return Poll::Ready(Err(error)),
                        Poll::Ready(_) => {}
                    }
                }
            }
            other @ Poll::Ready(_) => return other,
        }
        self.deaf = true;
        Poll::Ready(Ok(length))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Progress::current().filter(|progress| this.attempt == Some(progress.id));
        let Some(progress) = progress else {
            // The pool looks whether a kept connection is still open.
            return this.read_socket(cx, buf);
        };
        if matches!(this.incoming, Incoming::Head(_)) && !ready!(this.read_head(cx, &progress))? {
            return Poll::Ready(Ok(()));
        }
        if let Incoming::Ready(bytes, from) = &mut this.incoming {
            let left = &bytes[*from..];
            let taken = left.len().min(buf.remaining());
            buf.put_slice(&left[..taken]);
            *from += taken;
            if *from == bytes.len() {
                this.incoming = Incoming::Body;
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let result = ready!(this.read_socket(cx, buf));
        if result.is_err() || buf.filled().len() == before {
            progress.closed_in_body();
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(progress) = Progress::current().filter(|progress| this.attempt != Some(progress.id)) {
            if this.deaf {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            this.attempt = Some(progress.id);
            this.incoming = Incoming::Head(HeadReader::default());
            progress.writes();
        }
        if this.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = match &mut this.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Socket::Tls(socket) => Pin::new(socket).poll_write(cx, bytes),
        };
        this.written(cx, result, bytes.len())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.deaf {
            return Poll::Ready(Ok(()));
        }
        let result = match &mut this.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Socket::Tls(socket) => Pin::new(socket).poll_flush(cx),
        };
        this.written(cx, result.map_ok(|()| 0), 0).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

impl ActixStream for Wire {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match &self.socket {
            Socket::Plain(socket) => socket.poll_read_ready(cx).map_ok(|()| Ready::READABLE),
            Socket::Tls(socket) => socket.get_ref().0.poll_read_ready(cx).map_ok(|()| Ready::READABLE),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match &self.socket {
            Socket::Plain(socket) => socket.poll_write_ready(cx).map_ok(|()| Ready::WRITABLE),
            Socket::Tls(socket) => socket.get_ref().0.poll_write_ready(cx).map_ok(|()| Ready::WRITABLE),
        }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({})", self.host)
    }
}

/// Whether an error says that the peer is gone.
pub(super) fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::BrokenPipe | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::NotConnected | Kind::UnexpectedEof
    )
}

fn refuse(progress: &Progress, message: String) -> io::Error {
    progress.fails(Failure::new(ErrorKind::Protocol, message));
    io::ErrorKind::InvalidData.into()
}
