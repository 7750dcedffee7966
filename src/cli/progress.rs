//! How far a long command has come, on a terminal's standard error; nothing where nobody looks.

use std::io::{self, IsTerminal as _, Read, Write as _};

use crate::domain::byte_size::ByteSize;

/// A line is written anew after so many bytes.
const STEP: u64 = 4 << 20;

/// The line, and what it counts.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    of: Option<u64>,
    done: u64,
    shown: u64,
    terminal: bool,
}

impl Progress {
    /// Of something that has so many bytes, if that is known.
    pub fn new(what: &'static str, of: Option<u64>) -> Self {
        Self { what, of, done: 0, shown: 0, terminal: io::stderr().is_terminal() }
    }

    /// So many more bytes.
    pub fn advance(&mut self, bytes: usize) {
        self.done = self.done.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.terminal && self.done - self.shown >= STEP {
            self.shown = self.done;
            let done = ByteSize::from_bytes(self.done & !((1 << 20) - 1));
            let percent = self.of.filter(|of| *of > 0).map(|of| format!(" ({} %)", self.done.saturating_mul(100) / of));
            // Where nobody reads it, nothing is amiss.
            let _ = write!(io::stderr(), "\r{} {done}{}   ", self.what, percent.unwrap_or_default());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown > 0 {
            let _ = writeln!(io::stderr());
        }
    }
}

/// A reader that is counted.
pub struct Counted<R> {
    source: R,
    progress: Progress,
}

impl<R> Counted<R> {
    /// Counts what is read from here.
    pub fn new(source: R, progress: Progress) -> Self {
        Self { source, progress }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.progress.advance(read);
        Ok(read)
    }
}

/// The bar's width.
const WIDTH: u64 = 30;

/// One line that is written over, for work that is counted in pieces.
pub struct ProgressBar {
    shown: bool,
    what: &'static str,
    /// What it says now, in thousandths.
    told: Option<u64>,
}

impl ProgressBar {
    /// Of this work; `quiet`: a program reads along, so nothing is shown.
    pub fn new(what: &'static str, quiet: bool) -> Self {
        Self { shown: !quiet && io::stderr().is_terminal(), what, told: None }
    }

    /// So much of about so much is done.
    pub fn tell(&mut self, done: u64, of: u64) {
        let thousandths = done.min(of).saturating_mul(1_000).checked_div(of).unwrap_or(1_000);
        if !self.shown || self.told == Some(thousandths) {
            return;
        }
        self.told = Some(thousandths);
        let filled = usize::try_from(thousandths * WIDTH / 1_000).unwrap_or(0);
        let bar = "=".repeat(filled) + &" ".repeat(usize::try_from(WIDTH).unwrap_or(0).saturating_sub(filled));
        // Where nobody looks, nothing is amiss.
        let _ = write!(io::stderr(), "\r{} [{bar}] {:3} %", self.what, thousandths / 10);
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if self.told.is_some() {
            // The line is cleared: what the command has to say follows.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
