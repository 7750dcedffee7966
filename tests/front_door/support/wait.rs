//! Waiting for an outcome: polls with a generous deadline, so that a test fails by what did not happen, never by a clock.

use std::time::{Duration, Instant};

/// Far above what anything here takes, even on a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// Polls until `probe` gives a value; panics with `what` at the deadline.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Polls until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}
