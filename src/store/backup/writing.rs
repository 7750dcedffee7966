//! Makes an archive: a stream of writes in, a stream of bytes out, a block of them in memory.

use std::io;

use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use super::archive::{
    ArchiveManifest, BLOCK, BLOCK_BYTES, Counts, MANIFEST, MOST_BLOCK_BYTES, TITLE, TRAILER, Trailer, VERSION, checksum,
};
use crate::store::engine::{Write, writes};

/// Fast; what follows compresses little better and costs the server more.
const LEVEL: i32 = 1;

/// An archive in the making.
pub struct ArchiveWriter<W> {
    sink: W,
    digest: Sha256,
    frames: u64,
    block: Vec<u8>,
    counts: Counts,
    compressor: zstd::bulk::Compressor<'static>,
}

impl<W: io::Write> ArchiveWriter<W> {
    /// Writes what comes first.
    pub fn begin(sink: W, manifest: &ArchiveManifest) -> io::Result<Self> {
        let compressor = zstd::bulk::Compressor::new(LEVEL)?;
        let (digest, counts) = (Sha256::new(), Counts::default());
        let mut archive = Self { sink, digest, frames: 0, block: Vec::new(), counts, compressor };
        archive.put(&[TITLE, format!("{VERSION}\n").as_bytes()].concat())?;
        archive.frame(MANIFEST, manifest.to_text().as_bytes())?;
        Ok(archive)
    }

    /// Adds a write.
    pub fn write(&mut self, write: &Write) -> io::Result<()> {
        writes::encode(&mut self.block, write);
        self.counts.count(write);
        if self.block.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    /// Writes what comes last.
    pub fn finish(mut self, last_id: u128) -> io::Result<Trailer> {
        self.end_block()?;
        let trailer = Trailer { counts: std::mem::take(&mut self.counts), last_id: Ulid(last_id) };
        self.frame(TRAILER, trailer.to_text().as_bytes())?;
        let digest = self.digest.clone().finalize();
        self.put(&digest)?;
        self.sink.flush()?;
        Ok(trailer)
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let compressed = self.compressor.compress(&self.block)?;
        if self.block.len() > MOST_BLOCK_BYTES || compressed.len() > MOST_BLOCK_BYTES {
            return Err(io::Error::other("a row is larger than a block of an archive can be"));
        }
        self.counts.bytes += u64::try_from(self.block.len()).unwrap_or(u64::MAX);
        self.block.clear();
        self.frame(BLOCK, &compressed)
    }

    fn frame(&mut self, kind: u8, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        let head = [&[kind][..], &length.to_le_bytes(), &checksum(self.frames, kind, content)].concat();
        self.frames += 1;
        self.put(&head)?;
        self.put(content)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.sink.write_all(bytes)
    }
}
