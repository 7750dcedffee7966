//! Events, bodies, deliveries and attempts: each whole, and with all that must be there for it.

use super::Check;
use crate::{
    domain::{
        delivery::{Delivery, DeliveryStatus},
        event::{Event, EventBody},
        ids::{DeliveryId, EventId, EventKey},
    },
    store::{
        StoreError,
        codec::CodecError,
        delivery_rows::index_rows,
        keys::Row,
        long, reading,
        stored::{Latest, Life, Link, Progress, StoredDelivery, StoredEvent, unpack_attempt},
    },
};

impl Check<'_> {
    pub(super) fn event(&mut self, key: EventKey, raw_key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let row = Row::Event(key);
        self.report.events += 1;
        let (stored, inline) = Self::decoded::<StoredEvent>(raw_key, value)?;
        let event = &stored.event;
        self.demand(event.key == key, &row, "it has another event's key");
        self.demand(key.as_u128() <= self.last_id(), &row, "it is newer than the newest id");
        self.body(&stored, inline)?;

        let first = event.first_delivery.as_u128();
        for n in 0..event.delivery_count {
            let id = DeliveryId::from_u128(first.saturating_add(u128::from(n)));
            let found = self.exists(&Row::Delivery(id))?;
            self.demand(found, &row, &format!("its delivery {id} is missing"));
        }
        if !event.account.is_default() {
            let found = self.exists(&Row::OfAccount(event.account.clone(), key))?;
            self.demand(found, &row, "it is missing in its account's log");
        }
        if event.id != EventId::generated(key) {
            let link = reading::record::<Link>(&self.rows, &Row::ProducerId(event.id.clone()))?;
            self.demand(link.is_some_and(|(link, _)| link == Link(key)), &row, "its producer's id leads elsewhere");
        }
        if let Some(digest) = stored.idempotency {
            let link = reading::record::<Link>(&self.rows, &Row::Idempotency(digest))?;
            self.demand(link.is_some_and(|(link, _)| link == Link(key)), &row, "its idempotency key leads elsewhere");
        }
        Ok(())
    }

    fn body(&mut self, stored: &StoredEvent, inline: Vec<u8>) -> Result<(), StoreError> {
        let event = &stored.event;
        let row = Row::Event(event.key);
        let apart = self.exists(&Row::Body(event.key))?;
        self.demand(apart != stored.body_is_inline(), &row, "its body is at two places, or at none");
        let Some(body) = reading::body(&self.rows, stored, inline)? else { return Ok(()) };
        let object = body.object();
        let built = std::str::from_utf8(&object)
            .is_ok_and(|object| EventBody::new(&event.id, &event.event_type, event.created, object) == body);
        self.demand(built, &row, "its body is not the one that belongs to it");
        Ok(())
    }

    pub(super) fn body_part(&mut self, event: EventKey, row: &Row, part: u16) -> Result<(), StoreError> {
        self.part(row, part)?;
        let found = self.exists(&Row::Event(event))?;
        self.demand(found, row, "its event is missing");
        Ok(())
    }

    /// That a part is one of as many as its first part says.
    pub(super) fn part(&mut self, row: &Row, part: u16) -> Result<(), StoreError> {
        if part == 0 {
            long::get_bytes(&self.rows, row)?;
            return Ok(());
        }
        let key = long::part_key(row, 0);
        let first = reading::Rows::get(&self.rows, &key)?;
        let of = first.map_or(Ok(0), |value| long::split(&key, &value).map(|(of, _)| of))?;
        self.demand(part < of, row, &format!("part {part} does not belong to it"));
        Ok(())
    }

    pub(super) fn delivery(&mut self, id: DeliveryId, raw_key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let row = Row::Delivery(id);
        self.report.deliveries += 1;
        let (stored, inline) = Self::decoded::<StoredDelivery>(raw_key, value)?;
        let delivery = &stored.delivery;
        self.report.attempts += u64::from(delivery.attempts_made);
        self.demand(delivery.id == id, &row, "it has another delivery's id");
        self.demand(id.as_u128() <= self.last_id(), &row, "it is newer than the newest id");
        let pending = delivery.status == DeliveryStatus::Pending;
        self.demand(pending == delivery.next.is_some(), &row, "its next attempt does not fit its status");
        self.demand(pending == delivery.completed_at.is_none(), &row, "its completion does not fit its status");

        match reading::event(&self.rows, delivery.event_key)? {
            Some((event, _)) => self.belongs_to(delivery, &event.event)?,
            None => self.demand(false, &row, "its event is missing"),
        }
        for index in index_rows(&stored) {
            if !self.exists(&index)? {
                let what = format!("there is no row for it: {}", crate::store::keys::describe(&index.key()));
                self.demand(false, &row, &what);
            }
        }
        self.attempts(&stored, &inline)?;
        if let Some((progress, _)) = reading::record::<Progress>(&self.rows, &Row::Progress(delivery.endpoint_id))? {
            let waits = delivery.is_fresh() && progress.life != Life::Dropped;
            let reachable = !waits || id > progress.queue_position;
            self.demand(reachable, &row, "it waits for its first turn, but its queue has passed it");
        }
        let counted = self.counted.entry(delivery.endpoint_id).or_default();
        counted.pending += u64::from(pending);
        counted.asked += u64::try_from(stored.asked.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn belongs_to(&mut self, delivery: &Delivery, event: &Event) -> Result<(), StoreError> {
        let row = Row::Delivery(delivery.id);
        let same = event.id == delivery.event_id
            && event.account == delivery.account
            && event.event_type == delivery.event_type
            && event.test == delivery.test;
        self.demand(same, &row, "it tells otherwise than its event");
        let linked = is_in_block(event, delivery.id) || self.exists(&Row::Extra(event.key, delivery.id))?;
        self.demand(linked, &row, "its event does not lead to it");
        Ok(())
    }

    fn attempts(&mut self, stored: &StoredDelivery, inline: &[u8]) -> Result<(), StoreError> {
        let delivery = &stored.delivery;
        let row = Row::Delivery(delivery.id);
        let apart = match stored.latest {
            Latest::None => 0,
            Latest::Inline => {
                let attempt = unpack_attempt(inline).map_err(|error: CodecError| error.at(&row.key()))?;
                self.demand(attempt.number == delivery.attempts_made, &row, "its latest attempt has another number");
                delivery.attempts_made.saturating_sub(1)
            }
            Latest::Apart => delivery.attempts_made,
        };
        self.demand(
            (delivery.attempts_made == 0) == (stored.latest == Latest::None),
            &row,
            "it lacks its latest attempt",
        );
        for number in 1..=apart {
            let found = self.exists(&Row::Attempt(delivery.id, number))?;
            self.demand(found, &row, &format!("its attempt {number} is missing"));
        }
        Ok(())
    }

    pub(super) fn attempt_part(&mut self, id: DeliveryId, number: u32, row: &Row, part: u16) -> Result<(), StoreError> {
        self.part(row, part)?;
        if part > 0 {
            return Ok(());
        }
        if let Some(bytes) = long::get_bytes(&self.rows, row)? {
            let attempt = unpack_attempt(&bytes).map_err(|error| error.at(&long::part_key(row, 0)))?;
            self.demand(attempt.number == number, row, "it has another number");
        }
        match reading::delivery(&self.rows, id)? {
            Some((stored, _)) => {
                self.demand(number <= stored.delivery.attempts_made, row, "its delivery had fewer attempts");
            }
            None => self.demand(false, row, "its delivery is missing"),
        }
        Ok(())
    }
}

pub(super) fn is_in_block(event: &Event, id: DeliveryId) -> bool {
    let first = event.first_delivery.as_u128();
    (first..first.saturating_add(u128::from(event.delivery_count))).contains(&id.as_u128())
}
