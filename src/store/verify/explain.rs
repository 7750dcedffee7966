//! Where the tally is not even: once more over what it suspects, with look-ups, so that each row that is missing and
//! each that is too many is named. What leads to a record that cannot be read is passed over: that one is named.

use super::{
    Check,
    events::{expected_rows, is_in_block},
    indexes::KINDS,
};
use crate::{
    domain::ids::{DeliveryId, EventKey},
    store::{
        engine::Entry,
        keys::{self, Row, kind},
        reading, recipients,
        scan::{Cursor, Gap, NamedRow, Notes},
        stored::{Link, StoredDelivery, StoredEvent},
    },
};

/// What was told in the first walk is not told again.
struct Silent;

impl Notes for Silent {
    fn read(&mut self, _: &Entry) {}
    fn gap(&mut self, _: &Gap) {}
    fn unknown(&mut self, _: &Entry) {}
}

impl Check<'_> {
    pub(super) fn explain(&mut self) {
        self.missing_of_events();
        self.missing_of_deliveries();
        for of_kind in KINDS {
            let mut cursor = Cursor::of_kind(self.engine, of_kind, &mut Silent);
            while let Some(found) = cursor.take(&mut Silent) {
                self.surplus(&found);
            }
        }
    }

    fn missing_of_events(&mut self) {
        let mut events = Cursor::of_kind(self.engine, kind::EVENT, &mut Silent);
        while let Some(NamedRow { row, entry, .. }) = events.take(&mut Silent) {
            let Ok((stored, _)) = Self::decoded::<StoredEvent>(&entry) else { continue };
            let stored = recipients::listed(&self.rows, stored);
            for id in stored.deliveries().map(DeliveryId::from_u128) {
                let row = Row::Delivery(id);
                if let Some(fresh) = stored.fresh_delivery(id).filter(|_| !self.exists(&row)) {
                    self.missing_rows(&row, &fresh);
                }
            }
            let mut suspects = Vec::new();
            expected_rows(&stored, |row| {
                if self.tally.suspects(row) {
                    suspects.push(row.to_vec());
                }
            });
            for suspect in suspects {
                match suspect.first() {
                    Some(&kind::OF_ACCOUNT) => {
                        let found = self.exists(&Row::OfAccount(stored.event.account.clone(), stored.event.key));
                        self.demand(found, &row, "it is missing in its account's log");
                    }
                    Some(&kind::PRODUCER_ID) => {
                        let link = Row::ProducerId(stored.event.id.clone());
                        let leads = self.leads_to(&link, stored.event.key);
                        self.demand(leads, &row, "its producer's id leads elsewhere");
                    }
                    _ => {
                        let link = stored.idempotency.map(Row::Idempotency);
                        let leads = link.is_none_or(|link| self.leads_to(&link, stored.event.key));
                        self.demand(leads, &row, "its idempotency key leads elsewhere");
                    }
                }
            }
        }
    }

    fn missing_rows(&mut self, delivery: &Row, stored: &StoredDelivery) {
        for index in self.index_rows(stored) {
            let key = index.key();
            if self.tally.suspects(&key) && !self.exists(&index) {
                let what = format!("there is no row for it: {}", keys::describe(&key));
                self.demand(false, delivery, &what);
            }
        }
    }

    /// One that cannot be read is named elsewhere.
    fn leads_to(&self, link: &Row, key: EventKey) -> bool {
        reading::record::<Link>(&self.rows, link).map_or(true, |link| link.is_some_and(|(link, _)| link == Link(key)))
    }

    fn missing_of_deliveries(&mut self) {
        let mut deliveries = Cursor::of_kind(self.engine, kind::DELIVERY, &mut Silent);
        while let Some(NamedRow { row, entry, .. }) = deliveries.take(&mut Silent) {
            let Ok((stored, _)) = Self::decoded::<StoredDelivery>(&entry) else { continue };
            self.missing_rows(&row, &stored);
            let delivery = &stored.delivery;
            let extra = Row::Extra(delivery.event_key, delivery.id);
            if self.tally.suspects(&extra.key())
                && let Ok(Some((event, _))) = reading::event(&self.rows, delivery.event_key)
                && !is_in_block(&event.event, delivery.id)
            {
                let found = self.exists(&extra);
                self.demand(found, &row, "its event does not lead to it");
            }
        }
    }

    fn surplus(&mut self, found: &NamedRow) {
        let NamedRow { row, entry, .. } = found;
        match row {
            Row::ProducerId(_) | Row::Idempotency(_) => {
                let Ok((Link(key), _)) = Self::decoded::<Link>(entry) else { return };
                if self.tally.suspects(&keys::with_id(&entry.key, key.as_u128())) {
                    self.link(row, key);
                }
            }
            _ if !self.tally.suspects(&entry.key) => {}
            Row::Queue(_, id) if self.is_unplaced(*id) => {}
            Row::Queue(_, id) | Row::Retrying(_, id) | Row::Status(_, id) | Row::Code(_, id) => {
                self.delivery_index(*id, row);
            }
            Row::Due(_, due) => self.delivery_index(due.delivery, row),
            Row::Extra(event, id) => self.extra(*event, *id, row),
            Row::OfAccount(account, event) => match reading::event(&self.rows, *event) {
                Ok(Some((stored, _))) => {
                    let same = stored.event.account == *account && !account.is_default();
                    self.demand(same, row, "it is of another account");
                }
                Ok(None) => self.demand(false, row, "the event is missing"),
                Err(_) => {}
            },
            _ => {}
        }
    }

    fn link(&mut self, row: &Row, key: EventKey) {
        let Ok(event) = reading::event(&self.rows, key) else { return };
        let has_it = event.is_some_and(|(stored, _)| match row {
            Row::ProducerId(id) => stored.event.id == *id,
            Row::Idempotency(digest) => stored.idempotency == Some(*digest),
            _ => true,
        });
        self.demand(has_it, row, "no event has it");
    }

    fn delivery_index(&mut self, id: DeliveryId, row: &Row) {
        match reading::delivery(&self.rows, id) {
            Ok(Some((stored, _))) => {
                let says_so = self.index_rows(&stored).contains(row);
                self.demand(says_so, row, "the delivery says otherwise");
            }
            Ok(None) => self.demand(false, row, "the delivery is missing"),
            Err(_) => {}
        }
    }

    fn extra(&mut self, event: EventKey, id: DeliveryId, row: &Row) {
        match reading::event(&self.rows, event) {
            Ok(Some((stored, _))) => self.demand(!is_in_block(&stored.event, id), row, "it was made with the event"),
            Ok(None) => self.demand(false, row, "the event is missing"),
            Err(_) => return,
        }
        match reading::delivery(&self.rows, id) {
            Ok(Some((stored, _))) => self.demand(stored.delivery.event_key == event, row, "it is of another event"),
            Ok(None) => self.demand(false, row, "the delivery is missing"),
            Err(_) => {}
        }
    }
}
