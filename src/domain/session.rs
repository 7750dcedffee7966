//! A person's way into the dashboard: a session behind a cookie, or a link that opens one. The secret text of either is
//! never kept, only its digest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    ids::TokenId,
    time::Timestamp,
    token::{Role, Token},
};

/// How long a session that was opened with a token lasts, if the token does.
pub const SIGNED_IN_FOR: Duration = Duration::from_hours(7 * 24);
/// How long a session that was opened by a portal link lasts.
pub const PORTAL_OPEN_FOR: Duration = Duration::from_hours(8);

/// The name under which what was done through the portal stands in the audit log. No token can have it.
pub const PORTAL_NAME: &str = "system:portal";

/// Whose rights a session has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// Those of a token, for as long as it is there.
    Token(TokenId),
    /// Those of an `admin` token that is bound to this account.
    Portal {
        /// Of the link; it stands for a token's id in the audit log.
        id: TokenId,
        /// Whose things it shows.
        account: Account,
    },
}

/// What the secret text opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// A session, once.
    Link,
    /// The pages.
    Open,
}

/// A session or a link as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 of the secret text, which has 256 random bits.
    pub digest: [u8; 32],
    /// Whose rights it has.
    pub holder: Holder,
    /// What it opens.
    pub stage: Stage,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

impl Session {
    /// Whether both have the rights of the same token, or of the same account's portal.
    #[must_use]
    pub fn shares_holder(&self, other: &Self) -> bool {
        match (&self.holder, &other.holder) {
            (Holder::Token(own), Holder::Token(other)) => own == other,
            (Holder::Portal { account: own, .. }, Holder::Portal { account: other, .. }) => own == other,
            _ => false,
        }
    }
}

/// The rights of a portal session, as those of a token that nobody has.
#[must_use]
pub fn portal_rights(id: TokenId, account: &Account, session: &Session) -> Token {
    Token {
        id,
        name: PORTAL_NAME.to_owned(),
        role: Role::Admin,
        account: Some(account.clone()),
        digest: session.digest,
        created_at: session.created_at,
        expires_at: Some(session.expires_at),
    }
}
