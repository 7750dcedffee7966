//! From format 2 to 3: events and deliveries get the index of their types.

use crate::store::{StoreError, engine::Engine, manifest::Manifest, type_blocks};

pub fn run(engine: &dyn Engine, _: &mut Manifest) -> Result<(), StoreError> {
    type_blocks::build(engine)
}
