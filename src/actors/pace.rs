//! An endpoint's `rate_limit`: attempts are started at even distances, so that no second holds more than allowed.

use std::time::{Duration, Instant};

/// When the next attempt may start.
#[derive(Debug, Default)]
pub struct Pace {
    not_before: Option<Instant>,
}

impl Pace {
    /// Takes a turn at `now`; or says how long to wait for one.
    ///
    /// # Errors
    /// The wait, if it is not yet time.
    pub fn take(&mut self, limit: Option<u32>, now: Instant) -> Result<(), Duration> {
        let Some(limit) = limit else {
            self.not_before = None;
            return Ok(());
        };
        if let Some(wait) = self.not_before.map(|at| at.saturating_duration_since(now)).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        self.not_before = Some(now + Duration::from_secs(1) / limit.max(1));
        Ok(())
    }

    /// Gives back a turn that was not used.
    pub fn give_back(&mut self) {
        self.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_even_distances() {
        let mut pace = Pace::default();
        let start = Instant::now();
        assert_eq!(pace.take(Some(4), start), Ok(()));
        assert_eq!(pace.take(Some(4), start), Err(Duration::from_millis(250)));
        assert_eq!(pace.take(Some(4), start + Duration::from_millis(250)), Ok(()));
        assert_eq!(pace.take(None, start + Duration::from_millis(251)), Ok(()));
        assert_eq!(pace.take(Some(4), start + Duration::from_millis(252)), Ok(()), "the limit was lifted in between");
    }
}
