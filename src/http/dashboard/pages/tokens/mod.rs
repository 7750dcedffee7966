//! Tokens: who may use the API and these pages, with which rights. A token's text is shown once, when it is made.

mod delete;
mod list;
mod new;

use actix_web::web;

use super::super::page::resource;

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/tokens", list::list).add_to(config);
    resource("/tokens/new", new::ask).post(new::make).add_to(config);
    resource("/tokens/{id}/delete", delete::ask).post(delete::delete).add_to(config);
}

/// The roles, and what each may do.
const ROLES: [(&str, &str); 3] = [
    ("admin", "Everything: see, change, and read secrets."),
    ("read", "See everything but secrets, and change nothing."),
    ("ingest", "Post events, and nothing else. For producers."),
];
