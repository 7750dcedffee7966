//! Deliveries: the list with its filters, and one in full: payload, request headers and every attempt.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::attempts::AttemptResource;
use crate::{
    clock::Clock,
    domain::{
        attempt::Attempt,
        delivery::Delivery,
        endpoint::Endpoint,
        event::EventBody,
        ids::DeliveryId,
        request_headers::{USER_AGENT, sent_headers},
        time::Timestamp,
    },
    http::{
        Api, answer,
        auth::{Caller, CanRead},
        bounded::Ranged,
        extract::{ListQuery, NoQuery, PathId},
        list::{self, List, PageParams},
        problem::{Kind, Problem},
        text::{
            AccountText, DeliveryIdText, DeliveryStatusText, EndpointIdText, EventIdText, EventTypeText, Text, TimeText,
        },
    },
    store::{DeliveryFilter, Page, PageRequest, Store},
};

/// Stands in for values that the token may not see.
pub const REDACTED: &str = "***";

/// The codes that an answer can have.
pub type ResponseCode = Ranged<100, 999>;

/// One event on its way to one endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryResource {
    id: DeliveryIdText,
    event_id: EventIdText,
    endpoint_id: EndpointIdText,
    account: AccountText,
    r#type: EventTypeText,
    status: DeliveryStatusText,
    /// A test of the endpoint: one attempt.
    test: bool,
    /// Attempts so far, of every trigger.
    #[schema(example = 1)]
    attempts_made: u32,
    /// When the next attempt is due; null unless it is pending.
    #[schema(required)]
    next_attempt_at: Option<TimeText>,
    #[schema(required, example = 200)]
    last_response_code: Option<u16>,
    created_at: TimeText,
    /// When it was delivered, failed or canceled.
    #[schema(required)]
    completed_at: Option<TimeText>,
}

/// One delivery in full.
#[derive(Serialize, ToSchema)]
pub struct DeliveryWithAttempts {
    #[serde(flatten)]
    delivery: DeliveryResource,
    /// Where it goes; null if the endpoint was deleted.
    #[schema(required, example = "https://example.com/webhooks")]
    url: Option<String>,
    /// The exact text of the body that is sent.
    payload: String,
    /// The headers of the last attempt, or of the next if there was none. Of a deleted endpoint, those without its
    /// secret. Values of custom headers are shown to `admin` alone.
    request_headers: BTreeMap<String, String>,
    /// In their order; of more than 500, the newest.
    attempts: Vec<AttemptResource>,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// In this state.
    status: Option<DeliveryStatusText>,
    /// To this endpoint.
    endpoint_id: Option<EndpointIdText>,
    /// Of this event.
    event_id: Option<EventIdText>,
    /// Of this type.
    r#type: Option<EventTypeText>,
    /// Of this account.
    account: Option<AccountText>,
    /// Whose last answer had this code.
    #[param(inline)]
    response_code: Option<ResponseCode>,
    /// Made at this time or later.
    since: Option<TimeText>,
    /// Made before this time.
    until: Option<TimeText>,
}

impl DeliveryQuery {
    /// The filter, limited to what the token may see.
    pub fn filter<R>(self, caller: &Caller<R>) -> Result<DeliveryFilter, Problem> {
        Ok(DeliveryFilter {
            status: self.status.map(|Text(status)| status),
            endpoint: self.endpoint_id.map(|Text(id)| id),
            event: self.event_id.map(|Text(id)| id),
            event_type: self.r#type.map(|Text(name)| name),
            account: caller.account_filter(self.account.map(|Text(account)| account))?,
            response_code: self.response_code.map(Ranged::get),
            since: self.since.map(|Text(time)| time),
            until: self.until.map(|Text(time)| time),
        })
    }
}

impl DeliveryResource {
    /// The delivery; the time of its next attempt is told as the clock on the wall will show it.
    pub fn of(delivery: &Delivery, clock: &Clock) -> Self {
        // A fresh one has been due since it was made.
        let shown = |at| if delivery.is_fresh() { delivery.created_at } else { clock.wall_at(at) };
        Self {
            id: Text(delivery.id),
            event_id: Text(delivery.event_id.clone()),
            endpoint_id: Text(delivery.endpoint_id),
            account: Text(delivery.account.clone()),
            r#type: Text(delivery.event_type.clone()),
            status: Text(delivery.status),
            test: delivery.test,
            attempts_made: delivery.attempts_made,
            next_attempt_at: delivery.next.map(|next| Text(shown(next.at))),
            last_response_code: delivery.last_response_code,
            created_at: Text(delivery.created_at),
            completed_at: delivery.completed_at.map(Text),
        }
    }
}

/// The deliveries that are asked for.
///
/// # Errors
/// The cursor is of another list, the account another's, or the store does not answer.
pub async fn find<R>(
    api: &Api,
    caller: &Caller<R>,
    query: &ListQuery<DeliveryQuery>,
) -> Result<Page<Delivery, DeliveryId>, Problem> {
    find_within(api, caller, query, list::MOST_READS).await
}

/// The same with a bound on how often the store is read for one page, which a filter that matches little may leave short.
///
/// # Errors
/// As [`find`].
pub async fn find_within<R>(
    api: &Api,
    caller: &Caller<R>,
    query: &ListQuery<DeliveryQuery>,
    most_reads: usize,
) -> Result<Page<Delivery, DeliveryId>, Problem> {
    let filter = query.filter.clone().filter(caller)?;
    let (limit, after) = (query.limit(), query.after()?);
    let read = move |store: &Store| {
        list::fill_within(most_reads, limit, after, |part: PageRequest<_>| store.deliveries(&filter, part))
    };
    Ok(api.store().read(read).await?)
}

/// List deliveries
#[utoipa::path(get, path = "/v1/deliveries", tag = "deliveries", operation_id = "listDeliveries",
    params(DeliveryQuery, PageParams),
    responses((status = 200, description = "Deliveries, newest first.", body = List<DeliveryResource>)))]
pub async fn list(
    caller: Caller<CanRead>,
    query: ListQuery<DeliveryQuery>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = find(&api, &caller, &query).await?;
    let deliveries = page.items.iter().map(|delivery| DeliveryResource::of(delivery, api.clock())).collect();
    Ok(answer::ok(&query.page(deliveries, page.next.as_ref())))
}

/// Show a delivery
///
/// With its payload, the headers of its request, and every attempt.
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "deliveries", operation_id = "getDelivery",
    params(("id" = DeliveryIdText, Path, description = "The delivery's id.")),
    responses((status = 200, description = "The delivery.", body = DeliveryWithAttempts)))]
pub async fn get(
    caller: Caller<CanRead>,
    _: NoQuery,
    id: PathId<DeliveryId>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let shown = show(&api, &caller, id.0, None).await?;
    Ok(answer::ok(&DeliveryWithAttempts {
        delivery: DeliveryResource::of(&shown.delivery, api.clock()),
        url: shown.endpoint.as_ref().map(|endpoint| endpoint.url.clone()),
        payload: shown.payload,
        request_headers: shown.request_headers,
        attempts: shown.attempts.iter().map(AttemptResource::from).collect(),
    }))
}

/// A delivery with all that belongs to it.
pub struct ShownDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// Where it goes, if that was not deleted.
    pub endpoint: Option<Arc<Endpoint>>,
    /// The exact text of the body.
    pub payload: String,
    /// The headers of the attempt that was asked for, else of the last one, else of the next.
    pub request_headers: BTreeMap<String, String>,
    /// In their order; of many, the newest.
    pub attempts: Vec<Attempt>,
}

/// A delivery in full. `attempt`: the number of the one whose headers are wanted.
///
/// # Errors
/// There is none that the token sees, or the store does not answer.
pub async fn show<R>(
    api: &Api,
    caller: &Caller<R>,
    id: DeliveryId,
    attempt: Option<u32>,
) -> Result<ShownDelivery, Problem> {
    let found = api.store().read(move |store| {
        let Some((delivery, attempts)) = store.delivery_with_attempts(id)? else { return Ok(None) };
        let Some(body) = store.body(delivery.event_key)? else { return Ok(None) };
        Ok(Some((attempts, delivery, body)))
    });
    let found = found.await?.filter(|(_, delivery, _)| caller.sees(&delivery.account));
    let (attempts, delivery, body) = found.ok_or_else(|| Problem::not_found("delivery"))?;
    let endpoint = api.registry().snapshot().endpoint(delivery.endpoint_id).cloned();
    let wanted = attempts.iter().rev().find(|known: &&Attempt| attempt.is_none_or(|number| known.number == number));
    let at = wanted.map_or_else(|| api.clock().wall(), |attempt| attempt.started_at);
    let payload = String::from_utf8(body.bytes().to_vec())
        .map_err(|_| Problem::new(Kind::Unavailable, "the payload cannot be read from the store"))?;
    let request_headers = request_headers(&delivery, endpoint.as_deref(), &body, at, caller.sees_secrets());
    Ok(ShownDelivery { delivery, endpoint, payload, request_headers, attempts })
}

/// The headers of an attempt at this time (contract, section 2), by name in lower case.
fn request_headers(
    delivery: &Delivery,
    endpoint: Option<&Endpoint>,
    body: &EventBody,
    at: Timestamp,
    sees_secrets: bool,
) -> BTreeMap<String, String> {
    let Some(endpoint) = endpoint else {
        let known = [
            ("content-type", "application/json".to_owned()),
            ("user-agent", USER_AGENT.to_owned()),
            ("webhook-id", delivery.event_id.to_string()),
            ("webhook-timestamp", at.as_seconds().to_string()),
        ];
        return known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    };
    let generation = endpoint.secrets.platform_at(at).generation;
    let sent = sent_headers(endpoint, &delivery.event_id, body, at, generation);
    let mut headers: BTreeMap<_, _> = sent.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if !sees_secrets {
        for header in &endpoint.headers {
            headers.insert(header.name().to_owned(), REDACTED.to_owned());
        }
    }
    headers
}
