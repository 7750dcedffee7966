//! The store under test, and what its tests are made of.

mod actions;
mod compare;
mod damage;
mod engines;
mod making;
mod model;
mod properties;
mod questions;
mod troubles;

pub use making::*;
