//! The audit log's entries: every change, when, by which token, what, on what.

use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    ids::{AuditId, TokenId},
    time::Timestamp,
};

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// A token of the API.
    Token {
        /// Its id.
        id: TokenId,
        /// Its name at that time.
        name: String,
    },
    /// The server itself, e.g. when a receiver answered 410.
    Server,
}

/// One entry. `changes` names fields, never secret values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id, in the order of time.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done, e.g. `endpoint.updated`.
    pub action: String,
    /// On what: an id or a name.
    pub subject: String,
    /// Whose thing it is; `None` for things of the whole server.
    pub account: Option<Account>,
    /// The fields that were changed, or a count, for people.
    pub details: String,
}
