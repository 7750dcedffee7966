//! How far a long command has come: one line on standard error that is written over, where that is a terminal; nothing
//! elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

/// The bar's width.
const WIDTH: u64 = 30;

/// The line.
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
