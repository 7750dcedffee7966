//! What lists are filtered by: the fields that several tabs share, filled in with the query as it was typed, so that a
//! filter is an address that can be kept and sent on.

use std::time::Duration;

use maud::{Markup, html};

use super::super::{
    components::{Field, FormErrors},
    page::Page,
};

/// A choice of more is a line to type in.
const MOST_CHOICES: usize = 200;

/// What the fields are called, for the summary of errors.
pub const LABELS: [(&str, &str); 8] = [
    ("type", "Event type"),
    ("account", "Account"),
    ("since", "Since"),
    ("until", "Until"),
    ("action", "Change"),
    ("subject", "On"),
    ("endpoint_id", "Endpoint"),
    ("status", "Outcome"),
];

/// The event types of the catalog to choose from. `any`: the word for all of them, if that can be chosen.
pub fn type_field(page: &Page, errors: &FormErrors, value: &str, any: Option<&str>) -> Markup {
    let catalog = page.api().catalog().all();
    let field = Field::new("type", "Event type", value);
    // "Any" is no type's name.
    let field = if any.is_some() && value.is_empty() { field } else { field.mono() };
    if catalog.len() > MOST_CHOICES {
        return field.input(errors);
    }
    let known = catalog.keys().any(|name| name.as_str() == value);
    let first = any.map(|any| ("", any));
    // What is not in the catalog stays what was asked for.
    let unknown = (!value.is_empty() && !known).then_some((value, value));
    let names = catalog.keys().map(|name| (name.as_str(), name.as_str()));
    field.select(errors, &first.into_iter().chain(unknown).chain(names).collect::<Vec<_>>())
}

/// An account, for who sees more than one.
pub fn account_field(page: &Page, errors: &FormErrors, value: &str, hint: Option<&str>) -> Markup {
    let field = Field::new("account", "Account", value);
    let field = match hint {
        Some(hint) => field.hint(hint),
        None => field.placeholder("any"),
    };
    html! { @if !page.is_customer() { (field.input(errors)) } }
}

/// From when and until when.
pub fn time_fields(page: &Page, errors: &FormErrors) -> Markup {
    let (since, until) = (page.typed("since"), page.typed("until"));
    html! {
        (Field::new("since", "Since", &since).mono().placeholder("2026-01-25T00:00:00Z").input(errors))
        (Field::new("until", "Until", &until).mono().placeholder("now").input(errors))
    }
}

/// Spans up to now, as links that keep the rest of the filter.
pub fn time_chips(page: &Page, others: &[&str]) -> Markup {
    let spans = [(1, "Last hour"), (24, "24 hours"), (7 * 24, "7 days")];
    let link = |since: Option<String>| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for name in others {
            let value = page.typed(name);
            if !value.is_empty() {
                query.append_pair(name, &value);
            }
        }
        if let Some(since) = since {
            query.append_pair("since", &since);
        }
        format!("{}?{}", list(page), query.finish())
    };
    html! {
        div.chips role="group" aria-label="Time" {
            a.chip href=(link(None)) aria-current=[(page.typed("since").is_empty() && page.typed("until").is_empty()).then_some("true")] { "Any time" }
            @for (hours, word) in spans {
                a.chip href=(link(Some(page.now().minus(Duration::from_hours(hours)).to_string()))) { (word) }
            }
        }
    }
}

/// The list that the page shows: also where a look-up in it found nothing, at an address below.
fn list(page: &Page) -> String {
    format!("/{}", page.request().path().split('/').nth(1).unwrap_or_default())
}

/// Whether one of these is filtered by.
pub fn is_filtered(page: &Page, names: &[&str]) -> bool {
    names.iter().any(|name| !page.typed(name).is_empty())
}

/// The form around the fields; it asks for the list that it stands on.
pub fn form(page: &Page, names: &[&str], fields: &Markup) -> Markup {
    html! {
        form.filter method="get" action=(list(page)) novalidate {
            (fields)
            div.acts {
                button.btn type="submit" { "Filter" }
                @if is_filtered(page, names) { a.btn href=(list(page)) { "Clear" } }
            }
        }
    }
}

/// What stands in place of a list in which the filter finds nothing.
pub fn none_of_these(page: &Page, what: &str) -> Markup {
    super::super::components::nothing(
        "None of these",
        &html! { "No " (what) " matches this filter. " a href=(list(page)) { "Show all" } },
    )
}
