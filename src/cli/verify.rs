//! `mythichooks verify`: checks a stopped server's store, or a backup, and names what is wrong.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    backup,
    data_dir::default_data_dir,
    error::CliError,
    output::{Output, Tone},
    progress::ProgressBar,
    restore,
};
use crate::store::{
    Group, Report,
    backup::{Restored, check_archive},
    verify,
};

/// Of each group so many findings are shown; `--json` has them all.
const MOST_SHOWN: usize = 50;

/// Flags of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mythichooks verify --data-dir /var/lib/mythichooks
  mythichooks verify --backup /backup/mythichooks.backup
  mythichooks verify --json | jq .groups

Reads every row and checks its checksum, and that events, deliveries, endpoints, queues, due times, lists and counts
fit together. The server must not be running. `digest` in the JSON report is the same for two stores if they have the
same rows.

No record is changed. But to be read a store has to be opened, and the engine's own recovery may write to its files then,
as at a start of the server; to keep a damaged store as it was found, check a copy of the directory.

Exit codes: 0 the store is sound. 1 something is wrong (each finding is a line), or the store cannot be opened. 2 wrong
usage.")]
pub struct VerifyArgs {
    /// Where the store is kept [default: systemd's state directory, else ./mythichooks-data]
    #[arg(long, env = "MYTHICHOOKS_DATA_DIR", value_name = "DIR", default_value_os_t = default_data_dir(), hide_default_value = true)]
    data_dir: PathBuf,
    /// Check this backup instead: its checksums, counts and digest, and the rows in it against each other
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    backup: Option<PathBuf>,
    /// Where the backup's rows are put for that, a directory that is there [default: the system's directory for
    /// temporary files]
    #[arg(long, value_name = "DIR", requires = "backup")]
    scratch_dir: Option<PathBuf>,
    /// Print the report as JSON, with up to 10,000 findings, and no progress
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    /// Checks, prints what was found, and fails if something is wrong.
    pub fn run(&self) -> Result<(), CliError> {
        let Some(backup) = &self.backup else {
            let mut bar = ProgressBar::new("checking", self.json);
            let report = verify(&self.data_dir, &mut |done, of| bar.tell(done, of))?;
            drop(bar);
            return self.tell(&report, None);
        };
        let scratch = self.scratch_dir.clone().unwrap_or_else(std::env::temp_dir);
        // A directory that was made for it alone would be left behind.
        scratch.read_dir().map_err(|error| CliError::file(&scratch, error))?;
        let scratch = scratch.join(scratch_name()?);
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
            if let Some(Restored { origin, trailer, .. }) = archive {
                output.line(format_args!(
                    "a whole backup of store {}, begun at {}: {} writes, everything up to id {}",
                    origin.store,
                    origin.begun_at,
                    trailer.counts.writes(),
                    trailer.last_id
                ))?;
            }
            show(output, report)?;
        }
        if report.is_sound() {
            Ok(())
        } else {
            Err(CliError::Failed(format!("the store is not sound: {} findings", report.found)))
        }
    }
}

fn show(output: Output, report: &Report) -> Result<(), CliError> {
    for group in Group::ALL {
        let found = report.found_in(group);
        if found == 0 {
            continue;
        }
        output.line(output.styled(Tone::Heading, format_args!("{}: {found} findings", group.name())))?;
        for finding in report.findings.iter().filter(|finding| finding.group == group).take(MOST_SHOWN) {
            output.line(format_args!("  {finding}"))?;
        }
        if found > MOST_SHOWN {
            output.line(format_args!("  … and {} more", found - MOST_SHOWN))?;
        }
    }
    output.line(format_args!(
        "{} rows: {} events, {} deliveries, {} attempts, {} endpoints",
        report.rows, report.events, report.deliveries, report.attempts, report.endpoints
    ))
}

/// A name that nobody can foresee, since the directory may be everybody's.
fn scratch_name() -> Result<String, CliError> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|error| CliError::system("no random bytes", std::io::Error::other(error)))?;
    Ok(format!("mythichooks-verify-{:016x}", u64::from_be_bytes(random)))
}

fn document(report: &Report, archive: Option<&Restored>) -> String {
    let groups = Group::ALL.into_iter().filter(|group| report.found_in(*group) > 0);
    let groups: serde_json::Map<_, _> =
        groups.map(|group| (group.name().to_owned(), report.found_in(group).into())).collect();
    let findings: Vec<_> = report.findings.iter().map(|finding| &finding.text).collect();
    let mut document = json!({
        "sound": report.is_sound(),
        "rows": report.rows,
        "events": report.events,
        "deliveries": report.deliveries,
        "attempts": report.attempts,
        "endpoints": report.endpoints,
        "digest": format!("{:032x}", report.digest),
        "found": report.found,
        "groups": groups,
        "findings": findings,
    });
    if let Some(archive) = archive {
        document["backup"] = backup::described(&archive.origin, &archive.trailer);
    }
    document.to_string()
}
