//! The tokens as a snapshot that every request looks in, replaced whole on change, and the first admin's token, which
//! comes from a file or is made at the first start.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

use crate::{
    clock::Clock,
    domain::{
        audit::Actor,
        ids::TokenId,
        time::Timestamp,
        token::{Role, Token},
    },
    store::{NewAudit, Store, StoreError},
};

/// The name of the token that the server was started with. Requests cannot give it to others.
pub const ADMIN_TOKEN_NAME: &str = "system:admin-token";

/// Names with this prefix are the server's own.
pub const RESERVED_PREFIX: &str = "system:";

/// The text of a token. It is shown once, and only its digest kept. `Debug` hides it.
pub struct TokenText(Box<str>);

/// A text cannot be a token. It is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenTextError {
    /// Too short to be secret, too long, or not printable.
    #[error("an admin token must have 16 to 512 printable ASCII characters without spaces")]
    Malformed,
    /// No randomness.
    #[error("the system has no randomness to make a token of")]
    NoRandomness,
}

impl TokenText {
    /// A fresh one: `mhk_` and 256 random bits.
    pub fn generate() -> Result<Self, TokenTextError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| TokenTextError::NoRandomness)?;
        Ok(Self(format!("mhk_{}", URL_SAFE_NO_PAD.encode(bytes)).into()))
    }

    /// The whole text, for the one who asked for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest(&self.0)
    }
}

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenText(hidden)")
    }
}

impl std::str::FromStr for TokenText {
    type Err = TokenTextError;

    /// The content of an operator's token file, without the white space around it.
    fn from_str(text: &str) -> Result<Self, TokenTextError> {
        let text = text.trim();
        let sound = (16..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if sound { Ok(Self(text.into())) } else { Err(TokenTextError::Malformed) }
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Why a token was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is none of this id.
    #[error("there is no such token")]
    Unknown,
    /// Nobody could make another one after that.
    #[error("it is the last admin token")]
    LastAdmin,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All tokens.
pub struct Tokens {
    by_digest: ArcSwap<HashMap<[u8; 32], Arc<Token>>>,
    /// One change at a time, so that the snapshot is what the store has.
    changing: Mutex<()>,
}

impl Tokens {
    /// Reads them from the store.
    pub fn load(store: &Store) -> Result<Self, StoreError> {
        let tokens = store.tokens()?.into_iter().map(|token| (token.digest, Arc::new(token))).collect();
        Ok(Self { by_digest: ArcSwap::from_pointee(tokens), changing: Mutex::new(()) })
    }

    /// The token with this text, if it is known and has not expired.
    pub fn find(&self, text: &str, now: Timestamp) -> Option<Arc<Token>> {
        let digest = digest(text);
        let tokens = self.by_digest.load();
        let token = tokens.get(&digest)?;
        let same = bool::from(token.digest.ct_eq(&digest));
        (same && is_valid(token, now)).then(|| Arc::clone(token))
    }

    /// The token with this id, if it is there and has not expired.
    pub fn by_id(&self, id: TokenId, now: Timestamp) -> Option<Arc<Token>> {
        let tokens = self.by_digest.load();
        tokens.values().find(|token| token.id == id && is_valid(token, now)).cloned()
    }

    /// Whether this token is still there and has not expired.
    pub fn still_holds(&self, token: &Token, now: Timestamp) -> bool {
        self.by_digest.load().contains_key(&token.digest) && is_valid(token, now)
    }

    /// All of them, oldest first.
    pub fn all(&self) -> Vec<Arc<Token>> {
        let mut all: Vec<_> = self.by_digest.load().values().cloned().collect();
        all.sort_by_key(|token| token.id);
        all
    }

    /// Stores a new one.
    pub async fn add(&self, store: &Store, token: Token, audit: NewAudit) -> Result<Arc<Token>, StoreError> {
        let _changing = self.changing.lock().await;
        self.put(store, token, audit).await
    }

    /// Deletes one.
    pub async fn delete(
        &self,
        store: &Store,
        id: TokenId,
        now: Timestamp,
        audit: impl FnOnce(&Token) -> NewAudit,
    ) -> Result<(), DeleteError> {
        let _changing = self.changing.lock().await;
        let all = self.by_digest.load_full();
        let token = all.values().find(|token| token.id == id).ok_or(DeleteError::Unknown)?;
        let manages = |token: &Token| token.role == Role::Admin && token.account.is_none() && is_valid(token, now);
        if manages(token) && all.values().filter(|token| manages(token)).count() == 1 {
            return Err(DeleteError::LastAdmin);
        }
        self.remove(store, token, audit(token)).await?;
        Ok(())
    }

    /// Makes this text the server's own admin token, in place of the one that it was started with before.
    pub async fn install_admin(&self, store: &Store, clock: &Clock, text: &TokenText) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        let all = self.by_digest.load_full();
        let audit = |action, id: TokenId| NewAudit {
            actor: Actor::Server,
            action,
            subject: id.to_string(),
            account: None,
            details: "the token that the server was started with".to_owned(),
        };
        for old in all.values().filter(|token| token.name == ADMIN_TOKEN_NAME && token.digest != text.digest()) {
            self.remove(store, old, audit("token.deleted", old.id)).await?;
        }
        if all.get(&text.digest()).is_some_and(|token| token.role == Role::Admin && token.account.is_none()) {
            return Ok(());
        }
        let token = Token {
            id: TokenId::from_u128(store.mint()),
            name: ADMIN_TOKEN_NAME.to_owned(),
            role: Role::Admin,
            account: None,
            digest: text.digest(),
            created_at: clock.wall(),
            expires_at: None,
        };
        let audit = audit("token.created", token.id);
        self.put(store, token, audit).await.map(drop)
    }

    /// Whether there is a token that can make others.
    pub fn has_admin(&self, now: Timestamp) -> bool {
        let tokens = self.by_digest.load();
        tokens.values().any(|token| token.role == Role::Admin && token.account.is_none() && is_valid(token, now))
    }

    async fn put(&self, store: &Store, token: Token, audit: NewAudit) -> Result<Arc<Token>, StoreError> {
        store.put_token(token.clone(), audit).await?;
        let token = Arc::new(token);
        let mut tokens = HashMap::clone(&self.by_digest.load());
        tokens.insert(token.digest, Arc::clone(&token));
        self.by_digest.store(Arc::new(tokens));
        Ok(token)
    }

    async fn remove(&self, store: &Store, token: &Token, audit: NewAudit) -> Result<(), StoreError> {
        store.delete_token(token.id, audit).await?;
        let mut tokens = HashMap::clone(&self.by_digest.load());
        tokens.remove(&token.digest);
        self.by_digest.store(Arc::new(tokens));
        Ok(())
    }
}

fn is_valid(token: &Token, now: Timestamp) -> bool {
    token.expires_at.is_none_or(|end| now < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_text_is_checked_and_hidden() {
        let text = TokenText::generate().unwrap();
        assert!(text.expose().starts_with("mhk_") && text.expose().len() == 4 + 43);
        assert_ne!(text.digest(), TokenText::generate().unwrap().digest());
        assert!(!format!("{text:?}").contains(&text.expose()[4..]));
        let read: TokenText = format!("  {}\n", text.expose()).parse().unwrap();
        assert_eq!(read.digest(), text.digest());
        for bad in ["", "short", "mhk_with a space in it", "mhk_\u{e4}aaaaaaaaaaaaaaaaaaa"] {
            assert!(bad.parse::<TokenText>().is_err(), "{bad}");
        }
    }
}
