//! The actors: EndpointRegistry, a Dispatcher per endpoint with work, RetryTimer and AuditLog, under a supervisor.

pub mod endpoint_registry;
pub mod live;
pub mod routing;
