//! What goes into the store and comes out of it, beside the domain's own types.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::EngineKind;
use crate::domain::{
    account::Account,
    attempt::{Attempt, Trigger},
    audit::Actor,
    delivery::{Delivery, DeliveryStatus},
    event::{Event, EventBody},
    event_type::EventTypeName,
    ids::{DeliveryId, EndpointId, EventId},
    schedule::{AttemptTimes, RetrySchedule},
    time::Timestamp,
};

/// More attempts of one delivery than this are stored, but not shown.
pub const MOST_ATTEMPTS_SHOWN: usize = 500;

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The engine that the store must be on, and a new one is made with. `None`: whatever it is on; sled for a new one.
    pub engine: Option<EngineKind>,
    /// Memory for the engine's cache of pages, in bytes.
    pub cache: u64,
    /// Writes that may wait for the writer; more are refused with [`super::StoreError::Overloaded`].
    pub queue: usize,
    /// An event with more deliveries than this has them written into their endpoints' queues a moment later.
    pub placed_at_once: usize,
    /// Events are accepted only while so many bytes are free on the disk, at least 4 MiB. `None`: 32 MiB, on a small
    /// file system an eighth of it. What is needed to deliver goes on down to 8 MiB, or a quarter of a lower floor.
    pub free_space_floor: Option<u64>,
    /// Events are accepted only while the store takes fewer bytes on disk than this, or was pruned since.
    pub max_store_size: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: None,
            cache: 64 << 20,
            queue: 8_192,
            placed_at_once: 256,
            free_space_floor: None,
            max_store_size: None,
        }
    }
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
    /// Is not accepted unless it repeats an event that was: the catalog has changed since then.
    pub repeat_only: bool,
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
    pub schedule: RetrySchedule,
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
    /// Those whose record cannot be read, and why: they may wait as well.
    pub damaged: Vec<(DeliveryId, String)>,
    /// The queue was read up to here, this one included.
    pub read_to: DeliveryId,
    /// Whether that was its end.
    pub at_end: bool,
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
pub const LATENCY_BUCKETS: [u64; 70] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, //
    12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100, //
    120, 140, 160, 180, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1_000, //
    1_200, 1_400, 1_600, 1_800, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500, 5_000, 6_000, 7_000, 8_000, 9_000,
    10_000, //
    12_000, 14_000, 16_000, 18_000, 20_000, 25_000, 30_000, 35_000, 40_000, 45_000, 50_000, 60_000,
];

/// The buckets of minutes that were written before there were more: each ends where one of today's does.
const COARSE_BUCKETS: [u64; 16] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000];

/// The bucket of a duration.
fn bucket_of(duration: Duration) -> usize {
    LATENCY_BUCKETS.partition_point(|bound| Duration::from_millis(*bound) < duration)
}

/// The counts of a minute by today's buckets.
fn in_all_buckets(counts: &[u64]) -> Cow<'_, [u64]> {
    if counts.len() != COARSE_BUCKETS.len() + 1 {
        return Cow::Borrowed(counts);
    }
    let rest = LATENCY_BUCKETS.len();
    let mut all = vec![0; rest + 1];
    for (bucket, count) in
        COARSE_BUCKETS.iter().map(|end| bucket_of(Duration::from_millis(*end))).chain([rest]).zip(counts)
    {
        if let Some(sum) = all.get_mut(bucket) {
            *sum += count;
        }
    }
    Cow::Owned(all)
}

impl Minute {
    /// Adds another minute's counts.
    pub fn add(&mut self, other: &Self) {
        let Self { minute: _, accepted, delivered, failed, retried, attempts, latency } = other;
        self.accepted += accepted;
        self.delivered += delivered;
        self.failed += failed;
        self.retried += retried;
        self.attempts += attempts;
        if latency.is_empty() {
            return;
        }
        self.have_all_buckets();
        for (sum, count) in self.latency.iter_mut().zip(&*in_all_buckets(latency)) {
            *sum += count;
        }
    }

    fn have_all_buckets(&mut self) {
        if let Cow::Owned(counts) = in_all_buckets(&self.latency) {
            self.latency = counts;
        }
        self.latency.resize(LATENCY_BUCKETS.len() + 1, 0);
    }

    /// Attempts that had a 2xx.
    pub fn taken(&self) -> u64 {
        self.latency.iter().sum()
    }

    /// Counts one successful attempt's duration.
    pub fn count_latency(&mut self, duration: Duration) {
        self.have_all_buckets();
        if let Some(count) = self.latency.get_mut(bucket_of(duration)) {
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
        /// Its status before; `None`: a replay made it.
        before: Option<DeliveryStatus>,
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
