//! One event type: its example, its schema, and who subscribes.

use maud::{Markup, html};

use super::{
    super::super::{
        components::{Tone, count, facts, long_code, note, prose, section},
        layout::{Tab, View},
        page::{Page, Shown},
    },
    named, path, subscribers,
};
use crate::{
    domain::json_text,
    http::{
        auth::{CanChangeServer, CanPost, CanRead},
        catalog::Entry,
    },
};

/// What is behind the question mark.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    done: Option<String>,
}

pub async fn show(page: Page) -> Shown {
    page.caller::<CanRead>()?;
    let entry = named(&page)?;
    let asked: Asked = page.query()?;
    let event_type = &entry.event_type;
    let place = path(&entry);
    let rest = html! { "All of it: " span.mono { "GET /v1" (place) } };
    let body = html! {
        @if let Some(done) = &asked.done { (told(done, &place)) }
        div.two.l {
            (section("object", "What is in it", None, &html! {
                (long_code("example", "Example", &[], &json_text::pretty(&event_type.example), &rest))
                @match &event_type.schema {
                    Some(schema) => (long_code("schema", "JSON Schema", &[], &json_text::pretty(schema), &rest))
                    None => p.sub.gap { "It has no JSON Schema." }
                }
            }))
            div {
                (section("details", "Details", None, &facts(&[
                    ("Name", html! { span.mono { (event_type.name) } }),
                    ("Origin", html! { @if entry.built_in { "built in" } @else { "added" } }),
                    ("Schema", html! { (schema_words(&entry)) }),
                    ("Subscribed", html! { a href={ "/events/who?type=" (event_type.name) } { (count(subscribers(&page, &entry) as u64, "endpoint", "endpoints")) } }),
                ])))
            }
        }
    };
    let view = View::new(Tab::EventTypes, event_type.name.as_str()).crumb(event_type.name.to_string(), None);
    Ok(page.show(view.lede(prose(&event_type.description)).actions(actions(&page, &entry)).body(body)))
}

fn schema_words(entry: &Entry) -> &'static str {
    match (&entry.event_type.schema, entry.event_type.enforce_schema) {
        (None, _) => "none",
        (Some(_), true) => "enforced: events that break it are refused",
        (Some(_), false) => "documents the object; events that break it are taken",
    }
}

fn told(done: &str, place: &str) -> Markup {
    let title = match done {
        "added" => "The event type was added",
        "saved" => "Saved",
        _ => return html! {},
    };
    html! { div.sec data-place=(place) { (note(Tone::Good, title, &html! { p { "Endpoints can subscribe to it, and producers post it, from now on." } })) } }
}

fn actions(page: &Page, entry: &Entry) -> Markup {
    let place = path(entry);
    html! {
        @if page.can::<CanPost>() { a.btn href={ "/events/send?type=" (entry.event_type.name) } { "Send one" } }
        @if page.can::<CanChangeServer>() {
            a.btn href={ (place) "/edit" } { "Edit" }
            @if !entry.built_in { a.btn.risk href={ (place) "/delete" } { "Delete" } }
        }
    }
}
