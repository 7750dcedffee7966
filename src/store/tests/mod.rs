//! The store under test, and what its tests are made of.

mod actions;
mod compare;
mod damage;
mod making;
mod model;
mod properties;
mod questions;
mod repair;
mod troubles;

pub use making::*;
