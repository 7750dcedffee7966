//! What an attempt means, case by case.

use std::sync::Arc;

use super::*;
use crate::domain::{
    attempt::{AttemptError, ErrorKind, Outcome, Response, Timing},
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
        outcome: Arc::new(Outcome {
            duration: Duration::from_secs(2),
            timing: Timing::default(),
            remote_addr: None,
            response: Some(Response { code, headers, body: Vec::new(), truncated: false }),
            error: None,
        }),
    }
}

fn broken(trigger: Trigger, kind: ErrorKind) -> Attempt {
    let attempt = answer(trigger, 200, &[]);
    let error = Some(AttemptError { kind, message: String::new() });
    let outcome = Outcome { response: None, error, ..Outcome::clone(&attempt.outcome) };
    Attempt { outcome: Arc::new(outcome), ..attempt }
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
    assert_eq!(decision.delivery.status, DeliveryStatus::Failed);
    let delivered = step(&fresh(), &answer(Trigger::Schedule, 204, &[]), 0, false).delivery;
    let again = step(&delivered, &answer(Trigger::Manual, 410, &[]), 1, false);
    assert_eq!(again.delivery.status, DeliveryStatus::Delivered);
}

#[test]
fn a_redirect_and_every_error_count_as_failures() {
    for code in [100, 199, 300, 302, 307, 400, 404, 500, 599] {
        let after = step(&fresh(), &answer(Trigger::Schedule, code, &[]), 0, false).delivery;
        assert_eq!((after.status, after.scheduled_made), (DeliveryStatus::Pending, 1), "{code}");
    }
    let mut late = answer(Trigger::Schedule, 200, &[]);
    let error = broken(Trigger::Schedule, ErrorKind::Timeout).outcome.error.clone();
    Arc::make_mut(&mut late.outcome).error = error;
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
    let again = replayed(&waiting, Timestamp::from_millis(2 * MINUTE));
    let expected = NextAttempt { at: Timestamp::from_millis(2 * MINUTE), trigger: Trigger::Replay };
    assert_eq!((again.next, again.scheduled_made), (Some(expected), 0), "one that waits begins again as well");
    assert_eq!(replayed(&again, Timestamp::from_millis(3 * MINUTE)), again, "it is due already");
    assert_eq!(replayed(&fresh(), Timestamp::from_millis(MINUTE)), fresh());
    assert_eq!(waiting.next.map(|next| next.trigger), Some(Trigger::Schedule));
}
