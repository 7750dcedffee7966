//! `mythichooks verify`: checks a stopped server's store, or a backup, and names what is wrong.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{backup, data_dir::default_data_dir, error::CliError, output::Output, restore};
use crate::store::{
    Report,
    backup::{Restored, check_archive},
    verify,
};

/// Flags of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mythichooks verify --data-dir /var/lib/mythichooks
  mythichooks verify --backup /backup/mythichooks.backup

The server must not be running. Exit code 1: something is wrong; each finding is a line.")]
pub struct VerifyArgs {
    /// Where the store is kept [default: systemd's state directory, else ./mythichooks-data]
    #[arg(long, env = "MYTHICHOOKS_DATA_DIR", value_name = "DIR", default_value_os_t = default_data_dir(), hide_default_value = true)]
    data_dir: PathBuf,
    /// Check this backup instead: its checksums, counts and digest, and the rows in it against each other
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    backup: Option<PathBuf>,
    /// Where the backup's rows are put for that [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR", requires = "backup")]
    scratch_dir: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    /// Checks, prints what was found, and fails if something is wrong.
    pub fn run(&self) -> Result<(), CliError> {
        let Some(backup) = &self.backup else { return self.tell(&verify(&self.data_dir)?, None) };
        let scratch = self.scratch_dir.clone().unwrap_or_else(std::env::temp_dir).join(scratch_name()?);
        let checked = check_archive(restore::open(backup)?, &scratch);
        let mut checked = checked.map_err(|error| CliError::Failed(format!("{}: {error}", backup.display())))?;
        let report = checked.report.take().unwrap_or_default();
        self.tell(&report, Some(&checked))
    }

    fn tell(&self, report: &Report, archive: Option<&Restored>) -> Result<(), CliError> {
        let output = Output::stdout();
        if self.json {
            output.document(&document(report, archive))?;
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

/// A name that nobody can foresee, since the directory may be everybody's.
fn scratch_name() -> Result<String, CliError> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|error| CliError::system("no random bytes", std::io::Error::other(error)))?;
    Ok(format!("mythichooks-verify-{:016x}", u64::from_be_bytes(random)))
}

fn document(report: &Report, archive: Option<&Restored>) -> String {
    let mut document = json!({
        "sound": report.is_sound(),
        "rows": report.rows,
        "events": report.events,
        "deliveries": report.deliveries,
        "attempts": report.attempts,
        "endpoints": report.endpoints,
        "found": report.found,
        "findings": report.findings,
    });
    if let Some(archive) = archive {
        document["backup"] = backup::described(&archive.origin, &archive.trailer);
    }
    document.to_string()
}
