//! Event types and the catalog's entries: a dotted name, what it means, an example, and a JSON Schema of its object.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A dotted name in the catalog, e.g. `batch.completed`. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTypeName(Arc<str>);

/// A text is not the name of an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to 128 characters: lower-case letters, digits and `_` in parts that are joined by dots, like `batch.completed`"
)]
pub struct EventTypeNameError;

impl EventTypeName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventTypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventTypeName {
    type Err = EventTypeNameError;

    fn from_str(text: &str) -> Result<Self, EventTypeNameError> {
        let part =
            |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let sound = (1..=128).contains(&text.len()) && text.split('.').all(part);
        if sound { Ok(Self(text.into())) } else { Err(EventTypeNameError) }
    }
}

/// One entry of the catalog. `example` and `schema` are JSON texts: they were checked where they entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventType {
    /// Its name, unique in the catalog.
    pub name: EventTypeName,
    /// What happened, in a sentence.
    pub description: String,
    /// A realistic `data.object`, as JSON text of an object.
    pub example: String,
    /// A JSON Schema (2020-12) of `data.object`, as JSON text.
    pub schema: Option<String>,
    /// Whether events that break the schema are refused.
    pub enforce_schema: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dotted_lower_case() {
        for good in ["batch.completed", "fine_tuning.job.created", "ping", "a.1"] {
            assert!(good.parse::<EventTypeName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "Batch.completed", "a b", "batch.*", "*", &"a".repeat(129)] {
            assert!(bad.parse::<EventTypeName>().is_err(), "{bad}");
        }
    }
}
