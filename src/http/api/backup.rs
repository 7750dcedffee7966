//! `GET /v1/backup`: a copy of the store as one file, made while the server runs. It is made on a thread of its own and
//! goes to the client as fast as that takes it: a slow client holds up its own copy and nothing else, one that stands
//! still is left after a while. A transfer that ends early ends as a broken one, never as a whole one.

use std::{
    io::{self, BufWriter},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    domain::token::Token,
    http::{
        Api, Phase, answer,
        auth::{Caller, CanChangeServer},
        extract::NoQuery,
        problem::{Kind, Problem},
    },
    store::backup::{Backup, BackupError},
};

/// Pieces that wait for the client.
const PIECES: usize = 16;
/// Bytes that are gathered into a piece; a block of the archive can be larger.
const PIECE: usize = 64 << 10;
/// How often a full queue is looked at …
const PAUSE: Duration = Duration::from_millis(5);
/// … and how many times in a row before the client is given up: a minute.
const PATIENCE: u32 = 12_000;

/// Take a backup
///
/// A consistent copy of the store, taken while the server runs: everything that was acknowledged before the request is
/// in it. It is one compressed file with checksums; `mythichooks restore` makes a store of it. It is not encrypted, and
/// holds signing secrets and payloads. A transfer that breaks off is not a backup: the file's end tells.
#[utoipa::path(get, path = "/v1/backup", tag = "backup", operation_id = "takeBackup",
    responses(
        (status = 200, description = "The backup.", content_type = "application/octet-stream", body = Vec<u8>,
            headers(("Content-Disposition" = String, description = "A name for the file."))),
        (status = 503, description = "Another backup is being taken, there is no room for what is accepted meanwhile, or the server is stopping."),
    ))]
pub async fn get(caller: Caller<CanChangeServer>, _: NoQuery, api: Data<Api>) -> Result<HttpResponse, Problem> {
    let backup = api.store().backup().map_err(|error| refusal(&error))?;
    // Before the first byte: what is in it leaves the server then, whether the transfer comes to its end or not.
    api.store().audit(caller.audit("backup.taken", &"store", None, "")).await?;
    let begun: String = api.clock().wall().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let goes_on = Watch { api: api.get_ref().clone(), token: Arc::clone(caller.token()) };
    let sink = Sink { pieces: sender, goes_on: move || goes_on.goes_on(), patience: PATIENCE, over: false };
    // It reports to the log and to the client's stream; nobody waits for the task itself.
    drop(actix_web::rt::task::spawn_blocking(move || make(backup, sink)));
    let first = pieces.recv().await;
    let first = first.ok_or_else(|| Problem::new(Kind::Unavailable, "the backup could not be begun"))?;
    Ok(answer::builder(StatusCode::OK)
        .content_type("application/octet-stream")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"mythichooks-{begun}.backup\"")))
        .streaming(body(first, pieces)))
}

fn refusal(error: &BackupError) -> Problem {
    Problem::new(Kind::Unavailable, error.to_string())
}

fn make<G: Fn() -> Result<(), io::Error>>(backup: Backup, mut sink: Sink<G>) {
    let written = backup.write_to(BufWriter::with_capacity(PIECE, &mut sink));
    match written.and_then(|trailer| Ok(sink.send(Piece::End).map(|()| trailer)?)) {
        Ok(trailer) => tracing::info!(writes = trailer.counts.writes(), "a backup was taken"),
        Err(error) => tracing::warn!(%error, "a backup was broken off"),
    }
}

/// A part of the answer.
enum Piece {
    Bytes(Bytes),
    /// All of it was sent. Without this the transfer is broken off.
    End,
}

fn body(first: Piece, pieces: mpsc::Receiver<Piece>) -> impl Stream<Item = Result<Bytes, io::Error>> {
    stream::unfold((Some(first), Some(pieces)), |(first, pieces)| async move {
        let mut pieces = pieces?;
        let piece = match first {
            Some(first) => Some(first),
            None => pieces.recv().await,
        };
        match piece {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), (None, Some(pieces)))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the backup was broken off")), (None, None))),
        }
    })
}

/// Whether a transfer may go on.
struct Watch {
    api: Api,
    token: Arc<Token>,
}

impl Watch {
    fn goes_on(&self) -> io::Result<()> {
        if self.api.lifecycle().phase() == Phase::Stopping {
            return Err(io::Error::other("the server is stopping"));
        }
        if !self.api.tokens().still_holds(&self.token, self.api.clock().wall()) {
            return Err(io::Error::other("the token was deleted or has expired"));
        }
        Ok(())
    }
}

/// Where the archive goes: to the client's stream, a piece at a time.
struct Sink<G> {
    pieces: mpsc::Sender<Piece>,
    goes_on: G,
    /// How many pauses a piece waits at the most.
    patience: u32,
    over: bool,
}

impl<G: Fn() -> io::Result<()>> Sink<G> {
    fn send(&mut self, mut piece: Piece) -> io::Result<()> {
        if self.over {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // Unless it goes well, nothing more is sent.
        self.over = true;
        for _ in 0..self.patience {
            (self.goes_on)()?;
            match self.pieces.try_send(piece) {
                Ok(()) => {
                    self.over = false;
                    return Ok(());
                }
                Err(TrySendError::Closed(_)) => return Err(io::Error::other("the client has gone")),
                Err(TrySendError::Full(back)) => piece = back,
            }
            std::thread::sleep(PAUSE);
        }
        Err(io::Error::other("the client takes no more"))
    }
}

impl<G: Fn() -> io::Result<()>> io::Write for Sink<G> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Piece::Bytes(Bytes::copy_from_slice(bytes)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use futures_util::StreamExt as _;

    use super::*;

    fn sink(patience: u32, goes_on: bool) -> (Sink<impl Fn() -> io::Result<()>>, mpsc::Receiver<Piece>) {
        let (pieces, receiver) = mpsc::channel(2);
        let goes_on = move || if goes_on { Ok(()) } else { Err(io::Error::other("no")) };
        (Sink { pieces, goes_on, patience, over: false }, receiver)
    }

    #[test]
    fn a_client_that_takes_nothing_is_left_and_nothing_is_sent_after_that() {
        let (mut sink, mut pieces) = sink(3, true);
        sink.write_all(b"one").unwrap();
        sink.write_all(b"two").unwrap();
        assert!(sink.write_all(b"three").is_err());
        assert!(pieces.try_recv().is_ok());
        assert!(sink.send(Piece::End).is_err(), "there is room again, but a piece is missing");
    }

    #[test]
    fn a_client_that_has_gone_and_a_server_that_stops_end_it_at_once() {
        let (mut gone, pieces) = sink(u32::MAX, true);
        drop(pieces);
        assert!(gone.write_all(b"one").is_err());
        let (mut stopping, mut pieces) = sink(u32::MAX, false);
        assert!(stopping.write_all(b"one").is_err());
        assert!(pieces.try_recv().is_err());
    }

    #[actix_web::test]
    async fn only_a_body_with_its_end_is_whole() {
        for whole in [true, false] {
            let (sender, pieces) = mpsc::channel(2);
            let first = Piece::Bytes(Bytes::from_static(b"one"));
            if whole {
                assert!(sender.try_send(Piece::End).is_ok());
            }
            drop(sender);
            let items: Vec<_> = body(first, pieces).map(|item| item.is_ok()).collect().await;
            assert_eq!(items, if whole { vec![true] } else { vec![true, false] });
        }
    }
}
