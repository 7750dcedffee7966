//! Endpoints: the list with its health at a glance, and one endpoint.

mod list;

use actix_web::web;

use super::super::page::resource;
use crate::domain::endpoint::Endpoint;

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/endpoints", list::list).add_to(config);
}

/// What people call an endpoint: the first line of its description, else its URL.
pub fn name(endpoint: &Endpoint) -> &str {
    let described = endpoint.description.lines().map(str::trim).find(|line| !line.is_empty());
    described.unwrap_or_else(|| without_scheme(&endpoint.url))
}

/// `https` goes without saying.
pub fn without_scheme(url: &str) -> &str {
    url.strip_prefix("https://").unwrap_or(url)
}
