//! Mythichooks: a webhook server in one binary.

pub mod actors;
pub mod clock;
pub mod domain;
pub mod outbound;
pub mod store;
