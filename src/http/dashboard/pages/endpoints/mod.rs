//! Endpoints: the list with its health at a glance, one endpoint, and what people do with it, each on a page of its own.

mod actions;
mod delete;
mod edit;
mod events_field;
mod list;
mod replay;
mod rotate;
mod settings;
mod show;

use std::sync::Arc;

use actix_web::web;
use maud::{Markup, html};

use super::super::{
    components,
    layout::{Tab, View},
    page::{Page, resource, target},
};
use crate::{
    domain::{endpoint::Endpoint, ids::EndpointId},
    http::{
        api::endpoints::find,
        auth::{Caller, Right},
        problem::Problem,
    },
};

pub use list::{bars, day_of, finding};

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/endpoints", list::list).add_to(config);
    resource("/endpoints/new", edit::new).post(edit::create).add_to(config);
    resource("/endpoints/{id}", show::show).add_to(config);
    resource("/endpoints/{id}/edit", edit::edit).post(edit::save).add_to(config);
    resource("/endpoints/{id}/rotate", rotate::ask).post(rotate::rotate).add_to(config);
    resource("/endpoints/{id}/replay", replay::ask).post(replay::replay).add_to(config);
    resource("/endpoints/{id}/delete", delete::ask).post(delete::delete).add_to(config);
    target("/endpoints/{id}/test", actions::test).add_to(config);
    target("/endpoints/{id}/status", actions::set_status).add_to(config);
    target("/endpoints/{id}/secret", actions::reveal_secret).add_to(config);
}

/// A name has no more characters than this: a page has many of them.
const LONGEST_NAME: usize = 80;
/// Nor does a row need more bytes of an address.
const LONGEST_ADDRESS: usize = 200;

/// What people call an endpoint: the first line of its description, else its URL.
pub fn name(endpoint: &Endpoint) -> &str {
    let described = endpoint.description.lines().map(str::trim).find(|line| !line.is_empty());
    let name = described.unwrap_or_else(|| without_scheme(&endpoint.url));
    name.char_indices().nth(LONGEST_NAME).map_or(name, |(end, _)| &name[..end])
}

/// `https` goes without saying.
pub fn without_scheme(url: &str) -> &str {
    url.strip_prefix("https://").unwrap_or(url)
}

/// The same, as far as a row of a list shows it.
pub fn short_address(url: &str) -> &str {
    components::cut(without_scheme(url), LONGEST_ADDRESS)
}

/// The endpoint of the path, and its visitor with the right that the page needs.
fn named<R: Right>(page: &Page) -> Result<(Caller<R>, Arc<Endpoint>), Problem> {
    let caller = page.caller::<R>()?;
    let id: EndpointId = page.part("id", "endpoint")?;
    let endpoint = find(page.api(), &caller, id)?;
    Ok((caller, endpoint))
}

fn path(endpoint: &Endpoint) -> String {
    format!("/endpoints/{}", endpoint.id)
}

/// A page below an endpoint's.
fn view_below(endpoint: &Endpoint, title: &str) -> View {
    View::new(Tab::Endpoints, title).crumb(name(endpoint), Some(path(endpoint))).crumb(title, None)
}

/// A secret that is shown this once, to be copied.
fn shown_secret(secret: &str) -> Markup {
    html! {
        div.inrow.gap {
            label.vh for="secret" { "Signing secret" }
            input.in.mono #secret readonly value=(secret) autocomplete="off" spellcheck="false";
            button.btn type="button" data-copy="secret" hidden { span data-label="" { "Copy" } }
        }
    }
}
