//! HTTP/2 to receivers that offer it: one connection to a place, shared by its attempts.

use std::{cell::Cell, pin::pin, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{Either, FusedFuture as _, select},
};
use h2::{RecvStream, SendStream, client::SendRequest};
use http::{HeaderMap, Method, Request, Version, header};
use tokio::sync::oneshot;

use super::{
    OutboundRequest,
    answer_head::{AnswerHead, keep},
    progress::{Failure, Progress},
    socket::TlsSocket,
    tls,
};
use crate::domain::attempt::{AttemptError, ErrorKind};

/// Longest head of an answer, in bytes.
const MAX_HEAD: u32 = 64 * 1024;

/// Bytes of an answer's body that may be on their way unread.
const WINDOW: u32 = 64 * 1024;

/// The same over all answers of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How long a connection that is let go may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// An open connection. It is closed when the last handle is dropped and the last stream has ended.
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    open: Rc<Cell<bool>>,
    _held: oneshot::Sender<()>,
}

impl Http2 {
    /// Begins HTTP/2 on a connection that has agreed to it.
    pub(super) async fn begin(socket: TlsSocket, host: &str, progress: &Progress) -> Result<Rc<Self>, Failure> {
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .max_header_list_size(MAX_HEAD)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let (sender, connection) = builder.handshake(socket).await.map_err(|error| failed(&error, host, progress))?;
        let open = Rc::new(Cell::new(true));
        let (held, dropped) = oneshot::channel();
        let closing = Rc::clone(&open);
        actix_rt::spawn(async move {
            // How a connection ends is seen by the streams on it.
            if let Either::Right((_, connection)) = select(connection, dropped).await {
                let _ = tokio::time::timeout(GOODBYE, connection).await;
            }
            closing.set(false);
        });
        Ok(Rc::new(Self { sender, open, _held: held }))
    }

    /// Whether the connection is still there, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Sends a request and reads the answer; the answer goes into the progress.
    pub(super) async fn exchange(
        &self,
        request: &OutboundRequest,
        progress: &Progress,
        limit: usize,
    ) -> Result<(), Failure> {
        let host = request.destination.host_in_uri();
        let failed = |error: h2::Error| failed(&error, host, progress);
        let mut sender = self.sender.clone().ready().await.map_err(|error| match failed(error) {
            // Nothing was sent yet, so a kept connection that is no good was closed in the meantime.
            Failure::Final(error) if !progress.is_fresh() => Failure::Stale(error),
            other => other,
        })?;
        progress.writes();
        let (answer, stream) = sender.send_request(head(request), request.body.is_empty()).map_err(failed)?;
        let mut answer = pin!(answer);
        let mut sending = pin!(send_body(stream, request.body.clone()).fuse());
        // An answer may come though the request was not taken in to its end; if none does, it fails here too.
        let answer = match select(&mut sending, &mut answer).await {
            Either::Left((_, answer)) => answer.await,
            Either::Right((answer, _)) => answer,
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        let headers = keep(parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        progress.hears();
        progress.answered(AnswerHead { code: parts.status.as_u16(), headers });
        let mut reading = pin!(read_body(body, host, progress, limit).fuse());
        loop {
            futures_util::select_biased! {
                read = reading => {
                    read?;
                    break;
                }
                // How it ends is seen by reading.
                _ = sending => {}
            }
        }
        if !sending.is_terminated() && progress.has_success() {
            // Who took the event before it was there is to have it. Where the stream ends meanwhile, so it was meant.
            progress.writes_the_rest();
            let _ = sending.await;
        }
        Ok(())
    }
}

fn head(request: &OutboundRequest) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = Method::POST;
    *head.uri_mut() = request.destination.uri.clone();
    *head.version_mut() = Version::HTTP_2;
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 1);
    headers.insert(header::CONTENT_LENGTH, request.body.len().into());
    for (name, value) in &request.headers {
        headers.append(name, value.clone());
    }
    *head.headers_mut() = headers;
    head
}

async fn send_body(mut stream: SendStream<Bytes>, mut body: Bytes) -> Result<(), h2::Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(room) => room?.min(body.len()),
            None => return Ok(()),
        };
        let piece = body.split_to(room);
        stream.send_data(piece, body.is_empty())?;
    }
    Ok(())
}

async fn read_body(mut body: RecvStream, host: &str, progress: &Progress, limit: usize) -> Result<(), Failure> {
    loop {
        let next = if progress.kept() < limit {
            body.data().await
        } else if let Some(next) = body.data().now_or_never() {
            // No more is kept, so no more is waited for; dropping the stream tells the peer to stop.
            next
        } else {
            progress.truncates();
            return Ok(());
        };
        match next {
            None => return Ok(()),
            Some(Ok(chunk)) => {
                if !progress.keep(&chunk, limit) {
                    progress.truncates();
                    return Ok(());
                }
                body.flow_control().release_capacity(chunk.len()).map_err(|error| failed(&error, host, progress))?;
            }
            Some(Err(error)) => return Err(failed(&error, host, progress)),
        }
    }
}

fn failed(error: &h2::Error, host: &str, progress: &Progress) -> Failure {
    let at = progress.at();
    let (kind, message) = match error.get_io() {
        Some(error) => match tls::cause(error) {
            Some(cause) => (ErrorKind::Tls, tls::explain(cause, host)),
            None => (ErrorKind::Connect, format!("the connection to {host}{at} broke: {error}")),
        },
        None => (ErrorKind::Protocol, format!("the HTTP/2 exchange with {host}{at} failed: {error}")),
    };
    let error_for_log = AttemptError { kind, message };
    // A stream that the peer reset had its say; a connection that ended, or refused new streams, did not.
    let unheard = error.is_io() || error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if !progress.is_fresh() && !progress.has_heard() && unheard {
        Failure::Stale(error_for_log)
    } else {
        Failure::Final(error_for_log)
    }
}
