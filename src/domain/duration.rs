//! Durations as people write them: `250ms`, `30s`, `5m`, `2h`, `7d`. The same text in flags, requests and answers.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A duration of whole milliseconds, shown in the largest unit that divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HumanDuration(u64);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No number, no unit, or something else beside them.
    #[error("must be a whole number and a unit (`ms`, `s`, `m`, `h`, `d`), like `30s` or `5m`")]
    Malformed,
    /// More than ten years.
    #[error("must be at most 3650d")]
    TooLong,
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const LONGEST: u64 = 3_650 * 86_400_000;

impl HumanDuration {
    /// A duration of so many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// A duration of so many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The same for the standard library.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in UNITS {
            if self.0.is_multiple_of(millis) {
                return write!(f, "{}{unit}", self.0 / millis);
            }
        }
        Ok(())
    }
}

impl FromStr for HumanDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::Malformed)?;
        let (number, unit) = text.split_at(split);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(DurationError::Malformed)?;
        if number.is_empty() {
            return Err(DurationError::Malformed);
        }
        let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
        let total = number.checked_mul(*millis).ok_or(DurationError::TooLong)?;
        if total > LONGEST { Err(DurationError::TooLong) } else { Ok(Self(total)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_one_duration() {
        for text in ["0s", "250ms", "30s", "5m", "90m", "2h", "7d", "3650d"] {
            assert_eq!(text.parse::<HumanDuration>().map(|d| d.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("60s".parse::<HumanDuration>().map(|d| d.to_string()), Ok("1m".to_owned()));
        for bad in ["", "5", "m", "5 m", "-5m", "5w", "1h30m", "5M", "1.5h"] {
            assert_eq!(bad.parse::<HumanDuration>(), Err(DurationError::Malformed), "{bad}");
        }
        for long in ["3651d", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(long.parse::<HumanDuration>(), Err(DurationError::TooLong), "{long}");
        }
    }
}
