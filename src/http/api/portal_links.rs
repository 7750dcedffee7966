//! Portal links: how a platform lets a customer into the dashboard, behind a button of its own. A link opens one session,
//! which sees and changes that account's things alone, as an `admin` token that is bound to the account does.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        duration::HumanDuration,
        ids::TokenId,
        session::{Holder, Stage},
    },
    http::{
        Api, answer,
        auth::{Caller, CanChangeServer},
        duration_range::Within,
        extract::{NoQuery, OfAccount, Optional},
        problem::{Kind, Problem},
        sessions::{NewSession, SessionError},
        text::{AccountText, Text, TimeText},
    },
};

const DEFAULT_VALIDITY: HumanDuration = HumanDuration::from_secs(10 * 60);

type Validity = Within<60_000, 3_600_000>;

/// A link to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"expires_in": "10m"}))]
pub struct NewPortalLink {
    /// For how long the link can be used: `1m` to `1h`; `10m`, if left out. The session that it opens lasts 8 hours.
    #[schema(inline)]
    expires_in: Option<Validity>,
}

/// A link that was made.
#[derive(Serialize, ToSchema)]
pub struct PortalLink {
    /// Where to send the customer's browser. It opens one session, once.
    #[schema(example = "https://hooks.example.com/portal/7RkD…", format = "uri")]
    url: String,
    /// Until when it can be used.
    expires_at: TimeText,
}

/// Make a portal link
///
/// A one-time link that opens a session of the dashboard for this account alone.
#[utoipa::path(post, path = "/v1/accounts/{account}/portal-link", tag = "portal", operation_id = "createPortalLink",
    params(("account" = AccountText, Path, description = "Whose things the session shows.")),
    request_body = Option<NewPortalLink>,
    responses((status = 201, description = "The link.", body = PortalLink)))]
pub async fn create(
    caller: Caller<CanChangeServer>,
    _: NoQuery,
    account: OfAccount,
    body: Optional<NewPortalLink>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let OfAccount(account) = account;
    let validity = body.0.expires_in.map_or(DEFAULT_VALIDITY, |Within(validity)| validity);
    let id = TokenId::from_u128(api.store().mint());
    let now = api.clock().wall();
    let expires_at = now.plus(validity.get());
    let audit = caller.audit("portal_link.created", &id, Some(&account), format!("valid for {validity}"));
    let link =
        NewSession { holder: Holder::Portal { id, account }, stage: Stage::Link, now, expires_at, replaced: None };
    let text = api.sessions().make(api.store(), api.tokens(), link, Some(audit)).await?;
    let url = format!("{}/portal/{}", api.origin(&request), text.expose());
    Ok(answer::json(actix_web::http::StatusCode::CREATED, &PortalLink { url, expires_at: Text(expires_at) }))
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => error.into(),
            error @ SessionError::NoRandomness => Self::new(Kind::Unavailable, error.to_string()),
        }
    }
}
