//! The index of events and deliveries by their type. A row for each of them would cost as much as the list that leads
//! to it, so ids are cut into *blocks* of some hundred, and a type has one row in each block that holds something of
//! it: a list by type reads the blocks that may have something, and passes over all others.
//!
//! A block goes from its first id, which has a row, to the next one's. What the rows say is never too little: every
//! event and every delivery lies in a block that has a row for its type. It may be too much, for things that are gone.

use std::collections::HashSet;

use super::{
    StoreError, codec,
    engine::{Engine, Entries, Order, Write},
    keys::{self, Row, kind},
    stored::{StoredDelivery, StoredEvent},
};
use crate::domain::event_type::EventTypeName;

/// A block is left when it has so many ids; in tests of the store fewer, so that small stores have many blocks.
const BLOCK: usize = if cfg!(test) { 4 } else { 128 };
/// Or so many for each of its types, if that is more: else each event among many types would bring a row of its own …
const IDS_A_TYPE: usize = if cfg!(test) { 2 } else { 8 };
/// … but no later than at so many: a list by type looks at all that is in its blocks.
const LONGEST: usize = if cfg!(test) { 8 } else { 384 };
/// A batch of [`build`] has so many rows.
const BATCH: usize = 400;

/// The block that new ids go to.
#[derive(Debug, Default)]
pub struct TypeBlocks(Option<Open>);

#[derive(Debug)]
struct Open {
    first: u128,
    ids: usize,
    types: HashSet<EventTypeName>,
}

impl TypeBlocks {
    /// Notes something of a type under an id, which is greater than all before; the rows that this needs go to `put`.
    pub fn note(&mut self, event_type: &EventTypeName, id: u128, mut put: impl FnMut(Row)) {
        let open = match &mut self.0 {
            Some(open) if !open.is_full() => open,
            left => {
                put(Row::Block(id));
                left.insert(Open { first: id, ids: 0, types: HashSet::new() })
            }
        };
        open.ids += 1;
        if !open.types.contains(event_type) {
            open.types.insert(event_type.clone());
            put(Row::OfType(event_type.clone(), open.first));
        }
    }

    /// The rows of this block may not be stored: the next id begins another one.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

impl Open {
    fn is_full(&self) -> bool {
        self.ids >= (self.types.len() * IDS_A_TYPE).clamp(BLOCK, LONGEST)
    }
}

/// The end of the block that begins with this id: the first id of the next one.
pub fn end_of_block(engine: &dyn Engine, first: u128) -> Result<u128, StoreError> {
    let all = keys::blocks();
    let from = keys::with_id(&all, first.saturating_add(1));
    let next = engine.range(&from, &keys::end_of(&all), Order::Ascending).next().transpose()?;
    Ok(next.and_then(|entry| keys::last_id(&entry.key)).unwrap_or(u128::MAX))
}

/// The first id of the block in which this id lies; `None`: it lies in none.
pub fn block_of(engine: &dyn Engine, id: u128) -> Result<Option<u128>, StoreError> {
    let all = keys::blocks();
    let mut to = keys::with_id(&all, id);
    to.push(0);
    let found = engine.range(&all, &to, Order::Descending).next().transpose()?;
    Ok(found.and_then(|entry| keys::last_id(&entry.key)))
}

/// Writes the rows for all that is stored in an engine that has none of them. What is damaged is passed over: no list
/// shows it.
pub fn build(engine: &dyn Engine) -> Result<(), StoreError> {
    let mut events = Typed::of(engine, kind::EVENT, |stored: StoredEvent| {
        let count = stored.event.delivery_count;
        (stored.event.event_type, count)
    });
    let mut deliveries = Typed::of(engine, kind::DELIVERY, |stored: StoredDelivery| (stored.delivery.event_type, 0));
    let (mut event, mut delivery) = (events.next()?, deliveries.next()?);
    let mut noted_to = 0_u128;
    let mut blocks = TypeBlocks::default();
    let mut rows: Vec<Write> = Vec::new();
    loop {
        let is_event = match (&event, &delivery) {
            (Some((event, ..)), Some((delivery, ..))) => event < delivery,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        let next = if is_event {
            std::mem::replace(&mut event, events.next()?)
        } else {
            std::mem::replace(&mut delivery, deliveries.next()?)
        };
        if let Some((first, event_type, made_with_it)) = next {
            // An event's deliveries are noted with it: not each has a record.
            let last = first.saturating_add(u128::from(made_with_it));
            let unnoted = first.max(noted_to.saturating_add(1));
            noted_to = noted_to.max(last);
            for id in unnoted..=last {
                blocks.note(&event_type, id, |row| rows.push((row.key(), Some(Vec::new()))));
            }
        }
        if rows.len() >= BATCH {
            commit(engine, std::mem::take(&mut rows))?;
        }
    }
    commit(engine, rows)
}

fn commit(engine: &dyn Engine, rows: Vec<Write>) -> Result<(), StoreError> {
    engine.commit(rows).map_err(|error| StoreError::Failed(error.to_string()))
}

/// The ids of one kind of records, the types that these are of, and how many ids follow for what was made with them.
struct Typed<'a, R> {
    entries: Entries<'a>,
    type_of: fn(R) -> (EventTypeName, u32),
}

impl<'a, R: codec::Record> Typed<'a, R> {
    fn of(engine: &'a dyn Engine, kind: u8, type_of: fn(R) -> (EventTypeName, u32)) -> Self {
        let all = keys::all_of(kind);
        Self { entries: engine.range(&all, &keys::end_of(&all), Order::Ascending), type_of }
    }

    fn next(&mut self) -> Result<Option<(u128, EventTypeName, u32)>, StoreError> {
        for entry in self.entries.by_ref() {
            let entry = entry?;
            if let (Some(id), Ok((record, _))) = (keys::last_id(&entry.key), codec::decode(&entry.key, &entry.value)) {
                let (event_type, made_with_it) = (self.type_of)(record);
                return Ok(Some((id, event_type, made_with_it)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_one_row_for_each_of_its_types() {
        let [common, rare] = ["a.common", "a.rare"].map(|name| name.parse::<EventTypeName>().unwrap());
        let mut blocks = TypeBlocks::default();
        let mut rows = Vec::new();
        let ids = BLOCK as u128;
        for id in 1..=2 * ids {
            let event_type = if id == 2 * ids { &rare } else { &common };
            blocks.note(event_type, id, |row| rows.push(row));
        }
        let second = ids + 1;
        let expected = [
            Row::Block(1),
            Row::OfType(common.clone(), 1),
            Row::Block(second),
            Row::OfType(common.clone(), second),
            Row::OfType(rare, second),
        ];
        assert_eq!(rows, expected);
        blocks.forget();
        rows.clear();
        blocks.note(&common, 5_000, |row| rows.push(row));
        assert_eq!(rows, [Row::Block(5_000), Row::OfType(common, 5_000)]);
    }

    #[test]
    fn a_block_of_many_types_is_longer_but_not_endless() {
        let length = |types: usize| {
            let names: Vec<EventTypeName> = (0..types).map(|n| format!("a.number_{n}").parse().unwrap()).collect();
            let (mut blocks, mut begun) = (TypeBlocks::default(), Vec::new());
            for (id, name) in (1..40).zip(names.iter().cycle()) {
                blocks.note(name, id, |row| begun.extend(if let Row::Block(first) = row { Some(first) } else { None }));
            }
            begun[1] - begun[0]
        };
        assert_eq!([1, 2, 3, 20].map(length), [4, 4, 6, 8]);
    }
}
