//! Stores in scratch directories, and endpoints, events and attempts to fill them with.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    clock::Clock,
    domain::{
        account::Account,
        attempt::{Attempt, AttemptError, ErrorKind, Outcome, Response, Timing, Trigger},
        audit::Actor,
        endpoint::Endpoint,
        ids::{DeliveryId, EndpointId},
        schedule::{AttemptTimes, RetrySchedule},
        signature::SigningSecret,
        subscription::Subscription,
        time::Timestamp,
    },
    store::{DueRow, NewAudit, NewEvent, Options, Settlement, Store},
};

/// A store in this directory.
pub fn open(directory: &Path) -> Store {
    let options = Options { cache: 8 << 20, ..Options::default() };
    Store::open(directory, options, Clock::start()).unwrap()
}

/// Runs a test's asynchronous part.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

pub fn audit(action: &'static str) -> NewAudit {
    NewAudit { actor: Actor::Server, action, subject: "it".into(), account: None, details: String::new() }
}

pub fn endpoint(store: &Store, account: &Account) -> Endpoint {
    let id = EndpointId::from_u128(store.mint());
    let secret = SigningSecret::from_random([7; 24]);
    let now = Timestamp::from_seconds(1_706_140_800);
    Endpoint::new(id, account.clone(), "https://example.com/hook".into(), vec![Subscription::All], secret, now)
}

/// A stored endpoint of the default account.
pub async fn put_endpoint(store: &Store) -> EndpointId {
    let endpoint = endpoint(store, &Account::default());
    let id = endpoint.id;
    store.put_endpoint(endpoint, audit("endpoint.created")).await.unwrap();
    id
}

pub fn event(endpoints: &[EndpointId], object: &str) -> NewEvent {
    NewEvent {
        id: None,
        idempotency: None,
        event_type: "batch.completed".parse().unwrap(),
        account: Account::default(),
        created: None,
        object: Bytes::copy_from_slice(object.as_bytes()),
        endpoints: endpoints.to_vec(),
        test: false,
        repeat_only: false,
    }
}

/// An event whose record has no room for the list of its deliveries' endpoints, so that this lies in rows of its own.
pub fn event_with_list_apart(endpoints: &[EndpointId]) -> NewEvent {
    event(endpoints, &format!(r#"{{"text":"{}"}}"#, "x".repeat(5_880)))
}

/// An attempt that was answered with this code and body.
pub fn answered(trigger: Trigger, started_at: Timestamp, code: u16, body: &[u8]) -> Attempt {
    let response = Response { code, headers: Vec::new(), body: body.to_vec(), truncated: false };
    attempt(trigger, started_at, Some(response), None)
}

/// An attempt that had no answer.
pub fn unanswered(trigger: Trigger, started_at: Timestamp, kind: ErrorKind) -> Attempt {
    let error = AttemptError { kind, message: "refused".into() };
    attempt(trigger, started_at, None, Some(error))
}

fn attempt(
    trigger: Trigger,
    started_at: Timestamp,
    response: Option<Response>,
    error: Option<AttemptError>,
) -> Attempt {
    let timing = Timing::default();
    let outcome = Outcome { duration: Duration::from_millis(3), timing, remote_addr: None, response, error };
    Attempt { number: 0, trigger, started_at, outcome: Arc::new(outcome) }
}

/// An attempt's end on the documented schedule.
pub fn settlement(delivery: DeliveryId, due: Option<DueRow>, attempt: Attempt) -> Settlement {
    let finished = attempt.started_at.plus(Duration::from_millis(3));
    Settlement {
        delivery,
        due,
        times: AttemptTimes { started: attempt.started_at, finished, finished_wall: finished },
        attempt,
        schedule: RetrySchedule::default(),
        newer_secret: false,
        queue_position: DeliveryId::MIN,
    }
}
