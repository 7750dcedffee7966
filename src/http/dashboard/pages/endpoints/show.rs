//! One endpoint: how it is, what was sent lately, and its settings.

use maud::{Markup, html};

use super::{
    super::{
        super::{
            components::{
                self, State, Tone, action, clock, count, in_words, millis, note, prose, sentence, spark, state,
            },
            form::TOKEN_FIELD,
            layout::{Tab, View},
            page::{Page, Shown},
        },
        logs,
    },
    list::{bars, day_of, finding, share_taken},
    name, named, path,
};
use crate::{
    domain::{
        attempt::Attempt,
        delivery::{Delivery, DeliveryStatus},
        endpoint::{Endpoint, EndpointHealth, EndpointStatus},
        ids::DeliveryId,
        subscription::Subscription,
        time::Timestamp,
    },
    http::{
        api::deliveries::{self, DeliveryQuery},
        auth::{CanChange, CanRead},
        extract::page_list_query,
        problem::Problem,
    },
    store::DueClass,
};

/// So much of a test's answer is shown beside all else; the log has the rest.
const MOST_ANSWER: usize = 8 << 10;
/// So many deliveries are shown.
const LATEST: usize = 8;

/// What stands behind the question mark.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    /// The delivery of a test.
    test: Option<String>,
    /// What a form did.
    done: Option<String>,
    /// How many.
    count: Option<String>,
}

pub async fn show(page: Page) -> Shown {
    let (caller, endpoint) = named::<CanRead>(&page)?;
    let query: ShowQuery = page.query()?;
    let note = match (&query.test, query.done.as_deref()) {
        (Some(id), _) => {
            let id: DeliveryId = id.parse().map_err(|_| Problem::not_found("delivery"))?;
            let shown = deliveries::show(page.api(), &caller, id, None).await?;
            Some(test_note(&page, &shown.delivery, shown.attempts.last()))
        }
        (None, Some(done)) => done_note(&endpoint, done, query.count.as_deref()),
        (None, None) => None,
    };
    with(&page, &endpoint, note).await
}

/// The endpoint's page, with a note on what was done.
pub async fn with(page: &Page, endpoint: &Endpoint, note: Option<Markup>) -> Shown {
    let latest = page_list_query::<DeliveryQuery>("/logs", &format!("endpoint_id={}&limit={LATEST}", endpoint.id))?;
    let latest = deliveries::find(page.api(), &page.caller::<CanRead>()?, &latest).await?;
    let health = page.api().store().health(endpoint.id);
    let may_change = page.can::<CanChange>();
    let place = path(endpoint);
    let next = next_attempt(page, endpoint).await?;
    let body = html! {
        @if let Some(note) = &note { div.sec data-place=(place) { (note) } }
        div.two.l {
            div {
                (components::section("latest", "Latest deliveries", Some(html! {
                    a href={ "/logs?endpoint_id=" (endpoint.id) } { "All logs" }
                }), &html! {
                    @if latest.items.is_empty() {
                        p.sub { "Nothing was sent yet." @if may_change { " Send a test to see whether it answers." } }
                    } @else { (logs::deliveries_table(page, &latest.items, logs::Of::OneEndpoint)) }
                }))
            }
            div {
                (last_day(page, endpoint))
                @if may_change { (secret(page, endpoint)) }
                (gets(page, endpoint))
                (settings(page, endpoint))
                @if may_change { (more(page, endpoint)) }
            }
        }
    };
    let actions = html! {
        a.btn href={ "/logs?endpoint_id=" (endpoint.id) } { "Logs" }
        @if may_change {
            a.btn href={ (place) "/edit" } { "Edit" }
            (action(page, &format!("{place}/test"), "Send a test", "main", &[]))
        }
    };
    let view = View::new(Tab::Endpoints, name(endpoint)).crumb(name(endpoint), None);
    Ok(page.show(view.lede(lede(page, endpoint, &health, next)).actions(actions).body(body)))
}

/// When the next attempt by schedule is due, on the wall's clock.
async fn next_attempt(page: &Page, endpoint: &Endpoint) -> Result<Option<Timestamp>, Problem> {
    let id = endpoint.id;
    let next = page.api().store().read(move |store| store.next_due(id, DueClass::InTurn, Timestamp::EPOCH)).await?;
    Ok(next.map(|at| page.api().clock().wall_at(at)))
}

fn lede(page: &Page, endpoint: &Endpoint, health: &EndpointHealth, next: Option<Timestamp>) -> Markup {
    let now = page.now();
    let is = State::of_endpoint(endpoint, health);
    let waiting = count(health.pending, "delivery waits", "deliveries wait");
    let held = count(health.pending, "delivery is held", "deliveries are held");
    html! {
        (state(is)) " "
        @match (&endpoint.status, health.failing_since) {
            (EndpointStatus::Disabled { reason }, _) => {
                strong { "It gets nothing new." } " " (prose(&sentence(reason)))
                @if health.pending > 0 { " " (held) "." }
            }
            (EndpointStatus::Paused, _) => { strong { (held) "." } " New events are queued, and all goes out when it is resumed." }
            (EndpointStatus::Enabled, Some(since)) => {
                strong { "Since " (clock(now, since)) "." } " "
                @if let Some(error) = &health.last_error { "The last error was: " (error.message) ". " }
                (waiting)
                @match next { Some(next) => { "; the next attempt is " (in_words(now, next)) ", at " (clock(now, next)) "." }, None => "." }
            }
            (EndpointStatus::Enabled, None) => {
                @match health.last_success_at {
                    Some(at) => { strong { "The last attempt was taken " (components::ago(now, at)) "." } }
                    None => { strong { "Nothing was taken yet." } }
                }
                @if health.pending > 0 { " " (waiting) "." }
            }
        }
        br;
        span.sub { (components::address(&endpoint.url)) }
    }
}

/// What a test came to, or that it is under way.
fn test_note(page: &Page, delivery: &Delivery, attempt: Option<&Attempt>) -> Markup {
    let log = html! { a href={ "/logs/" (delivery.id) } { "See it in the log" } };
    let kind = html! { span.mono { (delivery.event_type) } };
    let Some(attempt) = attempt else {
        return note(
            Tone::Plain,
            "The test is under way",
            &html! {
                p data-again="1000" { (kind) " was sent, and is not answered yet. " a href=(page.request().uri()) { "Look again" } "." }
            },
        );
    };
    let took = millis(attempt.outcome.duration);
    let answer = attempt.outcome.response.as_ref();
    let said =
        answer.map(|response| String::from_utf8_lossy(&response.body).into_owned()).filter(|body| !body.is_empty());
    let (tone, title) = match (delivery.status, answer) {
        (DeliveryStatus::Delivered, Some(response)) => {
            (Tone::Good, format!("The test was taken: {} after {took}", response.code))
        }
        (_, Some(response)) => (Tone::Bad, format!("The test was refused: {} after {took}", response.code)),
        (_, None) => (Tone::Bad, format!("The test was not answered within {took}")),
    };
    note(
        tone,
        &title,
        &html! {
            p {
                (kind) " was sent once. "
                @if let Some(error) = &attempt.outcome.error { (sentence(&error.message)) " " }
                (log) "."
            }
            @if let Some(said) = said {
                @let shown = components::cut(&said, MOST_ANSWER);
                pre.code.fold.gap tabindex="0" aria-label="Answer" { (shown) @if shown.len() < said.len() { "…" } }
            }
        },
    )
}

fn done_note(endpoint: &Endpoint, done: &str, number: Option<&str>) -> Option<Markup> {
    let number = number.and_then(|number| number.parse().ok()).unwrap_or(0);
    let (one, many) = ("delivery goes out", "deliveries go out");
    let (title, text) = match done {
        "saved" => ("Saved", "It holds from the next attempt on.".to_owned()),
        "paused" => ("Paused", "Deliveries are queued and held until it is resumed.".to_owned()),
        "enabled" => ("Enabled", "What was held goes out now.".to_owned()),
        "disabled" => ("Disabled", "Nothing new is queued. What was missed can be replayed later.".to_owned()),
        "replayed" => (
            "Replay begun",
            format!("{} {}, with the whole schedule before them.", count(number, one, many), when_replayed(endpoint)),
        ),
        _ => return None,
    };
    Some(note(Tone::Good, title, &html! { p { (text) } }))
}

/// When what is replayed goes out.
pub fn when_replayed(endpoint: &Endpoint) -> &'static str {
    match endpoint.status {
        EndpointStatus::Enabled => "now",
        EndpointStatus::Paused => "once the endpoint is resumed",
        EndpointStatus::Disabled { .. } => "once the endpoint is enabled",
    }
}

fn last_day(page: &Page, endpoint: &Endpoint) -> Markup {
    let traffic = day_of(page, endpoint);
    let hours_ago = |hours: u64| page.now().minus(std::time::Duration::from_hours(hours));
    components::section(
        "day",
        "Last 24 hours",
        Some(
            html! { span.sub { (share_taken(&traffic)) @if traffic.iter().any(|hour| hour.taken + hour.refused > 0) { " taken" } } },
        ),
        &html! {
            (spark(&bars(&traffic), &finding(&traffic), true))
            div.xax aria-hidden="true" {
                span { (clock(hours_ago(0), hours_ago(24))) } span { (clock(hours_ago(12), hours_ago(12))) } span { "now" }
            }
        },
    )
}

fn secret(page: &Page, endpoint: &Endpoint) -> Markup {
    let place = path(endpoint);
    components::section(
        "signing",
        "Signing secret",
        Some(html! { a href={ (place) "/rotate" } { "Rotate" } }),
        &html! {
            form.inrow method="post" action={ (place) "/secret" } {
                input type="hidden" name=(TOKEN_FIELD) value=(page.form_token());
                label.vh for="masked" { "Signing secret" }
                input.in.mono #masked readonly value="whsec_••••••••••••••••" autocomplete="off";
                button.btn type="submit" { "Reveal" }
            }
            p.sub.gap { "The receiver checks every request with it. That it was read stands in the audit log." }
        },
    )
}

fn gets(page: &Page, endpoint: &Endpoint) -> Markup {
    let catalog = page.api().catalog().all();
    let first = catalog.keys().find(|name| endpoint.subscribes(name));
    components::section(
        "gets",
        "Gets",
        None,
        &html! {
            ul.list {
                @for subscription in &endpoint.event_types {
                    li { @if *subscription == Subscription::All { "Every type, new ones too" } @else { span.mono { (subscription) } } }
                }
            }
            @if page.can::<CanChange>() {
                form.inrow.gap method="post" action={ (path(endpoint)) "/test" } {
                    input type="hidden" name=(TOKEN_FIELD) value=(page.form_token());
                    label.vh for="type" { "Event type of a test" }
                    select.in.mono #type name="type" {
                        @for entry in catalog.values() {
                            @let name = &entry.event_type.name;
                            option value=(name) selected[Some(name) == first] { (name) }
                        }
                    }
                    button.btn type="submit" { "Test" }
                }
            }
        },
    )
}

fn settings(page: &Page, endpoint: &Endpoint) -> Markup {
    let effective = page.api().registry().defaults().effective(endpoint);
    let own = |own: bool| html! { @if !own { " " span.sub { "default" } } };
    let waits = effective.retry_schedule.waits().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut facts = vec![
        ("Endpoint", html! { span.mono { (endpoint.id) } }),
        ("Account", html! { (endpoint.account) }),
        ("Time-out", html! { (effective.timeout) (own(endpoint.timeout.is_some())) }),
        (
            "Retries",
            html! {
                @if waits.is_empty() { "none" } @else { "after " (waits) } (own(endpoint.retry_schedule.is_some()))
            },
        ),
        (
            "In flight",
            html! {
                @if endpoint.ordered { "1, in order" } @else { "up to " (effective.max_in_flight) (own(endpoint.max_in_flight.is_some())) }
            },
        ),
        (
            "Rate",
            html! { @match effective.rate_limit { Some(rate) => { (rate) " a second" }, None => span.sub { "no limit" } } },
        ),
    ];
    if !endpoint.headers.is_empty() {
        let names = endpoint.headers.iter().map(|header| header.name().to_owned()).collect::<Vec<_>>().join(", ");
        facts.push(("Headers", html! { span.mono { (names) } }));
    }
    facts.push(("Added", clock(page.now(), endpoint.created_at)));
    components::section("settings", "Settings", None, &components::facts(&facts))
}

fn more(page: &Page, endpoint: &Endpoint) -> Markup {
    let place = path(endpoint);
    let to = |state: &'static str, word: &str| action(page, &format!("{place}/status"), word, "", &[("status", state)]);
    components::section(
        "more",
        "Pause, replay or delete",
        None,
        &html! {
            p.sub {
                "Paused, it is queued for and sent nothing. Disabled, nothing is queued for it. Deleted, what waits is canceled; the log stays."
            }
            div.acts.gap {
                @match endpoint.status {
                    EndpointStatus::Enabled => { (to("paused", "Pause")) (to("disabled", "Disable")) }
                    EndpointStatus::Paused => { (to("enabled", "Resume")) (to("disabled", "Disable")) }
                    EndpointStatus::Disabled { .. } => { (to("enabled", "Enable")) }
                }
                a.btn href={ (place) "/replay" } { "Replay" }
                a.btn.risk href={ (place) "/delete" } { "Delete" }
            }
        },
    )
}
