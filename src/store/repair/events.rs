//! Events with their bodies: an event whose record and body are whole is kept, with the links to it made anew.

use super::{Lost, Rebuild, RepairError, Silent};
use crate::{
    domain::{
        event::{Event, EventBody},
        ids::{DeliveryId, EventId, EventKey},
    },
    store::{
        StoreError,
        codec::CodecError,
        engine::{Engine, Entry},
        keys::{self, Row, kind},
        reading, recipients,
        scan::{Cursor, LongRecord, NamedRow},
        stored::{Link, StoredDelivery, StoredEvent},
    },
};

/// What is read side by side.
pub struct Walk<'a> {
    bodies: Cursor<'a>,
    recipients: Cursor<'a>,
    pub(super) deliveries: Cursor<'a>,
    pub(super) attempts: Cursor<'a>,
}

impl<'a> Walk<'a> {
    /// The attempts of one delivery, and nothing else.
    pub(super) fn of_delivery(engine: &'a dyn Engine, id: DeliveryId) -> Self {
        let nothing = || Cursor::of_range(engine, &[], &[], &mut Silent);
        let attempts = keys::attempts_of(id);
        Self {
            bodies: nothing(),
            recipients: nothing(),
            deliveries: nothing(),
            attempts: Cursor::of_range(engine, &attempts, &keys::end_of(&attempts), &mut Silent),
        }
    }
}

/// Events that can be kept, read for themselves.
pub struct EventsWalk<'a> {
    events: Cursor<'a>,
    bodies: Cursor<'a>,
    recipients: Cursor<'a>,
}

impl<'a> EventsWalk<'a> {
    /// From the first on.
    pub fn begin(engine: &'a dyn Engine) -> Self {
        let of = |kind| Cursor::of_kind(engine, kind, &mut Silent);
        Self { events: of(kind::EVENT), bodies: of(kind::BODY), recipients: of(kind::RECIPIENTS) }
    }

    /// The next whose record and body are whole, with its list of endpoints as far as there is one.
    pub fn next_whole(&mut self) -> Option<StoredEvent> {
        loop {
            let NamedRow { row, entry, .. } = self.events.take(&mut Silent)?;
            let Row::Event(key) = row else { continue };
            for (records, row) in [(&mut self.bodies, Row::Body(key)), (&mut self.recipients, Row::Recipients(key))] {
                while records.take_if(&mut Silent, |found| found.key() < row.key()).is_some() {}
            }
            let body = self.bodies.take_record_of(&mut Silent, &Row::Body(key));
            let list = self.recipients.take_record_of(&mut Silent, &Row::Recipients(key));
            if let Ok((mut stored, _)) = whole(key, &entry, body.as_ref()) {
                takes_list(&mut stored, list.as_ref());
                return Some(stored);
            }
        }
    }
}

/// Puts a list that lies apart in its place, if it is whole and the event's.
fn takes_list(stored: &mut StoredEvent, apart: Option<&LongRecord>) -> bool {
    let bytes = apart.and_then(|list| list.bytes.as_ref().ok());
    bytes.is_some_and(|bytes| recipients::take(stored, bytes))
}

/// The event, and its body if that lies with it, if both are whole.
fn whole(key: EventKey, entry: &Entry, apart: Option<&LongRecord>) -> Result<(StoredEvent, Vec<u8>), StoreError> {
    let (stored, inline) = Rebuild::decoded::<StoredEvent>(entry)?;
    let malformed = || CodecError::Malformed("event body").at(&entry.key);
    let event = &stored.event;
    let bytes = match apart {
        _ if stored.body_is_inline() => inline.clone(),
        Some(record) => record.bytes.clone()?,
        None => return Err(StoreError::Damaged("its body is missing".to_owned())),
    };
    let body = reading::body_of(&stored, bytes).ok_or_else(malformed)?;
    let object = body.object();
    let built = std::str::from_utf8(&object)
        .is_ok_and(|object| EventBody::new(&event.id, &event.event_type, event.created, object) == body);
    if built && event.key == key { Ok((stored, inline)) } else { Err(malformed()) }
}

impl<'a> Rebuild<'a> {
    pub(super) fn events_and_deliveries(&mut self) -> Result<(), RepairError> {
        let mut events = self.cursor(kind::EVENT);
        let mut walk = Walk {
            bodies: self.cursor(kind::BODY),
            recipients: self.cursor(kind::RECIPIENTS),
            deliveries: self.cursor(kind::DELIVERY),
            attempts: self.cursor(kind::ATTEMPT),
        };
        while let Some(NamedRow { row, entry, .. }) = events.take(self) {
            let Row::Event(key) = row else { continue };
            self.saw_event(key);
            self.parts_without_event(&mut walk, Some(key))?;
            let body = walk.bodies.take_record_of(self, &Row::Body(key));
            let list = walk.recipients.take_record_of(self, &Row::Recipients(key));
            match whole(key, &entry, body.as_ref()) {
                Ok((stored, inline)) => self.event(&mut walk, &entry, stored, &inline, (body, list))?,
                Err(error) => self.lose_event(key, &entry, &[body, list], &error)?,
            }
        }
        self.parts_without_event(&mut walk, None)?;
        self.deliveries_before(&mut walk, None)?;
        self.extras_passed_over()?;
        self.lost_extras()?;
        self.orphaned_attempts(&mut walk, None)
    }

    fn event(
        &mut self,
        walk: &mut Walk<'a>,
        entry: &Entry,
        mut stored: StoredEvent,
        inline: &[u8],
        (body, list): (Option<LongRecord>, Option<LongRecord>),
    ) -> Result<(), RepairError> {
        self.report.events += 1;
        self.totals.accepted += 1;
        let event = stored.event.clone();
        let row = Row::Event(event.key);
        self.note_time(&event);
        match body {
            Some(body) if !stored.body_is_inline() => self.keep(&body.rows)?,
            Some(surplus) => {
                for row in &surplus.rows {
                    self.set_aside.add(row, "the event has its body with it")?;
                }
            }
            None => {}
        }
        self.links(&stored)?;
        self.deliveries_before(walk, Some(event.first_delivery))?;
        let lies_apart = takes_list(&mut stored, list.as_ref());
        let list_rows = list.map(|list| list.rows).unwrap_or_default();
        if !lies_apart {
            for row in &list_rows {
                self.set_aside.add(row, "it is not the list of those that its event goes to")?;
            }
        }
        let kept = self.deliveries_of(walk, &stored)?;
        if kept == event.delivery_count {
            if lies_apart {
                self.keep(&list_rows)?;
            }
            return self.keep(std::slice::from_ref(entry));
        }
        // Behind the first that is lost for good, deliveries are linked one by one.
        stored.event.delivery_count = kept;
        stored.endpoints.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        if lies_apart && kept > 0 {
            let endpoints = std::mem::take(&mut stored.endpoints);
            self.put_rows(recipients::rows(event.key, &endpoints))?;
        }
        self.put(&row, &stored, inline)
    }

    /// The rows that lead to an event.
    fn links(&mut self, stored: &StoredEvent) -> Result<(), RepairError> {
        let event = &stored.event;
        if event.id != EventId::generated(event.key) {
            self.put(&Row::ProducerId(event.id.clone()), &Link(event.key), &[])?;
        }
        if let Some(digest) = stored.idempotency {
            self.put(&Row::Idempotency(digest), &Link(event.key), &[])?;
        }
        if !event.account.is_default() {
            self.output.put(Row::OfAccount(event.account.clone(), event.key).key(), Vec::new())?;
        }
        Ok(())
    }

    fn note_time(&mut self, event: &Event) {
        let ahead = event.key.minted_at().as_millis().saturating_sub(event.accepted_at.as_millis());
        self.skew = self.skew.max(u64::try_from(ahead).unwrap_or(0));
        self.lookalikes |= event.id.key_if_generated().is_some_and(|key| key != event.key);
        self.saw(event.first_delivery.as_u128().saturating_add(u128::from(event.delivery_count)));
    }

    fn lose_event(
        &mut self,
        key: EventKey,
        entry: &Entry,
        parts: &[Option<LongRecord>],
        error: &StoreError,
    ) -> Result<(), RepairError> {
        let why = error.to_string();
        self.set_aside.add(entry, &why)?;
        for row in parts.iter().flatten().flat_map(|record| &record.rows) {
            self.set_aside.add(row, "its event is lost")?;
        }
        // The id that people see, where it can be read.
        let id = Self::decoded::<StoredEvent>(entry).map_or_else(|_| key.to_string(), |(e, _)| e.event.id.to_string());
        self.lose(Lost::Event, &id, format!("event {id} is lost: {why}"));
        Ok(())
    }

    /// Bodies and lists of events before this one whose own record is gone.
    fn parts_without_event(&mut self, walk: &mut Walk<'a>, before: Option<EventKey>) -> Result<(), RepairError> {
        let of_head = |records: &Cursor<'_>| match records.head() {
            Some(NamedRow { row: Row::Body(of) | Row::Recipients(of), .. }) => Some(*of),
            _ => None,
        };
        while let Some(of) = [&walk.bodies, &walk.recipients].into_iter().filter_map(of_head).min() {
            if before.is_some_and(|before| of >= before) {
                break;
            }
            let body = walk.bodies.take_record_of(self, &Row::Body(of));
            let list = walk.recipients.take_record_of(self, &Row::Recipients(of));
            for row in [body, list].iter().flatten().flat_map(|record| &record.rows) {
                self.set_aside.add(row, "its event is lost")?;
            }
            self.saw_event(of);
            self.lose(Lost::Event, &of, format!("event {of} is lost: its own record is gone"));
        }
        Ok(())
    }

    /// An event that is in the new store. The damaged one is not asked: a look-up there may find what the rows in
    /// their order passed over.
    pub(super) fn kept_event(&self, key: EventKey) -> Result<Option<Event>, RepairError> {
        let row = Row::Event(key).key();
        let Some(value) = self.output.get(&row)? else { return Ok(None) };
        let written = Self::decoded::<StoredEvent>(&Entry { key: row, value });
        written.map(|(stored, _)| Some(stored.event)).map_err(|error| RepairError::Write(error.to_string()))
    }

    /// Deliveries of an event that were made with it, in order; how many of them, from the first on, are kept.
    fn deliveries_of(&mut self, walk: &mut Walk<'a>, stored: &StoredEvent) -> Result<u32, RepairError> {
        let event = &stored.event;
        let mut kept = 0;
        for (n, id) in (0..).zip(stored.deliveries().map(DeliveryId::from_u128)) {
            let found = walk.deliveries.take_if(self, |next| *next == Row::Delivery(id)).map(|found| found.entry);
            let found = found.or_else(|| self.passed_over(id));
            self.orphaned_attempts(walk, Some(id))?;
            let has_attempts =
                matches!(walk.attempts.head(), Some(NamedRow { row: Row::Attempt(of, _), .. }) if *of == id);
            let touched = found.is_some() || has_attempts || self.traces.contains_key(&id);
            let kept_this = match stored.fresh_delivery(id) {
                Some(fresh) if !touched && self.needs_no_record(&walk.deliveries, &fresh) => {
                    if kept < n {
                        // The event's record does not tell of it any more.
                        self.put(&Row::Delivery(id), &fresh, &[])?;
                    }
                    self.count(&fresh)?;
                    true
                }
                _ => self.delivery(walk, id, found.as_ref(), Some(event))?,
            };
            if !kept_this {
                continue;
            }
            if kept == n {
                kept += 1;
            } else {
                self.output.put(Row::Extra(event.key, id).key(), Vec::new())?;
            }
        }
        Ok(kept)
    }

    /// Whether a delivery that has no record waits for its first turn; else its record is lost.
    pub(super) fn needs_no_record(&self, deliveries: &Cursor<'_>, fresh: &StoredDelivery) -> bool {
        let (id, endpoint) = (fresh.delivery.id, fresh.delivery.endpoint_id);
        let progress = self.progress.get(&endpoint).and_then(Option::as_ref);
        !deliveries.is_unread(&Row::Delivery(id)) && progress.is_none_or(|progress| id > progress.queue_position)
    }
}
