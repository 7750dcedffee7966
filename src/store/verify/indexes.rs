//! Index rows: that each leads to a record which says the same.

use super::{Check, events::is_in_block};
use crate::{
    domain::{
        account::Account,
        ids::{DeliveryId, EventId, EventKey},
    },
    store::{StoreError, delivery_rows::index_rows, keys::Row, reading, stored::Link},
};

impl Check<'_> {
    pub(super) fn delivery_index(&mut self, id: DeliveryId, row: &Row, value: &[u8]) -> Result<(), StoreError> {
        self.demand(value.is_empty(), row, "it has a value");
        match reading::delivery(&self.rows, id)? {
            Some((stored, _)) => {
                self.demand(index_rows(&stored).contains(row), row, "the delivery says otherwise");
            }
            None => self.demand(false, row, "the delivery is missing"),
        }
        Ok(())
    }

    pub(super) fn extra(&mut self, event: EventKey, id: DeliveryId, row: &Row, value: &[u8]) -> Result<(), StoreError> {
        self.demand(value.is_empty(), row, "it has a value");
        match reading::event(&self.rows, event)? {
            Some((stored, _)) => self.demand(!is_in_block(&stored.event, id), row, "it was made with the event"),
            None => self.demand(false, row, "the event is missing"),
        }
        match reading::delivery(&self.rows, id)? {
            Some((stored, _)) => self.demand(stored.delivery.event_key == event, row, "it is of another event"),
            None => self.demand(false, row, "the delivery is missing"),
        }
        Ok(())
    }

    pub(super) fn of_account(
        &mut self,
        account: &Account,
        event: EventKey,
        row: &Row,
        value: &[u8],
    ) -> Result<(), StoreError> {
        self.demand(value.is_empty() && !account.is_default(), row, "there should be no such row");
        match reading::event(&self.rows, event)? {
            Some((stored, _)) => self.demand(stored.event.account == *account, row, "it is of another account"),
            None => self.demand(false, row, "the event is missing"),
        }
        Ok(())
    }

    pub(super) fn producer_id(&mut self, id: &EventId, row: &Row) -> Result<(), StoreError> {
        let Some((Link(key), _)) = reading::record(&self.rows, row)? else { return Ok(()) };
        let event = reading::event(&self.rows, key)?;
        self.demand(event.is_some_and(|(stored, _)| stored.event.id == *id), row, "no event has it");
        Ok(())
    }

    pub(super) fn idempotency(&mut self, digest: &[u8; 32], row: &Row) -> Result<(), StoreError> {
        let Some((Link(key), _)) = reading::record(&self.rows, row)? else { return Ok(()) };
        let event = reading::event(&self.rows, key)?;
        self.demand(event.is_some_and(|(stored, _)| stored.idempotency == Some(*digest)), row, "no event has it");
        Ok(())
    }
}
