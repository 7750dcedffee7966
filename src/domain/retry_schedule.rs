//! The retry schedule itself: its waits, their bounds and their text. What an outcome makes of it is `schedule`'s.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::duration::{DurationError, HumanDuration};

/// The waits between the start of one attempt and the next. Attempts in all: one more than waits. A clone is cheap: each
/// attempt has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySchedule(Arc<[HumanDuration]>);

/// Why a list is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// More than 20 waits.
    #[error("must have at most 20 waits")]
    TooMany,
    /// One of the texts is not a duration.
    #[error("{0}")]
    Duration(#[from] DurationError),
    /// A wait of more than 30 days.
    #[error("each wait must be at most 30d")]
    TooLong,
}

impl RetrySchedule {
    /// # Errors
    /// Too many waits, or one that is too long.
    pub fn new(waits: Vec<HumanDuration>) -> Result<Self, ScheduleError> {
        if waits.len() > 20 {
            return Err(ScheduleError::TooMany);
        }
        if waits.iter().any(|wait| *wait > HumanDuration::from_secs(30 * 86_400)) {
            return Err(ScheduleError::TooLong);
        }
        Ok(Self(waits.into()))
    }

    /// The waits, in order.
    #[must_use]
    pub fn waits(&self) -> &[HumanDuration] {
        &self.0
    }

    /// The longest of the waits.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.0.iter().max().map_or(Duration::ZERO, |wait| wait.get())
    }
}

impl Default for RetrySchedule {
    /// The platform's documented schedule: 5 minutes, 30 minutes, 2 hours, 8 hours.
    fn default() -> Self {
        Self([300, 1_800, 7_200, 28_800].map(HumanDuration::from_secs).into())
    }
}

/// The text of a schedule without waits. An empty text is none: it is rather a setting that was left out.
const NO_WAITS: &str = "none";

/// Waits separated by commas; `none` for a single attempt.
impl fmt::Display for RetrySchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NO_WAITS);
        }
        for (n, wait) in self.0.iter().enumerate() {
            write!(f, "{}{wait}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for RetrySchedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if text == NO_WAITS {
            return Self::new(Vec::new());
        }
        let waits: Result<Vec<HumanDuration>, DurationError> =
            text.split(',').map(|wait| wait.trim().parse()).collect();
        Self::new(waits?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_schedule() {
        assert_eq!(RetrySchedule::default().to_string(), "5m,30m,2h,8h");
        assert_eq!("5m, 30m,2h,8h".parse(), Ok(RetrySchedule::default()));
        let single: RetrySchedule = "none".parse().unwrap();
        assert_eq!((single.waits().len(), single.to_string()), (0, "none".to_owned()));
        assert!("".parse::<RetrySchedule>().is_err());
        assert!("5m,,2h".parse::<RetrySchedule>().is_err());
        assert_eq!("31d".parse::<RetrySchedule>(), Err(ScheduleError::TooLong));
        assert_eq!("1s,".repeat(21).trim_end_matches(',').parse::<RetrySchedule>(), Err(ScheduleError::TooMany));
    }
}
