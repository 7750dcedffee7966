//! What goes into the store and comes out of it, beside the domain's own types.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::domain::{
    account::Account,
    attempt::{Attempt, Trigger},
    audit::Actor,
    delivery::{Delivery, DeliveryStatus},
    event::{Event, EventBody},
    event_type::EventTypeName,
    ids::{DeliveryId, EndpointId, EventId, EventKey},
    schedule::{AttemptTimes, RetrySchedule},
    subscription::Subscription,
    time::Timestamp,
};

/// More attempts of one delivery than this are stored, but not shown.
pub const MOST_ATTEMPTS_SHOWN: usize = 500;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memory for the engine's cache of pages, in bytes.
    pub cache: u64,
    /// Writes that may wait for the writer; more are refused with [`StoreError::Overloaded`].
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: 64 << 20, queue: 8_192 }
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data directory {0} is in use by another mythichooks process")]
    InUse(std::path::PathBuf),
    /// It cannot be read or written.
    #[error("the data directory {path} cannot be used: {source}")]
    Io {
        /// The directory or file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was written by a newer release.
    #[error("the store was written in format {found}; this release knows formats up to {known}. It was left untouched")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest that this release knows.
        known: u32,
    },
    /// It is there, but not whole.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// Why a question or a change was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// More writes wait than may.
    #[error("too many writes are waiting")]
    Overloaded,
    /// There is no room on the disk.
    #[error("the disk is full")]
    Full,
    /// A read or write failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The server is stopping.
    #[error("the store is closed")]
    Closed,
}

/// Why events were not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcceptError {
    /// The event at this index has the id (or the idempotency key) of another one with other content.
    #[error("event {index}: the same {what} was used with other content")]
    Conflict {
        /// Counts from 0.
        index: usize,
        /// `id` or `Idempotency-Key`.
        what: &'static str,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An event as it is posted, matched with the endpoints that get it.
#[derive(Clone)]
pub struct NewEvent {
    /// The producer's own id.
    pub id: Option<EventId>,
    /// Digest of the token's scope and the `Idempotency-Key`.
    pub idempotency: Option<[u8; 32]>,
    /// What happened.
    pub event_type: EventTypeName,
    /// To whom.
    pub account: Account,
    /// When, if the producer says so.
    pub created: Option<Timestamp>,
    /// JSON text of an object, taken over byte for byte.
    pub object: Bytes,
    /// Who gets it. Endpoints that were deleted meanwhile are left out.
    pub endpoints: Vec<EndpointId>,
    /// A test of the one endpoint: a single attempt with `Trigger::Test`, by a due row.
    pub test: bool,
}

/// An accepted event.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The event as it is stored.
    pub event: Event,
    /// It had been accepted before, with the same content; nothing was stored now.
    pub repeated: bool,
}

/// A finished attempt and what is needed to decide what follows from it.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Whose attempt.
    pub delivery: DeliveryId,
    /// The due row that it came from; `None` for a fresh delivery's first.
    pub due: Option<DueRow>,
    /// The attempt; its number is given by the store.
    pub attempt: Attempt,
    /// The endpoint's schedule.
    pub schedule: Arc<RetrySchedule>,
    /// See [`crate::domain::schedule::decide`].
    pub newer_secret: bool,
    /// When it was made.
    pub times: AttemptTimes,
    /// All fresh deliveries of this endpoint up to here have had their first turn, this one included.
    pub queue_position: DeliveryId,
}

/// What a settlement came to.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The delivery as it is now.
    pub delivery: Delivery,
    /// The receiver answered 410.
    pub disable_endpoint: bool,
    /// The same delivery is to go out at once under a newer secret; its due row.
    pub rotate_now: Option<DueRow>,
}

/// What a cancellation came to.
#[derive(Debug, Clone)]
pub struct Canceled {
    /// The delivery as it is now.
    pub delivery: Delivery,
    /// Whether it was pending until now.
    pub stopped: bool,
}

/// One entry of the due index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueRow {
    /// Not before this time, on the steady clock.
    pub at: Timestamp,
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Why.
    pub trigger: Trigger,
}

/// Two kinds of due rows, kept apart so that one can be read past any number of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueClass {
    /// `manual`, `test` and `rotation`: made even while the endpoint is paused or disabled.
    AskedFor,
    /// `schedule` and `replay`: held while it is.
    InTurn,
}

impl DueClass {
    /// The class of a trigger.
    #[must_use]
    pub const fn of(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Manual | Trigger::Test | Trigger::Rotation => Self::AskedFor,
            Trigger::Schedule | Trigger::Replay => Self::InTurn,
        }
    }
}

/// What a read of an endpoint's queue found.
#[derive(Debug, Clone)]
pub struct FreshRead {
    /// Deliveries that wait for their first turn, oldest first.
    pub deliveries: Vec<Delivery>,
    /// The queue was read up to here, this one included.
    pub read_to: DeliveryId,
    /// Whether that was its end.
    pub at_end: bool,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<K> {
    /// At most so many.
    pub limit: usize,
    /// Only what comes after this one in the list's order.
    pub after: Option<K>,
}

/// A part of a list. It can hold fewer than asked for although more follow: each read is bounded.
#[derive(Debug, Clone)]
pub struct Page<T, K> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<K>,
}

/// Which events are asked for.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this type.
    pub event_type: Option<EventTypeName>,
    /// Of this account.
    pub account: Option<Account>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// In this state.
    pub status: Option<DeliveryStatus>,
    /// To this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// Of this type.
    pub event_type: Option<EventTypeName>,
    /// Of this account.
    pub account: Option<Account>,
    /// Whose last answer had this code.
    pub response_code: Option<u16>,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// Made before this time.
    pub until: Option<Timestamp>,
}

/// What an endpoint may have missed.
#[derive(Debug, Clone)]
pub struct MissedQuestion {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Whose it is.
    pub account: Account,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Only these types, unless empty.
    pub only: BTreeSet<EventTypeName>,
    /// Accepted at this time or later.
    pub since: Timestamp,
    /// Accepted before this time.
    pub until: Timestamp,
    /// Only events after this one.
    pub after: Option<EventKey>,
}

/// An audit entry before the store gives it an id and a time.
#[derive(Debug, Clone)]
pub struct NewAudit {
    /// Who.
    pub actor: Actor,
    /// What, e.g. `endpoint.created`.
    pub action: &'static str,
    /// On what.
    pub subject: String,
    /// Whose.
    pub account: Option<Account>,
    /// For people.
    pub details: String,
}

/// Which audit entries are asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// About things of this account.
    pub account: Option<Account>,
    /// Of this action.
    pub action: Option<String>,
    /// On this subject.
    pub subject: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// Counts since the store was made, and how much waits now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Events accepted.
    pub accepted: u64,
    /// Deliveries that reached `delivered`.
    pub delivered: u64,
    /// Deliveries that reached `failed`.
    pub failed: u64,
    /// Attempts that were not the first of their delivery.
    pub retried: u64,
    /// Attempts in all.
    pub attempts: u64,
    /// Deliveries that are pending now.
    pub pending: u64,
}

/// The counts of one minute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// Minutes since 1970.
    pub minute: i64,
    /// Events accepted.
    pub accepted: u64,
    /// Deliveries that reached `delivered`.
    pub delivered: u64,
    /// Deliveries that reached `failed`.
    pub failed: u64,
    /// Attempts that were not the first of their delivery.
    pub retried: u64,
    /// Attempts in all.
    pub attempts: u64,
    /// Durations of attempts that had a 2xx, by bucket: see [`LATENCY_BUCKETS`].
    pub latency: Vec<u64>,
}

/// Upper bounds of the latency buckets, in milliseconds; one more bucket holds the rest.
pub const LATENCY_BUCKETS: [u64; 16] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000];

impl Minute {
    /// Counts one successful attempt's duration.
    pub fn count_latency(&mut self, duration: Duration) {
        self.latency.resize(LATENCY_BUCKETS.len() + 1, 0);
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BUCKETS.partition_point(|bound| *bound < millis);
        if let Some(count) = self.latency.get_mut(bucket) {
            *count += 1;
        }
    }
}

/// One committed change, for whoever watches.
#[derive(Debug, Clone)]
pub enum Change {
    /// An event was accepted, with these deliveries. The body is there so that nobody need read it again at once.
    Accepted {
        /// The event.
        event: Arc<Event>,
        /// Its body.
        body: EventBody,
        /// Its deliveries.
        deliveries: Arc<Vec<Delivery>>,
    },
    /// An attempt was written down.
    Settled {
        /// The delivery after it.
        delivery: Arc<Delivery>,
        /// Its status before.
        before: DeliveryStatus,
        /// The attempt, numbered.
        attempt: Arc<Attempt>,
    },
    /// A delivery changed otherwise: canceled, replayed.
    Changed {
        /// The delivery as it is now.
        delivery: Arc<Delivery>,
        /// Its status before.
        before: DeliveryStatus,
    },
    /// A due row was made for this endpoint.
    Due {
        /// The endpoint.
        endpoint: EndpointId,
        /// Not before this time.
        at: Timestamp,
    },
}

/// Is told what was committed, in order, on the writer's thread: it must not block.
pub trait Observer: Send + Sync {
    /// These changes are on stable storage.
    fn committed(&self, changes: &[Change]);
}
