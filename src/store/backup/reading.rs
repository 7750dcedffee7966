//! Reads an archive and believes nothing of it: every length is bounded, every checksum compared, and only an archive
//! that was read to its very end is whole.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::archive::{
    ArchiveError, ArchiveManifest, BLOCK, Counts, DIGEST, FRAME_HEAD, MANIFEST, MOST_BLOCK_BYTES, TITLE, TRAILER,
    Trailer, VERSION, checksum,
};
use crate::store::engine::{Write, writes};

/// The title's version has at most so many digits.
const VERSION_DIGITS: usize = 10;
/// A block cannot be compressed to more than this, or something else was put in its place.
const MOST_CONTENT: usize = MOST_BLOCK_BYTES;

/// An archive that is being read.
pub struct ArchiveReader<R> {
    frames: Frames<R>,
    manifest: ArchiveManifest,
    counts: Counts,
    trailer: Option<Trailer>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

/// Its frames, one after the other.
struct Frames<R> {
    source: R,
    offset: u64,
    digest: Sha256,
    number: u64,
}

struct Frame {
    at: u64,
    kind: u8,
    content: Vec<u8>,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads what comes first.
    pub fn open(source: R) -> Result<Self, ArchiveError> {
        let mut frames = Frames { source, offset: 0, digest: Sha256::new(), number: 0 };
        frames.title()?;
        let frame = frames.next()?;
        if frame.kind != MANIFEST {
            return Err(frame.damaged("there should be the manifest"));
        }
        let manifest = ArchiveManifest::from_text(&frame.content);
        let manifest = manifest.map_err(|what| frame.damaged(format!("manifest: {what}")))?;
        let decompressor = zstd::bulk::Decompressor::new();
        let decompressor = decompressor.map_err(|source| ArchiveError::Io { offset: frames.offset, source })?;
        Ok(Self { frames, manifest, counts: Counts::default(), trailer: None, decompressor })
    }

    /// Where it comes from.
    pub fn manifest(&self) -> &ArchiveManifest {
        &self.manifest
    }

    /// The writes of the next block; `None` at the end, where all of the archive has been found to be whole.
    pub fn next_block(&mut self) -> Result<Option<Vec<Write>>, ArchiveError> {
        if self.trailer.is_some() {
            return Ok(None);
        }
        let frame = self.frames.next()?;
        match frame.kind {
            BLOCK => self.block(&frame).map(Some),
            TRAILER => self.end(&frame).map(|()| None),
            _ => Err(frame.damaged("there should be a block or the trailer")),
        }
    }

    /// What the archive says at its end; `None` before that was reached.
    pub fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref()
    }

    fn block(&mut self, frame: &Frame) -> Result<Vec<Write>, ArchiveError> {
        let bytes = self.decompressor.decompress(&frame.content, MOST_BLOCK_BYTES);
        let bytes = bytes.map_err(|error| frame.damaged(format!("it cannot be decompressed: {error}")))?;
        let mut rest = bytes.as_slice();
        let mut found = Vec::new();
        while !rest.is_empty() {
            let write = writes::decode(&mut rest).map_err(|_| frame.damaged("a block does not hold whole writes"))?;
            self.counts.count(&write);
            found.push(write);
        }
        self.counts.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(found)
    }

    fn end(&mut self, frame: &Frame) -> Result<(), ArchiveError> {
        let trailer = Trailer::from_text(&frame.content).map_err(|what| frame.damaged(format!("trailer: {what}")))?;
        if trailer.counts != self.counts {
            return Err(frame.damaged("the counts in the trailer are not those of what came before"));
        }
        let expected: [u8; DIGEST] = self.frames.digest.clone().finalize().into();
        let at = self.frames.offset;
        let found: [u8; DIGEST] = self.frames.take("before its digest ends")?;
        if found != expected {
            return Err(ArchiveError::Damaged {
                offset: at,
                what: "the digest is not that of what came before".into(),
            });
        }
        let offset = self.frames.offset;
        match read_all(&mut self.frames.source, &mut [0]) {
            Ok(0) => {}
            Ok(_) => return Err(ArchiveError::Surplus { offset }),
            Err(source) => return Err(ArchiveError::Io { offset, source }),
        }
        self.trailer = Some(trailer);
        Ok(())
    }
}

impl<R: Read> Frames<R> {
    fn title(&mut self) -> Result<(), ArchiveError> {
        let none = ArchiveError::NoArchive("it does not begin like one");
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let [byte] = match self.take::<1>("in its title") {
                Err(ArchiveError::Short { length: 0, .. }) => return Err(ArchiveError::NoArchive("it is empty")),
                other => other?,
            };
            line.push(byte);
            let expected = TITLE.get(line.len() - 1);
            if expected.is_some_and(|expected| *expected != byte) || line.len() > TITLE.len() + VERSION_DIGITS + 1 {
                return Err(none);
            }
        }
        let version = line.strip_prefix(TITLE).and_then(|rest| rest.strip_suffix(b"\n"));
        let version = version.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
        match version {
            Some(VERSION) => Ok(()),
            Some(found) => Err(ArchiveError::Version { found }),
            None => Err(none),
        }
    }

    fn next(&mut self) -> Result<Frame, ArchiveError> {
        let at = self.offset;
        let head: [u8; FRAME_HEAD] = self.take("before its trailer")?;
        let [kind, length @ .., _, _, _, _] = head;
        let [.., a, b, c, d] = head;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let mut frame = Frame { at, kind, content: Vec::new() };
        if length > MOST_CONTENT {
            return Err(frame.damaged("no part of a backup is so long"));
        }
        frame.content = vec![0; length];
        let read = read_all(&mut self.source, &mut frame.content);
        let read = read.map_err(|source| ArchiveError::Io { offset: self.offset, source })?;
        self.read(frame.content.get(..read).unwrap_or_default());
        if read < length {
            return Err(ArchiveError::Short { length: self.offset, what: "within a part" });
        }
        if checksum(self.number, kind, &frame.content) != [a, b, c, d] {
            return Err(frame.damaged("the checksum is wrong"));
        }
        self.number += 1;
        Ok(frame)
    }

    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        let read = read_all(&mut self.source, &mut bytes);
        let read = read.map_err(|source| ArchiveError::Io { offset: self.offset, source })?;
        self.read(bytes.get(..read).unwrap_or_default());
        if read == N { Ok(bytes) } else { Err(ArchiveError::Short { length: self.offset, what }) }
    }

    /// These bytes came.
    fn read(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.offset += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }
}

impl Frame {
    fn damaged(&self, what: impl Into<String>) -> ArchiveError {
        ArchiveError::Damaged { offset: self.at, what: what.into() }
    }
}

/// Reads until the buffer is full or the source ends; how much.
fn read_all(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
