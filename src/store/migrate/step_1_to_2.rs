//! From format 1 to 2: the store gets an id, and the totals say how many events and deliveries are stored.

use crate::store::{
    StoreError, codec,
    engine::{Engine, Order},
    keys::{self, Row, kind},
    manifest::{Manifest, StoreId},
    reading,
    shared::EngineRows,
    stored::{Meta, StoredCounts},
};

pub fn run(engine: &dyn Engine, manifest: &mut Manifest) -> Result<(), StoreError> {
    let read = reading::record::<Meta>(&EngineRows(engine), &Row::Meta)?;
    let (mut meta, _) = read.ok_or_else(|| StoreError::Failed("the totals are missing".to_owned()))?;
    meta.store = StoreId::random().map_err(|error| StoreError::Failed(error.to_string()))?;
    meta.stored = StoredCounts { events: count(engine, kind::EVENT)?, deliveries: count(engine, kind::DELIVERY)? };
    let key = Row::Meta.key();
    let value = codec::encode(&key, &meta, &[])?;
    engine.commit(vec![(key, Some(value))]).map_err(|error| StoreError::Failed(error.to_string()))?;
    manifest.id = meta.store;
    Ok(())
}

fn count(engine: &dyn Engine, kind: u8) -> Result<u64, StoreError> {
    let all = keys::all_of(kind);
    let mut count = 0;
    for entry in engine.range(&all, &keys::end_of(&all), Order::Ascending) {
        entry?;
        count += 1;
    }
    Ok(count)
}
