//! The pages, one file (or directory) for each tab, with the routes of its own; and what is answered where there is none.

mod audit_log;
mod endpoints;
mod event_types;
mod events;
mod filters;
mod live;
mod logs;
mod overview;
mod portal;
mod sign_in;
mod tokens;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{StatusCode, header},
    web::{self, Data},
};
use maud::html;

use super::{
    components::{prose, sentence},
    layout::{self, View},
    origin,
    page::{OTHER_SESSION, Page},
    response,
};
use crate::http::{
    Api, api,
    problem::{Kind, Problem},
};

/// So many reads of the store a list's page makes: a person does not wait for more, and can go on from there.
const MOST_READS: usize = 3;

/// Adds the routes of all pages.
pub fn configure(config: &mut web::ServiceConfig) {
    sign_in::routes(config);
    portal::routes(config);
    overview::routes(config);
    endpoints::routes(config);
    logs::routes(config);
    events::routes(config);
    event_types::routes(config);
    tokens::routes(config);
    audit_log::routes(config);
    live::routes(config);
}

/// What a page refuses, as a page.
pub fn refused(page: &Page, problem: &Problem) -> HttpResponse {
    let answer = problem.error_response();
    let (title, what_now) = match problem.kind() {
        Kind::NotFound => ("There is nothing here", "It may have been deleted, or belong to another account."),
        Kind::Forbidden if problem.pointer() == Some(OTHER_SESSION) => ("The form is out of date", ""),
        Kind::Forbidden if page.is_portal() => ("This is not allowed", "Your platform does it for you."),
        Kind::Forbidden => ("This is not allowed", "Sign in with another token to do it."),
        Kind::Unavailable => ("Not now", "Nothing was lost. Try again in a moment."),
        Kind::InvalidParameter => {
            ("The address is not right", "A part of it after the question mark is not understood.")
        }
        _ => ("That did not work", "Nothing was changed."),
    };
    let view = View::apart(title).lede(html! { strong { (prose(&sentence(problem.detail()))) } " " (what_now) }).body(html! {
        div.acts.sec { a.btn href="/" { "Overview" } a.btn href="/endpoints" { "Endpoints" } a.btn href="/logs" { "Logs" } }
    });
    let (status, markup) = view.status(answer.status()).render(page);
    let mut shown = response::html(status, markup);
    if let Some(value) = answer.headers().get(header::RETRY_AFTER) {
        shown.headers_mut().insert(header::RETRY_AFTER, value.clone());
    }
    shown
}

/// What is answered where there is no route: a page for who asks for one, else a problem document.
pub async fn unknown(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let wants_page = request
        .headers()
        .get_all(header::ACCEPT)
        .any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")));
    if !wants_page || request.path().starts_with("/v1/") || request.path() == "/v1" {
        return api::not_found(&request);
    }
    let page = layout::solo(
        &api,
        "There is no such page",
        None,
        &html! {
            h1 { "There is no such page" }
            p { "The address may be mistyped, or from another release." }
            p { a href="/" { "Go to the overview" } }
        },
    );
    response::html(StatusCode::NOT_FOUND, page)
}

/// What is answered to a method that a page does not have.
pub fn unknown_method(api: &Api) -> HttpResponse {
    let page = layout::solo(
        api,
        "Not this way",
        None,
        &html! {
            h1 { "Not this way" }
            p { "This address is no page to look at: it is where a form is sent." }
            p { a href="/" { "Go to the overview" } }
        },
    );
    response::html(StatusCode::METHOD_NOT_ALLOWED, page)
}

/// To the sign-in, and back here afterwards. Who sent a form is told that nothing was done, and comes back to its page.
pub fn to_sign_in(request: &HttpRequest, api: &Api) -> HttpResponse {
    let (here, unsaved) = if request.method().is_safe() {
        (request.uri().path_and_query().map(|here| here.as_str().to_owned()), "")
    } else if request.path() == "/sign-out" {
        (None, "")
    } else {
        (origin::page_before(request, api), sign_in::UNSAVED)
    };
    let mut query = url::form_urlencoded::Serializer::new(unsaved.to_owned());
    if let Some(here) = here.filter(|here| here != "/") {
        query.append_pair("next", &here);
    }
    let query = query.finish();
    response::go_to(&if query.is_empty() { "/sign-in".to_owned() } else { format!("/sign-in?{query}") })
}
