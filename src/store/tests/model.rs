//! A simple picture of what the store should hold: plain maps, changed by the domain's own pure functions.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::actions::{Answer, Post};
use crate::{
    domain::{
        account::Account,
        attempt::{Attempt, ErrorKind, Trigger},
        delivery::{Delivery, DeliveryStatus},
        event::Event,
        event_type::EventTypeName,
        ids::{DeliveryId, EndpointId, EventKey},
        schedule::{self, AttemptTimes, RetrySchedule},
        time::Timestamp,
    },
    store::{DueClass, DueRow, NewEvent, tests::making},
};

/// The whole of it.
#[derive(Debug, Default)]
pub struct Model {
    pub endpoints: BTreeMap<EndpointId, Known>,
    pub events: BTreeMap<EventKey, KnownEvent>,
    pub deliveries: BTreeMap<DeliveryId, KnownDelivery>,
    pub accepted: u64,
    pub attempts: u64,
}

/// An endpoint.
#[derive(Debug, Clone)]
pub struct Known {
    pub account: Account,
    pub alive: bool,
}

/// An event.
#[derive(Debug, Clone)]
pub struct KnownEvent {
    pub event: Event,
    pub object: Bytes,
    pub idempotency: Option<[u8; 32]>,
}

/// A delivery.
#[derive(Debug, Clone)]
pub struct KnownDelivery {
    pub delivery: Delivery,
    /// What was asked for and waits.
    pub asked: Vec<Trigger>,
    pub codes: Vec<Option<u16>>,
}

/// What a post should come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    New,
    Repeated(EventKey),
    Conflict,
}

pub fn account(n: usize) -> Account {
    ["default", "acme", "b:2"][n].parse().unwrap()
}

pub fn event_type(n: usize) -> EventTypeName {
    ["batch.completed", "batch.failed", "ping"][n].parse().unwrap()
}

impl Model {
    pub fn alive(&self) -> Vec<EndpointId> {
        self.endpoints.iter().filter(|(_, known)| known.alive).map(|(id, _)| *id).collect()
    }

    pub fn new_event(&self, post: &Post) -> NewEvent {
        let of_account: Vec<EndpointId> = self
            .endpoints
            .iter()
            // Deleted ones are named too, as by a snapshot that is a little old.
            .filter(|(_, known)| known.account == account(post.account))
            .map(|(id, _)| *id)
            .take(if post.test { 1 } else { usize::MAX })
            .collect();
        let object = match post.object {
            0 => "{}".to_owned(),
            1 => r#"{"n":1.10}"#.to_owned(),
            n => format!(r#"{{"text":"{}"}}"#, "x".repeat(5_850 * (n - 1))),
        };
        NewEvent {
            id: post.id.map(|id| format!("evt_producer{id}").parse().unwrap()),
            idempotency: post.idempotency.map(|n| [u8::try_from(n).unwrap(); 32]),
            event_type: event_type(post.event_type),
            account: account(post.account),
            created: post.created.map(Timestamp::from_seconds),
            test: post.test,
            repeat_only: false,
            ..making::event(&of_account, &object)
        }
    }

    pub fn expect(&self, new: &NewEvent) -> Expected {
        let same = |known: &KnownEvent| {
            known.event.event_type == new.event_type
                && known.event.account == new.account
                && known.object == new.object
                && new.created.is_none_or(|created| created == known.event.created)
                && new.id.as_ref().is_none_or(|id| *id == known.event.id)
        };
        let by_key = self.events.values().find(|e| new.idempotency.is_some() && e.idempotency == new.idempotency);
        let by_id = self.events.values().find(|e| Some(&e.event.id) == new.id.as_ref());
        match by_key.or(by_id) {
            None => Expected::New,
            Some(known) if same(known) => Expected::Repeated(known.event.key),
            Some(_) => Expected::Conflict,
        }
    }

    pub fn accept(&mut self, new: &NewEvent, event: Event) {
        let endpoints: Vec<EndpointId> = new.endpoints.iter().filter(|id| self.endpoints[id].alive).copied().collect();
        assert_eq!(usize::try_from(event.delivery_count).unwrap(), endpoints.len());
        for (n, endpoint) in (0..).zip(endpoints) {
            let id = DeliveryId::from_u128(event.first_delivery.as_u128() + n);
            let trigger = if event.test { Trigger::Test } else { Trigger::Schedule };
            self.add_delivery(id, endpoint, &event, trigger);
        }
        self.accepted += 1;
        let known = KnownEvent { event, object: new.object.clone(), idempotency: new.idempotency };
        self.events.insert(known.event.key, known);
    }

    pub fn add_delivery(&mut self, id: DeliveryId, endpoint: EndpointId, event: &Event, trigger: Trigger) {
        let created_at = event.accepted_at;
        let delivery = Delivery {
            id,
            event_key: event.key,
            event_id: event.id.clone(),
            endpoint_id: endpoint,
            account: event.account.clone(),
            event_type: event.event_type.clone(),
            status: DeliveryStatus::Pending,
            test: event.test,
            attempts_made: 0,
            scheduled_made: 0,
            next: Some(schedule_next(created_at, trigger)),
            last_response_code: None,
            created_at,
            completed_at: None,
        };
        self.deliveries.insert(id, KnownDelivery { delivery, asked: Vec::new(), codes: Vec::new() });
    }

    /// An attempt's end; what was asked for and is made by it goes.
    pub fn settle(&mut self, id: DeliveryId, due: Option<DueRow>, attempt: &Attempt, newer: bool, times: AttemptTimes) {
        self.attempts += 1;
        let known = self.deliveries.get_mut(&id).unwrap();
        let alive = self.endpoints[&known.delivery.endpoint_id].alive;
        // A rotation in its turn and one that was asked for have rows that only their times tell apart.
        let in_its_turn = |due: DueRow| known.delivery.next == Some(schedule_next(due.at, due.trigger));
        if let Some(due) = due
            && !in_its_turn(due)
            && !attempt.was_interrupted()
            && let Some(at) = known.asked.iter().position(|trigger| *trigger == due.trigger)
        {
            known.asked.remove(at);
        }
        let decision = schedule::decide(&known.delivery, attempt, &RetrySchedule::default(), newer, times);
        known.delivery = decision.delivery;
        known.codes.push(attempt.response_code());
        let in_turn = known.delivery.next.is_some_and(|next| next.trigger == Trigger::Rotation);
        if decision.rotate_now && !in_turn && alive {
            known.asked.push(Trigger::Rotation);
        }
        if !alive {
            known.asked.clear();
            if let Some(canceled) = schedule::canceled(&known.delivery, times.finished_wall) {
                known.delivery = canceled;
            }
        }
    }

    pub fn cancel(&mut self, id: DeliveryId) -> bool {
        let known = self.deliveries.get_mut(&id).unwrap();
        let canceled = schedule::canceled(&known.delivery, Timestamp::EPOCH);
        let stopped = canceled.is_some();
        if let Some(canceled) = canceled {
            known.delivery = canceled;
            known.asked.clear();
        }
        stopped
    }

    /// The queue's position after everything that is no longer fresh.
    pub fn position(&self, endpoint: EndpointId) -> DeliveryId {
        let first = self.fresh(endpoint).first().map(|delivery| delivery.as_u128() - 1);
        let last = self.deliveries.last_key_value().map_or(0, |(id, _)| id.as_u128());
        DeliveryId::from_u128(first.unwrap_or(last))
    }

    pub fn fresh(&self, endpoint: EndpointId) -> Vec<DeliveryId> {
        let of_endpoint = self.of(endpoint).filter(|known| known.delivery.is_fresh());
        of_endpoint.map(|known| known.delivery.id).collect()
    }

    pub fn of(&self, endpoint: EndpointId) -> impl Iterator<Item = &KnownDelivery> {
        self.deliveries.values().filter(move |known| known.delivery.endpoint_id == endpoint)
    }

    /// The due rows of an endpoint without their times, in the order of deliveries.
    pub fn due(&self, endpoint: EndpointId, class: DueClass) -> Vec<(DeliveryId, Trigger)> {
        let mut rows = Vec::new();
        for known in self.of(endpoint) {
            let own = known.delivery.next.filter(|_| !known.delivery.is_fresh()).map(|next| next.trigger);
            for trigger in own.into_iter().chain(known.asked.iter().copied()) {
                if DueClass::of(trigger) == class {
                    rows.push((known.delivery.id, trigger));
                }
            }
        }
        rows.sort_unstable();
        rows
    }

    /// Whether retention may take an event.
    pub fn is_over(&self, key: EventKey, before: Timestamp) -> bool {
        let mut of_event = self.deliveries.values().filter(|known| known.delivery.event_key == key);
        self.events[&key].event.accepted_at < before
            && of_event.all(|known| {
                known.asked.is_empty() && known.delivery.completed_at.is_some_and(|completed_at| completed_at < before)
            })
    }

    pub fn remove(&mut self, key: EventKey) {
        self.events.remove(&key);
        self.deliveries.retain(|_, known| known.delivery.event_key != key);
    }
}

pub fn schedule_next(at: Timestamp, trigger: Trigger) -> crate::domain::delivery::NextAttempt {
    crate::domain::delivery::NextAttempt { at, trigger }
}

/// An attempt that a receiver answers so.
pub fn attempt(answer: Answer, trigger: Trigger, at: Timestamp) -> (Attempt, bool) {
    let mut attempt = match answer {
        Answer::Code(code, size) => making::answered(trigger, at, code, "y".repeat(size).as_bytes()),
        Answer::RetryAfter(_) => making::answered(trigger, at, 503, b""),
        Answer::RefusedOldSecret => making::answered(trigger, at, 401, b"who?"),
        Answer::None => making::unanswered(trigger, at, ErrorKind::Connect),
        Answer::Interrupted => making::unanswered(trigger, at, ErrorKind::Interrupted),
    };
    if let (Answer::RetryAfter(seconds), Some(response)) = (answer, &mut Arc::make_mut(&mut attempt.outcome).response) {
        response.headers.push(("retry-after".into(), seconds.to_string()));
    }
    (attempt, matches!(answer, Answer::RefusedOldSecret))
}
