//! Events: posted by producers (what that means is in `posted_event`), looked up by people.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{
    deliveries::DeliveryResource,
    posted_event::{PostedEvent, idempotency_key, post},
};
use crate::{
    domain::{
        delivery::Delivery,
        event::{Event, EventBody},
        ids::{EventId, EventKey},
    },
    http::{
        Api, answer,
        auth::{Caller, CanPost, CanRead},
        extract::{EventBytes, ListQuery, NoQuery, PathId},
        list::{self, List, PageParams},
        problem::{Kind, Problem},
        text::{AccountText, EventIdText, EventTypeText, Text, TimeText},
    },
    store::{DeliveryFilter, EventFilter, Page, PageRequest},
};

/// The most deliveries that are shown with their event.
const MOST_DELIVERIES: usize = 500;

/// An event that was accepted: it is on stable storage.
#[derive(Serialize, ToSchema)]
pub struct AcceptedEvent {
    id: EventIdText,
    r#type: EventTypeText,
    /// When it happened, in Unix seconds.
    #[schema(example = 1_706_140_800)]
    created: i64,
    account: AccountText,
    /// How many deliveries were made of it.
    #[schema(example = 2)]
    deliveries: u32,
}

/// An event in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventResource {
    id: EventIdText,
    r#type: EventTypeText,
    /// When it happened, in Unix seconds, as receivers see it.
    #[schema(example = 1_706_140_800)]
    created: i64,
    account: AccountText,
    /// When it was accepted.
    accepted_at: TimeText,
    /// Made by an endpoint's test, not by a producer.
    test: bool,
    /// How many deliveries were made of it when it was accepted.
    #[schema(example = 2)]
    deliveries: u32,
}

/// One event in full.
#[derive(Serialize, ToSchema)]
pub struct EventWithPayload<'a> {
    id: EventIdText,
    r#type: EventTypeText,
    /// When it happened, in Unix seconds, as receivers see it.
    #[schema(example = 1_706_140_800)]
    created: i64,
    account: AccountText,
    /// When it was accepted.
    accepted_at: TimeText,
    /// Made by an endpoint's test, not by a producer.
    test: bool,
    /// The payload as the producer sent it.
    data: EventData<'a>,
    /// The exact text of the body that receivers are sent.
    payload: &'a str,
    /// Its deliveries, newest first, at most 500.
    deliveries: Vec<DeliveryResource>,
    /// Whether there are more deliveries than are shown; the list of deliveries has them all.
    has_more_deliveries: bool,
}

/// The payload of an event.
#[derive(Serialize, ToSchema)]
pub struct EventData<'a> {
    #[schema(value_type = Object)]
    object: &'a RawValue,
}

/// Which events are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Of this type.
    r#type: Option<EventTypeText>,
    /// Of this account.
    account: Option<AccountText>,
    /// Accepted at this time or later.
    since: Option<TimeText>,
    /// Accepted before this time.
    until: Option<TimeText>,
}

impl From<&Event> for EventResource {
    fn from(event: &Event) -> Self {
        Self {
            id: Text(event.id.clone()),
            r#type: Text(event.event_type.clone()),
            created: event.created.as_seconds(),
            account: Text(event.account.clone()),
            accepted_at: Text(event.accepted_at),
            test: event.test,
            deliveries: event.delivery_count,
        }
    }
}

impl From<Event> for AcceptedEvent {
    fn from(event: Event) -> Self {
        Self {
            id: Text(event.id),
            r#type: Text(event.event_type),
            created: event.created.as_seconds(),
            account: Text(event.account),
            deliveries: event.delivery_count,
        }
    }
}

/// Post an event
///
/// The answer comes when the event and its deliveries are on stable storage. With an `id` or an `Idempotency-Key`, a
/// producer can post again when it does not know whether it was heard: nothing is sent twice.
#[utoipa::path(post, path = "/v1/events", tag = "events", operation_id = "createEvent",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "For a producer with no id of its own: the same key and content again sends nothing twice.")),
    request_body = PostedEvent,
    responses(
        (status = 202, description = "Accepted, and on stable storage.", body = AcceptedEvent),
        (status = 200, description = "It was accepted before, with the same content. Nothing is sent twice.", body = AcceptedEvent),
        (status = 409, description = "The same id or Idempotency-Key was used with other content."),
        (status = 422, description = "The catalog has no such type, or the object breaks a schema that is enforced."),
    ))]
pub async fn create(
    caller: Caller<CanPost>,
    _: NoQuery,
    request: HttpRequest,
    body: EventBytes,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let accepted = post(&api, &caller, &body.0, idempotency_key(&request)?).await?;
    let status = if accepted.repeated { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(answer::json(status, &AcceptedEvent::from(accepted.event)))
}

/// List events
#[utoipa::path(get, path = "/v1/events", tag = "events", operation_id = "listEvents", params(EventQuery, PageParams),
    responses((status = 200, description = "Events, newest first.", body = List<EventResource>)))]
pub async fn list(
    caller: Caller<CanRead>,
    query: ListQuery<EventQuery>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = find(&api, &caller, &query, list::MOST_READS).await?;
    let events = page.items.iter().map(EventResource::from).collect();
    Ok(answer::ok(&query.page(events, page.next.as_ref())))
}

/// The events that are asked for.
///
/// # Errors
/// The cursor is of another list, the account another's, or the store does not answer.
pub async fn find<R>(
    api: &Api,
    caller: &Caller<R>,
    query: &ListQuery<EventQuery>,
    most_reads: usize,
) -> Result<Page<Event, EventKey>, Problem> {
    let filter = EventFilter {
        event_type: query.filter.r#type.clone().map(|Text(name)| name),
        account: caller.account_filter(query.filter.account.clone().map(|Text(account)| account))?,
        since: query.filter.since.clone().map(|Text(time)| time),
        until: query.filter.until.clone().map(|Text(time)| time),
    };
    let (limit, after) = (query.limit(), query.after()?);
    Ok(api
        .store()
        .read(move |store| list::fill_within(most_reads, limit, after, |part| store.events(&filter, part)))
        .await?)
}

/// Show an event
///
/// With its payload and its deliveries.
#[utoipa::path(get, path = "/v1/events/{id}", tag = "events", operation_id = "getEvent",
    params(("id" = EventIdText, Path, description = "The event's id.")),
    responses((status = 200, description = "The event.", body = EventWithPayload)))]
pub async fn get(
    caller: Caller<CanRead>,
    _: NoQuery,
    id: PathId<EventId>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let shown = show(&api, &caller, id.0).await?;
    let ShownEvent { event, body, deliveries, more_deliveries } = &shown;
    let object = body.object();
    let (payload, object) = texts(body, &object)?;
    let resource = EventResource::from(event);
    Ok(answer::ok(&EventWithPayload {
        id: resource.id,
        r#type: resource.r#type,
        created: resource.created,
        account: resource.account,
        accepted_at: resource.accepted_at,
        test: resource.test,
        data: EventData { object },
        payload,
        deliveries: deliveries.iter().map(|delivery| DeliveryResource::of(delivery, api.clock())).collect(),
        has_more_deliveries: *more_deliveries,
    }))
}

/// An event with all that belongs to it.
pub struct ShownEvent {
    /// The event.
    pub event: Event,
    /// Its body.
    pub body: EventBody,
    /// Its deliveries, newest first.
    pub deliveries: Vec<Delivery>,
    /// Whether there are more deliveries.
    pub more_deliveries: bool,
}

/// An event in full.
///
/// # Errors
/// There is none that the token sees, or the store does not answer.
pub async fn show<R>(api: &Api, caller: &Caller<R>, id: EventId) -> Result<ShownEvent, Problem> {
    let found = api.store().read(move |store| {
        let Some(event) = store.event(&id)? else { return Ok(None) };
        let Some(body) = store.body(event.key)? else { return Ok(None) };
        let filter = DeliveryFilter { event: Some(id), ..DeliveryFilter::default() };
        let deliveries = list::fill(MOST_DELIVERIES, None, |part: PageRequest<_>| store.deliveries(&filter, part))?;
        Ok(Some((event, body, deliveries)))
    });
    let found = found.await?.filter(|(event, ..)| caller.sees(&event.account));
    let (event, body, deliveries) = found.ok_or_else(|| Problem::not_found("event"))?;
    Ok(ShownEvent { event, body, more_deliveries: deliveries.next.is_some(), deliveries: deliveries.items })
}

/// The body and the object in it as texts. They were checked before they were stored.
fn texts<'a>(body: &'a EventBody, object: &'a Bytes) -> Result<(&'a str, &'a RawValue), Problem> {
    let damaged = || Problem::new(Kind::Unavailable, "the payload cannot be read from the store");
    let payload = std::str::from_utf8(body.bytes()).map_err(|_| damaged())?;
    let object = std::str::from_utf8(object).ok().and_then(|text| serde_json::from_str(text).ok());
    Ok((payload, object.ok_or_else(damaged)?))
}
