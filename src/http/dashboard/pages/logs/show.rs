//! One delivery: how it stands and what happens next, its attempts, and its request.

use maud::{Markup, html};

use super::{
    super::{
        super::{
            components::{
                self, State, Tone, action, address, clock, clock_local, clock_seconds, copy_button, icon, in_words,
                note, state,
            },
            layout::{self, Tab, View},
            page::{Page, Shown},
        },
        endpoints::name,
    },
    attempt, attempts_of, command, outcome_in_words, payload,
    timeline::{Next, timeline},
};
use crate::{
    domain::{
        delivery::{Delivery, DeliveryStatus},
        ids::DeliveryId,
    },
    http::{
        api::deliveries::{self, REDACTED, ShownDelivery},
        auth::{CanChange, CanRead},
        bounded::Ranged,
    },
};

/// What stands behind the question mark.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    /// The attempt that is shown in full; the last one, if left out.
    attempt: Option<Ranged<1, 4_294_967_295>>,
    /// It was just retried; so many attempts there were before.
    retried: Option<Ranged<0, 4_294_967_295>>,
}

pub async fn show(page: Page) -> Shown {
    let id: DeliveryId = page.part("id", "delivery")?;
    let caller = page.caller::<CanRead>()?;
    let query: ShowQuery = page.query()?;
    let asked: Option<u32> = query.attempt.map(Ranged::get);
    let shown = deliveries::show(page.api(), &caller, id, asked).await?;
    let chosen = shown.attempts.iter().rev().find(|known| asked.is_none_or(|number| known.number == number));
    let chosen = chosen.or(shown.attempts.last());
    let delivery = &shown.delivery;
    let next = Next::of(&page, delivery, shown.endpoint.as_deref()).await?;
    let place = format!("/logs/{id}");
    let body = html! {
        @if let Some(before) = query.retried { (retry_note(&page, &shown, before.get(), &place)) }
        div.two.r {
            div {
                (components::section("attempts", "Attempts", None, &html! {
                    (timeline(&page, &shown, chosen.map(|attempt| attempt.number), &next))
                    @if shown.attempts.is_empty() && next == Next::Nothing { p.sub { "No attempt was made." } }
                }))
                section.sec.late aria-labelledby="details" {
                    div.sec-h { h2 #details { "Details" } }
                    (details(&page, &shown))
                }
            }
            div {
                @if let Some(attempt) = chosen { (attempt::section(&page, attempt)) }
                section.sec aria-labelledby="request" {
                    div.sec-h {
                        h2 #request { "Request" }
                        span.sub { @match chosen { Some(attempt) => { "of attempt " (attempt.number) } None => "as it would be sent now" } }
                    }
                    (request(&page, &shown))
                }
            }
        }
    };
    let view = View::new(Tab::Logs, delivery.event_type.as_str()).crumb(id.to_string(), None);
    Ok(page.show(view.lede(lede(&page, &shown, &next)).actions(actions(&page, &shown, &place)).body(body)))
}

fn actions(page: &Page, shown: &ShownDelivery, place: &str) -> Markup {
    html! {
        @if let Some(endpoint) = &shown.endpoint { a.btn href={ "/endpoints/" (endpoint.id) } { "Open endpoint" } }
        @if page.can::<CanChange>() {
            @if shown.delivery.status == DeliveryStatus::Pending {
                (action(page, &format!("{place}/cancel"), "Cancel delivery", "risk", &[]))
            }
            @if shown.endpoint.is_some() {
                form.one method="post" action={ (place) "/retry" } {
                    (layout::form_token(page))
                    button.btn.main type="submit" { (icon("retry")) "Retry now" }
                }
            }
        }
    }
}

fn lede(page: &Page, shown: &ShownDelivery, next: &Next) -> Markup {
    let now = page.now();
    let delivery = &shown.delivery;
    let last = shown.attempts.last();
    let most = attempts_of(page, shown.endpoint.as_ref());
    let ended = |delivery: &Delivery| html! { @if let Some(at) = delivery.completed_at { " " (clock(now, at)) } };
    html! {
        (state(if *next == Next::UnderWay { State::Sending } else { State::of_delivery(delivery) })) " "
        @match (delivery.status, next) {
            (DeliveryStatus::Pending, Next::UnderWay) => {
                strong { "Attempt " (delivery.attempts_made + 1) " is under way." } " It is not answered yet."
            }
            (DeliveryStatus::Pending, Next::At(at, _)) => {
                strong {
                    "Attempt " (delivery.attempts_made + 1)
                    @if !delivery.test && delivery.attempts_made < most { " of " (most) }
                    @if *at <= now { " is due now." } @else { " " (in_words(now, *at)) ", at " (clock_local(now, *at)) "." }
                }
            }
            (DeliveryStatus::Pending, Next::Held(why)) => {
                strong { "Held while its endpoint is " (why) "." } " It goes out once that is " @if *why == "paused" { "resumed." } @else { "enabled." }
            }
            (DeliveryStatus::Pending, Next::Behind(earlier, at)) => {
                strong { "Held behind " a href={ "/logs/" (earlier) } { "an earlier delivery" } "." }
                " Its endpoint is ordered; that one is tried next " (in_words(now, *at)) ", at " (clock_local(now, *at)) "."
            }
            (DeliveryStatus::Pending, Next::Nothing) => { strong { "Its endpoint was deleted." } " Nothing more is sent." }
            (DeliveryStatus::Delivered, _) => { strong { "Taken" (ended(delivery)) "." } }
            (DeliveryStatus::Canceled, _) => { strong { "Canceled" (ended(delivery)) "." } " Nothing more is sent, unless it is retried." }
            (DeliveryStatus::Failed, _) => {
                strong {
                    @match last {
                        Some(last) if last.says_gone() => "The receiver wants nothing more at this address.",
                        _ if delivery.test => "The test was not taken.",
                        _ => "Its attempts are used up."
                    }
                }
                " It ended" (ended(delivery)) ", and is not sent again unless it is retried."
            }
        }
        @if let Some(last) = last.filter(|_| delivery.status != DeliveryStatus::Canceled) {
            " The last attempt: " (outcome_in_words(last)) "."
        }
    }
}

/// What a retry came to, or that it is under way.
fn retry_note(page: &Page, shown: &ShownDelivery, before: u32, place: &str) -> Markup {
    let made = shown.attempts.iter().find(|attempt| attempt.number > before);
    let Some(made) = made else {
        let text = html! { p data-again="1000" { "It is not answered yet. " a href=(page.request().uri()) { "Look again" } "." } };
        return html! { div.sec { (note(Tone::Plain, "The retry is under way", &text)) } };
    };
    let (tone, word) = if made.succeeded() { (Tone::Good, "taken") } else { (Tone::Bad, "not taken") };
    let text = html! { p { "Attempt " (made.number) ": " (outcome_in_words(made)) "." } };
    html! { div.sec data-place=(place) { (note(tone, &format!("The retry was {word}"), &text)) } }
}

fn details(page: &Page, shown: &ShownDelivery) -> Markup {
    let delivery = &shown.delivery;
    let mut facts = Vec::new();
    match &shown.endpoint {
        Some(endpoint) => {
            facts.push(("Endpoint", html! { a href={ "/endpoints/" (endpoint.id) } { (name(endpoint)) } }));
            facts.push(("Address", address(components::cut(&endpoint.url, 600))));
        }
        None => facts.push(("Endpoint", html! { span.mono { (delivery.endpoint_id) } " " span.sub { "deleted" } })),
    }
    facts.push(("Event", html! { a.mono href={ "/events/" (delivery.event_id) } { (delivery.event_id) } }));
    facts.push(("Delivery", html! { span.mono { (delivery.id) } }));
    if !page.is_customer() {
        facts.push(("Account", html! { (delivery.account) }));
    }
    if delivery.test {
        facts.push(("Test", html! { "one attempt, sent by hand" }));
    }
    facts.push(("Created", clock_seconds(page.now(), delivery.created_at)));
    if let Some(at) = delivery.completed_at {
        facts.push(("Ended", clock_seconds(page.now(), at)));
    }
    facts.push(("Size", html! { (components::count(shown.payload.len() as u64, "byte", "bytes")) }));
    components::facts(&facts)
}

fn request(page: &Page, shown: &ShownDelivery) -> Markup {
    let headers = &shown.request_headers;
    let was_rotated = shown.endpoint.as_ref().is_some_and(|endpoint| endpoint.secrets.newest().generation > 1);
    html! {
        (payload::blocks(shown.delivery.id, &shown.payload))
        div.blk {
            div.blk-h { h3 { "Request headers" } (copy_button("request-headers")) }
            (attempt::headers("request-headers", headers.iter().map(|(name, value)| (&**name, &**value))))
            @if was_rotated { p.sub.gap { "The secret was rotated at some time: signatures of attempts from before that are shown as the newer secrets make them." } }
        }
        @if let Some(endpoint) = &shown.endpoint {
            div.blk {
                div.blk-h { h3 { "Send it yourself" } (copy_button("command")) }
                @match command::curl(&endpoint.url, headers, &shown.payload, &payload::file_name(shown.delivery.id)) {
                    Some(command) => {
                        pre.code #command tabindex="0" aria-label="Command" { (command) }
                        p.sub.gap {
                            "A receiver that checks " span.mono { "webhook-timestamp" } " refuses it when it is some minutes old. "
                            @if page.can::<CanChange>() { "Retry now signs it anew." }
                            @if headers.values().any(|value| value == REDACTED) {
                                " What stands as " span.mono { (REDACTED) } " is hidden from your token: put the right value in its place."
                            }
                        }
                    }
                    None => p.sub { "Its headers are too long for a command. The API gives them whole." }
                }
            }
        }
    }
}
