//! What producers post: an event's body, what is checked of it, and the way into the store. This is the hot path: the body
//! is parsed once, and `data.object` stays where it lies in the body until the store takes it.

use actix_web::HttpRequest;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{
    domain::{account::Account, event_type::EventTypeName, ids::EventId, time::Timestamp},
    http::{
        Api,
        auth::{Caller, CanPost},
        bounded::{Object, Ranged},
        extract::{check_depth, parse},
        problem::{Kind, Problem},
        text::{AccountText, EventIdText, EventTypeText, Text},
    },
    store::{AcceptError, Accepted, NewEvent},
};

/// The last second that has a text of RFC 3339 with every offset.
const LAST_SECOND: u64 = 253_402_207_200;

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
    /// Sent to receivers byte for byte as it is here. Lists and objects at most 100 deep within each other.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    object: &'a RawValue,
}

/// Reads, checks and accepts an event.
///
/// # Errors
/// It is refused, contradicts an earlier one, or the store does not take it.
pub async fn post(
    api: &Api,
    caller: &Caller<CanPost>,
    body: &Bytes,
    idempotency_key: Option<&[u8]>,
) -> Result<Accepted, Problem> {
    let Prepared { event, refusal } = prepare(api, caller, body, parse(body)?, idempotency_key, None)?;
    let accepted = api.store().accept(vec![event]).await;
    let mut accepted = accepted.map_err(|error| match (error, refusal) {
        (AcceptError::NotRepeated { .. }, Some(refusal)) => refusal,
        (error, _) => error.into(),
    })?;
    accepted.pop().ok_or_else(|| Problem::new(Kind::Unavailable, "try again"))
}

/// A posted event on its way to the store.
pub struct Prepared {
    /// The event.
    pub event: NewEvent,
    /// Why it is refused, unless it repeats one that was accepted before the catalog changed: then its producer only wants
    /// to know that it was heard.
    pub refusal: Option<Problem>,
}

/// Checks what a posted event means and matches it with the endpoints that get it. `index`: its place in a batch.
///
/// # Errors
/// It is not to be accepted, whether it was before or not.
pub fn prepare(
    api: &Api,
    caller: &Caller<CanPost>,
    body: &Bytes,
    posted: PostedEvent<'_>,
    idempotency_key: Option<&[u8]>,
    index: Option<usize>,
) -> Result<Prepared, Problem> {
    let event = read(api, caller, posted)?;
    let refusal = ask_catalog(api, &event).err();
    let CheckedEvent { event_type, account, object, id, created } = event;
    let refusal = match refusal {
        Some(problem) if id.is_none() && idempotency_key.is_none() => return Err(problem),
        refusal => refusal,
    };
    let endpoints = api.registry().snapshot().matching(&account, &event_type);
    let event = NewEvent {
        id,
        idempotency: idempotency_key.map(|key| scoped(&account, key, index)),
        created,
        object: body.slice_ref(object.as_bytes()),
        event_type,
        account,
        endpoints,
        test: false,
        repeat_only: refusal.is_some(),
    };
    Ok(Prepared { event, refusal })
}

/// A posted event that may be accepted.
pub struct CheckedEvent<'a> {
    /// What happened.
    pub event_type: EventTypeName,
    /// To whom.
    pub account: Account,
    object: &'a str,
    id: Option<EventId>,
    created: Option<Timestamp>,
}

/// Checks what a posted event means.
///
/// # Errors
/// It is not to be accepted.
pub fn check<'a, R>(api: &Api, caller: &Caller<R>, posted: PostedEvent<'a>) -> Result<CheckedEvent<'a>, Problem> {
    let event = read(api, caller, posted)?;
    ask_catalog(api, &event)?;
    Ok(event)
}

fn read<'a, R>(api: &Api, caller: &Caller<R>, posted: PostedEvent<'a>) -> Result<CheckedEvent<'a>, Problem> {
    let PostedEvent { r#type: Text(event_type), data: Object(PostedData { object }), id, created, account } = posted;
    let object = object.get();
    if !object.starts_with('{') {
        return Err(Problem::field(Kind::InvalidField, "/data/object", "must be an object"));
    }
    check_depth(object, "/data/object")?;
    let limit = api.settings().max_event_size;
    if object.len() > limit {
        return Err(Problem::field(Kind::TooLarge, "/data/object", format!("may have {limit} bytes at most")));
    }
    let account = caller.account_for(account.map(|Text(account)| account)).map_err(|problem| problem.at("/account"))?;
    Ok(CheckedEvent {
        event_type,
        account,
        object,
        id: id.map(|Text(id)| id),
        created: created.map(|seconds| Timestamp::from_seconds(seconds.get())),
    })
}

fn ask_catalog(api: &Api, event: &CheckedEvent) -> Result<(), Problem> {
    let event_type = &event.event_type;
    let Some(entry) = api.catalog().get(event_type) else {
        return Err(Problem::refused("/type", format!("the catalog has no event type `{event_type}`")));
    };
    entry
        .enforce(event.object)
        .map_err(|violation| Problem::refused(format!("/data/object{}", violation.pointer), violation.message))
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
