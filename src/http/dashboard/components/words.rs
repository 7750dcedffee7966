//! Times, spans and numbers in the words of the pages: UTC, the day left out if it is today, three digits and no more.

use std::time::Duration;

use jiff::{Timestamp as JiffTimestamp, Zoned, tz::TimeZone};
use maud::{Markup, html};

use crate::domain::time::Timestamp;

fn zoned(at: Timestamp) -> Zoned {
    JiffTimestamp::from_millisecond(at.as_millis()).unwrap_or(JiffTimestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC)
}

fn day(now: Timestamp, at: Timestamp) -> String {
    let (now, at) = (zoned(now), zoned(at));
    if now.date() == at.date() {
        String::new()
    } else if now.year() == at.year() {
        at.strftime("%-d %b, ").to_string()
    } else {
        at.strftime("%-d %b %Y, ").to_string()
    }
}

/// A time of day in minutes: `14:05`, `25 Nov, 00:05`.
pub fn clock(now: Timestamp, at: Timestamp) -> Markup {
    let text = format!("{}{}", day(now, at), zoned(at).strftime("%H:%M"));
    html! { time.nb datetime=(at) { (text) } }
}

/// The same where it matters when that is for the reader: the script adds the time of the reader's own zone.
pub fn clock_local(now: Timestamp, at: Timestamp) -> Markup {
    let text = format!("{}{}", day(now, at), zoned(at).strftime("%H:%M"));
    html! { time.nb datetime=(at) data-local="" { (text) } }
}

/// The same in seconds, for logs.
pub fn clock_seconds(now: Timestamp, at: Timestamp) -> Markup {
    let text = format!("{}{}", day(now, at), zoned(at).strftime("%H:%M:%S"));
    html! { time.nb datetime=(at) { (text) } }
}

/// A time of day as plain text, where no element can stand: `14:05`.
pub fn hour_text(at: Timestamp) -> String {
    zoned(at).strftime("%H:%M").to_string()
}

/// A day as plain text: `24 Nov`.
pub fn day_text(at: Timestamp) -> String {
    zoned(at).strftime("%-d %b").to_string()
}

/// A small number as a word that begins a sentence: `Two`, `34`.
pub fn number_word(of: u64) -> String {
    const WORDS: [&str; 10] = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    let word = usize::try_from(of).ok().and_then(|of| WORDS.get(of));
    word.map_or_else(|| number(of), |word| (*word).to_owned())
}

/// How long: `48 s`, `24 min`, `2 h 21 min`, `3 d 4 h`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if seconds < 60 => format!("{seconds} s"),
        () if minutes < 60 => format!("{minutes} min"),
        () if hours < 24 && minutes % 60 == 0 => format!("{hours} h"),
        () if hours < 24 => format!("{hours} h {} min", minutes % 60),
        () if hours % 24 == 0 => format!("{days} d"),
        () => format!("{days} d {} h", hours % 24),
    }
}

/// How long ago: `17 s ago`, `18 h ago`. One unit is enough.
pub fn ago(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.since(at).as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// In how long, in a sentence: `now`, `in 48 seconds`, `in 24 minutes`, `in 8 hours`.
pub fn in_words(now: Timestamp, at: Timestamp) -> String {
    let seconds = at.since(now).as_secs();
    let (count, unit) = match seconds {
        0 => return "now".to_owned(),
        1..120 => (seconds, "second"),
        120..5_400 => (seconds / 60, "minute"),
        5_400..172_800 => ((seconds + 1_800) / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("in {count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A duration as figures: `184 ms`, `1.24 s`.
pub fn millis(duration: Duration) -> String {
    let millis = duration.as_millis();
    let seconds = duration.as_secs_f64();
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..10_000 => format!("{seconds:.2} s"),
        10_000..100_000 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// The same for what is over in no time: `0.4 ms`.
pub fn fine_millis(duration: Duration) -> String {
    let tenths = duration.as_micros() / 100;
    match tenths {
        0 if duration.is_zero() => "0 ms".to_owned(),
        0 => "< 0.1 ms".to_owned(),
        1..100 => format!("{}.{} ms", tenths / 10, tenths % 10),
        _ => millis(duration),
    }
}

/// `34,561`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: `1 delivery`, `258 deliveries`.
pub fn count(of: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(of), if of == 1 { one } else { many })
}

/// `98.2 %`, `100 %`; never rounded up to all of it. `None` of nothing.
pub fn percent(part: u64, whole: u64) -> Option<String> {
    let tenths = u64::try_from(u128::from(part) * 1_000 / u128::from(whole.max(1))).unwrap_or(1_000);
    (whole > 0).then(|| match tenths {
        1_000.. => "100 %".to_owned(),
        0 => "0 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    })
}

/// A URL, which wraps before its slashes where it must.
pub fn address(url: &str) -> Markup {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    html! {
        span.mono {
            @if !scheme.is_empty() { (scheme) "://" }
            @for (index, part) in rest.split('/').enumerate() { @if index > 0 { wbr; "/" } (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_few_words() {
        let now: Timestamp = "2026-11-24T13:41:07Z".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(clock(now, at("2026-11-24T14:05:09Z")).into_string().ends_with(">14:05</time>"));
        assert!(clock(now, at("2026-11-25T00:05:00Z")).into_string().ends_with(">25 Nov, 00:05</time>"));
        assert!(clock(now, at("2025-11-25T00:05:00Z")).into_string().ends_with(">25 Nov 2025, 00:05</time>"));
        assert!(clock_seconds(now, now).into_string().ends_with(">13:41:07</time>"));
        assert_eq!(ago(now, at("2026-11-24T13:40:50Z")), "17 s ago");
        assert_eq!(ago(now, at("2026-11-23T19:00:00Z")), "18 h ago");
        assert_eq!(in_words(now, at("2026-11-24T14:05:10Z")), "in 24 minutes");
        assert_eq!(in_words(now, at("2026-11-24T15:40:10Z")), "in 2 hours");
        assert_eq!(in_words(now, at("2026-11-24T13:41:08Z")), "in 1 second");
        assert_eq!(in_words(now, at("2026-11-24T13:00:00Z")), "now");
    }

    #[test]
    fn figures_have_three_digits_and_no_more() {
        let of = |millis_: u64| millis(Duration::from_millis(millis_));
        assert_eq!([of(184), of(1_240), of(12_340), of(123_400)], ["184 ms", "1.24 s", "12.3 s", "123 s"]);
        let fine = |micros: u64| fine_millis(Duration::from_micros(micros));
        assert_eq!(
            [fine(0), fine(42), fine(420), fine(9_990), fine(31_400)],
            ["0 ms", "< 0.1 ms", "0.4 ms", "9.9 ms", "31 ms"]
        );
        assert_eq!([number(0), number(999), number(34_561), number(1_000_000)], ["0", "999", "34,561", "1,000,000"]);
        assert_eq!(percent(982, 1_000).as_deref(), Some("98.2 %"));
        assert_eq!(percent(99_999, 100_000).as_deref(), Some("99.9 %"));
        assert_eq!((percent(3, 3).as_deref(), percent(0, 0)), (Some("100 %"), None));
        let spans = [48, 1_440, 8_460, 7_200, 273_600].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["48 s", "24 min", "2 h 21 min", "2 h", "3 d 4 h"]);
        assert_eq!(count(1, "delivery", "deliveries"), "1 delivery");
    }
}
