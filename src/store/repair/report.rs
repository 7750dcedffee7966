//! What a repair kept, made anew, and lost.

use std::{fmt, fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use serde::Serialize;

use super::RepairError;

/// More losses than this are counted, not listed.
const MOST_LOSSES: usize = 100_000;

/// What something that was lost is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// An event, with its deliveries.
    Event,
    /// A delivery, or what was known of it.
    Delivery,
    /// An attempt of a delivery that is kept.
    Attempt,
    /// An endpoint's settings, or its health.
    Endpoint,
    /// An event type of the operator's.
    EventType,
    /// An API token.
    Token,
    /// A session of the dashboard.
    Session,
    /// An entry of the audit log.
    AuditEntry,
    /// Counts.
    Counts,
    /// A stretch of rows that the engine cannot read.
    Rows,
}

/// One loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What it is.
    pub what: Lost,
    /// Its id or name.
    pub id: String,
    /// What became of it: ids only, never content.
    pub text: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a repair came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// How the damaged store could be read.
    pub notes: Vec<String>,
    /// Events that are in the new store.
    pub events: u64,
    /// Deliveries that are.
    pub deliveries: u64,
    /// Of these, the ones whose record was lost, and was made again from what led to it.
    pub made_again: u64,
    /// Deliveries that are pending.
    pub pending: u64,
    /// Endpoints that are not deleted.
    pub endpoints: u64,
    /// Rows that were set aside.
    pub set_aside: u64,
    /// How many losses there are in all.
    pub lost: u64,
    /// What was lost, at most 100,000 of it.
    pub losses: Vec<Loss>,
}

impl RepairReport {
    pub(super) fn lose(&mut self, what: Lost, id: String, text: String) {
        self.lost += 1;
        if self.losses.len() < MOST_LOSSES {
            self.losses.push(Loss { what, id, text });
        }
    }

    /// Writes it as JSON into the directory of what was set aside.
    pub(super) fn write(&self, to: &Path) -> Result<(), RepairError> {
        let path = to.join(super::set_aside::DIRECTORY).join("report.json");
        let text = serde_json::to_string_pretty(self).map_err(|error| RepairError::Write(error.to_string()))?;
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = written.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
        written.map_err(RepairError::io(&path))
    }
}
