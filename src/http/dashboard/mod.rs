//! The dashboard (contract, section 6): pages made on the server, for people with a token and for customers who came
//! by a portal link. A page has the rights of its visitor's token and goes through the same checks as the API.
//!
//! From the request up: [`origin`] and [`form`] guard what is posted, [`cookie`] and `http::sessions` say who asks,
//! [`page`] brings both together and runs a page. [`layout`] and [`components`] are what pages are made of; `pages` has
//! one file for each tab.

mod assets;
mod components;
mod cookie;
mod form;
mod layout;
mod look;
mod origin;
mod page;
mod pages;
mod response;
mod throttle;

use actix_web::web;

pub use assets::Assets;
pub use look::{Accent, Logo, LookError, PlatformName, PortalLook, PublicUrl};
pub use throttle::Throttle;

/// Adds the pages, the assets and the answer for all that is unknown.
pub fn configure(config: &mut web::ServiceConfig) {
    assets::configure(config);
    pages::configure(config);
    config.default_service(web::to(pages::unknown));
}
