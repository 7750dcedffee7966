//! The byte layout of the store's keys. Everything lies in one ordered tree; a key begins with one byte that says
//! what it names, ids and numbers are big-endian, so that the order of keys is the order of time.
//!
//! What is written for an event with one delivery, and nothing more unless something goes wrong:
//!
//! | key | value |
//! | --- | --- |
//! | `E` event | the event, its idempotency digest, to whom its deliveries go, and its body if that is small |
//! | `Q` endpoint, delivery | nothing: the endpoint's queue of fresh deliveries, and the index of its log |
//! | `D` delivery | the delivery, attempts that were asked for, and its latest attempt if that is small |
//!
//! `D` is written when something becomes of the delivery. Until then it is what its event's record says: see
//! [`super::stored::StoredEvent::fresh_delivery`]. A list of endpoints that does not fit into `E` is in `F`. A delivery that
//! a replay or a test made has its `D` from the first on; so has one of a store of format 3 whose list did not fit.
//!
//! Ids are minted by the writer in the order of commits. So `Q` is first in, first out, and how far an endpoint's
//! fresh deliveries have had their first turn is one number in its `P` row: no row is deleted for it.
//!
//! Written when it is needed:
//!
//! | key | value |
//! | --- | --- |
//! | `B` event, part | a large body, in parts |
//! | `F` event, part | to whom its deliveries go, if these are many: see [`super::recipients`] |
//! | `G` event | nothing: its deliveries' `Q` rows are still to be written, see [`super::unplaced`] |
//! | `A` delivery, number, part | an attempt that is not the latest, or is large, in parts |
//! | `U` endpoint, class, time, delivery, trigger | nothing: an attempt that waits until then |
//! | `R` endpoint, delivery | nothing: it is pending and had its first turn, or never had one in the queue |
//! | `S` status, delivery | nothing: it is failed or canceled |
//! | `C` code, delivery | nothing: its last answer had this code, which is no 2xx |
//! | `X` event, delivery | nothing: it was made for the event by a replay |
//! | `O` account, 0, event | nothing: the event is of this account, which is not `default` |
//! | `I` text | which event a producer gave this id |
//! | `K` digest | which event came with this `Idempotency-Key` |
//! | `V` type, 0, id | nothing: in the block of ids that begins with this one there is something of this type |
//! | `V` 0, id | nothing: a block of ids begins with this one |
//!
//! `U`, `R`, `S` and `C` follow from the `D` row alone: see [`super::delivery_rows::index_rows`]. `V`: see
//! [`super::type_blocks`].
//!
//! Written by changes of settings, and once a batch or less:
//!
//! | key | value |
//! | --- | --- |
//! | `N` endpoint, part | its settings |
//! | `P` endpoint | its progress: account, queue position, counts, health, whether it is deleted |
//! | `J` slot | the newer progress of the endpoints that one batch changed: see [`super::journal`] |
//! | `Y` name, 0, part | a catalog entry |
//! | `T` token, part | a token |
//! | `W` digest | a session of the dashboard, or a link that opens one |
//! | `L` audit id, part | an audit entry |
//! | `M` minute | the counts of one minute |
//! | `H` endpoint | its attempts of the last seven days, by the hour |
//! | `Z` | totals, and the greatest id that was minted |
//!
//! *Part*: a record of any length is cut into rows of at most [`super::long::PART`] bytes: see [`super::long`].

use crate::domain::{
    account::Account,
    attempt::Trigger,
    delivery::DeliveryStatus,
    event_type::EventTypeName,
    ids::{AuditId, DeliveryId, EndpointId, EventId, EventKey, TokenId},
    time::Timestamp,
};

use super::{DueClass, DueRow};

mod ranges;
mod words;

pub use ranges::*;
pub use words::{describe, describe_place};

/// What a key names. Records of any length have a part number in their rows' keys, which is not in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// `E`
    Event(EventKey),
    /// `B`, in parts
    Body(EventKey),
    /// `F`, in parts
    Recipients(EventKey),
    /// `G`
    Unplaced(EventKey),
    /// `D`
    Delivery(DeliveryId),
    /// `A`, in parts
    Attempt(DeliveryId, u32),
    /// `Q`
    Queue(EndpointId, DeliveryId),
    /// `U`
    Due(EndpointId, DueRow),
    /// `R`
    Retrying(EndpointId, DeliveryId),
    /// `S`
    Status(EndStatus, DeliveryId),
    /// `C`
    Code(u16, DeliveryId),
    /// `X`
    Extra(EventKey, DeliveryId),
    /// `O`
    OfAccount(Account, EventKey),
    /// `V` type
    OfType(EventTypeName, u128),
    /// `V` 0
    Block(u128),
    /// `I`
    ProducerId(EventId),
    /// `K`
    Idempotency([u8; 32]),
    /// `N`, in parts
    Endpoint(EndpointId),
    /// `P`
    Progress(EndpointId),
    /// `J`
    Journal(u16),
    /// `Y`, in parts
    EventType(EventTypeName),
    /// `T`, in parts
    Token(TokenId),
    /// `W`
    Session([u8; 32]),
    /// `L`, in parts
    Audit(AuditId),
    /// `H`
    Traffic(EndpointId),
    /// `M`
    Minute(i64),
    /// `Z`
    Meta,
}

/// The states that have an index of all deliveries in them, of every endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndStatus {
    /// `failed`
    Failed,
    /// `canceled`
    Canceled,
}

impl EndStatus {
    /// The indexed state, if it is one.
    pub const fn of(status: DeliveryStatus) -> Option<Self> {
        match status {
            DeliveryStatus::Failed => Some(Self::Failed),
            DeliveryStatus::Canceled => Some(Self::Canceled),
            DeliveryStatus::Pending | DeliveryStatus::Delivered => None,
        }
    }
}

/// The first byte of the keys of a kind: the tables above say what each is.
pub mod kind {
    pub const EVENT: u8 = b'E';
    pub const BODY: u8 = b'B';
    pub const RECIPIENTS: u8 = b'F';
    pub const UNPLACED: u8 = b'G';
    pub const DELIVERY: u8 = b'D';
    pub const ATTEMPT: u8 = b'A';
    pub const QUEUE: u8 = b'Q';
    pub const DUE: u8 = b'U';
    pub const RETRYING: u8 = b'R';
    pub const STATUS: u8 = b'S';
    pub const CODE: u8 = b'C';
    pub const EXTRA: u8 = b'X';
    pub const OF_ACCOUNT: u8 = b'O';
    pub const OF_TYPE: u8 = b'V';
    pub const PRODUCER_ID: u8 = b'I';
    pub const IDEMPOTENCY: u8 = b'K';
    pub const ENDPOINT: u8 = b'N';
    pub const PROGRESS: u8 = b'P';
    pub const JOURNAL: u8 = b'J';
    pub const EVENT_TYPE: u8 = b'Y';
    pub const TOKEN: u8 = b'T';
    pub const SESSION: u8 = b'W';
    pub const AUDIT: u8 = b'L';
    pub const MINUTE: u8 = b'M';
    pub const TRAFFIC: u8 = b'H';
    pub const META: u8 = b'Z';

    /// All of them, in the order of keys.
    pub const ALL: [u8; 26] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
}

impl Row {
    /// The key's bytes, without a part number.
    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Event(event) => join(kind::EVENT, &[&event.to_be_bytes()]),
            Self::Body(event) => join(kind::BODY, &[&event.to_be_bytes()]),
            Self::Recipients(event) => join(kind::RECIPIENTS, &[&event.to_be_bytes()]),
            Self::Unplaced(event) => join(kind::UNPLACED, &[&event.to_be_bytes()]),
            Self::Delivery(id) => join(kind::DELIVERY, &[&id.to_be_bytes()]),
            Self::Attempt(id, number) => join(kind::ATTEMPT, &[&id.to_be_bytes(), &number.to_be_bytes()]),
            Self::Queue(endpoint, id) => join(kind::QUEUE, &[&endpoint.to_be_bytes(), &id.to_be_bytes()]),
            Self::Due(endpoint, due) => join(
                kind::DUE,
                &[
                    &endpoint.to_be_bytes(),
                    &[class_byte(DueClass::of(due.trigger))],
                    &time_bytes(due.at),
                    &due.delivery.to_be_bytes(),
                    &[trigger_byte(due.trigger)],
                ],
            ),
            Self::Retrying(endpoint, id) => join(kind::RETRYING, &[&endpoint.to_be_bytes(), &id.to_be_bytes()]),
            Self::Status(status, id) => join(kind::STATUS, &[&[status_byte(*status)], &id.to_be_bytes()]),
            Self::Code(code, id) => join(kind::CODE, &[&code.to_be_bytes(), &id.to_be_bytes()]),
            Self::Extra(event, id) => join(kind::EXTRA, &[&event.to_be_bytes(), &id.to_be_bytes()]),
            Self::OfAccount(account, event) => {
                join(kind::OF_ACCOUNT, &[account.as_str().as_bytes(), &[0], &event.to_be_bytes()])
            }
            Self::OfType(name, first) => join(kind::OF_TYPE, &[name.as_str().as_bytes(), &[0], &first.to_be_bytes()]),
            Self::Block(first) => join(kind::OF_TYPE, &[&[0], &first.to_be_bytes()]),
            Self::ProducerId(id) => join(kind::PRODUCER_ID, &[id.as_str().as_bytes()]),
            Self::Idempotency(digest) => join(kind::IDEMPOTENCY, &[digest]),
            Self::Endpoint(id) => join(kind::ENDPOINT, &[&id.to_be_bytes()]),
            Self::Progress(id) => join(kind::PROGRESS, &[&id.to_be_bytes()]),
            Self::Journal(slot) => join(kind::JOURNAL, &[&slot.to_be_bytes()]),
            Self::EventType(name) => join(kind::EVENT_TYPE, &[name.as_str().as_bytes(), &[0]]),
            Self::Token(id) => join(kind::TOKEN, &[&id.to_be_bytes()]),
            Self::Session(digest) => join(kind::SESSION, &[digest]),
            Self::Audit(id) => join(kind::AUDIT, &[&id.to_be_bytes()]),
            Self::Traffic(id) => join(kind::TRAFFIC, &[&id.to_be_bytes()]),
            Self::Minute(minute) => join(kind::MINUTE, &[&u64::try_from(*minute).unwrap_or(0).to_be_bytes()]),
            Self::Meta => vec![kind::META],
        }
    }

    /// Whether the record lies in rows with part numbers.
    pub const fn in_parts(&self) -> bool {
        matches!(
            self,
            Self::Body(_)
                | Self::Recipients(_)
                | Self::Attempt(..)
                | Self::Endpoint(_)
                | Self::EventType(_)
                | Self::Token(_)
                | Self::Audit(_)
        )
    }

    /// What a stored key names, and which part of it; `None` if this layout has no such key.
    pub fn parse(key: &[u8]) -> Option<(Self, u16)> {
        let (kind, rest) = key.split_first()?;
        let mut bytes = Bytes(rest);
        let row = match *kind {
            kind::EVENT => Self::Event(EventKey::from_be_bytes(bytes.take()?)),
            kind::BODY => Self::Body(EventKey::from_be_bytes(bytes.take()?)),
            kind::RECIPIENTS => Self::Recipients(EventKey::from_be_bytes(bytes.take()?)),
            kind::UNPLACED => Self::Unplaced(EventKey::from_be_bytes(bytes.take()?)),
            kind::DELIVERY => Self::Delivery(DeliveryId::from_be_bytes(bytes.take()?)),
            kind::ATTEMPT => Self::Attempt(DeliveryId::from_be_bytes(bytes.take()?), u32::from_be_bytes(bytes.take()?)),
            kind::QUEUE => Self::Queue(bytes.endpoint()?, DeliveryId::from_be_bytes(bytes.take()?)),
            kind::DUE => {
                let endpoint = bytes.endpoint()?;
                let [class] = bytes.take()?;
                let at = Timestamp::from_millis(i64::from_be_bytes(bytes.take()?));
                let delivery = DeliveryId::from_be_bytes(bytes.take()?);
                let [trigger] = bytes.take()?;
                let trigger = trigger_of(trigger)?;
                (class_byte(DueClass::of(trigger)) == class).then_some(())?;
                Self::Due(endpoint, DueRow { at, delivery, trigger })
            }
            kind::RETRYING => Self::Retrying(bytes.endpoint()?, DeliveryId::from_be_bytes(bytes.take()?)),
            kind::STATUS => {
                let [status] = bytes.take()?;
                let status =
                    [EndStatus::Failed, EndStatus::Canceled].into_iter().find(|s| status_byte(*s) == status)?;
                Self::Status(status, DeliveryId::from_be_bytes(bytes.take()?))
            }
            kind::CODE => Self::Code(u16::from_be_bytes(bytes.take()?), DeliveryId::from_be_bytes(bytes.take()?)),
            kind::EXTRA => {
                Self::Extra(EventKey::from_be_bytes(bytes.take()?), DeliveryId::from_be_bytes(bytes.take()?))
            }
            kind::OF_ACCOUNT => {
                let account = bytes.text_to_nul()?.parse().ok()?;
                Self::OfAccount(account, EventKey::from_be_bytes(bytes.take()?))
            }
            kind::OF_TYPE => match bytes.text_to_nul()? {
                "" => Self::Block(u128::from_be_bytes(bytes.take()?)),
                name => Self::OfType(name.parse().ok()?, u128::from_be_bytes(bytes.take()?)),
            },
            kind::PRODUCER_ID => Self::ProducerId(std::str::from_utf8(bytes.rest()).ok()?.parse().ok()?),
            kind::IDEMPOTENCY => Self::Idempotency(bytes.take()?),
            kind::ENDPOINT => Self::Endpoint(bytes.endpoint()?),
            kind::PROGRESS => Self::Progress(bytes.endpoint()?),
            kind::JOURNAL => Self::Journal(u16::from_be_bytes(bytes.take()?)),
            kind::EVENT_TYPE => Self::EventType(bytes.text_to_nul()?.parse().ok()?),
            kind::TOKEN => Self::Token(TokenId::from_be_bytes(bytes.take()?)),
            kind::SESSION => Self::Session(bytes.take()?),
            kind::AUDIT => Self::Audit(AuditId::from_be_bytes(bytes.take()?)),
            kind::TRAFFIC => Self::Traffic(bytes.endpoint()?),
            kind::MINUTE => Self::Minute(i64::from_be_bytes(bytes.take()?)),
            kind::META => Self::Meta,
            _ => return None,
        };
        let part = if row.in_parts() { u16::from_be_bytes(bytes.take()?) } else { 0 };
        bytes.0.is_empty().then_some((row, part))
    }
}

fn join(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>() + 2);
    key.push(kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn time_bytes(time: Timestamp) -> [u8; 8] {
    // A timestamp is never negative, so that its bytes sort as it does.
    time.as_millis().to_be_bytes()
}

const fn class_byte(class: DueClass) -> u8 {
    match class {
        DueClass::AskedFor => 0,
        DueClass::InTurn => 1,
    }
}

const fn status_byte(status: EndStatus) -> u8 {
    match status {
        EndStatus::Failed => 0,
        EndStatus::Canceled => 1,
    }
}

const fn trigger_byte(trigger: Trigger) -> u8 {
    match trigger {
        Trigger::Schedule => 0,
        Trigger::Manual => 1,
        Trigger::Replay => 2,
        Trigger::Test => 3,
        Trigger::Rotation => 4,
    }
}

const fn trigger_of(byte: u8) -> Option<Trigger> {
    Some(match byte {
        0 => Trigger::Schedule,
        1 => Trigger::Manual,
        2 => Trigger::Replay,
        3 => Trigger::Test,
        4 => Trigger::Rotation,
        _ => return None,
    })
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn endpoint(&mut self) -> Option<EndpointId> {
        self.take().map(EndpointId::from_be_bytes)
    }

    fn text_to_nul(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.get(1..)?;
        std::str::from_utf8(text).ok()
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
