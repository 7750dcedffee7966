//! The list, newest first, with its filter, and the look-up of one event by its id.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};

use super::super::{
    super::{
        components::{self, FormErrors, clock_seconds, count, field_error, number},
        layout::{Tab, View},
        page::{Page, Shown},
        response,
    },
    filters,
};
use crate::{
    domain::{
        event::Event,
        ids::{DeliveryId, EventId},
    },
    http::{
        api::events::{self, EventQuery},
        auth::{CanPost, CanRead},
        problem::{Kind, Problem},
    },
};

const FILTERS: [&str; 4] = ["type", "account", "since", "until"];

pub async fn list(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let query = match page.list_query::<EventQuery>() {
        Ok(query) => query,
        Err(problem) => return Ok(list_page(&page, &FormErrors::of(problem)?, &html! {})),
    };
    let found = events::find(page.api(), &caller, &query, super::super::MOST_READS).await?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let filtered = filters::is_filtered(&page, &FILTERS);
    let rows = html! {
        @if !found.items.is_empty() {
            (table(&page, &found.items))
            (components::pager(&page, &count(found.items.len() as u64, "event", "events"), next.as_deref()))
        } @else if filtered || next.is_some() {
            (filters::none_of_these(&page, "event"))
            @if next.is_some() { (components::pager(&page, "None so far", next.as_deref())) }
        } @else {
            (first_event(&page))
        }
    };
    Ok(list_page(&page, &FormErrors::default(), &rows))
}

/// Look-up by an id that was typed: an event's, or a delivery's.
pub async fn find(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let typed = page.typed("id").trim().to_owned();
    if let Ok(id) = typed.parse::<DeliveryId>() {
        return Ok(response::go_to(&format!("/logs/{id}")));
    }
    let found = match typed.parse::<EventId>() {
        Ok(id) => events::show(page.api(), &caller, id).await.map(|shown| shown.event.id),
        Err(error) => Err(Problem::field(Kind::InvalidField, "/id", error.to_string())),
    };
    match found {
        Ok(id) => Ok(response::go_to(&format!("/events/{id}"))),
        Err(problem) if problem.kind() == Kind::NotFound => {
            let gone = "there is no such event; it may be older than what is kept";
            let errors = FormErrors::of(Problem::field(Kind::InvalidField, "/id", gone))?;
            let mut shown = list_page(&page, &errors, &html! {});
            *shown.status_mut() = StatusCode::NOT_FOUND;
            Ok(shown)
        }
        Err(problem) => Ok(list_page(&page, &FormErrors::of(problem)?, &html! {})),
    }
}

fn list_page(page: &Page, errors: &FormErrors, rows: &Markup) -> HttpResponse {
    let id = page.typed("id");
    let labels: Vec<_> = filters::LABELS.into_iter().chain([("id", "Event id")]).collect();
    let body = html! {
        (errors.summary(&labels))
        form.look.sec method="get" action="/events/find" role="search" {
            label.vh for="id" { "Event id" }
            input.in.find.mono #id name="id" value=(id) placeholder="evt_…" autocomplete="off" spellcheck="false";
            button.btn type="submit" { "Look up" }
            (field_error("id", errors))
        }
        (filters::form(page, &FILTERS, &html! {
            (filters::type_field(page, errors, &page.typed("type"), Some("Any type")))
            (filters::account_field(page, errors, &page.typed("account"), None))
            (filters::time_fields(page, errors))
        }))
        (filters::time_chips(page, &FILTERS[..2]))
        (rows)
    };
    let view =
        View::new(Tab::Events, "Events").status(errors.status()).lede(html! { "What producers posted, newest first." });
    page.show(view.actions(actions(page)).body(body))
}

fn actions(page: &Page) -> Markup {
    html! {
        a.btn href="/events/who" { "Who would get this?" }
        @if page.can::<CanPost>() { a.btn.main href="/events/send" { "Send event" } }
    }
}

fn table(page: &Page, events: &[Event]) -> Markup {
    html! {
        table.tb.t-evt.gap {
            thead { tr { th { "Event" } @if !page.is_customer() { th { "Account" } } th.num { "Deliveries" } th.num { "Accepted" } } }
            tbody {
                @for event in events {
                    tr {
                        td.a-ep {
                            a.row.mono href={ "/events/" (event.id) } { (event.event_type) }
                            span.sub.mono.cut { (event.id) }
                        }
                        @if !page.is_customer() { td.a-ev { span.cut { (event.account) } } }
                        td.num.a-rate {
                            @if event.test { "a test" } @else if event.delivery_count == 0 { span.sub { "none" } } @else { (number(event.delivery_count.into())) }
                        }
                        td.num.a-time { (clock_seconds(page.now(), event.accepted_at)) }
                    }
                }
            }
        }
    }
}

fn first_event(page: &Page) -> Markup {
    let command = format!(
        "curl {}/v1/events -H \"Authorization: Bearer $TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\"type\": \"batch.completed\", \"data\": {{\"object\": {{\"id\": \"batch_1\"}}}}}}'",
        page.origin()
    );
    html! {
        (components::nothing("No events yet", &html! {
            "Producers post them to " span.mono { "/v1/events" } "; each goes to every endpoint that subscribes to its type."
            @if page.can::<CanPost>() { " Or " a href="/events/send" { "send one by hand" } "." }
        }))
        @if !page.is_customer() { (components::code("first", "From a shell", None, &command, true)) }
    }
}
