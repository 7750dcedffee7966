//! Standard output: written by hand rather than with `println!`, which panics when the reader has gone.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use clap::builder::styling::{AnsiColor, Style};

use super::error::CliError;
use crate::domain::json_text;

/// Writes what a command has to say to standard output.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    terminal: bool,
    coloured: bool,
}

impl Output {
    /// Looks once at what standard output is; colour also respects `NO_COLOR`.
    pub fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { terminal, coloured: terminal && !unwanted }
    }

    /// Standard output as it is in a pipe, whatever it is here.
    #[cfg(test)]
    pub fn piped() -> Self {
        Self { terminal: false, coloured: false }
    }

    /// True when a person's terminal is at the other end.
    pub fn is_terminal(self) -> bool {
        self.terminal
    }

    /// True when styles are shown.
    pub fn is_coloured(self) -> bool {
        self.coloured
    }

    /// Writes one line and hands it on at once, so that a pipe's reader sees it when it happens.
    pub fn line(self, text: impl fmt::Display) -> Result<(), CliError> {
        self.text(format_args!("{text}\n"))
    }

    /// Writes text as it is.
    #[expect(clippy::unused_self, reason = "standard output is reached through an `Output` alone")]
    pub fn text(self, text: impl fmt::Display) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        write!(out, "{text}").and_then(|()| out.flush()).map_err(CliError::Output)
    }

    /// Writes an API document: unchanged, with the line break that a shell expects if it has none.
    pub fn document(self, json: &str) -> Result<(), CliError> {
        self.line(json.strip_suffix('\n').unwrap_or(json))
    }

    /// Writes an API document as one line.
    pub fn json_line(self, json: &str) -> Result<(), CliError> {
        self.line(json_text::compact(json))
    }

    /// `text` in a style, if standard output shows styles.
    pub fn styled(self, tone: Tone, text: impl fmt::Display) -> String {
        if !self.coloured {
            return text.to_string();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }
}

/// Writes a remark for people to standard error, so that standard output holds what was asked for alone.
pub fn remark(text: impl fmt::Display) {
    // Where nobody reads remarks, nothing is amiss.
    let _ = writeln!(io::stderr(), "{text}");
}

/// What a piece of text is, which decides its style on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Heading,
    Good,
    Bad,
    Waiting,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Heading => Style::new().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Waiting => AnsiColor::Yellow.on_default(),
        }
    }
}
