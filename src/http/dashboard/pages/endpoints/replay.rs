//! Sending again what failed or was missed since some time: first how many, then the button.

use std::time::Duration;

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::{
    super::super::{
        components::{Field, FormErrors, Tone, count, note},
        form::{Body, Form},
        layout,
        page::{Page, Shown},
        response,
    },
    named, path, show, view_below,
};
use crate::{
    domain::endpoint::Endpoint,
    http::{
        api::{delivery_actions::Counted, endpoint_actions::begin_again, replay::Replay},
        auth::{Caller, CanChange},
        problem::Problem,
    },
};

/// Counted no further than this before it is done.
const MOST_COUNTED: u64 = 10_000;

const LABELS: [(&str, &str); 3] = [("since", "Since"), ("until", "Until"), ("select", "What")];
const SELECTIONS: [(&str, &str); 3] = [
    ("failed", "What failed: deliveries whose attempts are used up"),
    ("missed", "What was missed: events of its types that were never queued for it"),
    ("all", "All of it: every delivery again, and what was missed"),
];

/// What the form holds.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    since: String,
    until: String,
    select: String,
}

impl Asked {
    fn of(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self { since: text("since"), until: text("until"), select: text("select") }
    }

    fn check(&self, page: &Page, caller: &Caller<CanChange>, endpoint: &Endpoint) -> Result<Replay, Problem> {
        let body = Body::default().with("since", self.since.as_str()).text("until", &self.until);
        Replay::check(page.api(), caller, endpoint.id, body.with("select", self.select.as_str()).parse()?)
    }
}

pub async fn ask(page: Page) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    let asked: Asked = page.query()?;
    if asked.select.is_empty() && asked.since.is_empty() {
        let since = page.now().minus(Duration::from_hours(24)).to_string();
        let asked = Asked { since, select: "failed".to_owned(), ..asked };
        return Ok(form_page(&page, &endpoint, &asked, &FormErrors::default(), None));
    }
    match asked.check(&page, &caller, &endpoint) {
        Ok(replay) => {
            let found = replay.count(MOST_COUNTED).await?;
            Ok(form_page(&page, &endpoint, &asked, &FormErrors::default(), Some(found)))
        }
        Err(problem) => Ok(form_page(&page, &endpoint, &asked, &FormErrors::of(problem)?, None)),
    }
}

pub async fn replay(page: Page, form: Form) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    let asked = Asked::of(&form);
    match asked.check(&page, &caller, &endpoint) {
        Ok(replay) => {
            let count = begin_again(replay, caller).await?;
            Ok(response::go_to(&format!("{}?done=replayed&count={count}", path(&endpoint))))
        }
        Err(problem) => Ok(form_page(&page, &endpoint, &asked, &FormErrors::of(problem)?, None)),
    }
}

fn form_page(
    page: &Page,
    endpoint: &Endpoint,
    asked: &Asked,
    errors: &FormErrors,
    found: Option<Counted>,
) -> HttpResponse {
    let place = format!("{}/replay", path(endpoint));
    let since = |hours: u64, word: &str| {
        let since = page.now().minus(Duration::from_hours(hours));
        html! { a.chip href={ (place) "?since=" (since) "&select=" (asked.select) } { (word) } }
    };
    let body = html! {
        form.form.sec method="get" action=(place) novalidate {
            (errors.summary(&LABELS))
            div.chips { (since(1, "The last hour")) (since(24, "24 hours")) (since(7 * 24, "7 days")) (since(30 * 24, "30 days")) }
            (Field::new("since", "Since", &asked.since).mono().hint("UTC, like 2026-01-25T00:00:00Z.").input(errors))
            (Field::new("until", "Until", &asked.until).mono().optional().hint("Now, if left empty.").input(errors))
            (Field::new("select", "What", &asked.select).select(errors, &SELECTIONS))
            div.acts { button.btn type="submit" { "Count" } a.btn href=(path(endpoint)) { "Cancel" } }
        }
        @if let Some(found) = found { div.form.sec { (confirmation(page, endpoint, asked, found)) } }
    };
    let lede = html! { "Each delivery begins again, with the whole schedule before it. Tests are left out." };
    page.show(view_below(endpoint, "Replay").status(errors.status()).lede(lede).body(body))
}

fn confirmation(page: &Page, endpoint: &Endpoint, asked: &Asked, found: Counted) -> Markup {
    let many = match found {
        Counted { count: 0, is_all: true } => {
            return note(
                Tone::Plain,
                "There is nothing to send again",
                &html! { p { "Nothing in this time is of this kind." } },
            );
        }
        Counted { count: some, is_all: true } => count(some, "delivery", "deliveries"),
        Counted { count: some, .. } => format!("At least {}", count(some, "delivery", "deliveries")),
    };
    note(
        Tone::Warning,
        &format!("{many} will be sent again"),
        &html! {
            p { "The receiver gets them " (show::when_replayed(endpoint)) ", as it did before, with the same " span.mono { "webhook-id" } "." }
            form.one method="post" action={ (path(endpoint)) "/replay" } {
                (layout::form_token(page))
                @for (name, value) in [("since", &asked.since), ("until", &asked.until), ("select", &asked.select)] {
                    input type="hidden" name=(name) value=(value);
                }
                button.btn.main type="submit" { "Send again" }
            }
        },
    )
}
