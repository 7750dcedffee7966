//! The contract, proven from outside: every test starts the real binary on a directory of its own and talks to it
//! over real sockets. One module for each thing proven; `support` is what they share.
//!
//! Needs the `testing` feature (failpoints, a movable clock) and the virtual environment that `tests/run` makes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test binary a panic is how a test fails, in what the tests share too"
)]
#![allow(clippy::duration_suboptimal_units, reason = "times are written in the unit that the case is about")]
#![allow(clippy::cast_possible_truncation, reason = "small numbers that the tests count themselves")]

mod support;

mod accounts;
mod api_catalog;
mod api_deliveries;
mod api_dry_run;
mod api_endpoints;
mod api_events;
mod api_idempotency;
mod api_lists;
mod api_observe;
mod api_tokens;
mod backup;
mod backup_damage;
mod bad_bodies;
mod bad_input;
mod bad_requests;
mod command_line;
mod crash;
mod damage;
mod dashboard_catalog;
mod dashboard_delivery;
mod dashboard_endpoints;
mod dashboard_events;
mod dashboard_live;
mod dashboard_logs;
mod dashboard_overview;
mod dashboard_pages;
mod dashboard_portal;
mod dashboard_sessions;
mod dispatching;
mod engines;
mod faults;
mod formats;
mod guard;
mod guard_names;
mod held;
mod isolation;
mod no_harm;
mod openapi;
mod panic;
mod receivers;
mod request_shape;
mod retention;
mod roles;
mod rotation;
mod schedule;
mod schedule_clock;
mod shell;
mod signatures;
mod subscriptions;
mod tls;
