//! Overview: is something broken, for whom, since when; and what has been done so far.

use actix_web::web;
use maud::{Markup, html};

use super::super::{
    components::{self, State, count, number},
    layout::{Tab, View},
    page::{Page, Shown, resource},
};
use crate::{
    domain::{endpoint::Endpoint, time::Timestamp},
    http::auth::{CanRead, CanReadServer},
};

/// More failing endpoints are counted, not listed.
const MOST_LISTED: usize = 20;

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/", show).add_to(config);
}

async fn show(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let snapshot = page.api().registry().snapshot();
    let mut total = 0_usize;
    let mut failing = Vec::new();
    for endpoint in snapshot.endpoints().values().filter(|endpoint| caller.sees(&endpoint.account)) {
        total += 1;
        let health = page.api().store().health(endpoint.id);
        if State::of_endpoint(endpoint, &health) == State::Failing
            && let Some(since) = health.failing_since
        {
            failing.push((since, endpoint.clone(), health));
        }
    }
    failing.sort_by_key(|(since, ..)| *since);
    let body = html! {
        @if page.can::<CanReadServer>() { (figures(&page)) }
        @if !failing.is_empty() {
            (components::section("failing", "Failing endpoints", None, &html! {
                table.tb.t-plain {
                    thead { tr { th { "Endpoint" } th { "Since" } th { "Last error" } th.num { "Waiting" } } }
                    tbody {
                        @for (since, endpoint, health) in failing.iter().take(MOST_LISTED) {
                            tr {
                                td { a.row href={ "/endpoints/" (endpoint.id) } { (super::endpoints::name(endpoint)) } }
                                td { (components::clock(page.now(), *since)) span.sub { (components::span(page.now().since(*since))) } }
                                td { (health.last_error.as_ref().map_or("", |error| &error.message)) }
                                td.num { (number(health.pending)) }
                            }
                        }
                    }
                }
            }))
        }
    };
    let oldest = failing.first().map(|(since, endpoint, _)| (*since, &**endpoint));
    Ok(page.show(View::new(Tab::Overview, "Overview").lede(lede(&page, total, failing.len(), oldest)).body(body)))
}

fn lede(page: &Page, total: usize, failing: usize, oldest: Option<(Timestamp, &Endpoint)>) -> Markup {
    let endpoints = count(total as u64, "endpoint", "endpoints");
    html! {
        @match oldest {
            Some((since, endpoint)) => {
                (components::icon("fail"))
                strong { (count(failing as u64, "endpoint is failing.", "endpoints are failing.")) } " "
                a href={ "/endpoints/" (endpoint.id) } { (super::endpoints::name(endpoint)) } " since "
                (components::clock(page.now(), since)) "."
            }
            None if total == 0 => { strong { "There are no endpoints yet." } " Add one, and events find their way." }
            None => { span.good { (components::icon("ok")) } strong { "Nothing is failing." } " " (endpoints) "." }
        }
    }
}

fn figures(page: &Page) -> Markup {
    let totals = page.api().store().totals();
    let figure = |name: &str, value: u64, about: &str| {
        html! { div { dt { (name) } dd.v { (number(value)) } dd { (about) } } }
    };
    html! {
        dl.figs {
            (figure("Accepted", totals.accepted, "events"))
            (figure("Delivered", totals.delivered, "deliveries"))
            (figure("Failed", totals.failed, "all attempts used"))
            (figure("Retried", totals.retried, "attempts beyond the first"))
            (figure("Queue", totals.pending, "pending now"))
        }
    }
}
