//! `mythichooks listen`: a receiver for people who build one.

use std::{
    env, fs,
    net::TcpListener,
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use actix_web::{http::StatusCode, web};
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    connection::read_bounded,
    error::CliError,
    output::{Output, Tone, remark},
    printable::{printable, printable_lines},
    receiver::{self, Receiver, Sighting, behaviour::Behaviour, verification::Verification},
};
use crate::domain::{duration::HumanDuration, json_text, signature::SigningSecret};

/// How to receive.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mythichooks listen --secret-file secret
  mythichooks listen --secret-file secret --fail 2 --retry-after 5
  mythichooks listen --listen 127.0.0.1:0 --listen-file address --count 1 --json

The secret is what `endpoint create` showed and `endpoint secret` shows. While a secret is rotated, the file may hold \
both, one a line. A server sends to a receiver on its own machine only if its flags allow plain HTTP and this network.")]
pub struct ListenArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9000", value_parser = parse_address)]
    listen: String,

    /// Write the bound address to this file
    #[arg(long, value_name = "PATH")]
    listen_file: Option<PathBuf>,

    /// A file that holds the signing secret
    ///
    /// Without it the secret comes from MYTHICHOOKS_SECRET; without that, events are shown but not verified.
    /// A secret is never an argument: process lists show those.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// End after so many verified events that were not failed on purpose
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,

    /// Print each event as one line of JSON, for programs
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    faults: FaultArgs,
}

/// What to do badly.
#[derive(Debug, Args)]
#[command(next_help_heading = "On purpose")]
struct FaultArgs {
    /// Fail the first N verified requests
    #[arg(long, value_name = "N", default_value_t = 0)]
    fail: u64,

    /// Fail every Nth verified request
    #[arg(long, value_name = "N")]
    fail_every: Option<NonZeroU64>,

    /// What a request that fails is answered
    #[arg(long, value_name = "CODE", default_value = "503", value_parser = parse_status)]
    fail_status: StatusCode,

    /// What every other verified request is answered
    #[arg(long, value_name = "CODE", default_value = "200", value_parser = parse_status)]
    status: StatusCode,

    /// Wait before each answer, like `2s`
    #[arg(long, value_name = "DURATION")]
    delay: Option<HumanDuration>,

    /// Send `Retry-After` with answers that are not 2xx: seconds, or an HTTP date
    #[arg(long, value_name = "SECONDS|DATE", value_parser = parse_retry_after)]
    retry_after: Option<String>,
}

impl FaultArgs {
    fn behaviour(&self) -> Behaviour {
        let mut behaviour = Behaviour::answering(self.status).failing(self.fail_every, self.fail_status);
        behaviour.fail_next(self.fail);
        behaviour.delay = self.delay.map(HumanDuration::get).unwrap_or_default();
        behaviour.retry_after.clone_from(&self.retry_after);
        behaviour
    }
}

/// A final status: an interim one (1xx) would not end the exchange.
fn parse_status(text: &str) -> Result<StatusCode, String> {
    let code = text.parse::<u16>().ok().filter(|code| (200..=999).contains(code));
    code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| "must be 200 to 999".to_owned())
}

fn parse_address(text: &str) -> Result<String, String> {
    if is_address(text) { Ok(text.to_owned()) } else { Err("must be ADDRESS:PORT".to_owned()) }
}

fn parse_retry_after(text: &str) -> Result<String, String> {
    let seconds = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds || httpdate::parse_http_date(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err("must be seconds, or a date like `Sun, 06 Nov 1994 08:49:37 GMT`".to_owned())
}

/// Whether this is an address and a port, as far as can be seen without a look-up.
pub fn is_address(text: &str) -> bool {
    let is_unix = text.starts_with("unix:");
    !is_unix && text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// Binds the address and tells it in `file`, whole or not at all.
pub fn bind(address: &str, file: Option<&Path>) -> Result<(TcpListener, std::net::SocketAddr), CliError> {
    let failed = |error| CliError::system(format!("cannot listen on {address}"), error);
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    if let Some(path) = file {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".new");
        fs::write(&unfinished, format!("{bound}\n"))
            .and_then(|()| fs::rename(&unfinished, path))
            .map_err(|error| CliError::file(path, error))?;
    }
    Ok((listener, bound))
}

/// The secrets to verify with, from the file or the environment.
fn secrets(file: Option<&Path>) -> Result<Vec<SigningSecret>, CliError> {
    const LARGEST_SECRET_FILE: u64 = 64 * 1024;
    let (text, origin) = match file {
        Some(path) => {
            let text = read_bounded(path, LARGEST_SECRET_FILE).map_err(|error| CliError::file(path, error))?;
            (text, path.display().to_string())
        }
        None => match env::var_os("MYTHICHOOKS_SECRET").filter(|text| !text.is_empty()) {
            Some(text) => (text.to_string_lossy().into_owned(), "MYTHICHOOKS_SECRET".to_owned()),
            None => return Ok(Vec::new()),
        },
    };
    let secrets: Vec<_> = text
        .split_whitespace()
        .map(|word| word.parse().map_err(|error| CliError::Unusable(format!("{origin}: a secret {error}"))))
        .collect::<Result<_, _>>()?;
    if secrets.is_empty() { Err(CliError::Unusable(format!("{origin} holds no secret"))) } else { Ok(secrets) }
}

impl ListenArgs {
    /// Receives until `--count` is reached or a signal comes.
    pub async fn run(self) -> Result<(), CliError> {
        let secrets = secrets(self.secret_file.as_deref())?;
        let verifies = !secrets.is_empty();
        let (listener, address) = bind(&self.listen, self.listen_file.as_deref())?;
        let (receiver, mut sightings) = Receiver::new(secrets, self.faults.behaviour());
        let server = receiver::serve(listener, web::Data::new(receiver), true)
            .map_err(|error| CliError::system("cannot serve", error))?;
        let handle = server.handle();
        remark(format_args!("listening on http://{address}"));
        if !verifies {
            remark("no secret is known (--secret-file, MYTHICHOOKS_SECRET): events are shown UNVERIFIED");
        }
        let mut serving = actix_rt::spawn(server);
        let output = Output::stdout();
        let mut counted = 0;
        loop {
            let sighting = tokio::select! {
                biased;
                sighting = sightings.recv() => sighting,
                ended = &mut serving => {
                    return match ended {
                        Ok(ended) => ended.map_err(|error| CliError::system("the receiver ended", error)),
                        Err(error) => Err(CliError::Failed(format!("the receiver ended: {error}"))),
                    };
                }
            };
            let Some(sighting) = sighting else { return Ok(()) };
            self.show(output, &sighting)?;
            if sighting.is_taken() && !sighting.fails {
                counted += 1;
            }
            if self.count.is_some_and(|count| counted >= count.get()) {
                // The answer to the last one is still under way.
                handle.stop(true).await;
                return Ok(());
            }
        }
    }

    fn show(&self, output: Output, sighting: &Sighting) -> Result<(), CliError> {
        if self.json {
            let line =
                serde_json::to_string(&Line::of(sighting)).map_err(|error| CliError::Unusable(error.to_string()))?;
            return output.line(line);
        }
        output.line(line(output, sighting))?;
        if !sighting.is_taken() {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&sighting.body);
        output.line(printable_lines(&json_text::pretty(&body)))
    }
}

/// One line for people: when, what, whether it is true, what it is answered.
pub fn line(output: Output, sighting: &Sighting) -> String {
    let what = sighting.event.as_ref().map_or_else(
        || "not an event".to_owned(),
        |event| format!("{}  {}", printable(&event.event_type), printable(&event.id)),
    );
    let verdict = match sighting.verification {
        None => output.styled(Tone::Waiting, "unverified"),
        Some(verification) if verification.is_good() => output.styled(Tone::Good, "verified"),
        Some(verification) => output.styled(Tone::Bad, describe(verification)),
    };
    let again = if sighting.times_seen > 1 { format!("  seen {} times", sighting.times_seen) } else { String::new() };
    let purpose = if sighting.fails { " on purpose" } else { "" };
    format!("{}  {what}  {verdict}{again}  answered {}{purpose}", sighting.received_at, sighting.status.as_u16())
}

fn describe(verification: Verification) -> String {
    format!(
        "REFUSED (X-MythicDot-Signature {}, Standard Webhooks {})",
        verification.platform.as_str(),
        verification.standard_webhooks.as_str()
    )
}

/// One line for programs. The body is the event as it came, without white space between its tokens; `null` if it is
/// none.
#[derive(Serialize)]
struct Line<'a> {
    received_at: String,
    verified: Option<bool>,
    signatures: Option<Verification>,
    id: Option<&'a str>,
    r#type: Option<&'a str>,
    times_seen: u32,
    answered: u16,
    failed_on_purpose: bool,
    body: Option<Box<RawValue>>,
}

impl<'a> Line<'a> {
    fn of(sighting: &'a Sighting) -> Self {
        let text = std::str::from_utf8(&sighting.body).unwrap_or_default();
        Self {
            received_at: sighting.received_at.to_string(),
            verified: sighting.verification.map(Verification::is_good),
            signatures: sighting.verification,
            id: sighting.event.as_ref().map(|event| event.id.as_str()),
            r#type: sighting.event.as_ref().map(|event| event.event_type.as_str()),
            times_seen: sighting.times_seen,
            answered: sighting.status.as_u16(),
            failed_on_purpose: sighting.fails,
            body: RawValue::from_string(json_text::compact(text)).ok().filter(|_| sighting.event.is_some()),
        }
    }
}
