//! Attempts as they are shown with their delivery and in the live stream.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::attempt::{Attempt, Timing},
    http::text::{ErrorKindText, Text, TimeText, TriggerText},
};

/// One HTTP request of a delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptResource {
    /// Counts a delivery's attempts from 1.
    #[schema(minimum = 1)]
    number: u32,
    trigger: TriggerText,
    started_at: TimeText,
    /// The whole attempt, from look-up to the last byte that was read.
    #[schema(example = 84)]
    duration_ms: u64,
    timing: TimingResource,
    /// The address and port that was connected to.
    #[schema(required, example = "203.0.113.7:443")]
    remote_addr: Option<String>,
    #[schema(required, example = 200)]
    response_code: Option<u16>,
    /// Names in lower case; the values of a repeated one are joined by commas.
    #[schema(required)]
    response_headers: Option<BTreeMap<String, String>>,
    /// The first bytes of the answer's body as text; what is not UTF-8 is replaced.
    #[schema(required)]
    response_body: Option<String>,
    /// Whether the body went on.
    response_body_truncated: bool,
    /// Why there is no complete answer.
    #[schema(required)]
    error: Option<AttemptErrorResource>,
}

/// How long each part of an attempt took, in milliseconds; null for a part that there was not.
#[derive(Serialize, ToSchema)]
#[schema(as = Timing)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to the names of the API")]
pub struct TimingResource {
    /// The look-up of the name.
    #[schema(required)]
    dns_ms: Option<f64>,
    /// The TCP connection.
    #[schema(required)]
    connect_ms: Option<f64>,
    /// The TLS handshake.
    #[schema(required)]
    tls_ms: Option<f64>,
    /// From the request's first byte to the answer's head.
    #[schema(required)]
    first_byte_ms: Option<f64>,
    /// From the head to the last byte that was read.
    #[schema(required)]
    body_ms: Option<f64>,
}

/// What kept an attempt from having a complete answer.
#[derive(Serialize, ToSchema)]
#[schema(as = AttemptError)]
pub struct AttemptErrorResource {
    kind: ErrorKindText,
    /// For people.
    message: String,
}

impl From<&Attempt> for AttemptResource {
    fn from(attempt: &Attempt) -> Self {
        let outcome = &attempt.outcome;
        let response = outcome.response.as_ref();
        Self {
            number: attempt.number,
            trigger: Text(attempt.trigger),
            started_at: Text(attempt.started_at),
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
            timing: outcome.timing.into(),
            remote_addr: outcome.remote_addr.map(|address| address.to_string()),
            response_code: attempt.response_code(),
            response_headers: response.map(|response| joined(&response.headers)),
            response_body: response.map(|response| String::from_utf8_lossy(&response.body).into_owned()),
            response_body_truncated: response.is_some_and(|response| response.truncated),
            error: outcome
                .error
                .as_ref()
                .map(|error| AttemptErrorResource { kind: Text(error.kind), message: error.message.clone() }),
        }
    }
}

impl From<Timing> for TimingResource {
    fn from(timing: Timing) -> Self {
        Self {
            dns_ms: timing.dns.map(millis),
            connect_ms: timing.connect.map(millis),
            tls_ms: timing.tls.map(millis),
            first_byte_ms: timing.first_byte.map(millis),
            body_ms: timing.body.map(millis),
        }
    }
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Headers by name; repeated ones as RFC 9110, section 5.3, joins them.
fn joined(headers: &[(String, String)]) -> BTreeMap<String, String> {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        by_name
            .entry(name.clone())
            .and_modify(|earlier| {
                earlier.push_str(", ");
                earlier.push_str(value);
            })
            .or_insert_with(|| value.clone());
    }
    by_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_headers_are_joined_and_times_are_to_the_microsecond() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = joined(&[pair("via", "a"), pair("date", "now"), pair("via", "b")]);
        assert_eq!(headers.into_iter().collect::<Vec<_>>(), [pair("date", "now"), pair("via", "a, b")]);
        assert_eq!(serde_json::to_string(&millis(Duration::from_nanos(1_234_567))).unwrap(), "1.235");
    }
}
