//! Records by their keys, read alike from what is stored and from a batch in the making.

use super::{
    StoreError,
    codec::{self, CodecError},
    engine::Entry,
    keys::{self, Row, kind},
    long, recipients,
    stored::{Link, StoredDelivery, StoredEvent},
};
use crate::domain::{
    event::EventBody,
    ids::{DeliveryId, EventId, EventKey},
};

/// Something that has rows.
pub trait Rows {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The last row from `from` on (inclusive) up to `to` (exclusive).
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, StoreError>;
}

/// One record of one row, and the raw bytes behind it.
pub fn record<R: codec::Record>(rows: &impl Rows, row: &Row) -> Result<Option<(R, Vec<u8>)>, StoreError> {
    #[cfg(feature = "testing")]
    injected_damage(row)?;
    let key = row.key();
    let Some(value) = rows.get(&key)? else { return Ok(None) };
    let (record, tail) = codec::decode(&key, &value).map_err(|error| error.at(&key))?;
    Ok(Some((record, tail.to_vec())))
}

/// For tests of the whole server: the record of this name counts as damaged.
#[cfg(feature = "testing")]
fn injected_damage(row: &Row) -> Result<(), StoreError> {
    fail::fail_point!("store::read", |name| {
        let key = row.key();
        if name.is_some_and(|name| name == keys::describe(&key)) { Err(CodecError::Checksum.at(&key)) } else { Ok(()) }
    });
    Ok(())
}

/// An event, and its body if that lies with it.
pub fn event(rows: &impl Rows, key: EventKey) -> Result<Option<(StoredEvent, Vec<u8>)>, StoreError> {
    record(rows, &Row::Event(key))
}

/// A delivery, and its latest attempt if that lies with it. One that has no record yet is made of its event's.
pub fn delivery(rows: &impl Rows, id: DeliveryId) -> Result<Option<(StoredDelivery, Vec<u8>)>, StoreError> {
    if let Some(found) = record(rows, &Row::Delivery(id))? {
        return Ok(Some(found));
    }
    let Some(made_with) = event_before(rows, id)? else { return Ok(None) };
    Ok(recipients::fresh_delivery(rows, &made_with, id)?.map(|fresh| (fresh, Vec::new())))
}

/// The last event before a delivery: the one that it was made with, unless a replay made it.
pub fn event_before(rows: &impl Rows, id: DeliveryId) -> Result<Option<StoredEvent>, StoreError> {
    let all = keys::all_of(kind::EVENT);
    let Some(Entry { key, value }) = rows.last(&all, &keys::with_id(&all, id.as_u128()))? else { return Ok(None) };
    let (stored, _) = codec::decode(&key, &value).map_err(|error| error.at(&key))?;
    Ok(Some(stored))
}

/// An event by the id that receivers see. A producer's own id may look like a minted one, so that is asked first.
pub fn event_by_id(rows: &impl Rows, id: &EventId) -> Result<Option<(StoredEvent, Vec<u8>)>, StoreError> {
    let link = record::<Link>(rows, &Row::ProducerId(id.clone()))?.map(|(Link(key), _)| key);
    let Some(key) = link.or_else(|| id.key_if_generated()) else { return Ok(None) };
    Ok(event(rows, key)?.filter(|(stored, _)| stored.event.id == *id))
}

/// An event's body; `None` if it was removed meanwhile.
pub fn body(rows: &impl Rows, stored: &StoredEvent, inline: Vec<u8>) -> Result<Option<EventBody>, StoreError> {
    let row = Row::Event(stored.event.key);
    let bytes = if stored.body_is_inline() {
        inline
    } else {
        let Some(bytes) = long::get_bytes(rows, &Row::Body(stored.event.key))? else { return Ok(None) };
        bytes
    };
    let body = body_of(stored, bytes);
    body.map(Some).ok_or_else(|| CodecError::Malformed("event body").at(&row.key()))
}

/// The body of these bytes, if they can be this event's.
pub fn body_of(stored: &StoredEvent, bytes: Vec<u8>) -> Option<EventBody> {
    let whole = u32::try_from(bytes.len()).is_ok_and(|length| length == stored.body_length);
    let object_start = usize::try_from(stored.object_start).unwrap_or(usize::MAX);
    if whole && object_start <= bytes.len() { EventBody::from_stored(bytes.into(), object_start) } else { None }
}
