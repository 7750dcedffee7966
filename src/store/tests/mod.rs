//! The store under test, and what its tests are made of.

mod making;
mod questions;

pub use making::*;
