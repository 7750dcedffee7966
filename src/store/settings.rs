//! The catalog and the tokens: small sets that are read whole at the start, and kept by whoever read them.

use super::{
    NewAudit, Store, StoreError, audit, codec,
    commit::RequestKind,
    engine::Order,
    keys::{self, Row, kind},
    long,
    shared::Shared,
};
use crate::domain::{
    event_type::{EventType, EventTypeName},
    ids::TokenId,
    token::Token,
};

/// A change of settings: refused when the writer has too much to do, but not for want of room.
pub const CHANGE: RequestKind = RequestKind { waits: false, grows: false, alone: false };

impl Store {
    /// Stores a catalog entry.
    pub async fn put_event_type(&self, entry: EventType, audit: NewAudit) -> Result<(), StoreError> {
        let row = Row::EventType(entry.name.clone());
        self.put_setting(row, entry, audit).await
    }

    /// Removes a catalog entry; false if there was none.
    pub async fn delete_event_type(&self, name: EventTypeName, audit: NewAudit) -> Result<bool, StoreError> {
        self.delete_setting(Row::EventType(name), audit).await
    }

    /// The stored catalog entries (operators' own and overridden ones), by name: read once, at the start.
    pub fn event_types(&self) -> Result<Vec<EventType>, StoreError> {
        all(self.shared(), kind::EVENT_TYPE)
    }

    /// Stores a token.
    pub async fn put_token(&self, token: Token, audit: NewAudit) -> Result<(), StoreError> {
        self.put_setting(Row::Token(token.id), token, audit).await
    }

    /// Removes a token; false if there was none.
    pub async fn delete_token(&self, id: TokenId, audit: NewAudit) -> Result<bool, StoreError> {
        self.delete_setting(Row::Token(id), audit).await
    }

    /// All tokens, in the order of their ids: read once, at the start.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        all(self.shared(), kind::TOKEN)
    }

    async fn put_setting<R>(&self, row: Row, record: R, audit: NewAudit) -> Result<(), StoreError>
    where
        R: codec::Record + Send + 'static,
    {
        self.write(CHANGE, move |work| {
            long::put(work, &row, &record, &[])?;
            audit::put(work, audit)
        })
        .await
    }

    async fn delete_setting(&self, row: Row, audit: NewAudit) -> Result<bool, StoreError> {
        self.write(CHANGE, move |work| {
            let found = long::delete(work, &row)?;
            if found {
                audit::put(work, audit)?;
            }
            Ok(found)
        })
        .await
    }
}

/// All records of one kind that lie in parts, in the order of their keys.
pub fn all<R: codec::Record>(shared: &Shared, kind: u8) -> Result<Vec<R>, StoreError> {
    let mut records = Vec::new();
    for entry in shared.family(&keys::all_of(kind), Order::Ascending) {
        let entry = entry?;
        if let Some((row, 0)) = Row::parse(&entry.key)
            && let Some((record, _)) = long::get(shared, &row)?
        {
            records.push(record);
        }
    }
    Ok(records)
}
