//! The settings of an endpoint as options, and as the body that makes or changes one.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::{
    connection::{read_bounded, read_text},
    error::CliError,
};
use crate::domain::{
    duration::HumanDuration, request_headers::CustomHeader, schedule::RetrySchedule, signature::SigningSecret,
};

/// The settings that making and changing an endpoint have in common.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// A header to put on every request: `Name: value`, or `@FILE` with one a line. Repeatable; process lists show
    /// arguments, so a header with a credential belongs into a file
    #[arg(long, value_name = "NAME:VALUE|@FILE")]
    headers: Vec<HeaderSource>,

    /// How long one attempt may take, like `30s`
    #[arg(long, value_name = "DURATION")]
    timeout: Option<HumanDuration>,

    /// The waits between attempts, like `5m,30m,2h,8h`; `none` for a single attempt
    #[arg(long, value_name = "DURATIONS")]
    retry_schedule: Option<RetrySchedule>,

    /// At most so many attempts under way at a time
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u16>,

    /// At most so many attempts a second
    #[arg(long, value_name = "N")]
    rate_limit: Option<u32>,

    /// One delivery at a time, the oldest event first; a retrying one holds the rest
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ordered: Option<bool>,

    /// A note for yourself: `key=value`. Repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    metadata: Vec<(String, String)>,
}

impl SettingsArgs {
    /// Adds the settings that were given to a body.
    pub fn add_to(&self, body: &mut Map<String, Value>) -> Result<(), CliError> {
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        add("description", self.description.clone().map(Value::from));
        add("timeout", self.timeout.map(|timeout| timeout.to_string().into()));
        add("retry_schedule", self.retry_schedule.as_ref().map(schedule_value));
        add("max_in_flight", self.max_in_flight.map(Value::from));
        add("rate_limit", self.rate_limit.map(Value::from));
        add("ordered", self.ordered.map(Value::from));
        if !self.metadata.is_empty() {
            let pairs = self.metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.clone())));
            add("metadata", Some(Value::Object(pairs.collect())));
        }
        if !self.headers.is_empty() {
            let mut headers = Map::new();
            for source in &self.headers {
                for header in source.read()? {
                    headers.insert(header.name().to_owned(), header.value().into());
                }
            }
            add("headers", Some(Value::Object(headers)));
        }
        Ok(())
    }
}

fn schedule_value(schedule: &RetrySchedule) -> Value {
    schedule.waits().iter().map(|wait| Value::from(wait.to_string())).collect()
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be `key=value`")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Custom headers: one in the argument, or those of a file. `Debug` shows no value.
#[derive(Clone)]
pub enum HeaderSource {
    /// In the argument.
    Argument(CustomHeader),
    /// In a file, one a line.
    File(PathBuf),
}

/// A file of headers may hold as much as all headers of one endpoint.
const LARGEST_HEADER_FILE: u64 = 64 * 1024;

impl HeaderSource {
    fn read(&self) -> Result<Vec<CustomHeader>, CliError> {
        let path = match self {
            Self::Argument(header) => return Ok(vec![header.clone()]),
            Self::File(path) => path,
        };
        let text = read_bounded(path, LARGEST_HEADER_FILE).map_err(|error| CliError::file(path, error))?;
        text.lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(index, line)| {
                parse_header(line)
                    .map_err(|reason| CliError::Unusable(format!("{}:{}: {reason}", path.display(), index + 1)))
            })
            .collect()
    }
}

impl FromStr for HeaderSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some(path) => Ok(Self::File(PathBuf::from(path))),
            None => parse_header(text).map(Self::Argument),
        }
    }
}

impl fmt::Debug for HeaderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(header) => header.fmt(f),
            Self::File(path) => write!(f, "@{}", path.display()),
        }
    }
}

fn parse_header(line: &str) -> Result<CustomHeader, String> {
    let (name, value) = line.split_once(':').ok_or("must be `Name: value`")?;
    CustomHeader::new(name.trim(), value.trim()).map_err(|error| error.to_string())
}

/// Reads a signing secret from a file, or from standard input for `-`.
pub fn read_secret(path: &Path) -> Result<SigningSecret, CliError> {
    const LARGEST_SECRET_FILE: u64 = 4096;
    let text = if path.as_os_str() == "-" {
        read_text(io::stdin().lock(), LARGEST_SECRET_FILE)
    } else {
        read_bounded(path, LARGEST_SECRET_FILE)
    };
    let text = text.map_err(|error| CliError::file(path, error))?;
    text.trim().parse().map_err(|error| CliError::Unusable(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        settings: SettingsArgs,
    }

    fn body(args: &[&str]) -> Value {
        let command = Command::try_parse_from([&["x"], args].concat()).unwrap();
        let mut body = Map::new();
        command.settings.add_to(&mut body).unwrap();
        body.into()
    }

    #[test]
    fn only_what_was_given_is_sent() {
        assert_eq!(body(&[]), json!({}));
        assert_eq!(
            body(&[
                "--retry-schedule=1s,90s",
                "--ordered",
                "--metadata",
                "a=b=c",
                "--metadata",
                "d=",
                "--headers",
                "X-A: 1",
                "--timeout",
                "60s",
                "--rate-limit",
                "5",
                "--max-in-flight",
                "2",
            ]),
            json!({
                "retry_schedule": ["1s", "90s"], "ordered": true, "metadata": {"a": "b=c", "d": ""},
                "headers": {"x-a": "1"}, "timeout": "1m", "rate_limit": 5, "max_in_flight": 2,
            })
        );
        assert_eq!(
            body(&["--ordered=false", "--retry-schedule", "none"]),
            json!({"ordered": false, "retry_schedule": []})
        );
    }

    #[test]
    fn values_of_headers_are_not_shown() {
        let source: HeaderSource = "Authorization: Bearer abc".parse().unwrap();
        assert!(!format!("{source:?}").contains("abc"));
        assert!("no colon".parse::<HeaderSource>().is_err());
        assert!("Host: x".parse::<HeaderSource>().is_err());
    }
}
