//! What people do with deliveries by hand: one attempt at once, the same for all that a filter matches, and to stop a
//! pending one.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deliveries::{DeliveryResource, ResponseCode};
use crate::{
    domain::{delivery::Delivery, ids::DeliveryId},
    http::{
        Api, answer,
        auth::{Caller, CanChange},
        bounded::{Ranged, not_null},
        extract::{Json, NoQuery, Optional, PathId},
        problem::{Kind, Problem},
        text::{
            AccountText, DeliveryIdText, DeliveryStatusText, EndpointIdText, EventIdText, EventTypeText, Text, TimeText,
        },
    },
    store::{DeliveryFilter, PageRequest},
};

/// So many deliveries are changed in one commit.
const CHUNK: usize = 500;
/// Counting what would be changed ends after this time.
pub const LONGEST_COUNT: std::time::Duration = std::time::Duration::from_secs(2);

/// No fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// How many things were begun.
#[derive(Serialize, ToSchema)]
pub struct Count {
    #[schema(example = 12)]
    pub count: u64,
}

/// Which deliveries are retried; at least one filter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "failed", "since": "2026-01-25T00:00:00Z"}))]
pub struct RetryFilter {
    /// In this state.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = DeliveryStatusText, required = false)]
    status: Option<DeliveryStatusText>,
    /// To this endpoint.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = EndpointIdText, required = false)]
    endpoint_id: Option<EndpointIdText>,
    /// Of this event.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = EventIdText, required = false)]
    event_id: Option<EventIdText>,
    /// Of this type.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = EventTypeText, required = false)]
    r#type: Option<EventTypeText>,
    /// Of this account.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = AccountText, required = false)]
    account: Option<AccountText>,
    /// Whose last answer had this code.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(inline, value_type = ResponseCode, required = false)]
    response_code: Option<ResponseCode>,
    /// Made at this time or later.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = TimeText, required = false)]
    since: Option<TimeText>,
    /// Made before this time.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = TimeText, required = false)]
    until: Option<TimeText>,
}

impl RetryFilter {
    /// The filter, limited to what the token may see.
    ///
    /// # Errors
    /// It names nothing, or another account.
    pub fn filter(self, caller: &Caller<CanChange>) -> Result<DeliveryFilter, Problem> {
        let account = self.account.map(|Text(account)| account);
        let mut filter = DeliveryFilter {
            status: self.status.map(|Text(status)| status),
            endpoint: self.endpoint_id.map(|Text(id)| id),
            event: self.event_id.map(|Text(id)| id),
            event_type: self.r#type.map(|Text(name)| name),
            account: account.clone(),
            response_code: self.response_code.map(Ranged::get),
            since: self.since.map(|Text(time)| time),
            until: self.until.map(|Text(time)| time),
        };
        if asked_for(&filter).is_empty() {
            return Err(Problem::field(Kind::InvalidField, "", "at least one filter must be given"));
        }
        filter.account = caller.account_filter(account).map_err(|problem| problem.at("/account"))?;
        Ok(filter)
    }
}

/// What a filter asks for, each in words.
fn asked_for(filter: &DeliveryFilter) -> Vec<String> {
    let DeliveryFilter { status, endpoint, event, event_type, account, response_code, since, until } = filter;
    let parts = [
        status.map(|status| format!("status {}", status.as_str())),
        endpoint.map(|id| format!("endpoint_id {id}")),
        event.as_ref().map(|id| format!("event_id {id}")),
        event_type.as_ref().map(|name| format!("type {name}")),
        account.as_ref().map(|account| format!("account {account}")),
        response_code.map(|code| format!("response_code {code}")),
        since.map(|time| format!("since {time}")),
        until.map(|time| format!("until {time}")),
    ];
    parts.into_iter().flatten().collect()
}

/// Retry a delivery
///
/// One attempt at once, beside the schedule, whatever the delivery's status.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retry", tag = "deliveries", operation_id = "retryDelivery",
    params(("id" = DeliveryIdText, Path, description = "The delivery's id.")),
    request_body = Option<Empty>,
    responses(
        (status = 202, description = "The attempt is due now.", body = DeliveryResource),
        (status = 409, description = "Its endpoint was deleted."),
    ))]
pub async fn retry(
    caller: Caller<CanChange>,
    _: NoQuery,
    id: PathId<DeliveryId>,
    _: Optional<Empty>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let delivery = retry_one(&api, &caller, id.0).await?;
    Ok(answer::accepted(&DeliveryResource::of(&delivery, api.clock())))
}

/// Puts an attempt beside a delivery's schedule, due now.
///
/// # Errors
/// There is no such delivery, its endpoint was deleted, or the store does not take it.
pub async fn retry_one(api: &Api, caller: &Caller<CanChange>, id: DeliveryId) -> Result<Delivery, Problem> {
    let delivery = find(api, caller, id).await?;
    if api.registry().snapshot().endpoint(delivery.endpoint_id).is_none() {
        return Err(Problem::new(Kind::Conflict, "its endpoint was deleted"));
    }
    let audit = caller.audit("delivery.retried", &delivery.id, Some(&delivery.account), "");
    let retried = api.store().retry(vec![delivery.id], audit).await?;
    retried.into_iter().next().ok_or_else(|| Problem::not_found("delivery"))
}

/// Cancel a delivery
///
/// A pending delivery is not tried again. An attempt that is under way ends as it will.
#[utoipa::path(post, path = "/v1/deliveries/{id}/cancel", tag = "deliveries", operation_id = "cancelDelivery",
    params(("id" = DeliveryIdText, Path, description = "The delivery's id.")),
    request_body = Option<Empty>,
    responses(
        (status = 200, description = "It is canceled.", body = DeliveryResource),
        (status = 409, description = "It is not pending."),
    ))]
pub async fn cancel(
    caller: Caller<CanChange>,
    _: NoQuery,
    id: PathId<DeliveryId>,
    _: Optional<Empty>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let delivery = cancel_one(&api, &caller, id.0).await?;
    Ok(answer::ok(&DeliveryResource::of(&delivery, api.clock())))
}

/// Stops a pending delivery.
///
/// # Errors
/// There is no such delivery, it is not pending, or the store does not take it.
pub async fn cancel_one(api: &Api, caller: &Caller<CanChange>, id: DeliveryId) -> Result<Delivery, Problem> {
    let delivery = find(api, caller, id).await?;
    let audit = caller.audit("delivery.canceled", &delivery.id, Some(&delivery.account), "");
    let canceled = api.store().cancel(delivery.id, audit).await?;
    let canceled = canceled.ok_or_else(|| Problem::not_found("delivery"))?;
    if !canceled.stopped {
        let status = canceled.delivery.status.as_str();
        return Err(Problem::new(Kind::Conflict, format!("the delivery is not pending, but {status}")));
    }
    Ok(canceled.delivery)
}

/// Retry many deliveries
///
/// One attempt at once for each delivery that the filter matches and whose endpoint is still there.
#[utoipa::path(post, path = "/v1/deliveries/retry", tag = "deliveries", operation_id = "retryDeliveries",
    request_body = RetryFilter,
    responses((status = 202, description = "The attempts are due now.", body = Count)))]
pub async fn retry_all(
    caller: Caller<CanChange>,
    _: NoQuery,
    filter: Json<RetryFilter>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let filter = filter.0.filter(&caller)?;
    Ok(answer::accepted(&Count { count: retry_matching(&api, caller, filter).await? }))
}

/// Retries all that a filter matches; how many. It goes on to its end if nobody waits for the answer.
///
/// # Errors
/// The store does not take it all.
pub async fn retry_matching(
    api: &Data<Api>,
    caller: Caller<CanChange>,
    filter: DeliveryFilter,
) -> Result<u64, Problem> {
    let work = actix_web::rt::spawn(retry_all_of(Data::clone(api), caller, filter));
    work.await.map_err(|_| Problem::new(Kind::Unavailable, "the retries were broken off"))?
}

async fn retry_all_of(api: Data<Api>, caller: Caller<CanChange>, filter: DeliveryFilter) -> Result<u64, Problem> {
    let of_endpoint = filter.endpoint.and_then(|id| api.registry().snapshot().endpoint(id).cloned());
    // Whose things they are, so that whoever sees that account alone sees this too.
    let account = filter.account.as_ref().or(of_endpoint.as_ref().map(|endpoint| &endpoint.account));
    let subject = filter.endpoint.map_or_else(|| "deliveries".to_owned(), |id| id.to_string());
    let matching = asked_for(&filter).join(", ");
    let mut count = 0;
    let mut after = None;
    loop {
        let (ids, next) = retriable(&api, &filter, after).await?;
        if !ids.is_empty() {
            // One entry a commit, with what that commit did.
            let details = format!("{} deliveries with {matching}", ids.len());
            let audit = caller.audit("deliveries.retried", &subject, account, details);
            count += api.store().retry(ids, audit).await?.len() as u64;
        }
        after = next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// How many deliveries a filter would retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// So many were found.
    pub count: u64,
    /// Whether that is all: counting ends at a bound, and when it takes long.
    pub is_all: bool,
}

/// Counts what a filter would retry, no further than `most`.
///
/// # Errors
/// The store does not answer.
pub async fn count_matching(api: &Data<Api>, filter: &DeliveryFilter, most: u64) -> Result<Counted, Problem> {
    let until = api.clock().steady().plus(LONGEST_COUNT);
    let mut count = 0;
    let mut after = None;
    loop {
        let (ids, next) = retriable(api, filter, after).await?;
        count += ids.len() as u64;
        after = next;
        if after.is_none() || count >= most || api.clock().steady() >= until {
            return Ok(Counted { count, is_all: after.is_none() });
        }
    }
}

/// Some deliveries of a filter whose endpoints are still there, and where to go on.
async fn retriable(
    api: &Data<Api>,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
) -> Result<(Vec<DeliveryId>, Option<DeliveryId>), Problem> {
    let filter = filter.clone();
    let read = api.store().read(move |store| store.deliveries(&filter, PageRequest { limit: CHUNK, after }));
    let page = read.await?;
    let endpoints = api.registry().snapshot();
    let there = |delivery: &&Delivery| endpoints.endpoint(delivery.endpoint_id).is_some();
    Ok((page.items.iter().filter(there).map(|delivery| delivery.id).collect(), page.next))
}

/// The delivery, if the token sees it.
async fn find(api: &Api, caller: &Caller<CanChange>, id: DeliveryId) -> Result<Delivery, Problem> {
    let delivery = api.store().read(move |store| store.delivery(id)).await?;
    delivery.filter(|delivery| caller.sees(&delivery.account)).ok_or_else(|| Problem::not_found("delivery"))
}
