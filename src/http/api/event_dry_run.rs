//! `POST /v1/events/dry-run`: who would get this event, and why the others would not. It goes through the checks of a
//! posted event and the matching of the routing snapshot; nothing is stored, counted or sent.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    endpoint_fields::EndpointStateText,
    posted_event::{CheckedEvent, PostedEvent, check},
};
use crate::{
    actors::routing::Routing,
    domain::{
        account::Account,
        endpoint::{Endpoint, EndpointStatus, Obstacle},
        event_type::EventTypeName,
        token::Role,
    },
    http::{
        Api, answer,
        auth::{Caller, CanAsk},
        extract::{EventBytes, NoQuery, parse},
        problem::Problem,
        text::{AccountText, EndpointIdText, EventTypeText, SubscriptionText, Text},
    },
};

/// The most endpoints that are told of one by one.
const MOST_ENDPOINTS: usize = 1_000;

/// What would become of an event.
#[derive(Serialize, ToSchema)]
pub struct DryRun {
    r#type: EventTypeText,
    /// Whose event it would be.
    account: AccountText,
    /// How many deliveries would be made of it.
    #[schema(example = 2)]
    deliveries: usize,
    /// The endpoints of the account, those that would get it first, and then those of other accounts, at most 1,000; of
    /// other accounts only for a token that is not bound to one. Null for a token with the role `ingest`, which sees no
    /// endpoints.
    #[schema(required)]
    endpoints: Option<Vec<DryRunEndpoint>>,
    /// Whether there are more endpoints than are told of.
    has_more_endpoints: bool,
}

/// What would become of an event at one endpoint.
#[derive(Serialize, ToSchema)]
pub struct DryRunEndpoint {
    id: EndpointIdText,
    account: AccountText,
    url: String,
    description: String,
    #[schema(inline)]
    status: EndpointStateText,
    outcome: Outcome,
    /// The first of its subscriptions that matches the type.
    #[schema(required)]
    subscription: Option<SubscriptionText>,
    /// Why it would not be sent now: all that stands in the way. Empty if it would.
    reasons: Vec<Reason>,
}

/// What would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A delivery would be made, and sent.
    Sent,
    /// A delivery would be made, and held until the endpoint is resumed.
    Held,
    /// No delivery would be made.
    Skipped,
}

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The event is another account's.
    OtherAccount,
    /// The endpoint is disabled.
    Disabled,
    /// The endpoint is paused: what is queued for it is held.
    Paused,
    /// None of the endpoint's subscriptions matches the event's type.
    NotSubscribed,
}

impl From<Obstacle> for Reason {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::OtherAccount => Self::OtherAccount,
            Obstacle::Disabled => Self::Disabled,
            Obstacle::NotSubscribed => Self::NotSubscribed,
        }
    }
}

/// Ask who would get an event
///
/// The body is that of a posted event, and is checked as one. Nothing is stored, counted or sent; whether its id was used
/// before is not looked up. Every role may ask, since nothing changes; `ingest`, which sees no endpoints, is told how many
/// deliveries there would be, as when it posts.
#[utoipa::path(post, path = "/v1/events/dry-run", tag = "events", operation_id = "dryRunEvent",
    request_body = PostedEvent,
    responses(
        (status = 200, description = "What would become of it.", body = DryRun, example = json!({
            "type": "batch.completed",
            "account": "acme",
            "deliveries": 1,
            "endpoints": [
                {
                    "id": "ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB", "account": "acme",
                    "url": "https://hooks.acme.example/results", "description": "Results intake",
                    "status": "enabled", "outcome": "sent", "subscription": "batch.*", "reasons": []
                },
                {
                    "id": "ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GC", "account": "acme",
                    "url": "https://billing.acme.example/", "description": "",
                    "status": "enabled", "outcome": "skipped", "subscription": null, "reasons": ["not_subscribed"]
                }
            ],
            "has_more_endpoints": false
        })),
        (status = 422, description = "The catalog has no such type, or the object breaks a schema that is enforced."),
    ))]
pub async fn create(
    caller: Caller<CanAsk>,
    _: NoQuery,
    body: EventBytes,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let matched = ask(&api, &caller, parse(&body.0)?)?;
    Ok(answer::ok(&DryRun::new(&matched, &caller)))
}

impl DryRun {
    fn new(matched: &Matched, caller: &Caller<CanAsk>) -> Self {
        let Matched { event_type, account, endpoints } = matched;
        let sees_endpoints = caller.token().role != Role::Ingest;
        let told = |(endpoint, fate): &(Arc<Endpoint>, Fate)| DryRunEndpoint {
            id: Text(endpoint.id),
            account: Text(endpoint.account.clone()),
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            status: Text((&endpoint.status).into()),
            outcome: fate.outcome,
            subscription: endpoint.subscription_to(event_type).cloned().map(Text),
            reasons: fate.reasons.clone(),
        };
        Self {
            r#type: Text(event_type.clone()),
            account: Text(account.clone()),
            deliveries: endpoints.iter().filter(|(_, fate)| fate.outcome != Outcome::Skipped).count(),
            endpoints: sees_endpoints.then(|| endpoints.iter().take(MOST_ENDPOINTS).map(told).collect()),
            has_more_endpoints: sees_endpoints && endpoints.len() > MOST_ENDPOINTS,
        }
    }
}

/// An event, and what would become of it at each endpoint that the caller sees.
pub struct Matched {
    /// What happened.
    pub event_type: EventTypeName,
    /// To whom.
    pub account: Account,
    /// Those of the account first, and among them those that would get it.
    pub endpoints: Vec<(Arc<Endpoint>, Fate)>,
}

/// What would become of an event at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// What would happen.
    pub outcome: Outcome,
    /// Why it would not be sent now.
    pub reasons: Vec<Reason>,
}

impl Fate {
    /// Of an event of this account and type.
    fn of(endpoint: &Endpoint, account: &Account, event_type: &EventTypeName) -> Self {
        let mut reasons: Vec<Reason> = endpoint.obstacles(account, event_type).map(Reason::from).collect();
        let paused = endpoint.status == EndpointStatus::Paused;
        let outcome = match (reasons.is_empty(), paused) {
            (true, false) => Outcome::Sent,
            (true, true) => Outcome::Held,
            (false, _) => Outcome::Skipped,
        };
        reasons.extend(paused.then_some(Reason::Paused));
        Self { outcome, reasons }
    }
}

/// Checks an event as if it were posted, and looks at every endpoint that the caller sees.
///
/// # Errors
/// It would be refused.
pub fn ask(api: &Api, caller: &Caller<CanAsk>, posted: PostedEvent<'_>) -> Result<Matched, Problem> {
    let CheckedEvent { event_type, account, .. } = check(api, caller, posted)?;
    let routing = api.registry().snapshot();
    let endpoints = fates(&routing, caller, &account, &event_type);
    Ok(Matched { event_type, account, endpoints })
}

fn fates(
    routing: &Routing,
    caller: &Caller<CanAsk>,
    account: &Account,
    event_type: &EventTypeName,
) -> Vec<(Arc<Endpoint>, Fate)> {
    let visible = routing.endpoints().values().filter(|endpoint| caller.sees(&endpoint.account));
    let mut all: Vec<_> =
        visible.map(|endpoint| (Arc::clone(endpoint), Fate::of(endpoint, account, event_type))).collect();
    // Newest first, as in lists; what matters more, before.
    all.reverse();
    all.sort_by_key(|(_, fate)| {
        (fate.reasons.contains(&Reason::OtherAccount), fate.outcome == Outcome::Skipped, fate.reasons.len())
    });
    all
}
