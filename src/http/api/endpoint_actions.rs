//! What people do with an endpoint: send it a test, and send it again what failed or was missed.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    deliveries::DeliveryResource,
    delivery_actions::Count,
    endpoint_fields::{EventTypesField, checked_event_types},
    endpoints::find,
    replay::{Replay, Selection},
};
use crate::{
    domain::{delivery::Delivery, event_type::EventTypeName, ids::EndpointId},
    http::{
        Api, answer,
        auth::{Caller, CanChange},
        extract::{Json, NoQuery, Optional, PathId},
        problem::{Kind, Problem},
        text::{EndpointIdText, EventTypeText, Text, TimeText, words},
    },
    store::NewEvent,
};

/// What is sent as a test.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "batch.completed"}))]
pub struct TestRequest {
    /// The event type whose example is sent; the first that the endpoint subscribes to, if left out.
    r#type: Option<EventTypeText>,
}

/// What is sent again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"since": "2026-01-25T00:00:00Z", "select": "failed"}))]
pub struct ReplayRequest {
    /// Deliveries made, or events accepted, at this time or later.
    since: TimeText,
    /// And before this time; now, if left out.
    until: Option<TimeText>,
    select: SelectionText,
    /// Of the types that these match alone; of all, if left out.
    #[schema(inline)]
    event_types: Option<EventTypesField>,
}

words! {
    SelectionText = Selection, "Selection",
        "`failed` deliveries; events that were `missed`, for instance while the endpoint was disabled; or `all` of both.",
        [Selection::Failed, Selection::Missed, Selection::All];
}

/// Test an endpoint
///
/// The catalog's example goes to this endpoint alone, in one attempt, whatever its status and subscriptions.
#[utoipa::path(post, path = "/v1/endpoints/{id}/test", tag = "endpoints", operation_id = "testEndpoint",
    params(("id" = EndpointIdText, Path, description = "The endpoint's id.")),
    request_body = Option<TestRequest>,
    responses(
        (status = 202, description = "The delivery that was made.", body = DeliveryResource),
        (status = 422, description = "The catalog has no such type."),
    ))]
pub async fn test(
    caller: Caller<CanChange>,
    _: NoQuery,
    id: PathId<EndpointId>,
    body: Optional<TestRequest>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let delivery = send_test(&api, &caller, id.0, body.0).await?;
    Ok(answer::accepted(&DeliveryResource::of(&delivery, api.clock())))
}

/// Sends the test; its delivery.
///
/// # Errors
/// What the request asks for is refused, there is no such endpoint, or the store does not take it.
pub async fn send_test(
    api: &Api,
    caller: &Caller<CanChange>,
    id: EndpointId,
    test: TestRequest,
) -> Result<Delivery, Problem> {
    let named = test.r#type.map(|Text(name)| name);
    let named = named.map(|name| {
        let entry = api.catalog().get(&name);
        entry.ok_or_else(|| Problem::refused("/type", format!("the catalog has no event type `{name}`")))
    });
    let named = named.transpose()?;
    let endpoint = find(api, caller, id)?;
    let entry = named.or_else(|| api.catalog().first_match(&endpoint.event_types)).ok_or_else(|| {
        Problem::refused("/type", "the catalog has no event type that the endpoint subscribes to; name one")
    })?;
    let event = NewEvent {
        id: None,
        idempotency: None,
        event_type: entry.event_type.name.clone(),
        account: endpoint.account.clone(),
        created: None,
        object: entry.event_type.example.clone().into(),
        endpoints: vec![endpoint.id],
        test: true,
        repeat_only: false,
    };
    let details = entry.event_type.name.as_str();
    api.store().audit(caller.audit("endpoint.tested", &endpoint.id, Some(&endpoint.account), details)).await?;
    let accepted = api.store().accept(vec![event]).await?.pop().map(|accepted| accepted.event);
    // Without a delivery, the endpoint was deleted just now.
    let event = accepted.filter(|event| event.delivery_count > 0).ok_or_else(|| Problem::not_found("endpoint"))?;
    let delivery = api.store().read(move |store| store.delivery(event.first_delivery)).await?;
    delivery.ok_or_else(|| Problem::not_found("delivery"))
}

/// Send again
///
/// Deliveries that failed, events that the endpoint missed, or all events with their deliveries, whatever became of
/// them, begin again, with the whole schedule before them. A delivery that waits for its next attempt makes it now. Tests
/// are left out.
#[utoipa::path(post, path = "/v1/endpoints/{id}/replay", tag = "endpoints", operation_id = "replayEndpoint",
    params(("id" = EndpointIdText, Path, description = "The endpoint's id.")),
    request_body = ReplayRequest,
    responses(
        (status = 202, description = "How many deliveries begin again.", body = Count),
        (status = 422, description = "`since` is not in the past, `until` is not after it, or the catalog has no such type."),
    ))]
pub async fn replay(
    caller: Caller<CanChange>,
    _: NoQuery,
    id: PathId<EndpointId>,
    body: Json<ReplayRequest>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let replay = Replay::check(&api, &caller, id.0, body.0)?;
    let count = begin_again(replay, caller).await?;
    Ok(answer::accepted(&Count { count }))
}

impl Replay {
    /// The replay that a request asks for, not begun.
    ///
    /// # Errors
    /// What it asks for is refused, or there is no such endpoint.
    pub fn check<R>(
        api: &Data<Api>,
        caller: &Caller<R>,
        id: EndpointId,
        asked: ReplayRequest,
    ) -> Result<Self, Problem> {
        let ReplayRequest { since: Text(since), until, select: Text(select), event_types } = asked;
        // Nothing that this replay makes, or that fails from now on, is a part of it.
        let now = api.clock().steady().max(api.clock().wall()).plus(std::time::Duration::from_millis(1));
        if since >= now {
            return Err(Problem::refused("/since", "must be in the past"));
        }
        let until = until.map_or(now, |Text(until)| until);
        if until <= since {
            return Err(Problem::refused("/until", "must be after `since`"));
        }
        let only: BTreeSet<EventTypeName> =
            match event_types.map(|field| checked_event_types(api, field)).transpose()? {
                Some(wanted) => {
                    let catalog = api.catalog().all();
                    catalog.keys().filter(|name| wanted.iter().any(|one| one.matches(name))).cloned().collect()
                }
                None => BTreeSet::new(),
            };
        let endpoint = find(api, caller, id)?;
        Ok(Self { api: Data::clone(api).into_inner(), endpoint, since, until: until.min(now), select, only })
    }
}

/// Runs a replay; how many deliveries begin again. It goes on to its end if nobody waits for the answer.
///
/// # Errors
/// The store does not take it all.
pub async fn begin_again(replay: Replay, caller: Caller<CanChange>) -> Result<u64, Problem> {
    let work = actix_web::rt::spawn(async move {
        let (count, outcome) = replay.run().await;
        let (endpoint, select) = (&replay.endpoint, replay.select.as_str());
        let (since, until) = (replay.since, replay.until);
        let names: Vec<_> = replay.only.iter().map(EventTypeName::as_str).collect();
        let of_types = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
        let details = format!("{select} since {since} until {until}{of_types}: {count} deliveries");
        let audit = caller.audit("endpoint.replayed", &endpoint.id, Some(&endpoint.account), details);
        let audited = replay.api.store().audit(audit).await;
        outcome?;
        audited?;
        Ok::<_, crate::store::StoreError>(count)
    });
    Ok(work.await.map_err(|_| Problem::new(Kind::Unavailable, "the replay was broken off"))??)
}
