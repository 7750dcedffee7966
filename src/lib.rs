//! Mythichooks: a webhook server in one binary.

pub mod actors;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod http;
pub mod outbound;
pub mod store;
