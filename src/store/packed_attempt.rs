//! The bytes of an attempt in the store: its record, and its answer's body raw behind that. They are written from the
//! attempt as it is, which others hold too, without a copy of its answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde::Serialize;

use super::{StoreError, codec};
use crate::domain::{
    attempt::{Attempt, AttemptError, Outcome, Response, Timing, Trigger},
    time::Timestamp,
};

/// An [`Attempt`] field by field, without its answer's body.
#[derive(Serialize)]
struct PackedAttempt<'a> {
    number: u32,
    trigger: Trigger,
    started_at: Timestamp,
    outcome: PackedOutcome<'a>,
}

#[derive(Serialize)]
struct PackedOutcome<'a> {
    duration: Duration,
    timing: Timing,
    remote_addr: Option<SocketAddr>,
    response: Option<PackedResponse<'a>>,
    error: &'a Option<AttemptError>,
}

#[derive(Serialize)]
struct PackedResponse<'a> {
    code: u16,
    headers: &'a [(String, String)],
    body: &'a [u8],
    truncated: bool,
}

impl<'a> PackedResponse<'a> {
    fn of(response: &'a Response) -> Self {
        let Response { code, headers, body: _, truncated } = response;
        Self { code: *code, headers, body: &[], truncated: *truncated }
    }
}

/// An attempt's bytes; its answer's body stands raw behind the rest.
pub fn pack_attempt(attempt: &Attempt) -> Result<Vec<u8>, StoreError> {
    let Attempt { number, trigger, started_at, outcome } = attempt;
    let Outcome { duration, timing, remote_addr, response, error } = &**outcome;
    let packed = PackedAttempt {
        number: *number,
        trigger: *trigger,
        started_at: *started_at,
        outcome: PackedOutcome {
            duration: *duration,
            timing: *timing,
            remote_addr: *remote_addr,
            response: response.as_ref().map(PackedResponse::of),
            error,
        },
    };
    let body = response.as_ref().map_or(&[][..], |response| &response.body);
    codec::pack_as::<Attempt>(&packed, body)
}

/// The attempt of these bytes.
pub fn unpack_attempt(bytes: &[u8]) -> Result<Attempt, codec::CodecError> {
    let (mut attempt, body) = codec::unpack::<Attempt>(bytes)?;
    if let Some(response) = &mut Arc::make_mut(&mut attempt.outcome).response {
        response.body = body.to_vec();
    }
    Ok(attempt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::attempt::ErrorKind;

    proptest! {
        #[test]
        fn an_attempt_is_packed_as_it_is_with_its_body_behind_it(
            number: u32,
            headers: Vec<(String, String)>,
            body: Vec<u8>,
            answered: bool,
            failed: bool,
            truncated: bool,
        ) {
            let response = answered.then_some(Response { code: 200, headers, body, truncated });
            let error = failed.then(|| AttemptError { kind: ErrorKind::Tls, message: "it is not trusted".to_owned() });
            let timing = Timing { dns: None, connect: Some(Duration::from_micros(70)), ..Timing::default() };
            let remote_addr = Some(([127, 0, 0, 1], 443).into());
            let outcome = Outcome { duration: Duration::from_millis(3), timing, remote_addr, response, error };
            let (trigger, started_at) = (Trigger::Replay, Timestamp::from_millis(1_795_000_000_000));
            let attempt = Attempt { number, trigger, started_at, outcome: Arc::new(outcome) };
            let packed = pack_attempt(&attempt).unwrap();
            prop_assert_eq!(unpack_attempt(&packed).unwrap(), attempt.clone());

            let mut whole = Outcome::clone(&attempt.outcome);
            let body = whole.response.as_mut().map(|response| std::mem::take(&mut response.body)).unwrap_or_default();
            let without_body = Attempt { outcome: Arc::new(whole), ..attempt };
            prop_assert_eq!(packed, codec::pack(&without_body, &body).unwrap());
        }
    }
}
