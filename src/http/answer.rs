//! Answers that are not refusals: JSON with the headers that fit an API. Nothing of it is for a cache or for a guess
//! at its type.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use serde::Serialize;

/// An answer with the headers that all have.
pub fn builder(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

/// 200 with JSON.
pub fn ok(value: &impl Serialize) -> HttpResponse {
    json(StatusCode::OK, value)
}

/// 202 with JSON.
pub fn accepted(value: &impl Serialize) -> HttpResponse {
    json(StatusCode::ACCEPTED, value)
}

/// 201 with JSON and the place of the new thing.
pub fn created(location: &str, value: &impl Serialize) -> HttpResponse {
    let mut response = builder(StatusCode::CREATED);
    response.insert_header((header::LOCATION, location)).content_type("application/json");
    response.body(to_json(value))
}

/// 204.
pub fn no_content() -> HttpResponse {
    builder(StatusCode::NO_CONTENT).finish()
}

/// JSON with this status.
pub fn json(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    builder(status).content_type("application/json").body(to_json(value))
}

/// The JSON text of a value made of texts, numbers, lists and objects with text keys.
pub fn to_json(value: &impl Serialize) -> Vec<u8> {
    // Such values cannot fail to serialise; an empty body is what a client would see of a mistake here.
    serde_json::to_vec(value).unwrap_or_default()
}
