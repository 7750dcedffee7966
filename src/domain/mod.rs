//! The ground floor: what events, endpoints, deliveries and attempts are, and what follows from an outcome.
//! Pure: no runtime, clock, randomness or I/O. Everything above speaks in these words.

pub mod account;
pub mod attempt;
pub mod audit;
pub mod byte_size;
pub mod delivery;
pub mod duration;
pub mod endpoint;
pub mod endpoint_url;
pub mod event;
pub mod event_type;
pub mod ids;
pub mod json;
pub mod json_text;
pub mod request_headers;
mod retry_schedule;
pub mod schedule;
pub mod session;
pub mod signature;
pub mod subscription;
pub mod time;
pub mod token;
