//! `mythichooks restore`: makes a store of a backup, in a directory that is empty or missing.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    data_dir::default_data_dir,
    error::CliError,
    output::remark,
    progress::{Counted, Progress},
};
use crate::store::{
    EngineKind,
    backup::{RestoreOptions, restore},
};

/// Flags of `restore`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  mythichooks restore /backup/mythichooks.backup --data-dir /var/lib/mythichooks

The directory must be empty or missing. All of the backup is checked before there is a store; if anything is wrong, the
directory is left as it was. A server on the restored store sends what was pending when the backup was taken.")]
pub struct RestoreArgs {
    /// The backup; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the store is to be kept [default: systemd's state directory, else ./mythichooks-data]
    #[arg(long, env = "MYTHICHOOKS_DATA_DIR", value_name = "DIR", default_value_os_t = default_data_dir(), hide_default_value = true)]
    data_dir: PathBuf,
    /// Which engine is to keep it
    #[arg(long, value_name = "ENGINE", default_value_t)]
    engine: EngineKind,
    /// Do not check the rows against each other, and take a store that is not sound
    #[arg(long)]
    no_verify: bool,
}

impl RestoreArgs {
    /// Restores, and says what there is now.
    pub fn run(&self) -> Result<(), CliError> {
        let options = RestoreOptions { engine: self.engine, verify: !self.no_verify, ..RestoreOptions::default() };
        let restored = restore(open(&self.file)?, &self.data_dir, options);
        let restored = restored.map_err(|error| CliError::Failed(format!("{}: {error}", self.file.display())))?;
        remark(format_args!(
            "restored into {}: store {}, from the backup of store {} that was begun at {}",
            self.data_dir.display(),
            restored.id,
            restored.origin.store,
            restored.origin.begun_at
        ));
        match restored.report {
            Some(report) => remark(format_args!(
                "checked: {} rows, {} events, {} deliveries, {} endpoints",
                report.rows, report.events, report.deliveries, report.endpoints
            )),
            None => remark("its rows were not checked against each other; `mythichooks verify` does it"),
        }
        Ok(())
    }
}

/// A backup to read, with its progress on standard error.
pub fn open(file: &Path) -> Result<impl Read + use<>, CliError> {
    let (source, length): (Box<dyn Read>, _) = if file == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let opened = File::open(file).and_then(|opened| Ok((opened.metadata()?.len(), opened)));
        let (length, opened) = opened.map_err(|error| CliError::file(file, error))?;
        (Box::new(opened), Some(length))
    };
    Ok(BufReader::with_capacity(1 << 16, Counted::new(source, Progress::new("read", length))))
}
