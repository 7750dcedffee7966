//! Logs: deliveries, newest first, and one of them with its payload and attempts.

use actix_web::web;
use maud::{Markup, html};

use super::super::{
    components::{self, State, attempt_track, clock, clock_seconds, millis, state},
    layout::{Tab, View},
    page::{Page, Shown, resource},
};
use crate::{
    domain::{attempt::Attempt, delivery::Delivery, ids::DeliveryId},
    http::{
        api::deliveries::{self, DeliveryQuery},
        auth::CanRead,
    },
};

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/logs", list).add_to(config);
    resource("/logs/{id}", show).add_to(config);
}

async fn list(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let query = page.list_query::<DeliveryQuery>()?;
    let found = deliveries::find(page.api(), &caller, &query).await?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let body = html! {
        @if found.items.is_empty() {
            (components::nothing("No deliveries", &html! { "Nothing here yet, or nothing that this filter matches. " a href="/logs" { "Show all" } }))
        } @else {
            div.sec { (deliveries_table(&page, &found.items)) }
            (components::pager(&page, &components::count(found.items.len() as u64, "delivery", "deliveries"), next.as_deref()))
        }
    };
    Ok(page.show(View::new(Tab::Logs, "Logs").lede(html! { "Deliveries, newest first." }).body(body)))
}

/// Deliveries as a table, each row a link to the delivery.
pub fn deliveries_table(page: &Page, deliveries: &[Delivery]) -> Markup {
    let endpoints = page.api().registry().snapshot();
    let defaults = page.api().registry().defaults();
    html! {
        table.tb.t-log {
            thead {
                tr { th { "State" } th { "Event" } th { "Endpoint" } th { "Attempts" } th { "Response" } th.num { "Created" } }
            }
            tbody {
                @for delivery in deliveries {
                    @let endpoint = endpoints.endpoint(delivery.endpoint_id);
                    @let most = endpoint.map_or(5, |endpoint| {
                        defaults.effective(endpoint).retry_schedule.waits().len() as u64 + 1
                    });
                    tr {
                        td.a-st { (state(State::of_delivery(delivery))) }
                        td.a-type { a.row.mono href={ "/logs/" (delivery.id) } { (delivery.event_type) } }
                        td.a-ep {
                            @match endpoint {
                                Some(endpoint) => span.cut { (super::endpoints::name(endpoint)) },
                                None => span.sub { "deleted" }
                            }
                        }
                        td.a-att { (attempt_track(delivery, u32::try_from(most).unwrap_or(u32::MAX))) }
                        td.a-resp {
                            @match delivery.last_response_code {
                                Some(code) => (code),
                                None => span.sub { "none yet" }
                            }
                        }
                        td.num.a-time { (clock_seconds(page.now(), delivery.created_at)) }
                    }
                }
            }
        }
    }
}

async fn show(page: Page) -> Shown {
    let id: DeliveryId = page.part("id", "delivery")?;
    let shown = deliveries::show(page.api(), &page.caller::<CanRead>()?, id).await?;
    let delivery = &shown.delivery;
    let headers: Vec<_> = shown.request_headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let lede = html! {
        (state(State::of_delivery(delivery))) " "
        @if let Some(next) = delivery.next {
            @let at = page.api().clock().wall_at(next.at);
            strong { "The next attempt is " (components::in_words(page.now(), at)) ", at " (clock(page.now(), at)) "." }
        }
    };
    let body = html! {
        (components::section("attempts", "Attempts", None, &html! {
            @if shown.attempts.is_empty() { p.sub { "none yet" } }
            @for attempt in &shown.attempts { (attempt_row(&page, attempt)) }
        }))
        (components::section("details", "Details", None, &components::facts(&[
            ("Delivery", html! { span.mono { (delivery.id) } }),
            ("Event", html! { a.mono href={ "/events/" (delivery.event_id) } { (delivery.event_id) } }),
            ("Endpoint", html! { a.mono href={ "/endpoints/" (delivery.endpoint_id) } { (delivery.endpoint_id) } }),
            ("Created", clock_seconds(page.now(), delivery.created_at)),
        ])))
        (components::code("payload", "Payload", None, &shown.payload, true))
        (components::code("headers", "Request headers", None, &headers.join("\n"), true))
    };
    let view = View::new(Tab::Logs, delivery.event_type.as_str()).crumb(delivery.id.to_string(), None);
    Ok(page.show(view.lede(lede).body(body)))
}

fn attempt_row(page: &Page, attempt: &Attempt) -> Markup {
    html! {
        div.fact {
            strong { "Attempt " (attempt.number) } " at " (clock_seconds(page.now(), attempt.started_at)) ", "
            @match attempt.response_code() {
                Some(code) => { "answered " (code) }
                None => "no answer"
            }
            " after " (millis(attempt.outcome.duration))
        }
    }
}
