//! API tokens: what each may do, and for whom. The secret text is never kept, only its digest.

use serde::{Deserialize, Serialize};

use super::{account::Account, ids::TokenId, time::Timestamp};

/// What a token may do (contract, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything but secrets and changes.
    Read,
    /// Posting events.
    Ingest,
}

impl Role {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Read => "read",
            Self::Ingest => "ingest",
        }
    }
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The account that it is bound to.
    pub account: Option<Account>,
    /// SHA-256 of the whole text `mhk_…`; the text has 256 random bits, so that one round suffices.
    pub digest: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}
