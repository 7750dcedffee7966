//! To whom the deliveries go that were made with an event, where that list does not fit into the event's row: a list of
//! endpoints' ids in rows of its own, in the order of the deliveries. It is written once, and goes with the event.

use super::{
    StoreError,
    codec::CodecError,
    engine::Entry,
    keys::Row,
    long,
    reading::Rows,
    stored::{StoredDelivery, StoredEvent},
    work::Work,
};
use crate::domain::ids::{DeliveryId, EndpointId, EventKey};

/// How long an id is.
const ID: usize = 16;
/// So many lie in one part, none in two.
const OF_A_PART: usize = long::PART / ID;

/// The rows of a list.
pub fn rows(event: EventKey, endpoints: &[EndpointId]) -> Result<Vec<Entry>, StoreError> {
    let bytes: Vec<u8> = endpoints.iter().flat_map(|id| id.to_be_bytes()).collect();
    long::cut(&Row::Recipients(event), &bytes, OF_A_PART * ID)
}

/// Writes the list of a new event.
pub fn put(work: &mut Work, event: EventKey, endpoints: &[EndpointId]) -> Result<(), StoreError> {
    for Entry { key, value } in rows(event, endpoints)? {
        work.put(key, value);
    }
    Ok(())
}

/// A delivery that was made with the event and has no record; `None`: it must have one.
pub fn fresh_delivery(
    rows: &impl Rows,
    stored: &StoredEvent,
    id: DeliveryId,
) -> Result<Option<StoredDelivery>, StoreError> {
    if !stored.may_list_apart() {
        return Ok(stored.fresh_delivery(id));
    }
    let Some(place) = stored.place_of(id) else { return Ok(None) };
    Ok(nth(rows, stored.event.key, place)?.map(|endpoint| stored.fresh_delivery_to(endpoint, id)))
}

fn nth(rows: &impl Rows, event: EventKey, n: usize) -> Result<Option<EndpointId>, StoreError> {
    let row = Row::Recipients(event);
    let Ok(part) = u16::try_from(n / OF_A_PART) else { return Ok(None) };
    let key = long::part_key(&row, part);
    let Some(value) = rows.get(&key)? else {
        // Without it nobody knows to whom the delivery goes, unless it went with its event meanwhile.
        let there = rows.get(&Row::Event(event).key())?.is_some();
        return if there { Err(CodecError::Short.at(&key)) } else { Ok(None) };
    };
    let (_, bytes) = long::split(&key, &value)?;
    let id = bytes.get(n % OF_A_PART * ID..).and_then(<[u8]>::first_chunk).ok_or_else(|| CodecError::Short.at(&key))?;
    Ok(Some(EndpointId::from_be_bytes(*id)))
}

/// The list in these bytes, if it can be this event's.
pub fn list_of(stored: &StoredEvent, bytes: &[u8]) -> Option<Vec<EndpointId>> {
    let (ids, rest) = bytes.as_chunks::<ID>();
    let whole = rest.is_empty() && u32::try_from(ids.len()).is_ok_and(|count| count == stored.event.delivery_count);
    whole.then(|| ids.iter().map(|id| EndpointId::from_be_bytes(*id)).collect())
}

/// Puts the list in these bytes in its place, if the event lacks it and it is the event's.
pub fn take(stored: &mut StoredEvent, bytes: &[u8]) -> bool {
    let list = if stored.may_list_apart() { list_of(stored, bytes) } else { None };
    let taken = list.is_some();
    if let Some(list) = list {
        stored.endpoints = list;
    }
    taken
}

/// The event with its list in its place, where that lies in rows of its own and is whole.
pub fn listed(rows: &impl Rows, mut stored: StoredEvent) -> StoredEvent {
    if stored.may_list_apart()
        && let Ok(Some(bytes)) = long::get_bytes(rows, &Row::Recipients(stored.event.key))
    {
        take(&mut stored, &bytes);
    }
    stored
}
