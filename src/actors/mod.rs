//! The actors: EndpointRegistry, a Dispatcher per endpoint with work, RetryTimer and AuditLog, under a Supervisor.
//!
//! One owner for each piece of state: settings are the registry's, a delivery's next attempt is its Dispatcher's, the
//! next due time is the timer's, live readers are the audit log's. Messages are hints and may be lost; rows in the
//! store are the truth, and each actor begins from them. The store's writer tells [`waking`] what it committed.

pub mod audit_log;
pub mod capacity;
pub mod delivery_attempt;
pub mod dispatcher;
pub mod dispatchers;
pub mod endpoint_registry;
pub mod floor;
pub mod live;
pub mod pace;
pub mod retry_timer;
pub mod routing;
pub mod supervisor;
pub mod turns;
pub mod waking;

pub use floor::{Actors, ActorsError, Settings};
