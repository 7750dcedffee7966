//! The dashboard's sessions and portal links as a snapshot that every page's request looks in, replaced whole on change.
//! A session has the rights of its token, and ends with it; a portal's has those of an `admin` bound to its account.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::tokens::Tokens;
use crate::{
    domain::{
        session::{Holder, Session, Stage, portal_rights},
        time::Timestamp,
        token::Token,
    },
    store::{NewAudit, Store, StoreError},
};

/// So many sessions and links are kept; then the oldest goes.
const MOST: usize = 10_000;
/// Of one token or one account's portal.
const MOST_OF_ONE: usize = 50;

/// The secret text of a session or link. It is handed out once. `Debug` hides it.
pub struct SessionText(Box<str>);

impl SessionText {
    /// The text, for the one whom it is made for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionText(hidden)")
    }
}

/// Why there is no new session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No randomness.
    #[error("the system has no randomness to make a session of")]
    NoRandomness,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All sessions and links.
pub struct Sessions {
    by_digest: ArcSwap<HashMap<[u8; 32], Arc<Session>>>,
    /// One change at a time, so that the snapshot is what the store has.
    changing: Mutex<()>,
}

impl Sessions {
    /// Reads them from the store.
    pub fn load(store: &Store) -> Result<Self, StoreError> {
        let sessions = store.sessions()?.into_iter().map(|session| (session.digest, Arc::new(session))).collect();
        Ok(Self { by_digest: ArcSwap::from_pointee(sessions), changing: Mutex::new(()) })
    }

    /// The rights of the one who has this text of an open session.
    pub fn rights(&self, text: &str, tokens: &Tokens, now: Timestamp) -> Option<Arc<Token>> {
        let session = self.find(text, Stage::Open, now)?;
        rights(&session, tokens, now)
    }

    /// Whether these are the rights of a portal session that is still open.
    pub fn still_holds(&self, token: &Token, now: Timestamp) -> bool {
        self.by_digest.load().get(&token.digest).is_some_and(|session| now < session.expires_at)
    }

    /// The rights of the session that this text opens, if it is a link that still opens one.
    pub fn rights_of_link(&self, text: &str, tokens: &Tokens, now: Timestamp) -> Option<Arc<Token>> {
        let link = self.find(text, Stage::Link, now)?;
        rights(&link, tokens, now)
    }

    /// Makes a session or a link. What has ended is removed with it, the oldest where there are too many, and the session
    /// that it takes the place of.
    pub async fn make(
        &self,
        store: &Store,
        tokens: &Tokens,
        made: NewSession,
        audit: Option<NewAudit>,
    ) -> Result<SessionText, SessionError> {
        let _changing = self.changing.lock().await;
        let replaced = made.replaced.as_deref().map(digest).into_iter().collect();
        self.put(store, tokens, made, replaced, audit).await
    }

    /// Opens the session of a link, which is used up; `None` if it was before, or has expired.
    pub async fn redeem(
        &self,
        store: &Store,
        tokens: &Tokens,
        link: &str,
        replaced: Option<&str>,
        now: Timestamp,
        audit: impl FnOnce(&Token) -> NewAudit,
    ) -> Result<Option<SessionText>, SessionError> {
        let _changing = self.changing.lock().await;
        let Some(link) = self.find(link, Stage::Link, now) else { return Ok(None) };
        let Some(rights) = rights(&link, tokens, now) else { return Ok(None) };
        let expires_at = now.plus(crate::domain::session::PORTAL_OPEN_FOR);
        let made = NewSession { holder: link.holder.clone(), stage: Stage::Open, now, expires_at, replaced: None };
        let gone = std::iter::once(link.digest).chain(replaced.map(digest)).collect();
        self.put(store, tokens, made, gone, Some(audit(&rights))).await.map(Some)
    }

    /// Ends the session with this text, if there is one.
    pub async fn end(&self, store: &Store, text: &str, audit: NewAudit) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        let digest = digest(text);
        if !self.by_digest.load().contains_key(&digest) {
            return Ok(());
        }
        store.change_sessions(None, vec![digest], Some(audit)).await?;
        let mut all = HashMap::clone(&self.by_digest.load());
        all.remove(&digest);
        self.by_digest.store(Arc::new(all));
        Ok(())
    }

    /// Removes what has ended, by its time or with its token.
    pub async fn prune(&self, store: &Store, tokens: &Tokens, now: Timestamp) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        let before = self.by_digest.load_full();
        let gone = ended(&before, tokens, now);
        if gone.is_empty() {
            return Ok(());
        }
        store.change_sessions(None, gone.clone(), None).await?;
        self.replace(&before, &gone, None);
        Ok(())
    }

    fn find(&self, text: &str, stage: Stage, now: Timestamp) -> Option<Arc<Session>> {
        let session = self.by_digest.load().get(&digest(text)).cloned()?;
        (session.stage == stage && now < session.expires_at).then_some(session)
    }

    async fn put(
        &self,
        store: &Store,
        tokens: &Tokens,
        made: NewSession,
        mut gone: Vec<[u8; 32]>,
        audit: Option<NewAudit>,
    ) -> Result<SessionText, SessionError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| SessionError::NoRandomness)?;
        let text = SessionText(URL_SAFE_NO_PAD.encode(bytes).into());
        let NewSession { holder, stage, now, expires_at, .. } = made;
        let session = Session { digest: digest(&text.0), holder, stage, created_at: now, expires_at };
        let before = self.by_digest.load_full();
        gone.extend(ended(&before, tokens, now));
        crowded_out(&before, &session, &mut gone);
        store.change_sessions(Some(session.clone()), gone.clone(), audit).await?;
        self.replace(&before, &gone, Some(session));
        Ok(text)
    }

    fn replace(&self, before: &HashMap<[u8; 32], Arc<Session>>, gone: &[[u8; 32]], new: Option<Session>) {
        let mut all = before.clone();
        for digest in gone {
            all.remove(digest);
        }
        all.extend(new.map(|session| (session.digest, Arc::new(session))));
        self.by_digest.store(Arc::new(all));
    }
}

/// A session or link to make.
pub struct NewSession {
    /// Whose rights it has.
    pub holder: Holder,
    /// What it opens.
    pub stage: Stage,
    /// The time now.
    pub now: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// The text of the session in whose place it comes: that ends.
    pub replaced: Option<String>,
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn rights(session: &Session, tokens: &Tokens, now: Timestamp) -> Option<Arc<Token>> {
    match &session.holder {
        Holder::Token(id) => tokens.by_id(*id, now),
        Holder::Portal { id, account } => Some(Arc::new(portal_rights(*id, account, session))),
    }
}

fn ended(all: &HashMap<[u8; 32], Arc<Session>>, tokens: &Tokens, now: Timestamp) -> Vec<[u8; 32]> {
    let over = |session: &&Arc<Session>| session.expires_at <= now || rights(session, tokens, now).is_none();
    all.values().filter(over).map(|session| session.digest).collect()
}

/// Adds the oldest that have to make room for a new one to those that are gone.
fn crowded_out(all: &HashMap<[u8; 32], Arc<Session>>, new: &Session, gone: &mut Vec<[u8; 32]>) {
    let mut left: Vec<&Session> = all.values().map(|session| &**session).collect();
    left.retain(|session| !gone.contains(&session.digest));
    // Links that nobody opened go before sessions that people are in.
    left.sort_by_key(|session| (session.stage == Stage::Open, session.created_at));
    let own = left.iter().filter(|session| session.shares_holder(new) && session.stage == new.stage);
    let own: Vec<_> = own.map(|session| session.digest).collect();
    let surplus = (own.len() + 1).saturating_sub(MOST_OF_ONE);
    if surplus > 0 {
        gone.extend(own.into_iter().take(surplus));
    } else if left.len() + 1 > MOST {
        gone.extend(left.iter().take(left.len() + 1 - MOST).map(|session| session.digest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TokenId;

    fn session(number: usize, token: u128) -> Session {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        let at = Timestamp::from_millis(i64::try_from(number).unwrap());
        let holder = Holder::Token(TokenId::from_u128(token));
        Session { digest, holder, stage: Stage::Open, created_at: at, expires_at: Timestamp::from_millis(i64::MAX) }
    }

    fn table(sessions: impl Iterator<Item = Session>) -> HashMap<[u8; 32], Arc<Session>> {
        sessions.map(|session| (session.digest, Arc::new(session))).collect()
    }

    #[test]
    fn the_oldest_of_the_same_token_makes_room_first() {
        let all = table((0..MOST_OF_ONE).map(|n| session(n, 1)).chain((100..103).map(|n| session(n, 2))));
        let mut gone = Vec::new();
        crowded_out(&all, &session(200, 1), &mut gone);
        assert_eq!(gone, [session(0, 1).digest]);
        gone.clear();
        crowded_out(&all, &session(200, 2), &mut gone);
        assert!(gone.is_empty());
    }

    #[test]
    fn the_number_is_bounded_in_all() {
        let all = table((0..MOST).map(|n| session(n, n as u128)));
        let mut gone = Vec::new();
        crowded_out(&all, &session(MOST, u128::MAX), &mut gone);
        assert_eq!(gone, [session(0, 0).digest]);
    }
}
