//! Endpoints: registered, listed, shown, changed and deleted.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    endpoint_fields::{
        DescriptionField, EndpointState, EndpointStateText, Entries, EventTypesField, HeadersField, MaxInFlightField,
        MetadataField, RateLimitField, ScheduleField, TimeoutField, UrlField, checked_event_types, checked_headers,
        checked_schedule, checked_url,
    },
    endpoint_patch::{Change, EndpointPatch},
    endpoint_resource::{EndpointResource, NewEndpointResource},
    endpoint_secrets::fresh_secret,
};
use crate::{
    domain::{endpoint::Endpoint, ids::EndpointId, signature::SigningSecret},
    http::{
        Api, answer,
        auth::{Caller, CanChange, CanRead},
        bounded::{Prose, Ranged},
        duration_range::Within,
        extract::{Json, ListQuery, NoQuery, PathId},
        list::{self, List, PageParams},
        problem::Problem,
        text::{AccountText, EndpointIdText, SecretText, Text},
    },
    store::Page,
};

/// An endpoint to register. What is left out or null is the server's default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "url": "https://example.com/webhooks",
    "event_types": ["batch.*", "fine_tuning.job.succeeded"],
    "description": "The batch pipeline",
    "headers": {"x-team": "blue"},
    "timeout": "10s",
    "retry_schedule": ["1m", "10m", "1h"],
    "metadata": {"owner": "data-platform"}
}))]
pub struct NewEndpoint {
    /// Where requests go: `https`, without user information or fragment.
    #[schema(inline)]
    url: UrlField,
    /// What it wants to hear of. Each must match an event type of the catalog.
    #[schema(inline)]
    event_types: EventTypesField,
    /// Whose it is. The token's own account if it is bound to one, else `default`, if left out.
    account: Option<AccountText>,
    /// For people.
    #[schema(inline)]
    description: Option<DescriptionField>,
    /// A secret that the receiver has already; one is made, if left out.
    secret: Option<SecretText>,
    /// Headers of its own on every request. They cannot override the server's.
    #[schema(inline)]
    headers: Option<HeadersField>,
    /// Of an attempt, from look-up to the last byte: `100ms` to `5m`.
    #[schema(inline)]
    timeout: Option<TimeoutField>,
    /// The waits between attempts, each at most `30d`; none for a single attempt.
    #[schema(inline)]
    retry_schedule: Option<ScheduleField>,
    /// Attempts under way at a time.
    #[schema(inline)]
    max_in_flight: Option<MaxInFlightField>,
    /// Attempts started a second.
    #[schema(inline)]
    rate_limit: Option<RateLimitField>,
    /// One delivery in flight, the oldest event first; a retrying one holds the rest.
    ordered: Option<bool>,
    /// For whoever made it.
    #[schema(inline)]
    metadata: Option<MetadataField>,
}

/// Which endpoints are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EndpointQuery {
    /// Of this account.
    account: Option<AccountText>,
    /// In this state.
    status: Option<EndpointStateText>,
}

/// Register an endpoint
///
/// The answer has its secret, this once.
#[utoipa::path(post, path = "/v1/endpoints", tag = "endpoints", operation_id = "createEndpoint",
    request_body = NewEndpoint,
    responses(
        (status = 201, description = "It is registered.", body = NewEndpointResource,
            headers(("Location" = String, description = "Its path."))),
        (status = 422, description = "The URL or a header is refused, or the catalog has no such event type."),
    ))]
pub async fn create(
    caller: Caller<CanChange>,
    _: NoQuery,
    body: Json<NewEndpoint>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (endpoint, secret) = register(&api, &caller, body.0).await?;
    let location = format!("/v1/endpoints/{}", endpoint.id);
    let resource = EndpointResource::new(&api, &endpoint, caller.sees_secrets());
    Ok(answer::created(&location, &NewEndpointResource { endpoint: resource, secret: Text(secret) }))
}

/// Checks and registers an endpoint; it, and its secret.
///
/// # Errors
/// What the request asks for is refused, or the store does not take it.
pub async fn register(
    api: &Api,
    caller: &Caller<CanChange>,
    new: NewEndpoint,
) -> Result<(Arc<Endpoint>, SigningSecret), Problem> {
    let account = caller.account_for(new.account.map(|Text(a)| a)).map_err(|problem| problem.at("/account"))?;
    let secret = match new.secret {
        Some(Text(secret)) => secret,
        None => fresh_secret()?,
    };
    let url = checked_url(api, &new.url)?;
    let event_types = checked_event_types(api, new.event_types)?;
    let headers = new.headers.map_or_else(|| Ok(Vec::new()), checked_headers)?;
    let retry_schedule = new.retry_schedule.map(checked_schedule).transpose()?;
    let id = EndpointId::from_u128(api.store().mint());
    let endpoint = Endpoint {
        description: new.description.map(|Prose(text)| text).unwrap_or_default(),
        headers,
        timeout: new.timeout.map(|Within(timeout)| timeout),
        retry_schedule,
        max_in_flight: new.max_in_flight.map(Ranged::get),
        rate_limit: new.rate_limit.map(Ranged::get),
        ordered: new.ordered.unwrap_or(false),
        metadata: new.metadata.map(|Entries(entries)| entries).unwrap_or_default(),
        ..Endpoint::new(id, account, url, event_types, secret.clone(), api.clock().wall())
    };
    let audit = caller.audit("endpoint.created", &endpoint.id, Some(&endpoint.account), "");
    let endpoint = api.registry().create(endpoint, audit).await?;
    Ok((endpoint, secret))
}

/// List endpoints
#[utoipa::path(get, path = "/v1/endpoints", tag = "endpoints", operation_id = "listEndpoints",
    params(EndpointQuery, PageParams),
    responses((status = 200, description = "Endpoints, newest first.", body = List<EndpointResource>)))]
pub async fn list(
    caller: Caller<CanRead>,
    query: ListQuery<EndpointQuery>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = matching(&api, &caller, &query)?;
    let resource = |endpoint: &Arc<Endpoint>| EndpointResource::new(&api, endpoint, caller.sees_secrets());
    Ok(answer::ok(&query.page(page.items.iter().map(resource).collect(), page.next.as_ref())))
}

/// The endpoints that are asked for.
///
/// # Errors
/// The cursor is of another list, or the account another's.
pub fn matching<R>(
    api: &Api,
    caller: &Caller<R>,
    query: &ListQuery<EndpointQuery>,
) -> Result<Page<Arc<Endpoint>, EndpointId>, Problem> {
    let account = caller.account_filter(query.filter.account.clone().map(|Text(account)| account))?;
    let state = query.filter.status.clone().map(|Text(state)| state);
    let after: Option<EndpointId> = query.after()?;
    let snapshot = api.registry().snapshot();
    let wanted = |endpoint: &&Arc<Endpoint>| {
        after.is_none_or(|after| endpoint.id < after)
            && state.is_none_or(|state| EndpointState::from(&endpoint.status) == state)
    };
    Ok(if let Some(account) = &account {
        let own = snapshot.of_account(account).iter().rev();
        list::cut(query.limit(), own.filter(wanted).cloned(), |endpoint| endpoint.id)
    } else {
        let older = snapshot.endpoints().range(..after.unwrap_or(EndpointId::MAX)).rev();
        let older = older.map(|(_, endpoint)| endpoint).filter(wanted).cloned();
        list::cut(query.limit(), older, |endpoint| endpoint.id)
    })
}

/// Show an endpoint
#[utoipa::path(get, path = "/v1/endpoints/{id}", tag = "endpoints", operation_id = "getEndpoint",
    params(("id" = EndpointIdText, Path, description = "The endpoint's id.")),
    responses((status = 200, description = "The endpoint.", body = EndpointResource)))]
pub async fn get(
    caller: Caller<CanRead>,
    _: NoQuery,
    id: PathId<EndpointId>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let endpoint = find(&api, &caller, id.0)?;
    Ok(answer::ok(&EndpointResource::new(&api, &endpoint, caller.sees_secrets())))
}

/// Change an endpoint
///
/// A field that is left out stays as it is; null goes back to the default. `headers` and `metadata` are replaced whole.
#[utoipa::path(patch, path = "/v1/endpoints/{id}", tag = "endpoints", operation_id = "updateEndpoint",
    params(("id" = EndpointIdText, Path, description = "The endpoint's id.")),
    request_body = EndpointPatch,
    responses(
        (status = 200, description = "The endpoint as it is now.", body = EndpointResource),
        (status = 422, description = "The URL or a header is refused, or the catalog has no such event type."),
    ))]
pub async fn update(
    caller: Caller<CanChange>,
    _: NoQuery,
    id: PathId<EndpointId>,
    body: Json<EndpointPatch>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let endpoint = change(&api, &caller, id.0, body.0).await?;
    Ok(answer::ok(&EndpointResource::new(&api, &endpoint, caller.sees_secrets())))
}

/// Checks a change and makes it; the endpoint as it is then.
///
/// # Errors
/// What the request asks for is refused, there is no such endpoint, or the store does not take it.
pub async fn change(
    api: &Api,
    caller: &Caller<CanChange>,
    id: EndpointId,
    patch: EndpointPatch,
) -> Result<Arc<Endpoint>, Problem> {
    let change = Change::check(api, patch)?;
    let endpoint = find(api, caller, id)?;
    if change.fields().is_empty() {
        return Ok(endpoint);
    }
    let audit = caller.audit("endpoint.updated", &endpoint.id, Some(&endpoint.account), change.fields().join(", "));
    let (now, by) = (api.clock().wall(), format!("disabled with the token `{}`", caller.token().name));
    let changed = api.registry().change(endpoint.id, audit, move |endpoint| {
        change.apply(endpoint, now, &by);
        Ok::<_, std::convert::Infallible>(())
    });
    match changed.await? {
        Some(Ok(endpoint)) => Ok(endpoint),
        None => Err(Problem::not_found("endpoint")),
    }
}

/// Delete an endpoint
///
/// Its pending deliveries are canceled; its log stays.
#[utoipa::path(delete, path = "/v1/endpoints/{id}", tag = "endpoints", operation_id = "deleteEndpoint",
    params(("id" = EndpointIdText, Path, description = "The endpoint's id.")),
    responses((status = 204, description = "It is deleted.")))]
pub async fn delete(
    caller: Caller<CanChange>,
    _: NoQuery,
    id: PathId<EndpointId>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    remove(&api, &caller, id.0).await?;
    Ok(answer::no_content())
}

/// Deletes an endpoint.
///
/// # Errors
/// There is none, or the store does not take it.
pub async fn remove(api: &Api, caller: &Caller<CanChange>, id: EndpointId) -> Result<(), Problem> {
    let endpoint = find(api, caller, id)?;
    // Nothing else tells later what it was. A query can hold a secret.
    let address = endpoint.url.split('?').next().unwrap_or_default();
    let audit = caller.audit("endpoint.deleted", &endpoint.id, Some(&endpoint.account), address);
    if api.registry().delete(endpoint.id, audit).await? { Ok(()) } else { Err(Problem::not_found("endpoint")) }
}

/// The endpoint of a path, if the token sees it.
///
/// # Errors
/// There is none, or none that it sees.
pub fn find<R>(api: &Api, caller: &Caller<R>, id: EndpointId) -> Result<Arc<Endpoint>, Problem> {
    let endpoint = api.registry().snapshot().endpoint(id).cloned();
    endpoint.filter(|endpoint| caller.sees(&endpoint.account)).ok_or_else(|| Problem::not_found("endpoint"))
}
