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
        keys::{Row, kind},
        reading::{self, Rows as _},
        scan::{Cursor, LongRecord, NamedRow},
        stored::{Link, StoredDelivery, StoredEvent},
    },
};

/// What is read side by side.
pub struct Walk<'a> {
    bodies: Cursor<'a>,
    pub(super) deliveries: Cursor<'a>,
    pub(super) attempts: Cursor<'a>,
}

/// Events that can be kept, read for themselves.
pub struct EventsWalk<'a> {
    events: Cursor<'a>,
    bodies: Cursor<'a>,
}

impl<'a> EventsWalk<'a> {
    /// From the first on.
    pub fn begin(engine: &'a dyn Engine) -> Self {
        let of = |kind| Cursor::of_kind(engine, kind, &mut Silent);
        Self { events: of(kind::EVENT), bodies: of(kind::BODY) }
    }

    /// The next whose record and body are whole.
    pub fn next_whole(&mut self) -> Option<StoredEvent> {
        loop {
            let NamedRow { row, entry, .. } = self.events.take(&mut Silent)?;
            let Row::Event(key) = row else { continue };
            while self.bodies.take_if(&mut Silent, |row| row.key() < Row::Body(key).key()).is_some() {}
            let body = body_of(&mut self.bodies, key, &mut Silent);
            if let Ok((stored, _)) = whole(key, &entry, body.as_ref()) {
                return Some(stored);
            }
        }
    }
}

fn body_of(bodies: &mut Cursor<'_>, key: EventKey, notes: &mut impl crate::store::scan::Notes) -> Option<LongRecord> {
    bodies.head().filter(|head| head.row == Row::Body(key))?;
    bodies.take_record(notes)
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
            deliveries: self.cursor(kind::DELIVERY),
            attempts: self.cursor(kind::ATTEMPT),
        };
        while let Some(NamedRow { row, entry, .. }) = events.take(self) {
            let Row::Event(key) = row else { continue };
            self.saw_event(key);
            self.orphaned_bodies(&mut walk, Some(key))?;
            let body = body_of(&mut walk.bodies, key, self);
            match whole(key, &entry, body.as_ref()) {
                Ok((stored, inline)) => self.event(&mut walk, &entry, stored, &inline, body)?,
                Err(error) => self.lose_event(key, &entry, body.as_ref(), &error)?,
            }
        }
        self.orphaned_bodies(&mut walk, None)?;
        self.deliveries_before(&mut walk, None)?;
        self.lost_extras(&mut walk)?;
        self.orphaned_attempts(&mut walk, None)
    }

    fn event(
        &mut self,
        walk: &mut Walk<'a>,
        entry: &Entry,
        mut stored: StoredEvent,
        inline: &[u8],
        body: Option<LongRecord>,
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
        let kept = self.deliveries_of(walk, &stored)?;
        if kept == event.delivery_count {
            return self.keep(std::slice::from_ref(entry));
        }
        // Behind the first that is lost for good, deliveries are linked one by one.
        stored.event.delivery_count = kept;
        stored.endpoints.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
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
        body: Option<&LongRecord>,
        error: &StoreError,
    ) -> Result<(), RepairError> {
        let why = error.to_string();
        self.set_aside.add(entry, &why)?;
        for row in body.into_iter().flat_map(|body| &body.rows) {
            self.set_aside.add(row, "its event is lost")?;
        }
        // The id that people see, where it can be read.
        let id = Self::decoded::<StoredEvent>(entry).map_or_else(|_| key.to_string(), |(e, _)| e.event.id.to_string());
        self.lose(Lost::Event, &id, format!("event {id} is lost: {why}"));
        Ok(())
    }

    fn orphaned_bodies(&mut self, walk: &mut Walk<'a>, before: Option<EventKey>) -> Result<(), RepairError> {
        while let Some(NamedRow { row: Row::Body(of), .. }) = walk.bodies.head() {
            let of = *of;
            if before.is_some_and(|before| of >= before) {
                break;
            }
            let Some(body) = walk.bodies.take_record(self) else { break };
            for row in &body.rows {
                self.set_aside.add(row, "its event is lost")?;
            }
            self.saw_event(of);
            self.lose(Lost::Event, &of, format!("event {of} is lost: of it there is only its body"));
        }
        Ok(())
    }

    /// An event that is kept, by look-ups.
    pub(super) fn kept_event(&self, key: EventKey) -> Option<Event> {
        let row = Row::Event(key).key();
        if self.gaps.iter().any(|gap| (&gap.from..&gap.to).contains(&&row)) {
            return None;
        }
        let value = self.rows.get(&row).ok().flatten()?;
        let (stored, inline) = reading::event(&self.rows, key).ok().flatten()?;
        let body = reading::body(&self.rows, &stored, inline).ok().flatten()?;
        let apart = (!stored.body_is_inline()).then(|| LongRecord {
            row: Row::Body(key),
            rows: Vec::new(),
            bytes: Ok(body.bytes().to_vec()),
        });
        whole(key, &Entry { key: row, value }, apart.as_ref()).ok().map(|(stored, _)| stored.event)
    }

    /// Deliveries of an event that were made with it, in order; how many of them, from the first on, are kept.
    fn deliveries_of(&mut self, walk: &mut Walk<'a>, stored: &StoredEvent) -> Result<u32, RepairError> {
        let event = &stored.event;
        let mut kept = 0;
        for (n, id) in (0..).zip(stored.deliveries().map(DeliveryId::from_u128)) {
            let found = walk.deliveries.take_if(self, |next| *next == Row::Delivery(id));
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
                _ => self.delivery(walk, id, found.as_ref().map(|found| &found.entry), Some(event))?,
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
