//! The log: one line an entry on standard error, as text or JSON. Secrets, tokens and payloads are kept out of it where
//! they stand: their types' `Debug` hides them.

use std::{io, str::FromStr};

use tracing_subscriber::{
    EnvFilter,
    filter::{Directive, LevelFilter},
    fmt,
};

use super::args::LogFormat;

/// Reports each request that is not HTTP as an error, so that anybody who can connect could fill the log. Whoever names
/// it in `--log-level` gets its lines.
const NOISY: &str = "actix_http::h1::dispatcher";

/// What is logged: a level, and others for modules.
#[derive(Debug, Clone)]
pub(super) struct LogLevel(String);

impl FromStr for LogLevel {
    type Err = String;

    /// A word that is no level would be taken for a module's name, and nothing else would be logged.
    fn from_str(text: &str) -> Result<Self, String> {
        for directive in text.split(',') {
            let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level).trim();
            if level.is_empty() || level.parse::<LevelFilter>().is_err() {
                return Err(format!("`{level}` is none of error, warn, info, debug, trace and off"));
            }
        }
        EnvFilter::try_new(text).map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

impl LogLevel {
    fn filter(&self) -> Result<EnvFilter, String> {
        let Self(text) = self;
        let filter = EnvFilter::try_new(text).map_err(|error| format!("--log-level {text}: {error}"))?;
        if text.contains("actix_http") {
            return Ok(filter);
        }
        let quiet: Directive = format!("{NOISY}=off").parse().map_err(|error| format!("{NOISY}: {error}"))?;
        Ok(filter.add_directive(quiet))
    }
}

/// Starts the log.
///
/// # Errors
/// It was started before; a sentence that says so.
pub(super) fn start(format: LogFormat, level: &LogLevel) -> Result<(), String> {
    let lines = fmt().with_env_filter(level.filter()?).with_writer(io::stderr).with_target(false);
    // A line that cannot be written, on a full disk or into a closed pipe, is lost: to say so on the same standard error
    // would panic, and the panic be logged.
    let lines = lines.log_internal_errors(false);
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
