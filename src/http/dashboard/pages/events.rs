//! Events: what producers posted, newest first, and one of them with its payload and deliveries.

use actix_web::web;
use maud::html;

use super::super::{
    components::{self, clock_seconds, number},
    layout::{Tab, View},
    page::{Page, Shown, resource},
};
use crate::{
    domain::ids::EventId,
    http::{
        api::events::{self, EventQuery},
        auth::CanRead,
    },
};

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/events", list).add_to(config);
    resource("/events/{id}", show).add_to(config);
}

async fn list(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let query = page.list_query::<EventQuery>()?;
    let found = events::find(page.api(), &caller, &query).await?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let body = html! {
        @if found.items.is_empty() {
            (components::nothing("No events", &html! { "Producers post them with " span.mono { "POST /v1/events" } "." }))
        } @else {
            div.sec {
                table.tb.t-plain {
                    thead { tr { th { "Event" } th { "Account" } th.num { "Deliveries" } th.num { "Accepted" } } }
                    tbody {
                        @for event in &found.items {
                            tr {
                                td {
                                    a.row.mono href={ "/events/" (event.id) } { (event.event_type) }
                                    span.sub.mono { (event.id) @if event.test { ", a test" } }
                                }
                                td { (event.account) }
                                td.num { (number(event.delivery_count.into())) }
                                td.num { (clock_seconds(page.now(), event.accepted_at)) }
                            }
                        }
                    }
                }
            }
            (components::pager(&page, &components::count(found.items.len() as u64, "event", "events"), next.as_deref()))
        }
    };
    Ok(page.show(View::new(Tab::Events, "Events").lede(html! { "What producers posted, newest first." }).body(body)))
}

async fn show(page: Page) -> Shown {
    let id: EventId = page.part("id", "event")?;
    let shown = events::show(page.api(), &page.caller::<CanRead>()?, id).await?;
    let event = &shown.event;
    let body = html! {
        (components::section("deliveries", "Deliveries", None, &html! {
            @if shown.deliveries.is_empty() { p.sub { "No endpoint gets it." } }
            @else { (super::logs::deliveries_table(&page, &shown.deliveries)) }
            @if shown.more_deliveries { p.sub { a href={ "/logs?event_id=" (event.id) } { "All deliveries" } } }
        }))
        (components::section("details", "Details", None, &components::facts(&[
            ("Event", html! { span.mono { (event.id) } }),
            ("Account", html! { (event.account) }),
            ("Accepted", clock_seconds(page.now(), event.accepted_at)),
        ])))
        (components::code("payload", "Payload", None, &String::from_utf8_lossy(shown.body.bytes()), true))
    };
    let view = View::new(Tab::Events, event.event_type.as_str()).crumb(event.id.to_string(), None);
    Ok(page.show(view.body(body)))
}
