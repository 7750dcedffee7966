//! `mythichooks repair`: a new store of what is whole in a damaged one, with a line for each loss.

use std::path::PathBuf;

use clap::Args;

use super::{
    data_dir::default_data_dir,
    error::CliError,
    output::{Output, Tone, remark},
    progress::ProgressBar,
};
use crate::store::{RepairReport, repair};

/// Flags of `repair`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  mythichooks repair --data-dir /var/lib/mythichooks --to /var/lib/mythichooks-repaired

Never changes the damaged store: a copy of it is read, which needs as much room again beside the new store. The server
must not be running. What is whole is kept as it is; queues, due times, lists, links and counts are made anew; what
cannot be kept is set aside in NEW_DIR/set-aside (rows.jsonl: one row a line, its key and value in base64; report.json:
this report). It may hold payloads and secrets.

Each loss is a line. Look at them, check the new store with `verify`, then start the server with it.

Exit codes: 0 a sound store was made (with losses or without). 1 nothing could be saved, or the new store could not be
written. 2 wrong usage.")]
pub struct RepairArgs {
    /// Where the damaged store is [default: systemd's state directory, else ./mythichooks-data]
    #[arg(long, env = "MYTHICHOOKS_DATA_DIR", value_name = "DIR", default_value_os_t = default_data_dir(), hide_default_value = true)]
    data_dir: PathBuf,
    /// Where the new store is made; must be empty, or not there yet
    #[arg(long, value_name = "NEW_DIR")]
    to: PathBuf,
    /// Print the report as JSON, and no progress
    #[arg(long)]
    json: bool,
}

impl RepairArgs {
    /// Repairs, and prints what became of it.
    pub fn run(&self) -> Result<(), CliError> {
        let mut bar = ProgressBar::new("repairing", self.json);
        let report = repair(&self.data_dir, &self.to, &mut |done, of| bar.tell(done, of))?;
        drop(bar);
        let output = Output::stdout();
        if self.json {
            let text = serde_json::to_string(&report).map_err(|error| CliError::Failed(error.to_string()))?;
            return output.document(&text);
        }
        show(output, &report)?;
        remark(format_args!("the new store is in {}; the damaged one is as it was", self.to.display()));
        Ok(())
    }
}

fn show(output: Output, report: &RepairReport) -> Result<(), CliError> {
    for note in &report.notes {
        output.line(note)?;
    }
    for loss in &report.losses {
        output.line(output.styled(Tone::Bad, loss))?;
    }
    let listed = u64::try_from(report.losses.len()).unwrap_or(u64::MAX);
    if report.lost > listed {
        output.line(format_args!("… and {} more losses", report.lost - listed))?;
    }
    output.line(format_args!(
        "kept {} events, {} deliveries ({} pending, {} made again), {} endpoints; {} losses, {} rows set aside",
        report.events,
        report.deliveries,
        report.pending,
        report.made_again,
        report.endpoints,
        report.lost,
        report.set_aside
    ))
}
