//! The index of types: what is stored must be found by its type, in the block that its id lies in. A block that leads to
//! nothing is no finding: what it led to may be gone.

use std::collections::HashMap;

use super::{Check, Cursor};
use crate::{
    domain::event_type::EventTypeName,
    store::{
        StoreError,
        keys::{Row, kind},
        scan::NamedRow,
        type_blocks,
    },
};

/// The last block that was looked up: ids come in their order, or nearly.
#[derive(Debug, Default)]
pub struct Types {
    first: u128,
    /// Exclusive.
    end: u128,
    /// Of the types that were asked for, whether the block has a row for them.
    rows: HashMap<EventTypeName, bool>,
}

impl Check<'_> {
    /// Notes it if a list by type would not show this.
    pub(super) fn is_found_by_type(&mut self, row: &Row, event_type: &EventTypeName, id: u128) {
        // What cannot be read is named where the index itself is read.
        if let Ok(false) = self.has_type(event_type, id) {
            self.demand(false, row, &format!("lists by its type, {event_type}, do not lead to it"));
        }
    }

    fn has_type(&mut self, event_type: &EventTypeName, id: u128) -> Result<bool, StoreError> {
        if !(self.types.first..self.types.end).contains(&id) {
            let Some(first) = type_blocks::block_of(self.engine, id)? else { return Ok(false) };
            let end = type_blocks::end_of_block(self.engine, first)?;
            self.types = Types { first, end, rows: HashMap::new() };
        }
        if let Some(found) = self.types.rows.get(event_type) {
            return Ok(*found);
        }
        let found = self.exists(&Row::OfType(event_type.clone(), self.types.first));
        self.types.rows.insert(event_type.clone(), found);
        Ok(found)
    }

    pub(super) fn blocks_of_types(&mut self) {
        let mut cursor: Cursor<'_> = self.cursor(kind::OF_TYPE);
        while let Some(NamedRow { row, entry, .. }) = cursor.take(self) {
            self.demand(entry.value.is_empty(), &row, "it has a value");
            if let Row::OfType(_, first) = row {
                let begins = self.exists(&Row::Block(first));
                self.demand(begins, &row, "no block of ids begins there");
            }
        }
    }
}
