//! Mythichooks: a webhook server in one binary.

pub mod cli;
pub mod clock;
pub mod domain;
