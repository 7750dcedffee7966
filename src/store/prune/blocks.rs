//! The index of types loses the blocks of ids in which nothing is left.

use std::collections::BTreeMap;

use super::{
    super::{
        Store, StoreError,
        engine::Order,
        keys::{self, Row, kind},
        reading,
        shared::Shared,
    },
    PRUNE, STEP_EVENTS, STEP_ROWS,
};
use crate::domain::{
    ids::{DeliveryId, EventKey},
    time::Timestamp,
};

/// No further block is looked for when so many are found.
const STEP_BLOCKS: usize = 100;

/// What one look found.
struct Empty {
    /// The rows of blocks in which nothing is left.
    rows: Vec<Vec<u8>>,
    /// All blocks that begin before this id were looked at.
    next: u128,
    at_end: bool,
}

impl Store {
    /// Removes the rows of some blocks that lie before `before` and are empty; true while there may be more. Ids only
    /// grow, so that a block that has another behind it and is empty stays so.
    pub(super) async fn prune_blocks(&self, before: Timestamp) -> Result<bool, StoreError> {
        let place = self.inner.walk.get();
        let Empty { rows, next, at_end } = self.read(move |store| look(store.shared(), place.block, before)).await?;
        if !rows.is_empty() {
            self.write(PRUNE, move |work| {
                for row in rows {
                    work.delete(row);
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        }
        self.inner.walk.set(super::Place { block: next, ..place });
        Ok(!at_end)
    }
}

fn look(shared: &Shared, from: u128, before: Timestamp) -> Result<Empty, StoreError> {
    let end = EventKey::first_at(before).as_u128();
    let mut firsts = shared.ids_after(&keys::blocks(), from.saturating_sub(1), end);
    let mut next = from;
    let mut empty = BTreeMap::new();
    let mut looked_at = 0;
    let mut at_end = true;
    let mut block = firsts.next().transpose()?;
    while let Some(first) = block {
        next = first;
        if looked_at >= STEP_EVENTS || empty.len() >= STEP_BLOCKS {
            at_end = false;
            break;
        }
        looked_at += 1;
        let Some(behind) = firsts.next().transpose()? else { break };
        if is_empty(shared, first, behind)? {
            empty.insert(first, vec![Row::Block(first).key()]);
        }
        block = Some(behind);
    }
    rows_of_types(shared, &mut empty)?;
    let mut rows = Vec::new();
    for (first, of_block) in empty {
        if rows.len() >= STEP_ROWS {
            return Ok(Empty { rows, next: first, at_end: false });
        }
        rows.extend(of_block);
    }
    Ok(Empty { rows, next, at_end })
}

fn is_empty(shared: &Shared, first: u128, behind: u128) -> Result<bool, StoreError> {
    // The deliveries of an event before the block may reach into it, and need not have records.
    let before = reading::event_before(shared, DeliveryId::from_u128(first));
    if shared.past_damage(before)?.is_some_and(|event| event.deliveries().end > first) {
        return Ok(false);
    }
    for of_kind in [kind::EVENT, kind::DELIVERY] {
        let mut ids = shared.ids_after(&keys::all_of(of_kind), first.saturating_sub(1), behind.saturating_sub(1));
        if ids.next().transpose()?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Adds the rows that types have in these blocks, from type to type.
fn rows_of_types(shared: &Shared, blocks: &mut BTreeMap<u128, Vec<Vec<u8>>>) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (blocks.keys().next().copied(), blocks.keys().next_back().copied()) else {
        return Ok(());
    };
    let mut from = keys::end_of(&keys::blocks());
    let end = keys::end_of(&keys::all_of(kind::OF_TYPE));
    while let Some(entry) = shared.engine.range(&from, &end, Order::Ascending).next() {
        let entry = entry?;
        let Some((Row::OfType(name, _), _)) = Row::parse(&entry.key) else { break };
        let of_type = keys::of_type(&name);
        for id in shared.ids_after(&of_type, first.saturating_sub(1), last) {
            let id = id?;
            if let Some(rows) = blocks.get_mut(&id) {
                rows.push(keys::with_id(&of_type, id));
            }
        }
        from = keys::end_of(&of_type);
    }
    Ok(())
}
