//! The dashboard in a real browser: Debian's Chromium before the real server, with real receivers behind it.
//!
//! - `story`: what a person does, from the sign-in to a delivery that arrives after all: by mouse, by keyboard alone,
//!   with scripts off.
//! - `customer`: who comes by a portal link, and what such a visitor cannot reach.
//! - `every_page`: what holds for each page of the table in `pages`, for operators and customers, with no data and with
//!   much: no violation that axe-core knows, in light and dark, little to load, no complaint in the console, the
//!   keyboard, 360 pixels.
//! - `hostile`: text from outside shows as text.
//! - `screenshots`: makes `docs/screenshots/`, when asked to (`tests/screenshots`).
//!
//! `tests/run` installs Chromium and axe-core.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test binary a panic is how a test fails, in what the tests share too"
)]

mod axe;
mod chromium;
mod customer;
mod every_page;
mod ground;
mod hostile;
mod pages;
mod person;
mod scene;
mod screenshots;
mod scripts;
mod story;

#[path = "../front_door/support"]
#[allow(dead_code, reason = "another test binary's, of which this one needs a part")]
mod support {
    pub mod api;
    pub mod authority;
    pub mod browser;
    pub mod clock;
    pub mod disk;
    pub mod receiver;
    pub mod server;
    pub mod wait;

    pub use api::{Answer, Api};
    pub use browser::Browser;
    pub use receiver::{Receiver, Reply};
    pub use server::Server;
    pub use wait::eventually;
}
