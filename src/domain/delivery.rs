//! One event on its way to one endpoint, as the log shows it.

use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    attempt::Trigger,
    event_type::EventTypeName,
    ids::{DeliveryId, EndpointId, EventId, EventKey},
    time::Timestamp,
};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DeliveryStatus {
    /// Not tried yet, under way, or with a time for its next attempt.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// Its attempts are used up.
    Failed,
    /// Somebody stopped it.
    Canceled,
}

impl DeliveryStatus {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// The attempt that a pending delivery waits for. Manual ones stand beside it, as due rows of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAttempt {
    /// Not before this time.
    pub at: Timestamp,
    /// Why it will be made.
    pub trigger: Trigger,
}

/// A delivery's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id, in the order of creation.
    pub id: DeliveryId,
    /// The event's place in the store.
    pub event_key: EventKey,
    /// The event's id.
    pub event_id: EventId,
    /// Where it goes.
    pub endpoint_id: EndpointId,
    /// Whose it is.
    pub account: Account,
    /// The event's type.
    pub event_type: EventTypeName,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// A test of the endpoint: one attempt.
    pub test: bool,
    /// Attempts so far, of every trigger.
    pub attempts_made: u32,
    /// Attempts that count against the schedule, since it was created or last replayed.
    pub scheduled_made: u32,
    /// `Some` exactly while it is pending.
    pub next: Option<NextAttempt>,
    /// The last answer's code.
    pub last_response_code: Option<u16>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was delivered, failed or canceled.
    pub completed_at: Option<Timestamp>,
}

impl Delivery {
    /// Whether it waits in its endpoint's queue for its first turn. Such a one has no due row: the queue is enough. It
    /// ceases to be fresh when a `Retry-After` on a manual attempt puts its first turn off.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let on_schedule = self.next.filter(|next| next.trigger == Trigger::Schedule);
        self.scheduled_made == 0 && on_schedule.is_some_and(|next| next.at <= self.created_at)
    }
}
