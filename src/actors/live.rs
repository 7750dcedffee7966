//! What live readers of `GET /v1/stream` are told, and which part of it each wants.

use std::sync::Arc;

use crate::domain::{
    account::Account,
    attempt::Attempt,
    delivery::{Delivery, DeliveryStatus},
    event_type::EventTypeName,
    ids::EndpointId,
};

/// One thing that happened to a delivery.
#[derive(Debug, Clone)]
pub enum LiveItem {
    /// An attempt was written down.
    Attempt {
        /// The delivery after it.
        delivery: Arc<Delivery>,
        /// The attempt.
        attempt: Arc<Attempt>,
    },
    /// A delivery's status changed, or it was made (`before` is `None`).
    Status {
        /// The delivery as it is now.
        delivery: Arc<Delivery>,
        /// Its status before.
        before: Option<DeliveryStatus>,
    },
}

/// Which items a reader wants.
#[derive(Debug, Clone, Default)]
pub struct LiveFilter {
    /// Of this account.
    pub account: Option<Account>,
    /// Of this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of this type.
    pub event_type: Option<EventTypeName>,
    /// Whose delivery is now in this state.
    pub status: Option<DeliveryStatus>,
}

/// Where live readers sign on.
#[derive(Clone)]
pub struct LiveTail {}

impl LiveTail {
    /// A new reader's items. A reader that falls behind by more than a bounded number is dropped: its channel closes.
    /// `None`: there are as many readers as are allowed (answer 503 with `Retry-After`).
    pub fn subscribe(&self, filter: LiveFilter) -> Option<tokio::sync::mpsc::Receiver<LiveItem>> {
        todo!()
    }
}
