//! One request and its answer over HTTP/1.1, by awc.

use std::io;

use actix_web::error::ParseError;
use awc::{
    ClientResponse,
    error::{ConnectError, PayloadError, SendRequestError},
    http::header,
};
use futures_util::{FutureExt as _, StreamExt as _};

use super::{
    OutboundRequest,
    pool::Link,
    progress::{Failure, Progress},
    tls,
};
use crate::domain::attempt::{AttemptError, ErrorKind};

/// Sends a request on a kept connection, or on a new one, and reads the answer; the answer goes into the progress.
pub(super) async fn exchange(
    link: &Link,
    request: &OutboundRequest,
    progress: &Progress,
    limit: usize,
) -> Result<(), Failure> {
    let destination = &*request.destination;
    let mut sending = link.http1.post(&destination.plain).append_header((header::HOST, &*destination.authority));
    for (name, value) in &request.headers {
        sending = sending.append_header((name.clone(), value.clone()));
    }
    let host = destination.uri.host().unwrap_or_default();
    match sending.no_decompress().send_body(request.body.clone()).await {
        Ok(response) => read_body(response, host, progress, limit).await,
        Err(error) => Err(progress.take_failure().unwrap_or_else(|| failed(&error, host, progress))),
    }
}

async fn read_body<S>(
    mut response: ClientResponse<S>,
    host: &str,
    progress: &Progress,
    limit: usize,
) -> Result<(), Failure>
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, PayloadError>> + Unpin,
{
    loop {
        let next = if progress.kept() < limit {
            response.next().await
        } else if let Some(next) = response.next().now_or_never() {
            // No more is kept, so no more is waited for: either the end is here, or the body goes on.
            next
        } else {
            progress.truncates();
            return Ok(());
        };
        match next {
            None if progress.is_broken_off() => return Err(broken_off(host, progress)),
            None => return Ok(()),
            Some(Ok(chunk)) => {
                if !progress.keep(&chunk, limit) {
                    progress.truncates();
                    return Ok(());
                }
            }
            // Many servers end TLS without its close message.
            Some(Err(PayloadError::Io(error) | PayloadError::Incomplete(Some(error))))
                if error.kind() == io::ErrorKind::UnexpectedEof && progress.ends_with_connection() =>
            {
                return Ok(());
            }
            Some(Err(_)) if progress.is_closed_in_body() => return Err(broken_off(host, progress)),
            Some(Err(error)) => {
                let why = in_words(&error);
                let message = format!("the body of the answer of {host}{} is malformed: {why}", progress.at());
                return Err(Failure::new(ErrorKind::Protocol, message));
            }
        }
    }
}

fn in_words(error: &PayloadError) -> String {
    match error {
        PayloadError::Io(error) | PayloadError::Incomplete(Some(error)) => error.to_string(),
        PayloadError::Incomplete(None) => "it ends too early".to_owned(),
        error => error.to_string(),
    }
}

fn broken_off(host: &str, progress: &Progress) -> Failure {
    let message = format!("{host}{} closed the connection before the end of the answer's body", progress.at());
    Failure::new(ErrorKind::Connect, message)
}

fn failed(error: &SendRequestError, host: &str, progress: &Progress) -> Failure {
    let at = progress.at();
    let (kind, message) = match error {
        SendRequestError::Connect(ConnectError::Disconnected) if progress.has_heard() => {
            (ErrorKind::Connect, format!("{host}{at} closed the connection within the head of the answer"))
        }
        SendRequestError::Connect(ConnectError::Disconnected) => {
            (ErrorKind::Connect, format!("{host}{at} closed the connection without an answer"))
        }
        SendRequestError::Send(error)
        | SendRequestError::Connect(ConnectError::Io(error))
        | SendRequestError::Response(ParseError::Io(error)) => match tls::cause(error) {
            Some(cause) => (ErrorKind::Tls, tls::explain(cause, host)),
            None => (ErrorKind::Connect, format!("the connection to {host}{at} broke: {error}")),
        },
        SendRequestError::Response(error) => {
            (ErrorKind::Protocol, format!("the head of the answer of {host}{at} is malformed: {error}"))
        }
        other => (ErrorKind::Protocol, format!("the request to {host}{at} failed: {other}")),
    };
    let error = AttemptError { kind, message };
    if kind == ErrorKind::Connect && !progress.is_fresh() && !progress.has_heard() {
        Failure::Stale(error)
    } else {
        Failure::Final(error)
    }
}
