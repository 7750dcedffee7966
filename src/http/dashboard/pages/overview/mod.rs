//! Overview: is something broken, for whom, since when, and what happens next; then what was done. Who sees the whole
//! server, sees its counts; a customer sees what its own endpoints were sent.

mod attention;
mod first_run;
mod own_traffic;
mod traffic;

use std::sync::Arc;

use actix_web::web;
use maud::{Markup, html};

use super::super::{
    components::{self, State, clock, clock_seconds, count, number_word},
    layout::{Tab, View},
    page::{Page, Shown, resource},
};
use crate::{
    domain::{endpoint::Endpoint, time::Timestamp},
    http::{
        auth::{CanRead, CanReadServer},
        waiting,
    },
};

/// So many of the next attempts are shown.
const UPCOMING: usize = 5;

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/", show).add_to(config);
}

/// What stands behind the question mark.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OverviewQuery {
    /// How far back the charts go.
    span: Option<String>,
}

/// The endpoints that the visitor sees, by how they are.
#[derive(Default)]
struct Endpoints {
    all: Vec<Arc<Endpoint>>,
    /// The longest first.
    failing: Vec<Failing>,
    /// Paused or disabled.
    asleep: usize,
    /// They took nothing yet.
    untried: usize,
}

struct Failing {
    since: Timestamp,
    endpoint: Arc<Endpoint>,
    last_error: String,
    pending: u64,
}

async fn show(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let query: OverviewQuery = page.query()?;
    let span = traffic::Span::of(query.span.as_deref())?;
    let endpoints = endpoints(&page);
    if endpoints.all.is_empty() {
        return Ok(first_run::show(&page));
    }
    let waiting = waiting::at(page.api(), &caller, UPCOMING).await?;
    let (top, bottom) = if page.can::<CanReadServer>() {
        traffic::of_server(&page, span, &waiting).await?
    } else {
        (own_traffic::of_endpoints(&page, span, &endpoints.all, &waiting), html! {})
    };
    let body = html! {
        (top)
        div.two.l[!endpoints.failing.is_empty()] {
            @if !endpoints.failing.is_empty() { (attention::failing(&page, &endpoints)) }
            (attention::upcoming(&page, &waiting))
        }
        (bottom)
    };
    let actions = html! {
        span.sub { "As of " (clock_seconds(page.now(), page.now())) }
        a.btn href=(page.request().uri()) { "Refresh" }
    };
    Ok(page.show(View::new(Tab::Overview, "Overview").lede(lede(&page, &endpoints)).actions(actions).body(body)))
}

fn endpoints(page: &Page) -> Endpoints {
    let snapshot = page.api().registry().snapshot();
    let mut endpoints = Endpoints::default();
    let sees = |endpoint: &Endpoint| page.token().account.as_ref().is_none_or(|account| *account == endpoint.account);
    for endpoint in snapshot.endpoints().values().filter(|endpoint| sees(endpoint)) {
        let health = page.api().store().health(endpoint.id);
        match (State::of_endpoint(endpoint, &health), health.failing_since) {
            (State::Failing, Some(since)) => endpoints.failing.push(Failing {
                since,
                endpoint: Arc::clone(endpoint),
                last_error: health.last_error.map(|error| error.message).unwrap_or_default(),
                pending: health.pending,
            }),
            (State::Paused | State::Disabled, _) => endpoints.asleep += 1,
            (State::New, _) => endpoints.untried += 1,
            _ => {}
        }
        endpoints.all.push(Arc::clone(endpoint));
    }
    endpoints.failing.sort_by_key(|failing| failing.since);
    endpoints
}

fn lede(page: &Page, endpoints: &Endpoints) -> Markup {
    let Endpoints { all, failing, asleep, untried } = endpoints;
    let (asleep, untried) = (*asleep as u64, *untried as u64);
    let fine = all.len() as u64 - failing.len() as u64 - asleep - untried;
    let one = |failing: &Failing| {
        html! {
            a href={ "/endpoints/" (failing.endpoint.id) } { (super::endpoints::name(&failing.endpoint)) }
            " since " (clock(page.now(), failing.since))
        }
    };
    let sleeping = html! {
        @if untried > 0 { " " (count(untried, "has", "have")) " taken nothing yet." }
        @if asleep > 0 { " " (count(asleep, "is", "are")) " paused or disabled." }
    };
    html! {
        @match &failing[..] {
            [] if fine == 0 => {
                span.good { (components::icon("ok")) } strong { "Nothing is failing." } (sleeping)
            }
            [] => {
                span.good { (components::icon("ok")) }
                strong {
                    @match (fine, asleep + untried) {
                        (1, 0) => { "The one endpoint is healthy." }
                        (2, 0) => { "Both endpoints are healthy." }
                        (_, 0) => { "All " (components::number(fine)) " endpoints are healthy." }
                        _ => { (count(fine, "endpoint is", "endpoints are")) " healthy." }
                    }
                }
                (sleeping)
            }
            [first, rest @ ..] => {
                (components::icon("fail"))
                strong {
                    (number_word(failing.len() as u64))
                    @if rest.is_empty() { " endpoint is failing." } @else { " endpoints are failing." }
                }
                " " (one(first))
                @match rest {
                    [] => ".",
                    [second] => { " and " (one(second)) "." }
                    many => { ", and " (components::number(many.len() as u64)) " since." }
                }
                @match fine {
                    0 => "",
                    1 => " The other one is fine.",
                    fine => { " The other " (components::number(fine)) " are fine." }
                }
                (sleeping)
            }
        }
    }
}
