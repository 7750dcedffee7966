//! Events: posted by producers, looked up by people. The way of a posted event is the hot path: its body is parsed once,
//! and `data.object` stays where it lies in the body until the store takes it.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::deliveries::DeliveryResource;
use crate::{
    domain::{
        account::Account,
        delivery::Delivery,
        event::{Event, EventBody},
        ids::{EventId, EventKey},
        time::Timestamp,
    },
    http::{
        Api, answer,
        auth::{Caller, CanPost, CanRead},
        bounded::{Object, Ranged},
        extract::{EventBytes, ListQuery, NoQuery, PathId, parse},
        list::{self, List, PageParams},
        problem::{Kind, Problem},
        text::{AccountText, EventIdText, EventTypeText, Text, TimeText},
    },
    store::{DeliveryFilter, EventFilter, NewEvent, Page, PageRequest},
};

/// The last second that has a text of RFC 3339 with every offset.
const LAST_SECOND: u64 = 253_402_207_200;

/// The most deliveries that are shown with their event.
const MOST_DELIVERIES: usize = 500;

/// An event as a producer posts it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEvent, example = json!({
    "type": "batch.completed",
    "created": 1_706_140_800,
    "data": {"object": {"id": "batch_68a1c2e97d3f4b0f9c5e7a21", "object": "batch", "status": "completed"}}
}))]
pub struct PostedEvent<'a> {
    /// What happened: an event type of the catalog.
    r#type: EventTypeText,
    /// The payload.
    #[serde(borrow)]
    #[schema(value_type = PostedData)]
    data: Object<PostedData<'a>>,
    /// The producer's own id. Posting the same id and content again sends nothing twice; other content is refused.
    id: Option<EventIdText>,
    /// When it happened, in Unix seconds; now, if left out.
    #[schema(inline)]
    created: Option<Seconds>,
    /// To whom. The token's own account if it is bound to one, else `default`, if left out.
    account: Option<AccountText>,
}

type Seconds = Ranged<0, LAST_SECOND>;

/// The payload of a posted event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEventData)]
pub struct PostedData<'a> {
    /// Sent to receivers byte for byte as it is here.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    object: &'a RawValue,
}

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
    let EventBytes(body) = body;
    let key = idempotency_key(&request)?;
    let event = new_event(&api, &caller, &body, parse(&body)?, key, None)?;
    let mut accepted = api.store().accept(vec![event]).await?;
    let Some(accepted) = accepted.pop() else { return Err(Problem::new(Kind::Unavailable, "try again")) };
    let status = if accepted.repeated { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(answer::json(status, &AcceptedEvent::from(accepted.event)))
}

/// Checks what a posted event means and matches it with the endpoints that get it. `index`: its place in a batch.
pub fn new_event(
    api: &Api,
    caller: &Caller<CanPost>,
    body: &Bytes,
    posted: PostedEvent<'_>,
    idempotency_key: Option<&[u8]>,
    index: Option<usize>,
) -> Result<NewEvent, Problem> {
    let PostedEvent { r#type: Text(event_type), data: Object(PostedData { object }), id, created, account } = posted;
    let object = object.get();
    if !object.starts_with('{') {
        return Err(Problem::field(Kind::InvalidField, "/data/object", "must be an object"));
    }
    let limit = api.settings().max_event_size;
    if object.len() > limit {
        return Err(Problem::field(Kind::TooLarge, "/data/object", format!("may have {limit} bytes at most")));
    }
    let account = caller.account_for(account.map(|Text(account)| account)).map_err(|problem| problem.at("/account"))?;
    let Some(entry) = api.catalog().get(&event_type) else {
        return Err(Problem::refused("/type", format!("the catalog has no event type `{event_type}`")));
    };
    entry
        .enforce(object)
        .map_err(|violation| Problem::refused(format!("/data/object{}", violation.pointer), violation.message))?;
    let endpoints = api.registry().snapshot().matching(&account, &event_type).map(|endpoint| endpoint.id).collect();
    Ok(NewEvent {
        id: id.map(|Text(id)| id),
        idempotency: idempotency_key.map(|key| scoped(&account, key, index)),
        created: created.map(|seconds| Timestamp::from_seconds(seconds.get())),
        object: body.slice_ref(object.as_bytes()),
        event_type,
        account,
        endpoints,
        test: false,
    })
}

/// The `Idempotency-Key` of a request.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<&[u8]>, Problem> {
    let mut values = request.headers().get_all("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    let value = value.as_bytes();
    let sound = (1..=255).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    if sound && values.next().is_none() {
        Ok(Some(value))
    } else {
        Err(Problem::parameter("Idempotency-Key", "must be given once, as 1 to 255 printable ASCII characters"))
    }
}

/// A key is known within its account; the events of a batch each have their own.
fn scoped(account: &Account, key: &[u8], index: Option<usize>) -> [u8; 32] {
    let mut digest = Sha256::new().chain_update(account.as_str()).chain_update([0]).chain_update(key);
    if let Some(index) = index {
        digest.update([0]);
        digest.update(index.to_be_bytes());
    }
    digest.finalize().into()
}

/// List events
#[utoipa::path(get, path = "/v1/events", tag = "events", operation_id = "listEvents", params(EventQuery, PageParams),
    responses((status = 200, description = "Events, newest first.", body = List<EventResource>)))]
pub async fn list(
    caller: Caller<CanRead>,
    query: ListQuery<EventQuery>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = find(&api, &caller, &query).await?;
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
) -> Result<Page<Event, EventKey>, Problem> {
    let filter = EventFilter {
        event_type: query.filter.r#type.clone().map(|Text(name)| name),
        account: caller.account_filter(query.filter.account.clone().map(|Text(account)| account))?,
        since: query.filter.since.clone().map(|Text(time)| time),
        until: query.filter.until.clone().map(|Text(time)| time),
    };
    let (limit, after) = (query.limit(), query.after()?);
    Ok(api.store().read(move |store| list::fill(limit, after, |part| store.events(&filter, part))).await?)
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
