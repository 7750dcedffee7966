//! Live: the tail of what happens, each attempt and each change of a delivery as it is written down. Rows are made on
//! the server like those of other pages, and the script puts them in; without scripts the Logs show the same.

use std::sync::Arc;

use actix_web::{
    http::{StatusCode, header},
    web::{self, Data},
};
use bytes::Bytes;
use maud::{Markup, html};

use super::{
    super::{
        components::{Field, FormErrors, State, clock_seconds, icon, millis, state},
        layout::{Tab, View},
        page::{Page, Shown, resource},
        response,
    },
    endpoints, filters,
};
use crate::{
    actors::live::LiveItem,
    domain::{
        attempt::{Attempt, Trigger},
        delivery::{Delivery, DeliveryStatus},
    },
    http::{
        Api,
        api::stream::{self, Reading, StreamQuery},
        auth::CanRead,
    },
};

/// Rows that a browser keeps; older ones are in the Logs.
const MOST_ROWS: u32 = 200;
/// Endpoints to choose from; where there are more, an id is typed.
const MOST_CHOICES: usize = 200;

const FILTERS: [&str; 5] = ["type", "endpoint_id", "status", "account", "event_id"];

const OUTCOMES: [(&str, &str); 5] = [
    ("", "Any outcome"),
    ("delivered", "Delivered"),
    ("pending", "Waiting or retrying"),
    ("failed", "Failed"),
    ("canceled", "Canceled"),
];

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/live", show).add_to(config);
    resource("/live/stream", follow).add_to(config);
}

async fn show(page: Page) -> Shown {
    page.caller::<CanRead>()?;
    let errors = match page.query::<StreamQuery>() {
        Ok(_) => FormErrors::default(),
        Err(problem) => FormErrors::of(problem)?,
    };
    let body = html! {
        (errors.summary(&filters::LABELS))
        (filters::form(&page, &FILTERS, &html! {
            (filters::type_field(&page, &errors, &page.typed("type"), Some("Any type")))
            (endpoint_choice(&page, &errors))
            (Field::new("status", "Outcome", &page.typed("status")).select(&errors, &OUTCOMES))
            (filters::account_field(&page, &errors, &page.typed("account"), None))
        }))
        @if errors.is_none() { (tail(&page)) }
    };
    let lede = html! { "Every attempt as it ends, and every delivery as it begins or is canceled. Newest first." };
    Ok(page.show(View::new(Tab::Live, "Live").status(errors.status()).lede(lede).body(body)))
}

fn endpoint_choice(page: &Page, errors: &FormErrors) -> Markup {
    let snapshot = page.api().registry().snapshot();
    let visible: Vec<_> = snapshot.endpoints().values().filter(|endpoint| page.sees(&endpoint.account)).collect();
    let typed = page.typed("endpoint_id");
    let field = Field::new("endpoint_id", "Endpoint", &typed);
    if visible.len() > MOST_CHOICES {
        return field.mono().input(errors);
    }
    let options: Vec<(String, &str)> =
        visible.into_iter().map(|endpoint| (endpoint.id.to_string(), endpoints::name(endpoint))).collect();
    let mut choices = vec![("", "Any endpoint")];
    choices.extend(options.iter().map(|(id, name)| (&**id, *name)));
    if !choices.iter().any(|(id, _)| *id == typed) {
        choices.push((&typed, &typed));
    }
    field.select(errors, &choices)
}

/// The place for the rows, with what the script needs to know.
fn tail(page: &Page) -> Markup {
    let query = page.request().query_string();
    let logs = logs_with_the_same_filter(page);
    html! {
        div.sec data-live={ "/live/stream?" (query) } data-most=(MOST_ROWS) {
            noscript {
                div.note {
                    (icon("info"))
                    h2 { "The tail needs scripts, and they are off" }
                    p { "The Logs have the same, as of when you look: " a href=(logs) { "open the Logs" } "." }
                }
            }
            div.live hidden data-live-bar="" {
                p.st role="status" data-live-state="" { "Connecting…" }
                span.sub data-live-count="" {}
                div.acts {
                    button.btn type="button" data-live-pause="" { "Pause" }
                    button.btn type="button" data-live-clear="" { "Clear" }
                    a.btn href=(logs) { "Logs" }
                }
            }
            table.tb.t-log hidden data-live-table="" {
                thead { tr { th { "State" } th { "Event" } th { "Endpoint" } th { "Attempt" } th { "Response" } th.num { "Took" } th.num { "Time" } } }
                tbody data-live-rows="" {}
            }
            div.none hidden data-live-empty="" {
                h2 { "Nothing yet" }
                p { "What happens from now on shows here at once. What happened before is in " a href=(logs) { "the Logs" } "." }
            }
            p.sub.gap hidden data-live-full="" { "Only the latest " (MOST_ROWS) " are kept here. " a href=(logs) { "The Logs" } " have all of it." }
        }
    }
}

fn logs_with_the_same_filter(page: &Page) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in FILTERS {
        let value = page.typed(name);
        if !value.is_empty() {
            query.append_pair(name, &value);
        }
    }
    let query = query.finish();
    if query.is_empty() { "/logs".to_owned() } else { format!("/logs?{query}") }
}

async fn follow(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let mut builder = response::builder(StatusCode::OK);
    // Compressed, rows would wait for others.
    builder.insert_header((header::CONTENT_ENCODING, "identity"));
    let query = page.query::<StreamQuery>()?;
    if page.request().method() == actix_web::http::Method::HEAD {
        return Ok(builder.content_type("text/event-stream").finish());
    }
    let api = page.api().clone();
    let still_holds = {
        let page = page.clone();
        move || page.still_open()
    };
    let write = move |item: &LiveItem| row(&api, item);
    let rows = stream::open(page.api(), &caller, query, Reading { still_holds, write })?;
    Ok(stream::answering(builder, rows))
}

/// A row as a server-sent event, if the item has one of its own.
fn row(api: &Data<Api>, item: &LiveItem) -> Option<Bytes> {
    let markup = match item {
        LiveItem::Attempt { delivery, attempt } => {
            let took = html! { (millis(attempt.outcome.duration)) };
            markup(api, delivery, &attempt_words(delivery, attempt), &response_words(attempt), &took)
        }
        // The attempt that ended it has told of it.
        LiveItem::Status { delivery, .. }
            if matches!(delivery.status, DeliveryStatus::Delivered | DeliveryStatus::Failed) =>
        {
            return None;
        }
        LiveItem::Status { delivery, before } => {
            let what = match (delivery.status, before) {
                (DeliveryStatus::Canceled, _) => html! { "canceled" },
                (_, None) => html! { span.sub { @if delivery.test { "a test, queued" } @else { "queued" } } },
                (_, Some(_)) => html! { span.sub { "queued again" } },
            };
            markup(api, delivery, &what, &html! { span.sub { "none" } }, &html! {})
        }
    };
    Some(stream::event("row", &markup.into_string()))
}

fn markup(api: &Api, delivery: &Arc<Delivery>, attempt: &Markup, answer: &Markup, took: &Markup) -> Markup {
    let now = api.clock().wall();
    let snapshot = api.registry().snapshot();
    html! {
        tr {
            td.a-st { (state(State::of_delivery(delivery))) }
            td.a-type { a.row.mono href={ "/logs/" (delivery.id) } { (delivery.event_type) } }
            td.a-ep {
                @match snapshot.endpoint(delivery.endpoint_id) {
                    Some(endpoint) => span.cut { (endpoints::name(endpoint)) },
                    None => span.sub { "deleted" }
                }
            }
            td.a-att { (attempt) }
            td.a-resp { (answer) }
            td.num.a-dur { (took) }
            td.num.a-time { (clock_seconds(now, now)) }
        }
    }
}

/// `1`, `2, by hand`.
fn attempt_words(delivery: &Delivery, attempt: &Attempt) -> Markup {
    let why = match attempt.trigger {
        Trigger::Schedule => "",
        Trigger::Manual => ", by hand",
        Trigger::Replay => ", a replay",
        Trigger::Test => ", a test",
        Trigger::Rotation => ", a rotation",
    };
    let test = if delivery.test && attempt.trigger != Trigger::Test { ", a test" } else { "" };
    html! { (attempt.number) (why) (test) }
}

fn response_words(attempt: &Attempt) -> Markup {
    html! {
        @match (attempt.response_code(), &attempt.outcome.error) {
            (Some(code), None) => (code),
            (_, Some(error)) => { @if let Some(code) = attempt.response_code() { (code) ", " } (error.kind.as_str()) }
            (None, None) => span.sub { "none" }
        }
    }
}
