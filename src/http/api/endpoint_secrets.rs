//! An endpoint's secret: shown to `admin`, and rotated with an overlap in which the old one signs too (contract,
//! section 2).

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::endpoints::find;
use crate::{
    domain::{
        duration::HumanDuration,
        ids::EndpointId,
        signature::{SigningSecret, TooManyOverlaps},
        time::Timestamp,
    },
    http::{
        Api, answer,
        auth::{Caller, CanChange},
        duration_range::Within,
        extract::{NoQuery, Optional, PathId},
        problem::{Kind, Problem},
        text::{EndpointIdText, SecretText, Text, TimeText},
    },
};

const DEFAULT_OVERLAP: HumanDuration = HumanDuration::from_secs(24 * 3_600);

type Overlap = Within<0, 2_592_000_000>;

/// An endpoint's newest secret.
#[derive(Serialize, ToSchema)]
pub struct Secret {
    secret: SecretText,
}

/// How a secret is rotated.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap": "24h"}))]
pub struct Rotation {
    /// How long the old secret signs beside the new one: `0s` to `30d`; `24h`, if left out. `0s` ends the overlaps of
    /// earlier rotations too.
    #[schema(inline)]
    overlap: Option<Overlap>,
    /// The new secret; one is made, if left out.
    secret: Option<SecretText>,
}

/// The new secret, and until when the old one signs beside it.
#[derive(Serialize, ToSchema)]
pub struct Rotated {
    secret: SecretText,
    overlap_ends_at: TimeText,
}

/// Show an endpoint's secret
#[utoipa::path(get, path = "/v1/endpoints/{id}/secret", tag = "endpoints", operation_id = "getEndpointSecret",
    params(("id" = EndpointIdText, Path, description = "The endpoint's id.")),
    responses((status = 200, description = "The newest secret.", body = Secret)))]
pub async fn get(
    caller: Caller<CanChange>,
    _: NoQuery,
    id: PathId<EndpointId>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    Ok(answer::ok(&Secret { secret: Text(read(&api, &caller, id.0).await?) }))
}

/// The newest secret; that it was read stands in the audit log.
///
/// # Errors
/// There is no such endpoint, or the store does not answer.
pub async fn read(api: &Api, caller: &Caller<CanChange>, id: EndpointId) -> Result<SigningSecret, Problem> {
    let endpoint = find(api, caller, id)?;
    api.store().audit(caller.audit("endpoint.secret_read", &endpoint.id, Some(&endpoint.account), "")).await?;
    Ok(endpoint.secrets.newest().secret.clone())
}

/// Rotate an endpoint's secret
///
/// Until the overlap ends, `webhook-signature` has a signature of each secret, and `X-MythicDot-Signature` is the old
/// one's until the receiver refuses it. A rotation within an overlap adds a secret; the older ones sign for as long as
/// was said.
#[utoipa::path(post, path = "/v1/endpoints/{id}/rotate-secret", tag = "endpoints", operation_id = "rotateEndpointSecret",
    params(("id" = EndpointIdText, Path, description = "The endpoint's id.")),
    request_body = Option<Rotation>,
    responses(
        (status = 200, description = "The new secret.", body = Rotated),
        (status = 409, description = "Four older secrets still sign, and the overlap is not `0s`."),
        (status = 422, description = "It is the secret that the endpoint has already."),
    ))]
pub async fn rotate(
    caller: Caller<CanChange>,
    _: NoQuery,
    id: PathId<EndpointId>,
    body: Optional<Rotation>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (secret, overlap_end) = renew(&api, &caller, id.0, body.0).await?;
    Ok(answer::ok(&Rotated { secret: Text(secret), overlap_ends_at: Text(overlap_end) }))
}

/// Rotates the secret; the new one, and until when the old one signs beside it.
///
/// # Errors
/// What the request asks for is refused, there is no such endpoint, or the store does not take it.
pub async fn renew(
    api: &Api,
    caller: &Caller<CanChange>,
    id: EndpointId,
    Rotation { overlap, secret }: Rotation,
) -> Result<(SigningSecret, Timestamp), Problem> {
    let overlap = overlap.map_or(DEFAULT_OVERLAP, |Within(overlap)| overlap);
    let secret = match secret {
        Some(Text(secret)) => secret,
        None => fresh_secret()?,
    };
    let endpoint = find(api, caller, id)?;
    let audit =
        caller.audit("endpoint.secret_rotated", &endpoint.id, Some(&endpoint.account), format!("overlap {overlap}"));
    let now = api.clock().wall();
    let overlap_end = now.plus(overlap.get());
    let new = secret.clone();
    let changed = api.registry().change(endpoint.id, audit, move |endpoint| {
        if endpoint.secrets.newest().secret == new {
            return Err(Problem::refused("/secret", "it is the secret that the endpoint has already"));
        }
        endpoint.secrets.rotate(new, now, overlap_end).map_err(too_many)?;
        endpoint.updated_at = now;
        Ok(())
    });
    changed.await?.ok_or_else(|| Problem::not_found("endpoint"))??;
    Ok((secret, overlap_end))
}

fn too_many(error: TooManyOverlaps) -> Problem {
    Problem::field(Kind::Conflict, "/overlap", error.to_string())
}

/// A secret of fresh random bytes.
pub fn fresh_secret() -> Result<SigningSecret, Problem> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)
        .map_err(|_| Problem::new(Kind::Unavailable, "the system has no randomness to make a secret of"))?;
    Ok(SigningSecret::from_random(bytes))
}
