//! Who asks, and what they may do: a bearer token, its role and the account that it is bound to (contract, section 3).
//! A handler names the right that it needs as the type of its first argument, so that a route without one stands out.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};

use super::{
    Api,
    problem::{Kind, Problem},
};
use crate::{
    domain::{
        account::Account,
        audit::Actor,
        token::{Role, Token},
    },
    store::NewAudit,
};

/// What a route asks of a token.
pub trait Right: 'static {
    /// Why the token may not, if so.
    fn refuses(token: &Token) -> Option<&'static str>;
}

/// To see things, but for secrets: `read` and `admin`.
pub struct CanRead;
/// To change things and see secrets: `admin`.
pub struct CanChange;
/// To post events: `ingest` and `admin`.
pub struct CanPost;
/// To ask what would happen, which changes nothing: every role. Who cannot read is told no more than who posts.
pub struct CanAsk;
/// To see things of the whole server: `read` and `admin`, not bound to an account.
pub struct CanReadServer;
/// To change things of the whole server: `admin`, not bound to an account.
pub struct CanChangeServer;

impl Right for CanRead {
    fn refuses(token: &Token) -> Option<&'static str> {
        matches!(token.role, Role::Ingest).then_some("a token with the role `ingest` can only post events")
    }
}

impl Right for CanChange {
    fn refuses(token: &Token) -> Option<&'static str> {
        (token.role != Role::Admin).then_some("this needs a token with the role `admin`")
    }
}

impl Right for CanPost {
    fn refuses(token: &Token) -> Option<&'static str> {
        (token.role == Role::Read).then_some("this needs a token with the role `ingest` or `admin`")
    }
}

impl Right for CanAsk {
    fn refuses(_: &Token) -> Option<&'static str> {
        None
    }
}

impl Right for CanReadServer {
    fn refuses(token: &Token) -> Option<&'static str> {
        CanRead::refuses(token).or_else(|| refuse_bound(token))
    }
}

impl Right for CanChangeServer {
    fn refuses(token: &Token) -> Option<&'static str> {
        CanChange::refuses(token).or_else(|| refuse_bound(token))
    }
}

fn refuse_bound(token: &Token) -> Option<&'static str> {
    token
        .account
        .is_some()
        .then_some("this is about the whole server: it needs a token that is not bound to an account")
}

/// The token of a request that has the right `R`.
pub struct Caller<R> {
    token: Arc<Token>,
    right: PhantomData<R>,
}

impl<R: Right> Caller<R> {
    /// Who holds this token's rights, if they suffice.
    ///
    /// # Errors
    /// 403: they do not.
    pub fn new(token: Arc<Token>) -> Result<Self, Problem> {
        match R::refuses(&token) {
            Some(why) => Err(Problem::new(Kind::Forbidden, why)),
            None => Ok(Self { token, right: PhantomData }),
        }
    }
}

impl<R> Caller<R> {
    /// The token.
    pub fn token(&self) -> &Arc<Token> {
        &self.token
    }

    /// Whether secrets are shown to it.
    pub fn sees_secrets(&self) -> bool {
        self.token.role == Role::Admin
    }

    /// Whether things of this account are there for it.
    pub fn sees(&self, account: &Account) -> bool {
        self.token.account.as_ref().is_none_or(|own| own == account)
    }

    /// The account that a new thing belongs to: the one that is named, else the token's own, else the default one.
    ///
    /// # Errors
    /// The token is bound to another account.
    pub fn account_for(&self, named: Option<Account>) -> Result<Account, Problem> {
        Ok(self.account_filter(named)?.unwrap_or_default())
    }

    /// The account that a list is limited to: the token's own, or the one that is named.
    ///
    /// # Errors
    /// The token is bound to another account.
    pub fn account_filter(&self, named: Option<Account>) -> Result<Option<Account>, Problem> {
        match (&self.token.account, named) {
            (Some(own), Some(named)) if *own != named => {
                Err(Problem::new(Kind::Forbidden, format!("the token is bound to the account `{own}`")))
            }
            (Some(own), _) => Ok(Some(own.clone())),
            (None, named) => Ok(named),
        }
    }

    /// The audit entry of a change by this token.
    pub fn audit(
        &self,
        action: &'static str,
        subject: &impl ToString,
        account: Option<&Account>,
        details: impl Into<String>,
    ) -> NewAudit {
        NewAudit {
            actor: Actor::Token { id: self.token.id, name: self.token.name.clone() },
            action,
            subject: subject.to_string(),
            account: account.cloned(),
            details: details.into(),
        }
    }
}

impl<R: Right> FromRequest for Caller<R> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request).and_then(Self::new))
    }
}

fn authenticate(request: &HttpRequest) -> Result<Arc<Token>, Problem> {
    let Some(api) = request.app_data::<web::Data<Api>>() else {
        return Err(Problem::new(Kind::Unavailable, "the server is not ready"));
    };
    let mut given = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = given.next() else {
        return Err(unauthenticated("send `Authorization: Bearer mhk_…`", "Bearer realm=\"mythichooks\""));
    };
    let invalid = "Bearer realm=\"mythichooks\", error=\"invalid_token\"";
    let text = value.to_str().ok().and_then(bearer).filter(|_| given.next().is_none());
    let text =
        text.ok_or_else(|| unauthenticated("the Authorization header is not `Bearer` and one token", invalid))?;
    let token = api.tokens().find(text, api.clock().wall());
    token.ok_or_else(|| unauthenticated("the token is not known, was deleted, or has expired", invalid))
}

fn unauthenticated(detail: &'static str, challenge: &'static str) -> Problem {
    Problem::new(Kind::Unauthenticated, detail)
        .with_header(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(challenge))
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::TokenId, time::Timestamp};

    fn token(role: Role, account: Option<&str>) -> Token {
        Token {
            id: TokenId::MIN,
            name: "t".to_owned(),
            role,
            account: account.map(|text| text.parse().unwrap()),
            digest: [0; 32],
            created_at: Timestamp::EPOCH,
            expires_at: None,
        }
    }

    #[test]
    fn rights_by_role_and_account() {
        let table = [
            // role, account, read, change, post, read server, change server
            (Role::Admin, None, [true, true, true, true, true]),
            (Role::Admin, Some("a"), [true, true, true, false, false]),
            (Role::Read, None, [true, false, false, true, false]),
            (Role::Read, Some("a"), [true, false, false, false, false]),
            (Role::Ingest, None, [false, false, true, false, false]),
            (Role::Ingest, Some("a"), [false, false, true, false, false]),
        ];
        for (role, account, expected) in table {
            let token = token(role, account);
            let refusals = [
                CanRead::refuses(&token),
                CanChange::refuses(&token),
                CanPost::refuses(&token),
                CanReadServer::refuses(&token),
                CanChangeServer::refuses(&token),
            ];
            assert_eq!(refusals.map(|refusal| refusal.is_none()), expected, "{role:?} {account:?}");
        }
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        assert_eq!(bearer("Bearer mhk_a"), Some("mhk_a"));
        assert_eq!(bearer("bEARER  mhk_a"), Some("mhk_a"));
        for bad in ["", "mhk_a", "Bearer", "Bearer ", "Basic mhk_a", "Bearer a b", "Bearermhk_a"] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bound_token_keeps_to_its_account() {
        let bound = Caller { token: Arc::new(token(Role::Admin, Some("a"))), right: PhantomData::<CanRead> };
        let named = |text: &str| Some(text.parse::<Account>().unwrap());
        assert_eq!(bound.account_for(None).unwrap().as_str(), "a");
        assert_eq!(bound.account_for(named("a")).unwrap().as_str(), "a");
        assert_eq!(bound.account_for(named("b")).unwrap_err().kind(), Kind::Forbidden);
        assert!(!bound.sees(&Account::default()));
        let free = Caller { token: Arc::new(token(Role::Admin, None)), right: PhantomData::<CanRead> };
        assert!(free.account_for(None).unwrap().is_default());
        assert_eq!(free.account_filter(None).unwrap(), None);
    }
}
