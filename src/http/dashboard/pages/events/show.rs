//! One event: what became of it, its deliveries, and its body, pretty or to the byte.

use maud::{Markup, html};

use super::super::{
    super::{
        components::{self, State, Tone, clock_seconds, count, facts, long_code, note, section},
        layout::{Tab, View},
        page::{Page, Shown},
    },
    logs,
};
use crate::{
    domain::{delivery::Delivery, ids::EventId, time::Timestamp},
    http::{
        api::events::{self, ShownEvent},
        auth::{CanPost, CanRead},
    },
};

/// More deliveries than these are in the Logs.
const MOST_DELIVERIES: usize = 50;

/// What is behind the question mark.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    view: Option<String>,
    done: Option<String>,
}

pub async fn show(page: Page) -> Shown {
    let id: EventId = page.part("id", "event")?;
    let caller = page.caller::<CanRead>()?;
    let asked: Asked = page.query()?;
    let shown = events::show(page.api(), &caller, id).await?;
    let event = &shown.event;
    let place = format!("/events/{}", event.id);
    let body = html! {
        @if let Some(done) = &asked.done { (told(&shown, done, &place)) }
        (section("deliveries", "Deliveries", all_deliveries(&shown), &deliveries(&page, &shown)))
        div.two.l {
            div { section.sec aria-label="Body" { (payload(&shown, &place, asked.view.as_deref() == Some("raw"))) } }
            div { (section("details", "Details", None, &facts(&[
                ("Event", html! { span.mono { (event.id) } }),
                ("Type", html! { a.mono href={ "/event-types/" (event.event_type) } { (event.event_type) } }),
                ("Account", html! { (event.account) }),
                ("Happened", clock_seconds(page.now(), Timestamp::from_seconds(event.created.as_seconds()))),
                ("Accepted", clock_seconds(page.now(), event.accepted_at)),
                ("Posted by", html! { @if event.test { "a test of an endpoint" } @else { "a producer" } }),
            ]))) }
        }
    };
    let object = String::from_utf8_lossy(&shown.body.object()).into_owned();
    let actions = html! {
        @if page.can::<CanPost>() && components::excerpt(&components::laid_out(&object)).1 { a.btn href={ "/events/send?like=" (event.id) } { "Send one like it" } }
    };
    let view = View::new(Tab::Events, event.event_type.as_str()).crumb(event.id.to_string(), None);
    Ok(page.show(view.lede(lede(&shown)).actions(actions).body(body)))
}

fn told(shown: &ShownEvent, done: &str, place: &str) -> Markup {
    let (title, text) = match done {
        "sent" if shown.deliveries.is_empty() => ("The event was accepted", "It is on stable storage."),
        "sent" => ("The event was accepted", "It is on stable storage, and on its way to the endpoints below."),
        "known" => {
            ("It was accepted before", "There is an event of this id and content already. Nothing was sent twice.")
        }
        _ => return html! {},
    };
    html! { div.sec data-place=(place) { (note(Tone::Good, title, &html! { p { (text) } })) } }
}

/// What became of it, in a sentence.
fn lede(shown: &ShownEvent) -> Markup {
    if shown.deliveries.is_empty() {
        return html! { strong { "No endpoint got it." } " No endpoint that was on subscribed to its type when it was accepted." };
    }
    let words = [State::Delivered, State::Retrying, State::Waiting, State::Failed, State::Canceled];
    let parts: Vec<String> = words
        .into_iter()
        .filter_map(|state| {
            let of = shown.deliveries.iter().filter(|delivery| State::of_delivery(delivery) == state).count();
            (of > 0).then(|| format!("{of} {}", state.word().to_lowercase()))
        })
        .collect();
    let all = count(shown.deliveries.len() as u64, "delivery", "deliveries");
    html! {
        @match (&*parts, shown.more_deliveries) {
            (_, true) => { strong { "More than " (all) "." } }
            ([only], false) => { strong { @if shown.deliveries.len() == 1 { "One delivery, " } @else { "All " (all) " " } (only.split_once(' ').map_or("", |(_, word)| word)) "." } }
            (several, false) => { strong { (all) ":" } " " (several.join(", ")) "." }
        }
    }
}

fn all_deliveries(shown: &ShownEvent) -> Option<Markup> {
    let more = shown.deliveries.len() > MOST_DELIVERIES || shown.more_deliveries;
    more.then(|| html! { a href={ "/logs?event_id=" (shown.event.id) } { "All of them" } })
}

fn deliveries(page: &Page, shown: &ShownEvent) -> Markup {
    let first: &[Delivery] = shown.deliveries.get(..MOST_DELIVERIES).unwrap_or(&shown.deliveries);
    html! {
        @if first.is_empty() {
            p.sub { "none. " a href={ "/events/who?type=" (shown.event.event_type) "&account=" (shown.event.account) } { "Who would get it now?" } }
        } @else { (logs::deliveries_table(page, first, logs::Of::Many)) }
    }
}

fn payload(shown: &ShownEvent, place: &str, raw: bool) -> Markup {
    let sent = String::from_utf8_lossy(shown.body.bytes());
    let text = if raw { sent.into_owned() } else { components::laid_out(&sent) };
    let raw_place = format!("{place}?view=raw#body");
    let pretty_place = format!("{place}#body");
    let ways = [("Pretty", &*pretty_place, !raw), ("Raw", &*raw_place, raw)];
    let rest = html! { "All of it, " (components::count(shown.body.bytes().len() as u64, "byte", "bytes")) ": " span.mono { "GET /v1/events/" (shown.event.id) } };
    html! {
        (long_code("body", "Body", &ways, &text, &rest))
        p.sub.gap {
            @if raw { "To the byte what every attempt sends." } @else { "Laid out to be read. Every attempt sends it without this white space." }
        }
    }
}
