//! An account: a customer of the platform, known by name alone. Endpoints and events belong to one.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of an account. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account(Arc<str>);

/// A text is not an account's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, `_`, `-`, `.` or `:`")]
pub struct AccountError;

impl Account {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the account of those who name none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == "default"
    }
}

impl Default for Account {
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let sound = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'));
        if sound { Ok(Self(text.into())) } else { Err(AccountError) }
    }
}
