//! Adding an endpoint and changing one: the same form.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};

use super::{
    super::super::{
        components::{Field, FormErrors, Tone, note},
        form::Form,
        layout::{self, Tab, View},
        page::{Page, Shown},
        response,
    },
    events_field::events_field,
    named, path,
    settings::{LABELS, Settings},
    show, shown_secret, view_below,
};
use crate::{
    domain::endpoint::Endpoint,
    http::{
        api::endpoints::{change, register},
        auth::CanChange,
    },
};

/// The name of the field that carries what a form showed.
const CARRIED: &str = "shown";

pub async fn new(page: Page) -> Shown {
    page.caller::<CanChange>()?;
    let settings = Settings { all: true, ..Settings::default() };
    Ok(new_page(&page, &settings, &FormErrors::default()))
}

pub async fn create(page: Page, form: Form) -> Shown {
    let caller = page.caller::<CanChange>()?;
    let settings = Settings::from(&form);
    let made = match settings.to_new().and_then(super::super::super::form::Body::parse) {
        Ok(new) => register(page.api(), &caller, new).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok((endpoint, secret)) => {
            let note = note(
                Tone::Good,
                "The endpoint was added",
                &html! {
                    p { "Give the receiver this secret, so that it can tell requests of this server from others. Then send a test." }
                    (shown_secret(secret.expose()))
                },
            );
            let mut shown = show::with(&page, &endpoint, Some(note)).await?;
            *shown.status_mut() = StatusCode::CREATED;
            Ok(shown)
        }
        Err(problem) => Ok(new_page(&page, &settings, &FormErrors::of(problem)?)),
    }
}

pub async fn edit(page: Page) -> Shown {
    let (_, endpoint) = named::<CanChange>(&page)?;
    let settings = Settings::from(&*endpoint);
    Ok(edit_page(&page, &endpoint, &settings, &settings.carried(), &FormErrors::default()))
}

pub async fn save(page: Page, form: Form) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    let settings = Settings::from(&form);
    let carried = form.text(CARRIED);
    let changed = match settings.to_change(carried).and_then(super::super::super::form::Body::parse) {
        Ok(patch) => change(page.api(), &caller, endpoint.id, patch).await,
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(endpoint) => Ok(response::go_to(&format!("{}?done=saved", path(&endpoint)))),
        Err(problem) => Ok(edit_page(&page, &endpoint, &settings, carried, &FormErrors::of(problem)?)),
    }
}

fn new_page(page: &Page, settings: &Settings, errors: &FormErrors) -> HttpResponse {
    let waits = page.api().registry().defaults().retry_schedule.waits();
    let waits = waits.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let body = html! {
        div.two.l {
            form.form.sec method="post" action="/endpoints/new" novalidate {
                (layout::form_token(page))
                (errors.summary(&LABELS))
                @if !page.is_customer() {
                    (Field::new("account", "Account", &settings.account).optional().hint("The customer whose endpoint it is; default, if left empty.").input(errors))
                }
                (fields(page, settings, errors, true))
                div.acts { button.btn.main type="submit" { "Add endpoint" } a.btn href="/endpoints" { "Cancel" } }
            }
            div.aside.sec {
                div { h2 { "What happens next" } p { "A signing secret is made and shown. The receiver checks with it that events come from here." } }
                div { h2 { "Then a test" } p { "Send one from the endpoint’s page. It is signed and logged like any other event, and the answer shows at once." } }
                div {
                    h2 { "If it stops answering" }
                    @if waits.is_empty() { p { "An event that is not taken is not sent again." } }
                    @else { p { "An event that is not taken is sent again after " (waits) ". Every attempt is logged." } }
                }
            }
        }
    };
    page.show(View::new(Tab::Endpoints, "Add endpoint").crumb("New", None).status(errors.status()).body(body))
}

fn edit_page(
    page: &Page,
    endpoint: &Endpoint,
    settings: &Settings,
    carried: &str,
    errors: &FormErrors,
) -> HttpResponse {
    let body = html! {
        form.form.sec method="post" action={ (path(endpoint)) "/edit" } novalidate {
            (layout::form_token(page))
            input type="hidden" name=(CARRIED) value=(carried);
            (errors.summary(&LABELS))
            (fields(page, settings, errors, false))
            div.acts { button.btn.main type="submit" { "Save" } a.btn href=(path(endpoint)) { "Cancel" } }
        }
    };
    page.show(view_below(endpoint, "Edit").status(errors.status()).body(body))
}

fn fields(page: &Page, settings: &Settings, errors: &FormErrors, is_new: bool) -> Markup {
    let defaults = page.api().registry().defaults();
    let url_hint = format!(
        "{}, and answering with 2xx within {}. Redirects are not followed.",
        if page.api().settings().allow_http { "http or https" } else { "Public, with https" },
        defaults.timeout
    );
    html! {
        (Field::new("url", "Address", &settings.url).mono().kind("url", "off").hint(&url_hint).input(errors))
        (Field::new("description", "Description", &settings.description).optional().hint("What people call it.").area(errors, 2))
        (events_field(page, settings, errors))
        details.more open[!errors.is_none() || has_own(settings)] {
            summary { "More settings" }
            div.form.gap { (more_fields(page, settings, errors, is_new)) }
        }
    }
}

fn has_own(settings: &Settings) -> bool {
    let texts = [
        &settings.timeout,
        &settings.retry_schedule,
        &settings.max_in_flight,
        &settings.rate_limit,
        &settings.headers,
        &settings.metadata,
    ];
    settings.ordered || texts.into_iter().any(|text| !text.is_empty())
}

fn more_fields(page: &Page, settings: &Settings, errors: &FormErrors, is_new: bool) -> Markup {
    let defaults = page.api().registry().defaults();
    let waits = defaults.retry_schedule.waits().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let timeout_hint = format!("100ms to 5m. {}, if left empty.", defaults.timeout);
    let waits_hint = format!("The waits between attempts; none for a single attempt. {waits}, if left empty.");
    let flight_hint = format!("1 to 1000. {}, if left empty.", defaults.max_in_flight);
    html! {
        div.pair {
            (Field::new("timeout", "Time-out", &settings.timeout).optional().hint(&timeout_hint).input(errors))
            (Field::new("retry_schedule", "Retries", &settings.retry_schedule).optional().hint(&waits_hint).input(errors))
            (Field::new("max_in_flight", "Attempts at a time", &settings.max_in_flight).optional().hint(&flight_hint).input(errors))
            (Field::new("rate_limit", "Attempts a second", &settings.rate_limit).optional().hint("1 to 10000. No limit, if left empty.").input(errors))
        }
        div.pick {
            label { input type="checkbox" name="ordered" checked[settings.ordered]; " In order: one delivery at a time, the oldest event first; one that is retried holds the rest" }
        }
        (Field::new("headers", "Headers", &settings.headers).optional().mono().hint("Sent with every request. Name: value, a line each.").area(errors, 3))
        (Field::new("metadata", "Metadata", &settings.metadata).optional().mono().hint("For your own use. Name: value, a line each; or a JSON object.").area(errors, 3))
        @if is_new {
            (Field::new("secret", "Signing secret", &settings.secret).optional().mono().hint("One that the receiver has already: whsec_ and base64. One is made, if left empty.").input(errors))
        }
    }
}
