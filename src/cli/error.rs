//! What can end a command early, and the exit code that each of these means.

use std::{io, path::PathBuf};

use super::{problem::Problem, serve::ServeError};
use crate::store::{EngineChangeError, OpenError, RepairError};

/// Why a command did not do its work. Its text goes to standard error, so none of these carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments make no sense together, or one of them names something unusable.
    #[error("{0}")]
    Usage(String),
    /// The server answered with a problem document (RFC 9457), or with an error that is none.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The server did not start, or ended early.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A store did not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A store could not be repaired.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// A store was not moved to another engine.
    #[error(transparent)]
    EngineChange(#[from] EngineChangeError),
    /// No usable answer came from the server.
    #[error("{server}: {reason}")]
    Unreachable { server: String, reason: String },
    /// A file that an option names could not be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file or an answer does not hold what it should.
    #[error("{0}")]
    Unusable(String),
    /// Standard output could not be written.
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
    /// A socket, a process or the like failed.
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    /// The command ran to its end, and its end is not a good one.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// The exit code of contract section 5: 1 for what failed, 2 for wrong usage.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Serve(error) if error.is_wrong_usage() => 2,
            _ => 1,
        }
    }

    /// True when whoever read standard output has gone (`mythichooks event list | head`): it has what it
    /// wanted, so that is no failure.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { path: path.into(), source }
    }

    pub fn system(what: impl Into<String>, source: io::Error) -> Self {
        Self::System { what: what.into(), source }
    }
}
