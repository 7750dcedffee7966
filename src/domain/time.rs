//! A point in time as the store and the API know it: Unix milliseconds, shown as RFC 3339 in UTC.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// Unix time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(i64);

/// A text is not a time of RFC 3339 with an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a time of RFC 3339, like `2026-01-25T00:00:00Z`")]
pub struct TimestampError;

/// 9999-12-30T22:00:00Z, the last time that has a text of RFC 3339 with every offset.
const LAST_MILLIS: i64 = 253_402_207_200_000;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The time that is this many milliseconds after 1970; times before 1970 or after the year 9999 become the nearest end.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LAST_MILLIS))
    }

    /// The time that is this many whole seconds after 1970.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1_000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This time and so much; the end of time if there is no such time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This time less so much.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` it is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{time:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        // Stricter than the parser beneath, which knows more forms than RFC 3339 does.
        let strict = text.is_ascii() && text.len() >= 20 && matches!(text.as_bytes()[10], b'T' | b't');
        let time: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        let millis = time.as_millisecond();
        if strict && (0..=LAST_MILLIS).contains(&millis) { Ok(Self(millis)) } else { Err(TimestampError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_in_utc_with_milliseconds_and_read_back() {
        let time = Timestamp::from_millis(1_706_140_800_120);
        assert_eq!(time.to_string(), "2024-01-25T00:00:00.120Z");
        assert_eq!("2024-01-25T01:00:00.12+01:00".parse(), Ok(time));
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        for bad in ["", "now", "2024-01-25", "2024-01-25T00:00:00", "1706140800", "2024-13-25T00:00:00Z"] {
            assert_eq!(bad.parse::<Timestamp>(), Err(TimestampError), "{bad}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Timestamp::EPOCH.minus(Duration::from_secs(1)), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::from_seconds(5)), Duration::ZERO);
        assert_eq!(Timestamp::from_seconds(5).since(Timestamp::from_seconds(2)), Duration::from_secs(3));
        assert_eq!(Timestamp::EPOCH.plus(Duration::MAX), Timestamp::from_millis(LAST_MILLIS));
    }
}
