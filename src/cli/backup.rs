//! `mythichooks backup`: takes a copy of a running server's store into a file, and believes that it has one only when
//! all of it came, with every checksum right, and is on the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use clap::Args;
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    client::ApiClient,
    connection::ConnectionArgs,
    error::CliError,
    output::{Output, remark},
    progress::Progress,
};
use crate::store::backup::{ArchiveManifest, ArchiveReader, Trailer, is_begun};

/// The server sends something within this time, or is given up.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);
/// Pieces that wait to be written.
const PIECES: usize = 64;

/// Where the copy goes.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to make; `-` for standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
}

impl BackupArgs {
    /// Takes the copy.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        let file = (self.file != Path::new("-")).then_some(self.file);
        let file = file.map(|file| target(file, self.force)).transpose()?;
        let client = ApiClient::new(connection)?;
        let mut response = client.download(&["v1", "backup"]).await?;
        let partial = file.as_deref().map(Partial::create).transpose()?;
        let (sender, pieces) = mpsc::channel(PIECES);
        let keeping = tokio::task::spawn_blocking(move || keep(partial, pieces));
        let received = receive(&client, &mut response, &sender).await;
        drop(sender);
        let kept = keeping.await.map_err(|error| CliError::Failed(format!("the backup was not kept: {error}")))?;
        received?;
        let (partial, manifest, trailer) = kept?;
        if let (Some(partial), Some(file)) = (partial, file.as_deref()) {
            partial.publish(file)?;
            if connection.json {
                return Output::stdout().document(&described(&manifest, &trailer).to_string());
            }
        }
        remark(format_args!(
            "a backup of store {}, begun at {}: {} writes, everything up to id {}",
            manifest.store,
            manifest.begun_at,
            trailer.counts.writes(),
            trailer.last_id
        ));
        Ok(())
    }
}

/// The file that the copy is to become: that behind a link, and nothing but a file.
fn target(file: PathBuf, force: bool) -> Result<PathBuf, CliError> {
    let found = match fs::symlink_metadata(&file) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(file),
        Err(error) => return Err(CliError::file(file, error)),
    };
    if !force {
        return Err(CliError::Failed(format!("{} is there already; --force replaces it", file.display())));
    }
    let target =
        if found.is_symlink() { fs::canonicalize(&file).map_err(|error| CliError::file(&file, error))? } else { file };
    if !target.is_file() {
        let message = "is no regular file, and is not replaced; `-` writes to standard output";
        return Err(CliError::Failed(format!("{} {message}", target.display())));
    }
    Ok(target)
}

/// Hands on what comes, until all of it came or nobody takes it any more.
async fn receive<S>(
    client: &ApiClient,
    response: &mut awc::ClientResponse<S>,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<(), CliError>
where
    S: futures_util::Stream<Item = Result<Bytes, awc::error::PayloadError>> + Unpin,
{
    loop {
        let piece = tokio::time::timeout(LONGEST_SILENCE, response.next()).await;
        let piece = match piece.map_err(|_| client.unreachable("nothing came for two minutes"))? {
            None => return Ok(()),
            Some(Err(error)) => return Err(client.unreachable(format_args!("the transfer broke off: {error}"))),
            Some(Ok(piece)) => piece,
        };
        if pieces.send(piece).await.is_err() {
            // Who takes the pieces has found what is wrong, and says so.
            return Ok(());
        }
    }
}

type Kept = (Option<Partial>, ArchiveManifest, Trailer);

/// Writes what comes, and reads it as an archive on the way.
fn keep(partial: Option<Partial>, pieces: mpsc::Receiver<Bytes>) -> Result<Kept, CliError> {
    let progress = Progress::new("received", None);
    let mut copying = Copying { pieces, piece: Bytes::new(), partial, failed: None, progress };
    let read = read_whole(&mut copying);
    match copying.failed.take() {
        Some(failed) => Err(failed),
        None => read.map(|(manifest, trailer)| (copying.partial.take(), manifest, trailer)),
    }
}

fn read_whole(source: impl Read) -> Result<(ArchiveManifest, Trailer), CliError> {
    let unusable = |error| CliError::Failed(format!("what the server sent is no whole backup: {error}"));
    let mut archive = ArchiveReader::open(source).map_err(unusable)?;
    while archive.next_block().map_err(unusable)?.is_some() {}
    let trailer = archive.trailer().cloned();
    let trailer = trailer.ok_or_else(|| CliError::Failed("the backup has no trailer".to_owned()))?;
    Ok((archive.manifest().clone(), trailer))
}

/// What comes, copied as it is read.
struct Copying {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
    /// The file; standard output if there is none.
    partial: Option<Partial>,
    failed: Option<CliError>,
    progress: Progress,
}

impl Copying {
    fn copy(&mut self) -> Result<(), CliError> {
        match &mut self.partial {
            Some(partial) => partial.file.write_all(&self.piece).map_err(|error| CliError::file(&partial.path, error)),
            None => io::stdout().write_all(&self.piece).map_err(stdout_failed),
        }
    }
}

/// Whoever reads standard output has not got the backup, so that this is a failure whatever the reason.
fn stdout_failed(error: io::Error) -> CliError {
    CliError::system("standard output", error)
}

impl Read for Copying {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(piece) = self.pieces.blocking_recv() else {
                if self.partial.is_none()
                    && let Err(error) = io::stdout().flush()
                {
                    self.failed = Some(stdout_failed(error));
                }
                return Ok(0);
            };
            self.piece = piece;
            if let Err(error) = self.copy() {
                self.failed = Some(error);
                return Err(io::Error::other("the copy could not be written"));
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        self.progress.advance(length);
        Ok(length)
    }
}

/// The file under its unfinished name. Unless it is published, it goes away.
struct Partial {
    path: PathBuf,
    file: File,
    published: bool,
}

impl Partial {
    /// `FILE.partial`, for its owner alone. What an earlier death left there is replaced, and nothing else.
    fn create(file: &Path) -> Result<Self, CliError> {
        let mut path = file.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        match is_begun(&path) {
            Ok(true) => fs::remove_file(&path).map_err(|error| CliError::file(&path, error))?,
            Ok(false) => {
                let message = "is in the way, and is no backup that was broken off";
                return Err(CliError::Failed(format!("{} {message}", path.display())));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CliError::file(path, error)),
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = opened.map_err(|error| CliError::file(&path, error))?;
        Ok(Self { path, file, published: false })
    }

    /// Gives it its name, once it is on stable storage, and has that there too.
    fn publish(mut self, file: &Path) -> Result<(), CliError> {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let done = self.file.sync_all().and_then(|()| fs::rename(&self.path, file));
        done.map_err(|error| CliError::file(file, error))?;
        self.published = true;
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(|error| CliError::file(parent, error))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            // It is known by its name to be no backup; the next one replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a backup says of itself, for programs.
pub fn described(manifest: &ArchiveManifest, trailer: &Trailer) -> serde_json::Value {
    json!({
        "store": manifest.store.to_string(),
        "format": manifest.format,
        "engine": manifest.engine,
        "release": manifest.release,
        "begun_at": manifest.begun_at.to_string(),
        "last_id": trailer.last_id.to_string(),
        "writes": trailer.counts.writes(),
        "bytes": trailer.counts.bytes,
    })
}
