//! Durations within bounds. The OpenAPI document has a pattern that is made from the same bounds, so that it takes
//! exactly the texts that the reader takes.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

use super::text::{DurationText, Text};
use crate::domain::duration::HumanDuration;

/// A duration from `MIN` to `MAX` milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within<const MIN: u64, const MAX: u64>(pub HumanDuration);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(duration) = DurationText::deserialize(deserializer)?;
        let [shortest, longest] = [MIN, MAX].map(HumanDuration::from_millis);
        if (shortest..=longest).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(de::Error::custom(format_args!("must be {shortest} to {longest}")))
        }
    }
}

impl<const MIN: u64, const MAX: u64> PartialSchema for Within<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let [shortest, longest] = [MIN, MAX].map(HumanDuration::from_millis);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(format!("A duration of {shortest} to {longest}.")))
            .pattern(Some(pattern(MIN, MAX)))
            .examples([longest.to_string()])
            .build()
            .into()
    }
}

impl<const MIN: u64, const MAX: u64> ToSchema for Within<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        let [shortest, longest] = [MIN, MAX].map(HumanDuration::from_millis);
        Cow::Owned(format!("DurationFrom{shortest}To{longest}"))
    }
}

/// A pattern of the texts of all durations between two numbers of milliseconds.
fn pattern(min: u64, max: u64) -> String {
    let of_unit = |(unit, millis): &(&str, u64)| {
        let (low, high) = (min.div_ceil(*millis), max / millis);
        (low <= high).then(|| format!("({}){unit}", numbers(low, high).join("|")))
    };
    format!("^0*({})$", UNITS.iter().filter_map(of_unit).collect::<Vec<_>>().join("|"))
}

/// Patterns of the numbers from `low` to `high`, without leading zeros.
fn numbers(low: u64, high: u64) -> Vec<String> {
    let mut patterns = Vec::new();
    let mut from = low;
    while from <= high {
        // The largest number of as many digits.
        let digits = from.checked_ilog10().unwrap_or(0) + 1;
        let to = high.min(10_u64.saturating_pow(digits) - 1);
        same_length(from.to_string().as_bytes(), to.to_string().as_bytes(), &mut String::new(), &mut patterns);
        from = to + 1;
    }
    patterns
}

/// The same for two numbers of as many digits, each pattern behind `prefix`.
fn same_length(low: &[u8], high: &[u8], prefix: &mut String, patterns: &mut Vec<String>) {
    let ([low_digit, low_rest @ ..], [high_digit, high_rest @ ..]) = (low, high) else {
        patterns.push(prefix.clone());
        return;
    };
    let rest = low_rest.len();
    let free = |from: u8, to: u8| {
        let first = if from == to {
            char::from(from).to_string()
        } else {
            format!("[{}-{}]", char::from(from), char::from(to))
        };
        if rest == 0 { first } else { format!("{first}[0-9]{{{rest}}}") }
    };
    let low_is_free = low_rest.iter().all(|digit| *digit == b'0');
    let high_is_free = high_rest.iter().all(|digit| *digit == b'9');
    if low_digit == high_digit && !(low_is_free && high_is_free) {
        prefix.push(char::from(*low_digit));
        same_length(low_rest, high_rest, prefix, patterns);
        prefix.pop();
        return;
    }
    let first_free = if low_is_free { *low_digit } else { low_digit + 1 };
    let last_free = if high_is_free { *high_digit } else { high_digit - 1 };
    if !low_is_free {
        prefix.push(char::from(*low_digit));
        same_length(low_rest, &vec![b'9'; rest], prefix, patterns);
        prefix.pop();
    }
    if first_free <= last_free {
        patterns.push(format!("{prefix}{}", free(first_free, last_free)));
    }
    if !high_is_free {
        prefix.push(char::from(*high_digit));
        same_length(&vec![b'0'; rest], high_rest, prefix, patterns);
        prefix.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept() {
        type Timeout = Within<100, 300_000>;
        let read = |text: &str| serde_json::from_str::<Timeout>(&format!("\"{text}\"")).is_ok();
        assert!(["100ms", "1s", "30s", "5m", "300s", "300000ms", "0005m"].into_iter().all(read));
        assert!(!["99ms", "0s", "301s", "6m", "1h", "30", "", "300001ms"].into_iter().any(read));
        assert_eq!(Timeout::name(), "DurationFrom100msTo5m");
    }

    #[test]
    fn the_pattern_takes_just_the_texts_within_the_bounds() {
        for (min, max) in [(100, 300_000), (0, 2_592_000_000), (60_000, 86_400_000), (1_000, 315_360_000_000), (0, 0)] {
            let pattern = jsonschema::options()
                .with_pattern_options(jsonschema::PatternOptions::regex())
                .build(&serde_json::json!({"pattern": pattern(min, max)}))
                .unwrap();
            for (unit, millis) in UNITS {
                let (low, high) = (min.div_ceil(millis), max / millis);
                let near = [low, high].into_iter().flat_map(|n| n.saturating_sub(1_200)..=n + 1_200);
                let scattered = (0..40).map(|n| 3_u64.pow(n) % 400_000_000_000);
                for number in near.chain(scattered) {
                    let text = format!("{number}{unit}");
                    let within = (min..=max).contains(&(number.saturating_mul(millis)));
                    assert_eq!(pattern.is_valid(&text.clone().into()), within, "{text} in {min}..={max}");
                }
            }
        }
    }
}
