//! The log: deliveries, newest first, page by page.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};

use super::{
    super::super::{
        components::{self, FormErrors, Tone, clock_seconds, note, number},
        layout::{Tab, View},
        page::{Page, Shown},
        response,
    },
    Of, deliveries_table,
    filter::{self, Asked},
};
use crate::{
    domain::ids::DeliveryId,
    http::{
        api::deliveries::{self, DeliveryQuery},
        auth::{CanChange, CanRead},
    },
};

pub async fn list(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let asked = Asked::of(page.request().query_string());
    match asked.settled(page.now()) {
        Ok(Some(address)) => return Ok(response::go_to(&address)),
        Ok(None) => {}
        Err(problem) => return Ok(list_page(&page, &asked, &FormErrors::of(problem)?, &html! {})),
    }
    let query = match filter::list_query::<DeliveryQuery>(&asked) {
        Ok(query) => query,
        Err(problem) => return Ok(list_page(&page, &asked, &FormErrors::of(problem)?, &html! {})),
    };
    let found = deliveries::find_within(page.api(), &caller, &query, super::super::MOST_READS).await?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let filtered = asked.filters().next().is_some();
    let rows = html! {
        @if filtered {
            div.chips.filters {
                (filter::chips(&page, &asked))
                @if page.can::<CanChange>() && !found.items.is_empty() {
                    a.btn.tiny.far href={ "/logs/retry?" (retry_query(&asked)) } { (components::icon("retry")) "Retry all of these" }
                }
            }
        }
        @if found.items.is_empty() {
            (none(&page, &asked, filtered, found.next))
        } @else {
            div.gap { (deliveries_table(&page, &found.items, Of::Many)) }
        }
        @if !found.items.is_empty() || next.is_some() {
            div.pager {
                span {
                    (components::count(found.items.len() as u64, "delivery", "deliveries"))
                    @if let (Some(newest), Some(oldest)) = (found.items.first(), found.items.last()) {
                        ", " (clock_seconds(page.now(), oldest.created_at)) " to " (clock_seconds(page.now(), newest.created_at))
                    }
                }
                div.acts {
                    @if asked.is_further() { a.btn href=(asked.page(None)) { "Newest" } }
                    @if let Some(cursor) = &next { a.btn href=(asked.page(Some(cursor))) rel="next" { "Older" } }
                }
            }
        }
    };
    Ok(list_page(&page, &asked, &FormErrors::default(), &rows))
}

fn list_page(page: &Page, asked: &Asked, errors: &FormErrors, rows: &Markup) -> HttpResponse {
    let labels: Vec<_> = filter::FILTERS.into_iter().chain([("last", "Time")]).collect();
    let body = html! {
        @if let Some(note) = done_note(asked) { div.sec data-place=(asked.page(None)) { (note) } }
        (errors.summary(&labels))
        (filter::bar(page, asked, errors))
        (rows)
    };
    let actions = html! {
        span.sub { "As of " (clock_seconds(page.now(), page.now())) }
        a.btn href=(page.request().uri()) { "Refresh" }
    };
    let status = if errors.is_none() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let view = View::new(Tab::Logs, "Logs").status(status);
    page.show(view.lede(html! { "Every delivery with its attempts, newest first." }).actions(actions).body(body))
}

fn retry_query(asked: &Asked) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(asked.filters()).finish()
}

fn none(page: &Page, asked: &Asked, filtered: bool, goes_on: Option<DeliveryId>) -> Markup {
    let all = html! { a href="/logs" { "Show all deliveries" } };
    if let Some(below) = goes_on {
        // A page looks at so many deliveries and no more, however few of them match.
        return components::nothing(
            "Nothing yet",
            &html! {
                "None matches of the deliveries back to " (clock_seconds(page.now(), below.minted_at()))
                ". Go on with older ones, or " (all) "."
            },
        );
    }
    if filtered || asked.is_further() {
        return components::nothing("No delivery matches", &html! { "Take off a filter above, or " (all) "." });
    }
    components::nothing(
        "No deliveries yet",
        &html! {
            "When an event is posted that an endpoint subscribes to, its delivery stands here. "
            a href="/endpoints" { "Send a test" } " from an endpoint’s page to see one."
        },
    )
}

fn done_note(asked: &Asked) -> Option<Markup> {
    let count = asked.count.parse().unwrap_or(0);
    let (title, text) = match &*asked.done {
        "retried" => (
            format!("{} retried", components::count(count, "delivery is", "deliveries are")),
            "One attempt at once for each, beside its schedule.".to_owned(),
        ),
        "retrying" => (
            "The retries go on".to_owned(),
            format!("There are many, about {} of them found. Each stands in the log as it is sent.", number(count)),
        ),
        _ => return None,
    };
    Some(note(Tone::Good, &title, &html! { p { (text) } }))
}
