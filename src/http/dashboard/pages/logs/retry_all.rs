//! All that a filter matches, sent again: first how many, then the button.

use std::time::Duration;

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::{
    super::super::{
        components::{self, FormErrors, Tone, count, note},
        form::{self, Body, Form},
        layout::{self, Tab, View},
        page::{Page, Shown},
        response,
    },
    filter::{self, Asked},
};
use crate::{
    http::{
        api::delivery_actions::{self, Counted, RetryFilter},
        auth::{Caller, CanChange},
        problem::Problem,
    },
    store::DeliveryFilter,
};

/// Counted no further than this before it is done.
const MOST_COUNTED: u64 = 10_000;
/// So long the page waits for the end; the retries go on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The filter as the API's retry of many reads it.
fn checked<'a>(
    caller: &Caller<CanChange>,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<DeliveryFilter, Problem> {
    let body = pairs.fold(Body::default(), |body, (name, value)| match name {
        "response_code" => body.with(name, form::number(value)),
        _ => body.with(name, value),
    });
    body.parse::<RetryFilter>()?.filter(caller)
}

pub async fn ask(page: Page) -> Shown {
    let caller = page.caller::<CanChange>()?;
    let asked = Asked::of(page.request().query_string());
    let found = match checked(&caller, asked.filters()) {
        Ok(filter) => delivery_actions::count_matching(page.api(), &filter, MOST_COUNTED).await?,
        Err(problem) => return refused(&page, problem),
    };
    Ok(page.show(view(&page, &asked).body(html! { div.form.sec { (confirmation(&page, &asked, found)) } })))
}

pub async fn retry(page: Page, form: Form) -> Shown {
    let caller = page.caller::<CanChange>()?;
    let given = FIELDS.iter().map(|name| (*name, form.text(name))).filter(|(_, value)| !value.is_empty());
    let filter = match checked(&caller, given.clone()) {
        Ok(filter) => filter,
        Err(problem) => return refused(&page, problem),
    };
    let mut back = url::form_urlencoded::Serializer::new(String::new());
    back.extend_pairs(given.filter(|(name, _)| *name != "until" || form.text("until_now").is_empty()));
    match tokio::time::timeout(PATIENCE, delivery_actions::retry_matching(page.api(), caller, filter)).await {
        Ok(count) => back.append_pair("done", "retried").append_pair("count", &count?.to_string()),
        Err(_) => back.append_pair("done", "retrying").append_pair("count", form.text("found")),
    };
    Ok(response::go_to(&format!("/logs?{}", back.finish())))
}

/// The API's filters, which are the form's hidden fields.
const FIELDS: [&str; 8] = ["status", "type", "endpoint_id", "response_code", "since", "until", "event_id", "account"];

fn view(page: &Page, asked: &Asked) -> View {
    let lede = html! {
        "All deliveries with "
        @for (index, (parameter, value)) in asked.filters().enumerate() {
            @let (word, said) = filter::in_words(page, parameter, value);
            @if index > 0 { ", " }
            (word.to_lowercase()) " " strong { (said) }
        }
        "."
    };
    View::new(Tab::Logs, "Retry many").crumb("Retry many", None).lede(lede)
}

fn refused(page: &Page, problem: Problem) -> Result<HttpResponse, Problem> {
    let errors = FormErrors::of(problem)?;
    let body = html! {
        div.form.sec {
            (errors.summary(&[]))
            p { "Choose in the log which deliveries are meant: " a href="/logs?status=failed" { "those that failed" } ", say." }
        }
    };
    let view = View::new(Tab::Logs, "Retry many").crumb("Retry many", None).status(errors.status());
    Ok(page.show(view.body(body)))
}

fn confirmation(page: &Page, asked: &Asked, found: Counted) -> Markup {
    let back = asked.page(None);
    let many = match found {
        Counted { count: 0, is_all: true } => {
            let text = html! { p { "No delivery matches whose endpoint is still there. " a href=(back) { "Back to the log" } } };
            return note(Tone::Plain, "There is nothing to retry", &text);
        }
        Counted { count: some, is_all: true } => count(some, "delivery", "deliveries"),
        Counted { count: some, .. } => format!("At least {}", count(some, "delivery", "deliveries")),
    };
    let delivered_too = !asked.filters().any(|(name, value)| name == "status" && value != "delivered");
    // What comes in meanwhile was not counted, so it is not meant.
    let until = (!asked.filters().any(|(name, _)| name == "until")).then(|| page.now().to_string());
    note(
        Tone::Warning,
        &format!("{many} will be sent again"),
        &html! {
            p {
                "One attempt at once for each, beside its schedule, with the same " span.mono { "webhook-id" } "."
                @if delivered_too { " Deliveries that were taken already are among them: their receivers get them once more." }
                @if !found.is_all { " Counting ended at " (components::number(found.count)) "; all that match are sent." }
            }
            form.acts method="post" action="/logs/retry" {
                (layout::form_token(page))
                @for (name, value) in asked.filters() { input type="hidden" name=(name) value=(value); }
                @if let Some(until) = &until {
                    input type="hidden" name="until" value=(until);
                    input type="hidden" name="until_now" value="yes";
                }
                input type="hidden" name="found" value=(found.count);
                button.btn.main type="submit" { (components::icon("retry")) "Retry " (many.to_lowercase()) }
                a.btn href=(back) { "Cancel" }
            }
        },
    )
}
