//! `mythichooks verify`: checks a stopped server's store, or a copy of one, and names what is wrong.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{data_dir::default_data_dir, error::CliError, output::Output};
use crate::store::{Report, verify};

/// Flags of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  mythichooks verify --data-dir /var/lib/mythichooks

The server must not be running. Exit code 1: something is wrong; each finding is a line.")]
pub struct VerifyArgs {
    /// Where the store is kept [default: systemd's state directory, else ./mythichooks-data]
    #[arg(long, env = "MYTHICHOOKS_DATA_DIR", value_name = "DIR", default_value_os_t = default_data_dir(), hide_default_value = true)]
    data_dir: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    /// Checks, prints what was found, and fails if something is wrong.
    pub fn run(&self) -> Result<(), CliError> {
        let report = verify(&self.data_dir)?;
        let output = Output::stdout();
        if self.json {
            output.document(&document(&report))?;
        } else {
            for finding in &report.findings {
                output.line(finding)?;
            }
            output.line(format_args!(
                "{} rows: {} events, {} deliveries, {} attempts, {} endpoints",
                report.rows, report.events, report.deliveries, report.attempts, report.endpoints
            ))?;
        }
        if report.is_sound() {
            Ok(())
        } else {
            Err(CliError::Failed(format!("the store is not sound: {} findings", report.found)))
        }
    }
}

fn document(report: &Report) -> String {
    json!({
        "sound": report.is_sound(),
        "rows": report.rows,
        "events": report.events,
        "deliveries": report.deliveries,
        "attempts": report.attempts,
        "endpoints": report.endpoints,
        "found": report.found,
        "findings": report.findings,
    })
    .to_string()
}
