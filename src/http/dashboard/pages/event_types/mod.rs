//! Event types: the catalog, each with what it means, an example and its schema; operators add their own.

mod delete;
mod edit;
mod list;
mod show;

use std::sync::Arc;

use actix_web::web;

use super::super::page::{Page, resource};
use crate::{
    domain::event_type::EventTypeName,
    http::{catalog::Entry, problem::Problem},
};

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/event-types", list::list).add_to(config);
    // No name has a hyphen.
    resource("/event-types/add-new", edit::new).post(edit::add).add_to(config);
    resource("/event-types/{name}", show::show).add_to(config);
    resource("/event-types/{name}/edit", edit::edit).post(edit::save).add_to(config);
    resource("/event-types/{name}/delete", delete::ask).post(delete::delete).add_to(config);
}

/// The entry of the path.
fn named(page: &Page) -> Result<Arc<Entry>, Problem> {
    let name: EventTypeName = page.part("name", "event type")?;
    page.api().catalog().get(&name).ok_or_else(|| Problem::not_found("event type"))
}

fn path(entry: &Entry) -> String {
    format!("/event-types/{}", entry.event_type.name)
}

/// How many endpoints that the visitor sees get events of this type.
fn subscribers(page: &Page, entry: &Entry) -> usize {
    let snapshot = page.api().registry().snapshot();
    let all = snapshot.endpoints().values().filter(|endpoint| page.sees(&endpoint.account));
    all.filter(|endpoint| endpoint.subscribes(&entry.event_type.name)).count()
}
