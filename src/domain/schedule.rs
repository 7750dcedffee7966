//! What an attempt's outcome means for its delivery: a pure function, decided here alone.

use std::time::Duration;

pub use super::retry_schedule::{RetrySchedule, ScheduleError};
use super::{
    attempt::{Attempt, ErrorKind, Trigger},
    delivery::{Delivery, DeliveryStatus, NextAttempt},
    time::Timestamp,
};

/// A receiver's `Retry-After` postpones by this much at most (contract, section 2).
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// What to do after an attempt, besides writing it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The delivery as it is from now on.
    pub delivery: Delivery,
    /// The receiver said 410: the endpoint is to be disabled.
    pub disable_endpoint: bool,
    /// The same delivery goes out at once under a newer secret.
    pub rotate_now: bool,
}

/// When an attempt was made, on the clock that schedules are kept by, and when it ended by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptTimes {
    /// Its start, on the steady clock: the next attempt's time counts from here.
    pub started: Timestamp,
    /// When its outcome was known, on the steady clock: `Retry-After` counts from here.
    pub finished: Timestamp,
    /// The same moment by the wall clock, for people and for an HTTP date.
    pub finished_wall: Timestamp,
}

/// Decides what an attempt means.
///
/// `newer_secret`: the platform signature was an older secret's, and a newer one is live. The attempt's number is not
/// looked at. An interrupted attempt is written down and counts for nothing: its delivery waits as before.
#[must_use]
pub fn decide(
    before: &Delivery,
    attempt: &Attempt,
    schedule: &RetrySchedule,
    newer_secret: bool,
    times: AttemptTimes,
) -> Decision {
    let mut delivery = before.clone();
    delivery.attempts_made = delivery.attempts_made.saturating_add(1);
    delivery.last_response_code = attempt.response_code();
    let mut decision = Decision { delivery, disable_endpoint: false, rotate_now: false };
    let delivery = &mut decision.delivery;

    if attempt.outcome.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Interrupted) {
        return decision;
    }
    let on_schedule = matches!(attempt.trigger, Trigger::Schedule | Trigger::Replay | Trigger::Test);
    if on_schedule && delivery.status == DeliveryStatus::Pending {
        delivery.scheduled_made = delivery.scheduled_made.saturating_add(1);
    }

    if attempt.succeeded() {
        if delivery.status != DeliveryStatus::Delivered {
            complete(delivery, DeliveryStatus::Delivered, times.finished_wall);
        }
        return decision;
    }

    let code = attempt.response_code();
    if code == Some(410) {
        decision.disable_endpoint = true;
        if delivery.status == DeliveryStatus::Pending {
            complete(delivery, DeliveryStatus::Failed, times.finished_wall);
        }
        return decision;
    }
    decision.rotate_now = newer_secret && matches!(code, Some(401 | 403));
    if delivery.status != DeliveryStatus::Pending {
        return decision;
    }

    // A rotation's attempt stands in for the one that was refused, so what follows it is that one's next step.
    let in_turn = on_schedule || delivery.next.is_some_and(|next| next.trigger == Trigger::Rotation);
    if in_turn && decision.rotate_now {
        delivery.next = Some(NextAttempt { at: times.started, trigger: Trigger::Rotation });
    } else if in_turn {
        let wait = if delivery.test { None } else { schedule.waits().get(step(delivery.scheduled_made)) };
        match wait {
            Some(wait) => {
                let at = times.started.plus(wait.get());
                delivery.next = Some(NextAttempt { at, trigger: Trigger::Schedule });
            }
            None => complete(delivery, DeliveryStatus::Failed, times.finished_wall),
        }
    }
    if let (Some(next), Some(not_before)) = (&mut delivery.next, retry_after(attempt, times)) {
        next.at = next.at.max(not_before);
    }
    decision
}

/// The index of the wait after so many attempts.
fn step(scheduled_made: u32) -> usize {
    usize::try_from(scheduled_made.saturating_sub(1)).unwrap_or(usize::MAX)
}

fn complete(delivery: &mut Delivery, status: DeliveryStatus, at: Timestamp) {
    delivery.status = status;
    delivery.next = None;
    delivery.completed_at = Some(at);
}

/// The time before which the receiver wants nothing more (RFC 9110, section 10.2.3), on 429 and 503.
fn retry_after(attempt: &Attempt, times: AttemptTimes) -> Option<Timestamp> {
    if !matches!(attempt.response_code(), Some(429 | 503)) {
        return None;
    }
    let value = attempt.response_header("retry-after")?.trim();
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let asked = if digits {
        // More digits than fit mean "very long", which is cut below all the same.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        let since_epoch = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.plus(since_epoch).since(times.finished_wall)
    };
    Some(times.finished.plus(asked.min(LONGEST_RETRY_AFTER)))
}

/// The delivery after somebody asked to replay it: pending again, with its whole schedule before it.
#[must_use]
pub fn replayed(before: &Delivery, now: Timestamp) -> Delivery {
    Delivery {
        status: DeliveryStatus::Pending,
        scheduled_made: 0,
        next: Some(NextAttempt { at: now, trigger: Trigger::Replay }),
        completed_at: None,
        ..before.clone()
    }
}

/// The delivery after somebody stopped it; `None` if it was not pending.
#[must_use]
pub fn canceled(before: &Delivery, now: Timestamp) -> Option<Delivery> {
    let mut delivery = before.clone();
    (before.status == DeliveryStatus::Pending).then(|| {
        complete(&mut delivery, DeliveryStatus::Canceled, now);
        delivery
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        attempt::{AttemptError, Outcome, Response, Timing},
        ids::{DeliveryId, EndpointId, EventKey},
    };

    const MINUTE: i64 = 60_000;

    fn fresh() -> Delivery {
        Delivery {
            id: DeliveryId::from_u128(2),
            event_key: EventKey::from_u128(1),
            event_id: "evt_1".parse().unwrap(),
            endpoint_id: EndpointId::from_u128(3),
            account: crate::domain::account::Account::default(),
            event_type: "batch.completed".parse().unwrap(),
            status: DeliveryStatus::Pending,
            test: false,
            attempts_made: 0,
            scheduled_made: 0,
            next: Some(NextAttempt { at: Timestamp::EPOCH, trigger: Trigger::Schedule }),
            last_response_code: None,
            created_at: Timestamp::EPOCH,
            completed_at: None,
        }
    }

    fn answer(trigger: Trigger, code: u16, headers: &[(&str, &str)]) -> Attempt {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Attempt {
            number: 0,
            trigger,
            started_at: Timestamp::EPOCH,
            outcome: Outcome {
                duration: Duration::from_secs(2),
                timing: Timing::default(),
                remote_addr: None,
                response: Some(Response { code, headers, body: Vec::new(), truncated: false }),
                error: None,
            },
        }
    }

    fn broken(trigger: Trigger, kind: ErrorKind) -> Attempt {
        let mut attempt = answer(trigger, 200, &[]);
        attempt.outcome.response = None;
        attempt.outcome.error = Some(AttemptError { kind, message: String::new() });
        attempt
    }

    /// Started at this minute of the steady clock, finished two seconds later; the wall clock is a day ahead.
    fn at_minute(minute: i64) -> AttemptTimes {
        let started = Timestamp::from_millis(minute * MINUTE);
        let finished = started.plus(Duration::from_secs(2));
        AttemptTimes { started, finished, finished_wall: finished.plus(Duration::from_hours(24)) }
    }

    fn due_minute(delivery: &Delivery) -> Option<i64> {
        delivery.next.map(|next| next.at.as_millis() / MINUTE)
    }

    fn step(before: &Delivery, attempt: &Attempt, minute: i64, newer_secret: bool) -> Decision {
        decide(before, attempt, &RetrySchedule::default(), newer_secret, at_minute(minute))
    }

    #[test]
    fn the_documented_schedule_counts_from_start_to_start() {
        let mut delivery = fresh();
        let mut seen = Vec::new();
        let mut minute = 0;
        while delivery.status == DeliveryStatus::Pending {
            seen.push(minute);
            delivery = step(&delivery, &answer(Trigger::Schedule, 500, &[]), minute, false).delivery;
            minute = due_minute(&delivery).unwrap_or(minute);
        }
        assert_eq!(seen, [0, 5, 35, 155, 635]);
        assert_eq!(delivery.status, DeliveryStatus::Failed);
        assert_eq!((delivery.attempts_made, delivery.next), (5, None));
        assert_eq!(delivery.completed_at, Some(at_minute(635).finished_wall));
    }

    #[test]
    fn retry_after_postpones_never_hastens_and_is_capped() {
        let due = |code: u16, value: &str| {
            let attempt = answer(Trigger::Schedule, code, &[("retry-after", value)]);
            step(&fresh(), &attempt, 0, false).delivery.next.unwrap().at.as_millis()
        };
        assert_eq!(due(503, "1"), 5 * MINUTE, "earlier than the schedule");
        assert_eq!(due(429, "600"), 10 * MINUTE + 2_000);
        assert_eq!(due(500, "600"), 5 * MINUTE, "not on other codes");
        assert_eq!(due(503, "999999999999999999999999"), 24 * 60 * MINUTE + 2_000);
        assert_eq!(due(503, "Fri, 02 Jan 1970 00:20:02 GMT"), 20 * MINUTE + 2_000, "a date is the wall clock's");
        assert_eq!(due(503, "Thu, 01 Jan 1970 00:00:00 GMT"), 5 * MINUTE);
        assert_eq!(due(503, "soon"), 5 * MINUTE);
        assert_eq!(due(503, "-5"), 5 * MINUTE);
    }

    #[test]
    fn gone_disables_and_ends() {
        let decision = step(&fresh(), &answer(Trigger::Schedule, 410, &[]), 0, false);
        assert!(decision.disable_endpoint);
        assert_eq!(decision.delivery.status, DeliveryStatus::Failed);
        let delivered = step(&fresh(), &answer(Trigger::Schedule, 204, &[]), 0, false).delivery;
        let again = step(&delivered, &answer(Trigger::Manual, 410, &[]), 1, false);
        assert!(again.disable_endpoint);
        assert_eq!(again.delivery.status, DeliveryStatus::Delivered);
    }

    #[test]
    fn a_redirect_and_every_error_count_as_failures() {
        for code in [100, 199, 300, 302, 307, 400, 404, 500, 599] {
            let after = step(&fresh(), &answer(Trigger::Schedule, code, &[]), 0, false).delivery;
            assert_eq!((after.status, after.scheduled_made), (DeliveryStatus::Pending, 1), "{code}");
        }
        let mut late = answer(Trigger::Schedule, 200, &[]);
        late.outcome.error = broken(Trigger::Schedule, ErrorKind::Timeout).outcome.error;
        assert_eq!(step(&fresh(), &late, 0, false).delivery.status, DeliveryStatus::Pending, "2xx, but not in time");
    }

    #[test]
    fn an_interrupted_attempt_leaves_the_delivery_where_it_was() {
        let after = step(&fresh(), &broken(Trigger::Schedule, ErrorKind::Interrupted), 0, false).delivery;
        assert_eq!(after, Delivery { attempts_made: 1, ..fresh() });
        assert!(after.is_fresh());
    }

    #[test]
    fn manual_attempts_stand_beside_the_schedule() {
        let waiting = step(&fresh(), &answer(Trigger::Schedule, 500, &[]), 0, false).delivery;
        let refused = step(&waiting, &answer(Trigger::Manual, 500, &[]), 1, false).delivery;
        assert_eq!((refused.next, refused.scheduled_made, refused.attempts_made), (waiting.next, 1, 2));
        let taken = step(&waiting, &answer(Trigger::Manual, 200, &[]), 1, false).delivery;
        assert_eq!((taken.status, taken.next), (DeliveryStatus::Delivered, None));
        let canceled = canceled(&waiting, Timestamp::EPOCH).unwrap();
        let refused = step(&canceled, &answer(Trigger::Manual, 500, &[]), 1, false).delivery;
        assert_eq!(refused.status, DeliveryStatus::Canceled);
        let taken = step(&canceled, &answer(Trigger::Manual, 200, &[]), 1, false).delivery;
        assert_eq!(taken.status, DeliveryStatus::Delivered);
    }

    #[test]
    fn a_refused_old_secret_goes_out_at_once_under_the_new_one_and_is_not_counted_twice() {
        let refused = step(&fresh(), &answer(Trigger::Schedule, 401, &[]), 0, true);
        assert!(refused.rotate_now);
        assert_eq!(refused.delivery.next.map(|next| next.trigger), Some(Trigger::Rotation));
        let taken = step(&refused.delivery, &answer(Trigger::Rotation, 200, &[]), 0, false).delivery;
        assert_eq!(taken.status, DeliveryStatus::Delivered);
        let both = step(&refused.delivery, &answer(Trigger::Rotation, 401, &[]), 0, false);
        assert!(!both.rotate_now);
        assert_eq!(due_minute(&both.delivery), Some(5));
        assert_eq!((both.delivery.scheduled_made, both.delivery.attempts_made), (1, 2));
        assert!(!step(&fresh(), &answer(Trigger::Schedule, 401, &[]), 0, false).rotate_now, "no newer secret");
        assert!(!step(&fresh(), &answer(Trigger::Schedule, 500, &[]), 0, true).rotate_now, "not refused");
        let manual = step(&both.delivery, &answer(Trigger::Manual, 403, &[]), 1, true);
        assert!(manual.rotate_now);
        assert_eq!(manual.delivery.next, both.delivery.next, "beside the schedule");
    }

    #[test]
    fn a_test_is_one_attempt_and_a_replay_a_whole_schedule() {
        let test = Delivery { test: true, ..fresh() };
        let after = step(&test, &answer(Trigger::Test, 500, &[]), 0, false).delivery;
        assert_eq!((after.status, after.next), (DeliveryStatus::Failed, None));
        let again = replayed(&after, Timestamp::from_millis(MINUTE));
        assert_eq!(again.next.map(|next| next.trigger), Some(Trigger::Replay));
        assert!(!again.is_fresh());
        let waiting = step(&Delivery { test: false, ..again }, &answer(Trigger::Replay, 500, &[]), 1, false).delivery;
        assert_eq!(due_minute(&waiting), Some(6));
        assert_eq!(waiting.next.map(|next| next.trigger), Some(Trigger::Schedule));
    }
}
