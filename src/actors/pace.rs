//! An endpoint's `rate_limit`: attempts are started at even distances, so that no second holds more than allowed.

use std::time::{Duration, Instant};

/// When the last attempt was started.
#[derive(Debug)]
pub struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// Of an endpoint that had its last attempt at this time at the latest: that of an earlier start of the server is not
    /// known.
    #[must_use]
    pub fn since(last: Instant) -> Self {
        Self { last: Some(last) }
    }

    /// Takes a turn at `now`; or says how long to wait for one.
    ///
    /// # Errors
    /// The wait, if it is not yet time.
    pub fn take(&mut self, limit: Option<u32>, now: Instant) -> Result<(), Duration> {
        let Some(limit) = limit else {
            self.last = None;
            return Ok(());
        };
        let distance = Duration::from_secs(1) / limit.max(1);
        let wait = self.last.map_or(Duration::ZERO, |last| (last + distance).saturating_duration_since(now));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.last = Some(now);
        Ok(())
    }

    /// Gives back a turn that was not used.
    pub fn give_back(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_even_distances() {
        let start = Instant::now();
        let mut pace = Pace::since(start);
        assert_eq!(pace.take(Some(1), start + Duration::from_millis(300)), Err(Duration::from_millis(700)));
        let start = start + Duration::from_secs(1);
        assert_eq!(pace.take(Some(4), start), Ok(()));
        assert_eq!(pace.take(Some(4), start), Err(Duration::from_millis(250)));
        assert_eq!(pace.take(Some(4), start + Duration::from_millis(250)), Ok(()));
        assert_eq!(pace.take(None, start + Duration::from_millis(251)), Ok(()));
        assert_eq!(pace.take(Some(4), start + Duration::from_millis(252)), Ok(()), "the limit was lifted in between");
    }
}
