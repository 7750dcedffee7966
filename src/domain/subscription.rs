//! What an endpoint wants to hear of: exact names, a prefix (`batch.*`), or everything (`*`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::event_type::EventTypeName;

/// One pattern of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subscription {
    /// `*`
    All,
    /// `batch.*`: every type below `batch`, at any depth.
    Below(EventTypeName),
    /// `batch.completed`
    Exact(EventTypeName),
}

/// A text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of an event type, a prefix like `batch.*`, or `*`")]
pub struct SubscriptionError;

impl Subscription {
    /// Whether events of this type are wanted.
    #[must_use]
    pub fn matches(&self, name: &EventTypeName) -> bool {
        match self {
            Self::All => true,
            Self::Below(prefix) => {
                name.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.'))
            }
            Self::Exact(exact) => exact == name,
        }
    }

    /// All that match events of this type: where there are many patterns, they are found by these.
    pub fn matching(name: &EventTypeName) -> impl Iterator<Item = Self> {
        let dots = name.as_str().match_indices('.');
        let above = dots.filter_map(|(at, _)| name.as_str().get(..at)?.parse().ok());
        [Self::All, Self::Exact(name.clone())].into_iter().chain(above.map(Self::Below))
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Below(prefix) => write!(f, "{prefix}.*"),
            Self::Exact(name) => fmt::Display::fmt(name, f),
        }
    }
}

impl FromStr for Subscription {
    type Err = SubscriptionError;

    fn from_str(text: &str) -> Result<Self, SubscriptionError> {
        if text == "*" {
            return Ok(Self::All);
        }
        let parsed = match text.strip_suffix(".*") {
            Some(prefix) => prefix.parse().map(Self::Below),
            None => text.parse().map(Self::Exact),
        };
        parsed.map_err(|_| SubscriptionError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_whole_parts_at_any_depth() {
        let matches = |pattern: &str, name: &str| -> bool {
            pattern.parse::<Subscription>().unwrap().matches(&name.parse().unwrap())
        };
        assert!(matches("*", "batch.completed"));
        assert!(matches("batch.*", "batch.completed"));
        assert!(matches("fine_tuning.*", "fine_tuning.job.created"));
        assert!(!matches("batch.*", "batch"));
        assert!(!matches("batch.*", "batches.completed"));
        assert!(matches("batch.completed", "batch.completed"));
        assert!(!matches("batch.completed", "batch.failed"));
        let matching: Vec<_> = Subscription::matching(&"fine_tuning.job.created".parse().unwrap()).collect();
        let matching: Vec<_> = matching.iter().map(ToString::to_string).collect();
        assert_eq!(matching, ["*", "fine_tuning.job.created", "fine_tuning.*", "fine_tuning.job.*"]);
        for bad in ["", "*.completed", "batch.*.x", "batch*", "**", "Batch.*"] {
            assert!(bad.parse::<Subscription>().is_err(), "{bad}");
        }
    }
}
