//! API tokens: made, listed and deleted by an `admin` that is not bound to an account. A token's text is shown once.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

use super::event_types::NoFilter;
use crate::{
    domain::{ids::TokenId, token::Token},
    http::{
        Api, TokenText, answer,
        auth::{Caller, CanChangeServer, CanReadServer},
        bounded::Line,
        duration_range::Within,
        extract::{Json, ListQuery, NoQuery, PathId},
        list::{self, List, PageParams},
        problem::{Kind, Problem},
        text::{AccountText, RoleText, Text, TimeText, TokenIdText},
        tokens::{DeleteError, RESERVED_PREFIX},
    },
    store::Page,
};

/// A token to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "billing", "role": "ingest", "account": "acme", "expires_in": "90d"}))]
pub struct NewToken {
    /// What people call it. Names that begin with `system:` are the server's own.
    #[schema(inline)]
    name: TokenName,
    role: RoleText,
    /// The account that it is bound to; none, if left out.
    account: Option<AccountText>,
    /// For how long it is valid, `1s` or more; until it is deleted, if left out.
    #[schema(inline)]
    expires_in: Option<Lifetime>,
}

type Lifetime = Within<1_000, 315_360_000_000>;

const LONGEST_NAME: usize = 100;

/// A name that is not the server's own.
pub struct TokenName(String);

impl<'de> Deserialize<'de> for TokenName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Line(name) = Line::<LONGEST_NAME>::deserialize(deserializer)?;
        if name.starts_with(RESERVED_PREFIX) {
            let message = format_args!("names that begin with `{RESERVED_PREFIX}` are the server's own");
            return Err(de::Error::custom(message));
        }
        Ok(Self(name))
    }
}

impl PartialSchema for TokenName {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(LONGEST_NAME));
        let pattern = format!(r"^(?!{RESERVED_PREFIX})[^\u0000-\u001f\u007f-\u009f]*$");
        text.pattern(Some(pattern)).build().into()
    }
}

impl ToSchema for TokenName {}

/// A token, without its text.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenResource {
    id: TokenIdText,
    name: String,
    role: RoleText,
    /// The account that it is bound to.
    #[schema(required)]
    account: Option<AccountText>,
    created_at: TimeText,
    /// From when on it is refused.
    #[schema(required)]
    expires_at: Option<TimeText>,
}

/// A new token, with its text this once.
#[derive(Serialize, ToSchema)]
pub struct TokenWithText<'a> {
    #[serde(flatten)]
    resource: TokenResource,
    /// What goes behind `Authorization: Bearer`.
    #[schema(example = "mhk_…")]
    token: &'a str,
}

impl From<&Token> for TokenResource {
    fn from(token: &Token) -> Self {
        Self {
            id: Text(token.id),
            name: token.name.clone(),
            role: Text(token.role),
            account: token.account.clone().map(Text),
            created_at: Text(token.created_at),
            expires_at: token.expires_at.map(Text),
        }
    }
}

/// Make a token
///
/// Its text is shown this once, and stored hashed.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", operation_id = "createToken", request_body = NewToken,
    responses(
        (status = 201, description = "The token with its text.", body = TokenWithText),
    ))]
pub async fn create(
    caller: Caller<CanChangeServer>,
    _: NoQuery,
    body: Json<NewToken>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (token, text) = make(&api, &caller, body.0).await?;
    let answer = TokenWithText { resource: TokenResource::from(&*token), token: text.expose() };
    Ok(answer::json(actix_web::http::StatusCode::CREATED, &answer))
}

/// Makes a token; it, and its text.
///
/// # Errors
/// There is no randomness, or the store does not take it.
pub async fn make(
    api: &Api,
    caller: &Caller<CanChangeServer>,
    new: NewToken,
) -> Result<(Arc<Token>, TokenText), Problem> {
    let NewToken { name: TokenName(name), role: Text(role), account, expires_in } = new;
    let text = TokenText::generate().map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
    let now = api.clock().wall();
    let token = Token {
        id: TokenId::from_u128(api.store().mint()),
        name,
        role,
        account: account.map(|Text(account)| account),
        digest: text.digest(),
        created_at: now,
        expires_at: expires_in.map(|Within(duration)| now.plus(duration.get())),
    };
    let audit = caller.audit("token.created", &token.id, token.account.as_ref(), format!("role {}", role.as_str()));
    Ok((api.tokens().add(api.store(), token, audit).await?, text))
}

/// List tokens
///
/// Without their texts.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", operation_id = "listTokens", params(PageParams),
    responses((status = 200, description = "Tokens, newest first.", body = List<TokenResource>)))]
pub async fn list(
    caller: Caller<CanReadServer>,
    query: ListQuery<NoFilter>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = find(&api, &caller, &query)?;
    let tokens = page.items.iter().map(|token| TokenResource::from(&**token)).collect();
    Ok(answer::ok(&query.page(tokens, page.next.as_ref())))
}

/// The tokens that are asked for, newest first.
///
/// # Errors
/// The cursor is of another list.
pub fn find(
    api: &Api,
    _: &Caller<CanReadServer>,
    query: &ListQuery<NoFilter>,
) -> Result<Page<Arc<Token>, TokenId>, Problem> {
    let after: Option<TokenId> = query.after()?;
    let all = api.tokens().all().into_iter().rev();
    let rest = all.filter(|token| after.is_none_or(|after| token.id < after));
    Ok(list::cut(query.limit(), rest, |token| token.id))
}

/// Delete a token
///
/// It is refused from now on.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens", operation_id = "deleteToken",
    params(("id" = TokenIdText, Path, description = "The token's id.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 409, description = "It is the last one that can make others."),
    ))]
pub async fn delete(
    caller: Caller<CanChangeServer>,
    _: NoQuery,
    id: PathId<TokenId>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    remove(&api, &caller, id.0).await?;
    Ok(answer::no_content())
}

/// Deletes a token, and with it the sessions of its holders.
///
/// # Errors
/// There is none, it is the last one that can make others, or the store does not take it.
pub async fn remove(api: &Api, caller: &Caller<CanChangeServer>, id: TokenId) -> Result<(), Problem> {
    let audit = |token: &Token| caller.audit("token.deleted", &id, token.account.as_ref(), token.name.clone());
    match api.tokens().delete(api.store(), id, api.clock().wall(), audit).await {
        Ok(()) => {
            // Its sessions have no rights any more; now nothing is left of them.
            Ok(api.sessions().prune(api.store(), api.tokens(), api.clock().wall()).await?)
        }
        Err(DeleteError::Unknown) => Err(Problem::not_found("token")),
        Err(error @ DeleteError::LastAdmin) => Err(Problem::new(Kind::Conflict, error.to_string())),
        Err(DeleteError::Store(error)) => Err(error.into()),
    }
}
