//! What an attempt's outcome means for its delivery: a pure function, decided here alone.

use std::time::Duration;

pub use super::retry_schedule::{RetrySchedule, ScheduleError};
use super::{
    attempt::{Attempt, Trigger},
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
    let mut decision = Decision { delivery, rotate_now: false };
    let delivery = &mut decision.delivery;

    if attempt.was_interrupted() {
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

    if attempt.says_gone() {
        if delivery.status == DeliveryStatus::Pending {
            complete(delivery, DeliveryStatus::Failed, times.finished_wall);
        }
        return decision;
    }
    decision.rotate_now = newer_secret && matches!(attempt.response_code(), Some(401 | 403));
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

/// The delivery after somebody asked to replay it: pending again, with its whole schedule before it. One that waits for its
/// first turn is as it was; of one whose attempt is under way, that attempt is the first of the schedule that begins.
#[must_use]
pub fn replayed(before: &Delivery, now: Timestamp) -> Delivery {
    if before.is_fresh() {
        return before.clone();
    }
    let next = match before.next {
        // These are made at once in any case.
        Some(next) if matches!(next.trigger, Trigger::Rotation | Trigger::Test) => next,
        waiting => {
            let at = waiting.map_or(now, |waiting| waiting.at.min(now));
            NextAttempt { at, trigger: Trigger::Replay }
        }
    };
    Delivery {
        status: DeliveryStatus::Pending,
        scheduled_made: 0,
        next: Some(next),
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
mod tests;
