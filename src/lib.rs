//! Mythichooks: a webhook server in one binary. This page is the floor plan; `docs/ARCHITECTURE.md` walks through it.
//!
//! Floors, each of which imports only from those below it:
//!
//! | floor | what lives there |
//! | --- | --- |
//! | [`cli`] | commands, and the one place where all is wired together (`cli::serve`) |
//! | [`http`] | the admin API: checks, translation, problem documents, the OpenAPI document |
//! | [`actors`] | who delivers and when: registry of endpoints, a Dispatcher per endpoint, retry timer, audit log |
//! | [`outbound`] | one request to one checked address, under one deadline |
//! | [`store`] | events, deliveries and what is due, on disk; one writer, group commit |
//! | [`clock`] | the wall clock for people, the steady one for schedules |
//! | [`domain`] | what things are, and what an attempt's outcome means; pure |
//!
//! The life of one event:
//!
//! 1. `http` checks a producer's request once, and matches subscriptions on the registry's routing snapshot.
//! 2. `store` makes the body's bytes, and commits event, deliveries and queue rows in one batch with one sync, together
//!    with whatever else waits. Only then the producer has its 202.
//! 3. The store's writer tells `actors` whose endpoints have work; their Dispatchers are woken, or made.
//! 4. A Dispatcher reads a window of its endpoint's queue and starts attempts within the endpoint's limits. Each is a
//!    task of its own: it signs, sends through `outbound`, and has its outcome settled.
//! 5. `store` asks `domain::schedule` what the outcome means, and commits attempt, delivery and the next due time.
//! 6. The retry timer knows the next due time of each endpoint, and wakes its Dispatcher then. Live readers are told.
//!
//! Rows on disk are the truth, messages are hints: a hint that is lost costs time, never a delivery.

pub mod actors;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod http;
pub mod outbound;
pub mod store;
