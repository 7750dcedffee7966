//! What needs a look: the endpoints that are failing, and what is tried again next.

use maud::{Markup, html};

use super::{
    super::{
        super::{
            components::{self, attempt_track, clock, number, spark},
            page::Page,
        },
        endpoints::{bars, day_of, finding, name},
        logs,
    },
    Endpoints,
};
use crate::{
    domain::{delivery::Delivery, time::Timestamp},
    http::waiting::Waiting,
};

/// More failing endpoints are counted, not listed.
const MOST_LISTED: usize = 20;

/// The endpoints that are failing: since when, why, and how much waits for them.
pub fn failing(page: &Page, endpoints: &Endpoints) -> Markup {
    let more = endpoints.failing.len().saturating_sub(MOST_LISTED) as u64;
    let all = html! { a href="/endpoints" { "All " (components::count(endpoints.all.len() as u64, "endpoint", "endpoints")) } };
    components::section(
        "failing",
        "Failing endpoints",
        Some(all),
        &html! {
            table.tb.t-bad.bare {
                thead.vh {
                    tr { th { "Endpoint" } th { "Failing since" } th { "Last 24 hours" } th.num { "Waiting" } }
                }
                tbody {
                    @for failing in endpoints.failing.iter().take(MOST_LISTED) {
                        @let traffic = day_of(page, &failing.endpoint);
                        tr {
                            td.a-ep {
                                a.row href={ "/endpoints/" (failing.endpoint.id) } { (name(&failing.endpoint)) }
                                span.sub.cut { (failing.last_error) }
                            }
                            td.a-since {
                                "since " (clock(page.now(), failing.since))
                                span.sub { (components::span(page.now().since(failing.since))) }
                            }
                            td.a-sp { (spark(&bars(&traffic), &finding(&traffic), false)) }
                            td.num.a-wait {
                                @if failing.pending == 0 { span.sub { "none waiting" } } @else { (number(failing.pending)) " waiting" }
                            }
                        }
                    }
                }
            }
            @if more > 0 { p.sub.gap { "And " (number(more)) " more, which began to fail later." } }
        },
    )
}

/// What is tried again next, and when.
pub fn upcoming(page: &Page, waiting: &Waiting) -> Markup {
    let all = (!waiting.next.is_empty())
        .then(|| html! { a href="/logs?status=pending" { "All " (number(waiting.pending)) " that wait" } });
    components::section(
        "next",
        "Next retries",
        all,
        &html! {
            @if waiting.next.is_empty() {
                p.sub { "Nothing is waiting for a retry." }
            } @else {
                ol.dues { @for (delivery, at) in &waiting.next { (upcoming_one(page, delivery, *at)) } }
            }
        },
    )
}

fn upcoming_one(page: &Page, delivery: &Delivery, at: Timestamp) -> Markup {
    let snapshot = page.api().registry().snapshot();
    let endpoint = snapshot.endpoint(delivery.endpoint_id);
    html! {
        li.due {
            span.nb { "in " (components::span(at.since(page.now()))) }
            span {
                a.row.mono.cut href={ "/logs/" (delivery.id) } { (delivery.event_type) }
                span.sub.cut { @if let Some(endpoint) = endpoint { (name(endpoint)) ", " } "at " (clock(page.now(), at)) }
            }
            (attempt_track(delivery, logs::attempts_of(page, endpoint)))
        }
    }
}
