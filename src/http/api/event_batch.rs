//! `POST /v1/events/batch`: up to 1,000 events, all or none, in one commit. What is wrong with one names its index.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    events::AcceptedEvent,
    posted_event::{PostedEvent, Prepared, idempotency_key, prepare},
};
use crate::{
    http::{
        Api, answer,
        auth::{Caller, CanPost},
        bounded::{Items, Object},
        extract::{BatchBytes, NoQuery, parse},
        problem::Problem,
    },
    store::AcceptError,
};

/// The most events of a batch.
const MOST_EVENTS: usize = 1_000;

/// A batch of events.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEventBatch)]
pub struct PostedBatch<'a> {
    #[serde(borrow)]
    #[schema(value_type = Vec<PostedEvent>, min_items = 1, max_items = 1000)]
    events: Items<Object<PostedEvent<'a>>, 1, MOST_EVENTS>,
}

/// The events of a batch that was accepted, in its order.
#[derive(Serialize, ToSchema)]
pub struct AcceptedBatch {
    data: Vec<AcceptedEvent>,
}

/// Post many events
///
/// All are accepted, or none, in one commit. A fault points to the event by its index. With an `Idempotency-Key`, each
/// event is known by the key and its place in the batch.
#[utoipa::path(post, path = "/v1/events/batch", tag = "events", operation_id = "createEvents",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "The same key and content again sends nothing twice.")),
    request_body = PostedBatch,
    responses(
        (status = 202, description = "Accepted, and on stable storage.", body = AcceptedBatch),
        (status = 200, description = "All of it was accepted before, with the same content.", body = AcceptedBatch),
        (status = 409, description = "The id of one of them was used with other content."),
        (status = 422, description = "The catalog has no such type, or an object breaks a schema that is enforced."),
    ))]
pub async fn create(
    caller: Caller<CanPost>,
    _: NoQuery,
    request: HttpRequest,
    body: BatchBytes,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let BatchBytes(body) = body;
    let key = idempotency_key(&request)?;
    let PostedBatch { events: Items(posted) } = parse(&body)?;
    let below = |problem: Problem, index: usize| problem.below(&format!("/events/{index}"));
    let (mut events, mut refusals) = (Vec::with_capacity(posted.len()), HashMap::new());
    for (index, Object(posted)) in posted.into_iter().enumerate() {
        let prepared = prepare(&api, &caller, &body, posted, key, Some(index));
        let Prepared { event, refusal } = prepared.map_err(|problem| below(problem, index))?;
        events.push(event);
        refusals.extend(refusal.map(|refusal| (index, refusal)));
    }
    let accepted = api.store().accept(events).await.map_err(|error| match error {
        AcceptError::NotRepeated { index } => {
            below(refusals.remove(&index).unwrap_or_else(|| AcceptError::NotRepeated { index }.into()), index)
        }
        AcceptError::Conflict { index, what } => {
            let problem = Problem::from(AcceptError::Conflict { index, what });
            if problem.pointer().is_some() { below(problem, index) } else { problem.at(format!("/events/{index}")) }
        }
        AcceptError::Store(error) => error.into(),
    })?;
    let repeated = accepted.iter().all(|accepted| accepted.repeated);
    let status = if repeated { StatusCode::OK } else { StatusCode::ACCEPTED };
    let data = accepted.into_iter().map(|accepted| accepted.event.into()).collect();
    Ok(answer::json(status, &AcceptedBatch { data }))
}
