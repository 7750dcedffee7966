//! A point in time as the store and the API know it: Unix milliseconds, shown as RFC 3339 in UTC.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// Unix time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(i64);

/// A text is not a time of RFC 3339 with an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a time of RFC 3339 from 1970 on, like `2026-01-25T00:00:00Z`")]
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
        let (local, fraction, offset) = parts(text).ok_or(TimestampError)?;
        // More digits than the parser beneath takes are more than a millisecond has.
        let fraction = fraction.get(..9).unwrap_or(fraction);
        let point = if fraction.is_empty() { "" } else { "." };
        match format!("{local}{point}{fraction}{offset}").parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Self::from_millis(time.as_millisecond())),
            // Later than the parser knows.
            Err(_) if local.parse::<jiff::civil::DateTime>().is_ok() => Ok(Self(LAST_MILLIS)),
            Err(_) => Err(TimestampError),
        }
    }
}

/// The parts of a time of RFC 3339 (section 5.6) from 1970 on, by its own year: up to the seconds, the digits of their
/// fraction, the offset. The parser beneath knows more forms.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (local, rest) = text.split_at_checked(19)?;
    let is_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte.eq_ignore_ascii_case(&form),
            })
    };
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let (fraction, offset) = if digits > 0 { rest.get(1..)?.split_at_checked(digits)? } else { ("", rest) };
    let is_offset = offset.eq_ignore_ascii_case("z")
        || is_form(offset.replacen('-', "+", 1).as_str(), "+00:00")
            && offset.get(1..3) <= Some("23")
            && offset.get(4..) <= Some("59");
    let is_one = is_form(local, "0000-00-00T00:00:00") && local.get(..4) >= Some("1970") && is_offset;
    is_one.then_some((local, fraction, offset))
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
    }

    #[test]
    fn every_time_of_the_rfc_from_1970_on_is_read_and_nothing_else() {
        let read = |text: &str| text.parse().map(Timestamp::as_millis);
        for (text, millis) in [
            ("2024-01-25t00:00:00z", 1_706_140_800_000),
            ("2024-01-25T00:00:00.1234567890123Z", 1_706_140_800_123),
            ("2024-01-25T00:00:00.9999999999Z", 1_706_140_800_999),
            ("2024-01-25T23:59:00+23:59", 1_706_140_800_000),
            ("2024-01-24T19:00:00-05:00", 1_706_140_800_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("1970-01-01T00:00:00+01:00", 0),
            ("9999-12-31T23:59:59Z", LAST_MILLIS),
            ("9999-12-31T23:59:59-23:59", LAST_MILLIS),
        ] {
            assert_eq!(read(text), Ok(millis), "{text}");
        }
        for bad in [
            "",
            "now",
            "2024-01-25",
            "2024-01-25T00:00:00",
            "1706140800",
            "2024-13-25T00:00:00Z",
            "2024-01-25 00:00:00Z",
            "2024-01-25T00:00:00.Z",
            "2024-01-25T00:00:00,5Z",
            "2024-01-25T00:00Z",
            "2024-01-25T00:00:00+0100",
            "2024-01-25T00:00:00+01",
            "2024-01-25T00:00:00+24:00",
            "2024-01-25T00:00:00+00:60",
            "2024-01-25T00:00:00Z[UTC]",
            "2024-01-25T24:00:00Z",
            "2024-02-30T00:00:00Z",
            "1969-12-31T23:30:00-01:00",
            "+002024-01-25T00:00:00Z",
            "2024-01-25T00:00:00é",
            "2024-01-25T00:00:0é",
        ] {
            assert_eq!(read(bad), Err(TimestampError), "{bad}");
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
