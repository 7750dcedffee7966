//! How a receiver answers signed requests: well, or badly and slowly on purpose. No dice: the same requests get the
//! same answers every time.

use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actix_web::http::StatusCode;

/// What to do with one request after another.
#[derive(Debug)]
pub struct Behaviour {
    /// How many of the next requests fail.
    failures_left: AtomicU64,
    /// Every so manieth request fails.
    fail_every: Option<NonZeroU64>,
    /// What a failing request is answered.
    fail_status: StatusCode,
    /// What the others are answered.
    status: StatusCode,
    /// How long an answer waits.
    pub delay: Duration,
    /// The `Retry-After` of answers that are not 2xx.
    pub retry_after: Option<String>,
    requests: AtomicU64,
}

/// What one request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// Whether it fails on purpose.
    pub fails: bool,
}

impl Behaviour {
    /// Answers `status` to all requests at once.
    pub fn answering(status: StatusCode) -> Self {
        Self {
            failures_left: AtomicU64::new(0),
            fail_every: None,
            fail_status: StatusCode::SERVICE_UNAVAILABLE,
            status,
            delay: Duration::ZERO,
            retry_after: None,
            requests: AtomicU64::new(0),
        }
    }

    /// Fails every so manieth request, with this status as [`Self::fail_next`] does.
    #[must_use]
    pub fn failing(mut self, every: Option<NonZeroU64>, status: StatusCode) -> Self {
        self.fail_every = every;
        self.fail_status = status;
        self
    }

    /// Fails the next `count` requests.
    pub fn fail_next(&self, count: u64) {
        self.failures_left.store(count, Ordering::SeqCst);
    }

    /// What the next request is answered.
    pub fn next_reply(&self) -> Reply {
        let number = self.requests.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        let taken = self.failures_left.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let fails = taken.is_ok() || self.fail_every.is_some_and(|every| number.is_multiple_of(every.get()));
        Reply { status: if fails { self.fail_status } else { self.status }, fails }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(behaviour: &Behaviour, count: usize) -> Vec<u16> {
        (0..count).map(|_| behaviour.next_reply().status.as_u16()).collect()
    }

    #[test]
    fn the_first_ones_fail_and_then_every_third() {
        let behaviour =
            Behaviour::answering(StatusCode::NO_CONTENT).failing(NonZeroU64::new(3), StatusCode::BAD_GATEWAY);
        behaviour.fail_next(2);
        assert_eq!(codes(&behaviour, 7), [502, 502, 502, 204, 204, 502, 204]);
    }

    #[test]
    fn answers_what_it_is_told_without_failing() {
        let behaviour = Behaviour::answering(StatusCode::GONE);
        assert_eq!(behaviour.next_reply(), Reply { status: StatusCode::GONE, fails: false });
        behaviour.fail_next(1);
        assert_eq!(codes(&behaviour, 2), [503, 410]);
    }
}
