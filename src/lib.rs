//! Mythichooks: a webhook server in one binary.

pub mod clock;
pub mod domain;
