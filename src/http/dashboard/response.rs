//! Answers of the dashboard, with the headers that every one of them has: nothing is loaded from elsewhere, framed,
//! cached or guessed at, and scripts and styles come from files alone.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use maud::Markup;

use crate::http::answer;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// An answer with these headers.
pub fn builder(status: StatusCode) -> HttpResponseBuilder {
    let mut response = answer::builder(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        // With `no-referrer`, browsers send `Origin: null` with a form, which then could not be checked.
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
        .insert_header((header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"));
    response
}

/// A page.
pub fn html(status: StatusCode, page: Markup) -> HttpResponse {
    builder(status).content_type("text/html; charset=utf-8").body(page.into_string())
}

/// 303: the browser goes on to another page of ours, with GET.
pub fn go_to(path: &str) -> HttpResponse {
    builder(StatusCode::SEE_OTHER).insert_header((header::LOCATION, path)).finish()
}
