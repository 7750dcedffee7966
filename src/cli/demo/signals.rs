//! The signals that end the demo, caught so that the server and the scratch store go with it.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::error::CliError;

/// Ctrl-C, a polite kill, and a terminal that is closed.
pub struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl EndSignals {
    /// From now on these signals no longer end the process by themselves.
    pub fn listen() -> Result<Self, CliError> {
        let catch = |kind| signal(kind).map_err(|error| CliError::system("cannot catch signals", error));
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
