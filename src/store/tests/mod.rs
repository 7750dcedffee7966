//! The store under test, and what its tests are made of.

mod actions;
mod bench;
mod compare;
mod damage;
mod engine_damage;
mod engines;
mod fan_out;
mod ground;
mod making;
mod model;
mod month;
mod passed_over;
mod properties;
mod questions;
mod repair;
mod troubles;
mod types;

pub use making::*;
