//! Events with their bodies and deliveries, deliveries with their attempts: read side by side in the order of their
//! ids, each whole, and with all that must be there for it. What should lead to them goes into the tally.

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
        engine::Entry,
        keys::{self, Row, kind},
        long,
        packed_attempt::unpack_attempt,
        reading, recipients,
        scan::{Cursor, LongRecord, NamedRow},
        stored::{Latest, Life, StoredDelivery, StoredEvent},
    },
};

/// What is read side by side.
struct Walk<'a> {
    events: Cursor<'a>,
    bodies: Cursor<'a>,
    recipients: Cursor<'a>,
    deliveries: Cursor<'a>,
    attempts: Cursor<'a>,
}

impl<'a> Check<'a> {
    pub(super) fn events_and_deliveries(&mut self) {
        let mut walk = Walk {
            events: self.cursor(kind::EVENT),
            bodies: self.cursor(kind::BODY),
            recipients: self.cursor(kind::RECIPIENTS),
            deliveries: self.cursor(kind::DELIVERY),
            attempts: self.cursor(kind::ATTEMPT),
        };
        while let Some(NamedRow { row, entry, .. }) = walk.events.take(self) {
            let Row::Event(key) = row else { continue };
            self.report.events += 1;
            self.without_event(&walk.events, &mut walk.bodies, Some(key));
            self.without_event(&walk.events, &mut walk.recipients, Some(key));
            let body = self.record_of(&mut walk.bodies, &Row::Body(key));
            let list = self.record_of(&mut walk.recipients, &Row::Recipients(key));
            match Self::decoded::<StoredEvent>(&entry) {
                Ok((stored, inline)) => self.event(&mut walk, key, stored, inline, (body, list)),
                Err(error) => self.find_error(&row, &error),
            }
        }
        for records in [&mut walk.bodies, &mut walk.recipients] {
            self.without_event(&walk.events, records, None);
        }
        self.deliveries_before(&mut walk, None);
        self.attempts_before(&mut walk, None);
    }

    fn event(
        &mut self,
        walk: &mut Walk<'a>,
        key: EventKey,
        mut stored: StoredEvent,
        inline: Vec<u8>,
        (body, list): (Option<LongRecord>, Option<LongRecord>),
    ) {
        let row = Row::Event(key);
        let list_is_lost = !self.takes_list(&mut stored, list) || walk.recipients.is_unread(&Row::Recipients(key));
        let stored = &stored;
        let event = &stored.event;
        self.demand(event.key == key, &row, "it has another event's key");
        self.demand(key.as_u128() <= self.last_id(), &row, "it is newer than the newest id");
        if let Err(error) = self.body(stored, inline, body, walk.bodies.is_unread(&Row::Body(key))) {
            self.find_error(&row, &error);
        }
        expected_rows(stored, |row| self.tally.add(row));
        self.is_found_by_type(&row, &event.event_type, key.as_u128());
        self.deliveries_before(walk, Some(event.first_delivery));
        for id in stored.deliveries().map(DeliveryId::from_u128) {
            match walk.deliveries.take_if(self, |next| *next == Row::Delivery(id)) {
                Some(found) => self.delivery(walk, id, &found.entry, Some(event)),
                None if list_is_lost || walk.deliveries.is_unread(&Row::Delivery(id)) => {}
                None => match stored.fresh_delivery(id) {
                    Some(fresh) => {
                        self.report.deliveries += 1;
                        self.attempts_before(walk, Some(id));
                        let attempts = self.attempts_of(walk, id);
                        self.whole_delivery(walk, id, &(fresh, Vec::new()), &attempts, Some(event));
                    }
                    None => self.demand(false, &row, &format!("its delivery {id} is missing")),
                },
            }
        }
    }

    /// Records in parts whose event is missing: those of events before this one.
    fn without_event(&mut self, events: &Cursor<'a>, records: &mut Cursor<'a>, before: Option<EventKey>) {
        while let Some(NamedRow { row, .. }) = records.head() {
            let (row, of) = match row {
                Row::Body(of) | Row::Recipients(of) => (row.clone(), *of),
                _ => return,
            };
            if before.is_some_and(|before| of >= before) {
                return;
            }
            self.demand(events.is_unread(&Row::Event(of)), &row, "its event is missing");
            self.record_of(records, &row);
        }
    }

    /// The record of this name that lies in rows of its own; `None`: there is none.
    fn record_of(&mut self, records: &mut Cursor<'a>, row: &Row) -> Option<LongRecord> {
        let record = records.take_record_of(self, row)?;
        if let Err(error) = &record.bytes {
            self.find_error(&record.row, error);
        }
        Some(record)
    }

    /// Puts a list that lies apart in its place; false: it is damaged.
    fn takes_list(&mut self, stored: &mut StoredEvent, apart: Option<LongRecord>) -> bool {
        let Some(LongRecord { row, bytes, .. }) = apart else { return true };
        self.demand(stored.may_list_apart(), &row, "its event has no need of it");
        // What is damaged was named already.
        let Ok(bytes) = bytes else { return false };
        let list = recipients::list_of(stored, &bytes);
        self.demand(list.is_some(), &row, "it does not tell of all of the event's deliveries");
        let whole = list.is_some();
        if stored.may_list_apart() {
            stored.endpoints = list.unwrap_or_default();
        }
        whole
    }

    fn body(
        &mut self,
        stored: &StoredEvent,
        inline: Vec<u8>,
        apart: Option<LongRecord>,
        unread: bool,
    ) -> Result<(), StoreError> {
        let event = &stored.event;
        let row = Row::Event(event.key);
        let at_one_place = apart.is_some() != stored.body_is_inline();
        self.demand(at_one_place || unread, &row, "its body is at two places, or at none");
        let bytes = match apart {
            None if stored.body_is_inline() => inline,
            Some(LongRecord { bytes: Ok(bytes), .. }) if !stored.body_is_inline() => bytes,
            // Named already.
            _ => return Ok(()),
        };
        let body = reading::body_of(stored, bytes).ok_or_else(|| CodecError::Malformed("event body").at(&row.key()))?;
        let object = body.object();
        let built = std::str::from_utf8(&object)
            .is_ok_and(|object| EventBody::new(&event.id, &event.event_type, event.created, object) == body);
        self.demand(built, &row, "its body is not the one that belongs to it");
        Ok(())
    }

    /// Deliveries that were not made with an event.
    fn deliveries_before(&mut self, walk: &mut Walk<'a>, before: Option<DeliveryId>) {
        while let Some(NamedRow { row: Row::Delivery(id), .. }) = walk.deliveries.head() {
            let id = *id;
            if before.is_some_and(|before| id >= before) {
                return;
            }
            let Some(found) = walk.deliveries.take(self) else { return };
            self.delivery(walk, id, &found.entry, None);
        }
    }

    fn delivery(&mut self, walk: &mut Walk<'a>, id: DeliveryId, entry: &Entry, made_with: Option<&Event>) {
        let row = Row::Delivery(id);
        self.report.deliveries += 1;
        self.attempts_before(walk, Some(id));
        let attempts = self.attempts_of(walk, id);
        match Self::decoded::<StoredDelivery>(entry) {
            Ok(decoded) => self.whole_delivery(walk, id, &decoded, &attempts, made_with),
            Err(error) => self.find_error(&row, &error),
        }
    }

    fn whole_delivery(
        &mut self,
        walk: &Walk<'a>,
        id: DeliveryId,
        (stored, inline): &(StoredDelivery, Vec<u8>),
        attempts: &[u32],
        made_with: Option<&Event>,
    ) {
        let row = Row::Delivery(id);
        let delivery = &stored.delivery;
        self.report.attempts += u64::from(delivery.attempts_made);
        self.demand(delivery.id == id, &row, "it has another delivery's id");
        self.demand(id.as_u128() <= self.last_id(), &row, "it is newer than the newest id");
        let pending = delivery.status == DeliveryStatus::Pending;
        self.demand(pending == delivery.next.is_some(), &row, "its next attempt does not fit its status");
        self.demand(pending == delivery.completed_at.is_none(), &row, "its completion does not fit its status");

        match made_with {
            Some(event) if event.key == delivery.event_key => self.tells_as(delivery, event),
            _ => match reading::event(&self.rows, delivery.event_key) {
                Ok(Some((event, _))) => {
                    self.tells_as(delivery, &event.event);
                    if !is_in_block(&event.event, id) {
                        self.tally.add(&Row::Extra(event.event.key, id).key());
                    }
                }
                Ok(None) => self.demand(false, &row, "its event is missing"),
                // Named when the event's own row was read.
                Err(_) => {}
            },
        }
        for index in self.index_rows(stored) {
            self.tally.add(&index.key());
        }
        self.is_found_by_type(&row, &delivery.event_type, id.as_u128());
        self.attempts(walk, stored, inline, attempts);
        if let Some(Some(progress)) = self.progress.get(&delivery.endpoint_id) {
            let waits = delivery.is_fresh() && progress.life != Life::Dropped;
            let reachable = !waits || id > progress.queue_position;
            self.demand(reachable, &row, "it waits for its first turn, but its queue has passed it");
        }
        let counted = self.counted.entry(delivery.endpoint_id).or_default();
        counted.pending += u64::from(pending);
        counted.asked += u64::try_from(stored.asked.len()).unwrap_or(u64::MAX);
    }

    fn tells_as(&mut self, delivery: &Delivery, event: &Event) {
        let same = event.id == delivery.event_id
            && event.account == delivery.account
            && event.event_type == delivery.event_type
            && event.test == delivery.test;
        self.demand(same, &Row::Delivery(delivery.id), "it tells otherwise than its event");
    }

    fn attempts_before(&mut self, walk: &mut Walk<'a>, before: Option<DeliveryId>) {
        while let Some(NamedRow { row: Row::Attempt(of, number), .. }) = walk.attempts.head() {
            let (of, number) = (*of, *number);
            if before.is_some_and(|before| of >= before) {
                return;
            }
            let found = walk.deliveries.is_unread(&Row::Delivery(of));
            self.demand(found, &Row::Attempt(of, number), "its delivery is missing");
            self.attempts_of(walk, of);
        }
    }

    /// The numbers of a delivery's attempts that have rows of their own.
    fn attempts_of(&mut self, walk: &mut Walk<'a>, id: DeliveryId) -> Vec<u32> {
        let mut numbers = Vec::new();
        while let Some(NamedRow { row: Row::Attempt(of, number), .. }) = walk.attempts.head() {
            let (of, number) = (*of, *number);
            if of != id {
                break;
            }
            let Some(record) = walk.attempts.take_record(self) else { break };
            numbers.push(number);
            let place = long::part_key(&record.row, 0);
            let read = record.bytes.as_ref().map_err(Clone::clone);
            match read.and_then(|bytes| unpack_attempt(bytes).map_err(|error| error.at(&place))) {
                Ok(attempt) => self.demand(attempt.number == number, &record.row, "it has another number"),
                Err(error) => self.find_error(&record.row, &error),
            }
        }
        numbers
    }

    fn attempts(&mut self, walk: &Walk<'a>, stored: &StoredDelivery, inline: &[u8], rows: &[u32]) {
        let delivery = &stored.delivery;
        let row = Row::Delivery(delivery.id);
        let apart = match stored.latest {
            Latest::None => 0,
            Latest::Inline => {
                match unpack_attempt(inline) {
                    Ok(attempt) => {
                        let last = attempt.number == delivery.attempts_made;
                        self.demand(last, &row, "its latest attempt has another number");
                    }
                    Err(error) => self.find_error(&row, &error.at(&row.key())),
                }
                delivery.attempts_made.saturating_sub(1)
            }
            Latest::Apart => delivery.attempts_made,
        };
        let told = (delivery.attempts_made == 0) == (stored.latest == Latest::None);
        self.demand(told, &row, "it lacks its latest attempt");
        for number in (1..=apart).filter(|number| !rows.contains(number)) {
            let unread = walk.attempts.is_unread(&Row::Attempt(delivery.id, number));
            self.demand(unread, &row, &format!("its attempt {number} is missing"));
        }
        for number in rows.iter().filter(|number| **number > delivery.attempts_made) {
            self.demand(false, &Row::Attempt(delivery.id, *number), "its delivery had fewer attempts");
        }
    }
}

/// Whether a delivery was made together with its event.
pub fn is_in_block(event: &Event, id: DeliveryId) -> bool {
    let first = event.first_delivery.as_u128();
    (first..first.saturating_add(u128::from(event.delivery_count))).contains(&id.as_u128())
}

/// The rows that lead to an event; with a link, what it leads to stands behind the key.
pub fn expected_rows(stored: &StoredEvent, mut row: impl FnMut(&[u8])) {
    let event = &stored.event;
    if !event.account.is_default() {
        row(&Row::OfAccount(event.account.clone(), event.key).key());
    }
    if event.id != EventId::generated(event.key) {
        row(&keys::with_id(&Row::ProducerId(event.id.clone()).key(), event.key.as_u128()));
    }
    if let Some(digest) = stored.idempotency {
        row(&keys::with_id(&Row::Idempotency(digest).key(), event.key.as_u128()));
    }
}
