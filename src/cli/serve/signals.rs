//! The signals that stop the server: SIGTERM from a service manager, SIGINT from a terminal; and one that shall not.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// From now on a file that may not grow (RLIMIT_FSIZE) is an error of the write, not the end without a word. To be called
/// within the runtime.
pub(super) fn survive_file_limits() -> io::Result<()> {
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the next of them.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
