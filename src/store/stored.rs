//! The records as they lie in the store, where they are more than the domain's own types. The body of an event and
//! the answer of an attempt are kept as raw bytes behind their record.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    Totals,
    codec::{CodecError, Older, Record},
    manifest::StoreId,
};
use crate::domain::{
    account::Account,
    attempt::{Attempt, Trigger},
    audit::AuditEntry,
    delivery::{Delivery, DeliveryStatus, NextAttempt},
    endpoint::{Endpoint, EndpointHealth},
    event::Event,
    event_type::EventType,
    ids::{DeliveryId, EndpointId, EventKey},
    session::Session,
    time::Timestamp,
    token::Token,
};

/// A body up to this length lies in its event's row; a longer one has rows of its own.
pub const INLINE_BODY: usize = 6_000;
/// A packed attempt up to this length lies in its delivery's row.
pub const INLINE_ATTEMPT: usize = 6_000;

/// An event. Behind it: its body, if that is short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// The event.
    pub event: Event,
    /// Digest of the token's scope and the `Idempotency-Key` it came with.
    pub idempotency: Option<[u8; 32]>,
    /// Where `data.object` begins in the body.
    pub object_start: u32,
    /// The body's length.
    pub body_length: u32,
    /// To whom the deliveries go that were made with it, in the order of their ids. One of these that has no record is
    /// as it was made: fresh. Empty: the list lies in rows of its own (see [`super::recipients`]), or each has a record.
    pub endpoints: Vec<EndpointId>,
}

impl StoredEvent {
    /// A delivery that was made with the event and has no record, if it is not one that must have.
    pub fn fresh_delivery(&self, id: DeliveryId) -> Option<StoredDelivery> {
        let endpoint = self.endpoints.get(self.place_of(id)?)?;
        Some(self.fresh_delivery_to(*endpoint, id))
    }

    /// The same, by whom it goes to.
    pub fn fresh_delivery_to(&self, endpoint: EndpointId, id: DeliveryId) -> StoredDelivery {
        let event = &self.event;
        let next = NextAttempt { at: event.accepted_at, trigger: Trigger::Schedule };
        StoredDelivery::of(event, id, endpoint, next, event.accepted_at)
    }

    /// Which of its deliveries this is, from 0.
    pub fn place_of(&self, id: DeliveryId) -> Option<usize> {
        let range = self.deliveries();
        let n = range.contains(&id.as_u128()).then(|| id.as_u128() - range.start)?;
        usize::try_from(n).ok()
    }

    /// Whether the list of endpoints can lie in rows of its own.
    pub fn may_list_apart(&self) -> bool {
        self.endpoints.is_empty() && self.event.delivery_count > 0 && !self.event.test
    }

    /// The ids of the deliveries that were made with it.
    pub fn deliveries(&self) -> Range<u128> {
        let first = self.event.first_delivery.as_u128();
        first..first.saturating_add(u128::from(self.event.delivery_count))
    }

    /// Whether the body lies behind this record.
    pub fn body_is_inline(&self) -> bool {
        usize::try_from(self.body_length).is_ok_and(|length| length <= INLINE_BODY)
    }
}

/// An attempt that somebody asked for, and that is still to be made. It has a due row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Not before this time.
    pub at: Timestamp,
    /// `Manual` or `Rotation`.
    pub trigger: Trigger,
}

/// Where a delivery's latest attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Latest {
    /// There is none yet.
    None,
    /// Packed, behind the delivery's record.
    Inline,
    /// In rows of its own.
    Apart,
}

/// A delivery. Behind it: its latest attempt, packed, if that is short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// What was asked for beside its schedule, at most [`MOST_ASKED`].
    pub asked: Vec<Asked>,
    /// Where its latest attempt is.
    pub latest: Latest,
}

/// More attempts of one delivery than this are not taken while they wait.
pub const MOST_ASKED: usize = 16;

impl StoredDelivery {
    /// A new delivery of an event, not tried yet.
    pub fn of(
        event: &Event,
        id: DeliveryId,
        endpoint_id: EndpointId,
        next: NextAttempt,
        created_at: Timestamp,
    ) -> Self {
        Self::new(Delivery {
            id,
            event_key: event.key,
            event_id: event.id.clone(),
            endpoint_id,
            account: event.account.clone(),
            event_type: event.event_type.clone(),
            status: DeliveryStatus::Pending,
            test: event.test,
            attempts_made: 0,
            scheduled_made: 0,
            next: Some(next),
            last_response_code: None,
            created_at,
            completed_at: None,
        })
    }

    /// One that has no attempt in the store.
    pub fn new(delivery: Delivery) -> Self {
        Self { delivery, asked: Vec::new(), latest: Latest::None }
    }
}

/// What the store keeps of an endpoint beside its settings; it outlives them until its log is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Whose it is.
    pub account: Account,
    /// All fresh deliveries up to here have had their first turn.
    pub queue_position: DeliveryId,
    /// Attempts that were asked for and wait.
    pub asked: u64,
    /// Its health, pending deliveries included.
    pub health: EndpointHealth,
    /// Whether it is deleted.
    pub life: Life,
}

/// Whether an endpoint is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// It is.
    Alive,
    /// It was deleted; its queue is still to be dropped.
    Deleted,
    /// It was deleted, and nothing of it waits.
    Dropped,
}

impl Progress {
    /// Of a new endpoint.
    pub fn new(account: Account) -> Self {
        let health = EndpointHealth::default();
        Self { account, queue_position: DeliveryId::MIN, asked: 0, health, life: Life::Alive }
    }

    /// Whether something of it waits.
    pub fn has_work(&self) -> bool {
        self.health.pending > 0 || self.asked > 0
    }
}

/// What concerns the whole store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Which store this is.
    pub store: StoreId,
    /// How many batches were committed so far.
    pub commits: u64,
    /// No id is greater.
    pub last_id: u128,
    /// By how many milliseconds an id's time was ever later than the wall clock that was written with it.
    pub skew: u64,
    /// Whether a producer ever chose an id that looks like a minted one of another event.
    pub lookalikes: bool,
    /// The totals.
    pub totals: Totals,
    /// What is stored now.
    pub stored: StoredCounts,
    /// How many slots of the journal there are, from the first on.
    pub journal_slots: u16,
}

/// How much is stored: what a check counts again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCounts {
    /// Events.
    pub events: u64,
    /// Deliveries.
    pub deliveries: u64,
}

impl Meta {
    /// Of a new store.
    pub fn of(store: StoreId) -> Self {
        Self { store, ..Self::default() }
    }
}

/// What a producer's id or an idempotency key leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link(pub EventKey);

impl Record for Meta {
    const NAME: &'static str = "totals";
    const VERSION: u8 = 2;

    fn upgrade(older: Older<'_>) -> Result<(Self, usize), CodecError> {
        match older.version() {
            1 => older.read(|MetaOf1 { last_id, skew, lookalikes, totals }| Self {
                last_id,
                skew,
                lookalikes,
                totals,
                ..Self::default()
            }),
            _ => older.unknown(),
        }
    }
}

/// Version 1 of [`Meta`]: of a store without an id, which did not count what it stored. A migration adds both.
#[derive(Deserialize)]
struct MetaOf1 {
    last_id: u128,
    skew: u64,
    lookalikes: bool,
    totals: Totals,
}

impl Record for StoredEvent {
    const NAME: &'static str = "event";
    const VERSION: u8 = 2;

    fn upgrade(older: Older<'_>) -> Result<(Self, usize), CodecError> {
        match older.version() {
            1 => older.read(|StoredEventOf1 { event, idempotency, object_start, body_length }| Self {
                event,
                idempotency,
                object_start,
                body_length,
                endpoints: Vec::new(),
            }),
            _ => older.unknown(),
        }
    }
}

/// Version 1 of [`StoredEvent`]: each of its deliveries has a record.
#[derive(Deserialize)]
struct StoredEventOf1 {
    event: Event,
    idempotency: Option<[u8; 32]>,
    object_start: u32,
    body_length: u32,
}

macro_rules! records {
    ($($type:ty: $name:literal, $version:literal;)*) => {
        $(impl Record for $type {
            const NAME: &'static str = $name;
            const VERSION: u8 = $version;
        })*
    };
}

records! {
    StoredDelivery: "delivery", 1;
    Attempt: "attempt", 1;
    Progress: "progress", 1;
    super::journal::JournalSlot: "journal", 1;
    Link: "link", 1;
    Endpoint: "endpoint", 1;
    EventType: "event type", 1;
    Token: "token", 1;
    Session: "session", 1;
    AuditEntry: "audit", 1;
    super::Minute: "minute", 1;
    super::traffic::StoredTraffic: "traffic", 1;
}
