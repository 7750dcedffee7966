//! The documented schedule, under a clock that the test moves: 0, 5, 35, 155 and 635 minutes, over restarts and jumps.

use std::time::Duration;

use serde_json::Value;

use crate::support::api::attempts;
use crate::support::clock::{TestClock, ms};
use crate::support::{Api, Receiver, Server, until};

const MINUTE: i64 = 60_000;
/// Minutes from the first attempt to each: contract section 2.
const DOCUMENTED: [i64; 5] = [0, 5, 35, 155, 635];

/// A server on the documented schedule under a clock of the test's, with a receiver of all events that always fails
/// and one that takes them, whose deliveries show that the server has worked through the time it was given.
struct Stage {
    clock: TestClock,
    server: Server,
    failing: Receiver,
    healthy: Receiver,
}

impl Stage {
    fn new() -> Stage {
        let setup = Server::setup().documented_schedule();
        let clock = TestClock::new(setup.root());
        let server = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).start();
        let stage = Stage { clock, server, failing: Receiver::start(|_, _| 500), healthy: Receiver::ok() };
        let api = stage.api();
        api.endpoint_with(&stage.failing.url(), &serde_json::json!({"event_types": ["batch.completed"]}));
        api.endpoint_with(&stage.healthy.url(), &serde_json::json!({"event_types": ["batch.failed"]}));
        stage
    }

    fn api(&self) -> Api {
        self.server.admin()
    }

    /// A whole delivery at the server's present time: whatever was due has been seen too.
    fn work_through(&self) {
        let marker = self.api().event_of("batch.failed", &serde_json::json!({}));
        self.api().delivery_in(&marker, "delivered");
    }

    fn restart(&mut self) {
        self.server.kill();
        self.server.start_again();
    }
}

fn start_of(delivery: &Value, attempt: usize) -> i64 {
    ms(&attempts(delivery)[attempt]["started_at"])
}

/// Runs the whole schedule; `between` may do what it likes before each time that is due.
fn run_documented(mut between: impl FnMut(&mut Stage)) {
    let mut stage = Stage::new();
    let event = stage.api().event();
    let first = start_of(&stage.api().delivery_after(&event, 1), 0);
    let mut before = first;
    for (number, minutes) in DOCUMENTED.into_iter().enumerate().skip(1) {
        let pending = stage.api().delivery_of(&event);
        let due = ms(&pending["next_attempt_at"]);
        let gap = (minutes - DOCUMENTED[number - 1]) * MINUTE;
        assert_eq!(due - before, gap, "attempt {}: from the start of the one before", number + 1);

        stage.clock.set_ms(due - 20_000);
        between(&mut stage);
        stage.work_through();
        assert_eq!(stage.failing.count(), number, "attempt {} came before its time", number + 1);

        stage.clock.set_ms(due + 500);
        let delivery = stage.api().delivery_after(&event, number + 1);
        before = start_of(&delivery, number);
        assert!(before >= due, "attempt {} came {} ms early", number + 1, due - before);
        // Each start may lag its due time by what the machine took; the schedule goes by real starts.
        assert!(
            (before - first) / MINUTE - minutes <= 1,
            "attempt {} at minute {}",
            number + 1,
            (before - first) / MINUTE
        );
    }
    let delivery = stage.api().delivery_in(&event, "failed");
    assert!(delivery["next_attempt_at"].is_null());
    stage.clock.advance(Duration::from_secs(7 * 86_400));
    stage.work_through();
    assert_eq!(stage.failing.count(), 5, "five in all");
}

#[test]
fn the_documented_schedule() {
    run_documented(|_| {});
}

#[test]
fn the_documented_schedule_with_a_kill_before_each_attempt() {
    run_documented(Stage::restart);
}

#[test]
fn overdue_ones_start_at_once_after_the_start() {
    let mut stage = Stage::new();
    let api = stage.api();
    let events: Vec<String> = (0..20).map(|_| api.event()).collect();
    for event in &events {
        api.delivery_after(event, 1);
    }
    stage.server.kill();
    stage.clock.advance(Duration::from_secs(3600));
    stage.server.start_again();
    for event in &events {
        let delivery = stage.api().delivery_after(event, 2);
        assert_eq!(attempts(&delivery).len(), 2, "one overdue attempt, not one for each time missed");
    }
    stage.work_through();
    assert_eq!(stage.failing.count(), 40);
}

#[test]
fn a_graceful_stop_keeps_the_schedule() {
    let mut stage = Stage::new();
    let event = stage.api().event();
    let due = ms(&stage.api().delivery_after(&event, 1)["next_attempt_at"]);
    assert!(stage.server.terminate().success());
    stage.server.start_again();
    assert_eq!(ms(&stage.api().delivery_of(&event)["next_attempt_at"]), due);
    stage.work_through();
    assert_eq!(stage.failing.count(), 1);
    stage.clock.set_ms(due + 100);
    stage.api().delivery_after(&event, 2);
}

#[test]
fn a_clock_that_jumps_back_sends_nothing_twice_and_does_not_stall() {
    let mut stage = Stage::new();
    let event = stage.api().event();
    let due = ms(&stage.api().delivery_after(&event, 1)["next_attempt_at"]);
    stage.clock.go_back(Duration::from_secs(86_400));
    stage.work_through();
    assert_eq!(stage.failing.count(), 1, "sent early after the jump");
    stage.restart();
    stage.work_through();
    assert_eq!(stage.failing.count(), 1, "sent early after the jump and a restart");
    stage.clock.set_ms(due + 100);
    stage.api().delivery_after(&event, 2);
}

#[test]
fn a_clock_that_jumps_far_ahead_sends_each_overdue_one_once() {
    let mut stage = Stage::new();
    let api = stage.api();
    let events: Vec<String> = (0..10).map(|_| api.event()).collect();
    for event in &events {
        api.delivery_after(event, 1);
    }
    stage.clock.advance(Duration::from_secs(30 * 86_400));
    for event in &events {
        api.delivery_after(event, 2);
    }
    stage.work_through();
    assert_eq!(stage.failing.count(), 20);
}

#[test]
fn deliveries_made_while_the_clock_was_behind_still_go() {
    let mut stage = Stage::new();
    stage.clock.go_back(Duration::from_secs(3600));
    let event = stage.api().event_of("batch.failed", &serde_json::json!({}));
    stage.api().delivery_in(&event, "delivered");
    stage.clock.advance(Duration::from_secs(3600));
    until("both are there", || stage.healthy.count() == 1);
    stage.work_through();
}

/// Retention goes by the wall clock. An event that was accepted while that was far ahead does not keep those behind it.
#[test]
fn a_clock_that_was_ahead_for_a_while_does_not_end_retention() {
    let setup = Server::setup().args(["--retention", "1h"]);
    let mut clock = TestClock::new(setup.root());
    let mut server = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).start();
    let api = server.admin();
    api.endpoint(&Receiver::ok().url());
    let years = Duration::from_secs(10 * 365 * 86_400);
    clock.advance(years);
    let ahead = api.event();
    clock.go_back(years);
    let behind = api.event();
    for event in [&ahead, &behind] {
        let delivery = crate::support::api::id(&api.delivery_of(event));
        // Whether it was delivered or not: it is over.
        let _ = api.post_empty(&format!("/v1/deliveries/{delivery}/cancel"));
    }
    clock.advance(Duration::from_secs(2 * 3_600));
    server.kill();
    server.start_again();
    let api = server.admin();
    until("the event is past its retention", || api.get(&format!("/v1/events/{behind}")).status == 404);
    assert_eq!(api.get(&format!("/v1/events/{ahead}")).status, 200);
}
