//! Logs: deliveries, newest first, with filters; all of a filter sent again; one delivery with its attempts, and what people
//! do with it.

mod actions;
mod attempt;
mod command;
mod filter;
mod list;
mod payload;
mod retry_all;
mod show;
mod table;
mod timeline;

use std::sync::Arc;

use actix_web::{http::StatusCode, web};

use super::super::{
    components::State,
    page::{Page, resource, target},
};
use crate::domain::{
    attempt::Attempt,
    delivery::{Delivery, DeliveryStatus},
    endpoint::Endpoint,
};

pub use actions::wait_for_attempt;
pub use table::{Of, deliveries_table};

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/logs", list::list).add_to(config);
    resource("/logs/retry", retry_all::ask).post(retry_all::retry).add_to(config);
    resource("/logs/{id}", show::show).add_to(config);
    resource("/logs/{id}/payload", payload::download).add_to(config);
    target("/logs/{id}/retry", actions::retry).add_to(config);
    target("/logs/{id}/cancel", actions::cancel).add_to(config);
}

/// How many attempts the schedule of an endpoint has; of a deleted one, as many as the server's.
pub fn attempts_of(page: &Page, endpoint: Option<&Arc<Endpoint>>) -> u32 {
    let defaults = page.api().registry().defaults();
    let waits = match endpoint {
        Some(endpoint) => defaults.effective(endpoint).retry_schedule.waits().len(),
        None => defaults.retry_schedule.waits().len(),
    };
    u32::try_from(waits).unwrap_or(u32::MAX).saturating_add(1)
}

/// What a delivery is like now: one that is pending may be under way.
fn state_now(page: &Page, delivery: &Delivery) -> State {
    let pending = delivery.status == DeliveryStatus::Pending;
    if pending && page.api().registry().is_sending(delivery) { State::Sending } else { State::of_delivery(delivery) }
}

/// An answer's code with what it is called: `503 Service Unavailable`.
fn code_in_words(code: u16) -> String {
    let reason = StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| code.to_string(), |reason| format!("{code} {reason}"))
}

/// What came of an attempt, in few words.
fn outcome_in_words(attempt: &Attempt) -> String {
    match (&attempt.outcome.error, attempt.response_code()) {
        (Some(error), Some(code)) => format!("{}, then {}", code_in_words(code), error.message),
        (Some(error), None) => error.message.clone(),
        (None, Some(code)) => code_in_words(code),
        (None, None) => "no answer".to_owned(),
    }
}
