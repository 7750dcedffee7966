//! `mythichooks migrate`: moves a stopped server's store to another engine.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use clap::Args;
use serde_json::json;

use super::{data_dir::default_data_dir, error::CliError, output::Output};
use crate::store::{ChangeStep, EngineChange, EngineKind, change_engine};

/// Flags of `migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  mythichooks migrate --engine redb --data-dir /var/lib/mythichooks

The server must not be running. All rows are copied, read back and compared before the old files are removed; whatever
happens on the way, the store is left on the one engine or on the other. Free disk of about four times the size of the
rows is needed.")]
pub struct MigrateArgs {
    /// The engine that is to keep the store: sled or redb
    #[arg(long, value_name = "ENGINE")]
    engine: EngineKind,
    /// Where the store is kept [default: systemd's state directory, else ./mythichooks-data]
    #[arg(long, env = "MYTHICHOOKS_DATA_DIR", value_name = "DIR", default_value_os_t = default_data_dir(), hide_default_value = true)]
    data_dir: PathBuf,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

impl MigrateArgs {
    /// Moves the store and says what was done.
    pub fn run(&self) -> Result<(), CliError> {
        let mut line = ProgressLine { shown: io::stderr().is_terminal(), last: None };
        let changed = change_engine(&self.data_dir, self.engine, &mut |step, done, total| line.show(step, done, total));
        line.clear();
        let (output, engine) = (Output::stdout(), self.engine);
        match (changed?, self.json) {
            (EngineChange::Already, false) => output.line(format_args!("the store is on {engine} already")),
            (EngineChange::Already, true) => {
                output.document(&json!({"engine": engine.name(), "moved": false}).to_string())
            }
            (EngineChange::Moved { from, rows }, false) => {
                output.line(format_args!("the store was moved from {from} to {engine}: {rows:?}"))
            }
            (EngineChange::Moved { from, rows }, true) => {
                let document = json!({
                    "engine": engine.name(),
                    "moved": true,
                    "from": from.name(),
                    "rows": rows.count,
                    "bytes": rows.bytes,
                    "sha256": rows.hex_digest(),
                });
                output.document(&document.to_string())
            }
        }
    }
}

/// How far it is, on one line of a terminal.
struct ProgressLine {
    shown: bool,
    /// What stands there.
    last: Option<String>,
}

impl ProgressLine {
    fn show(&mut self, step: ChangeStep, done: u64, total: Option<u64>) {
        if !self.shown {
            return;
        }
        let step = match step {
            ChangeStep::Reading => "reading",
            ChangeStep::Copying => "copying",
            ChangeStep::Checking => "checking",
        };
        let text = match total {
            Some(total) => format!("{step} {} %", done.saturating_mul(100) / total.max(1)),
            None => format!("{step} {done} rows"),
        };
        if self.last.as_ref() != Some(&text) {
            // Where nobody sees it, nothing is amiss.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
            self.last = Some(text);
        }
    }

    fn clear(&self) {
        if self.last.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
