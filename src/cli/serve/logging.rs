//! The log: one line an entry on standard error, as text or JSON. Secrets, tokens and payloads are kept out of it where
//! they stand: their types' `Debug` hides them.

use std::io;

use tracing_subscriber::{EnvFilter, fmt};

use super::args::LogFormat;

/// Starts the log.
///
/// # Errors
/// The level is none; a sentence that says so.
pub(super) fn start(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| format!("--log-level {level}: {error}"))?;
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let started = match format {
        LogFormat::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            lines.with_ansi(colours).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("the log could not be started: {error}"))?;
    log_panics();
    Ok(())
}

/// A panic is an entry of the log like others: one line, and without the message of one that may hold a payload.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        tracing::error!(%place, %thread, "a panic");
    }));
}
