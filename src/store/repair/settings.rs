//! Endpoints, catalog, tokens, audit entries and counts: taken over where they are whole. Endpoints' progress and the
//! totals are written at the end, when it is known what there is.

use super::{Counted, Lost, Rebuild, RepairError};
use crate::{
    domain::{
        account::Account,
        audit::AuditEntry,
        endpoint::{Endpoint, EndpointHealth},
        event_type::EventType,
        ids::{DeliveryId, EndpointId},
        session::Session,
        token::Token,
    },
    store::{
        Minute, StoreError,
        journal::{Journal, JournalSlot},
        keys,
        keys::{Row, kind},
        long,
        manifest::StoreId,
        scan::{LongRecord, NamedRow},
        stored::{Life, Meta, Progress},
        traffic::StoredTraffic,
    },
};

impl Rebuild<'_> {
    pub(super) fn meta_and_progress(&mut self) -> Result<(), RepairError> {
        let mut totals = self.cursor(kind::META);
        while let Some(NamedRow { entry, .. }) = totals.take(self) {
            match Self::decoded::<Meta>(&entry) {
                Ok((meta, _)) => {
                    self.expected = meta.stored.events.saturating_add(meta.stored.deliveries);
                    self.saw(meta.last_id);
                    self.skew = meta.skew;
                    self.lookalikes = meta.lookalikes;
                    self.meta = Some(meta);
                }
                Err(error) => self.set_aside.add(&entry, &error.to_string())?,
            }
        }
        if self.meta.is_none() {
            self.lose(Lost::Counts, &"totals", "the totals are lost: they are counted anew from what is stored");
        }
        let mut endpoints = self.cursor(kind::PROGRESS);
        while let Some(NamedRow { row, entry, .. }) = endpoints.take(self) {
            let Row::Progress(id) = row else { continue };
            self.saw(id.as_u128());
            let progress = match Self::decoded::<Progress>(&entry) {
                Ok((progress, _)) => Some(progress),
                Err(error) => {
                    self.set_aside.add(&entry, &error.to_string())?;
                    None
                }
            };
            self.progress.insert(id, progress);
        }
        self.newer_progress()
    }

    /// What the journal says counts for more than an endpoint's own row.
    fn newer_progress(&mut self) -> Result<(), RepairError> {
        let (mut slots, mut damaged) = (Vec::new(), Vec::new());
        let expected = self.meta.as_ref().map_or(0, |meta| meta.journal_slots);
        let mut cursor = self.cursor(kind::JOURNAL);
        while let Some(NamedRow { row, entry, .. }) = cursor.take(self) {
            let Row::Journal(slot) = row else { continue };
            match Self::decoded::<JournalSlot>(&entry) {
                Ok((read, _)) => slots.push((slot, read)),
                Err(error) => {
                    self.set_aside.add(&entry, &error.to_string())?;
                    damaged.push(slot);
                }
            }
        }
        let missing = (0..expected).filter(|slot| !slots.iter().any(|(found, _)| found == slot));
        damaged.extend(missing.filter(|slot| !damaged.contains(slot)).collect::<Vec<_>>());
        for slot in damaged {
            let what = keys::describe(&Row::Journal(slot).key());
            let text = format!(
                "{what} is lost: the health and the queue's position of some endpoints are as they were earlier"
            );
            self.lose(Lost::Endpoint, &what, text);
        }
        let (_, newest) = Journal::of(slots);
        for (id, progress) in newest {
            self.saw(id.as_u128());
            match progress {
                Some(_) => drop(self.progress.insert(id, progress)),
                None => drop(self.progress.remove(&id)),
            }
        }
        Ok(())
    }

    pub(super) fn settings(&mut self) -> Result<(), RepairError> {
        for of_kind in [kind::ENDPOINT, kind::EVENT_TYPE, kind::TOKEN, kind::AUDIT] {
            let mut cursor = self.cursor(of_kind);
            while let Some(record) = cursor.take_record(self) {
                match self.is_whole(&record) {
                    Ok(()) => self.keep(&record.rows)?,
                    Err(error) => self.lose_setting(&record, &error)?,
                }
            }
        }
        for of_kind in [kind::MINUTE, kind::SESSION, kind::TRAFFIC] {
            let mut cursor = self.cursor(of_kind);
            while let Some(NamedRow { row, entry, .. }) = cursor.take(self) {
                let read = match &row {
                    Row::Minute(_) => Self::decoded::<Minute>(&entry).map(drop),
                    Row::Session(_) => Self::decoded::<Session>(&entry).map(drop),
                    // Nobody asks for the hours of an endpoint of which there is nothing else.
                    Row::Traffic(id) if !self.progress.contains_key(id) && !self.endpoints.contains_key(id) => continue,
                    _ => Self::decoded::<StoredTraffic>(&entry).map(drop),
                };
                let Err(error) = read else {
                    self.keep(&[entry])?;
                    continue;
                };
                self.set_aside.add(&entry, &error.to_string())?;
                let what = keys::describe(&row.key());
                let lost = if matches!(row, Row::Session(_)) { Lost::Session } else { Lost::Counts };
                self.lose(lost, &what, format!("{what}: lost"));
            }
        }
        Ok(())
    }

    /// Whether a record of settings is whole; notes what there is of it.
    fn is_whole(&mut self, record: &LongRecord) -> Result<(), StoreError> {
        let elsewhere = || Err(StoreError::Damaged("it lies under another one's key".to_owned()));
        match &record.row {
            Row::Endpoint(id) => {
                let endpoint = record.record::<Endpoint>()?;
                self.saw(id.as_u128());
                if endpoint.id != *id {
                    return elsewhere();
                }
                if let Some(Some(progress)) = self.progress.get(id)
                    && progress.life != Life::Alive
                {
                    return Err(StoreError::Damaged("it was deleted".to_owned()));
                }
                self.endpoints.insert(*id, endpoint.account);
                Ok(())
            }
            Row::EventType(name) if record.record::<EventType>()?.name != *name => elsewhere(),
            Row::Token(id) => {
                self.saw(id.as_u128());
                if record.record::<Token>()?.id == *id { Ok(()) } else { elsewhere() }
            }
            Row::Audit(id) => {
                self.saw(id.as_u128());
                if record.record::<AuditEntry>()?.id == *id { Ok(()) } else { elsewhere() }
            }
            _ => Ok(()),
        }
    }

    fn lose_setting(&mut self, record: &LongRecord, error: &StoreError) -> Result<(), RepairError> {
        for row in &record.rows {
            self.set_aside.add(row, &error.to_string())?;
        }
        let (lost, id) = match &record.row {
            // What becomes of it is told with its progress.
            Row::Endpoint(id) => {
                self.progress.entry(*id).or_insert(None);
                return Ok(());
            }
            Row::EventType(name) => (Lost::EventType, name.to_string()),
            Row::Token(id) => (Lost::Token, id.to_string()),
            _ => (Lost::AuditEntry, keys::describe(&long::part_key(&record.row, 0))),
        };
        let text = format!("{} is lost", keys::describe(&long::part_key(&record.row, 0)));
        self.lose(lost, &id, text);
        Ok(())
    }

    /// Writes the progress of each endpoint of which there is something.
    pub(super) fn endpoints_progress(&mut self) -> Result<(), RepairError> {
        let mut ids: Vec<EndpointId> = self.progress.keys().copied().collect();
        ids.extend(self.endpoints.keys().copied());
        ids.extend(self.counted.keys().copied());
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let old = self.progress.get(&id).cloned().flatten();
            let settings = self.endpoints.get(&id).cloned();
            let counted = self.counted.get(&id).cloned();
            let progress = self.progress_of(id, old, settings, counted);
            self.report.endpoints += u64::from(progress.life == Life::Alive);
            self.put(&Row::Progress(id), &progress, &[])?;
        }
        Ok(())
    }

    fn progress_of(
        &mut self,
        id: EndpointId,
        old: Option<Progress>,
        settings: Option<Account>,
        counted: Option<Counted>,
    ) -> Progress {
        let (pending, asked) = counted.as_ref().map_or((0, 0), |counted| (counted.pending, counted.asked));
        let known = old.as_ref().map_or(pending, |old| old.health.pending);
        let more = pending.saturating_sub(known + counted.as_ref().map_or(0, |counted| counted.made_again));
        if more > 0 {
            // A delivery without a record looks like one that was not sent yet.
            let text = format!(
                "endpoint {id}: more deliveries wait than it knew of; the records of {more} are lost, and \
                 these are sent again"
            );
            self.lose(Lost::Delivery, &id, text);
        }
        let waits = pending > 0 || asked > 0;
        let life = match (&settings, old.as_ref().map(|old| old.life)) {
            (Some(_), _) => Life::Alive,
            (None, Some(Life::Dropped)) if !waits => Life::Dropped,
            // A start cancels what waits for one that is gone.
            (None, _) => Life::Deleted,
        };
        if settings.is_none() && old.as_ref().is_none_or(|old| old.life == Life::Alive) {
            let text = format!(
                "endpoint {id} is lost: its settings cannot be read. Its log is kept; {pending} pending deliveries of it \
                 are canceled at the next start. Make it anew, and catch up with `replay`"
            );
            self.lose(Lost::Endpoint, &id, text);
        } else if old.is_none() {
            let text = format!("endpoint {id}: its health is lost, and its queue is read again from its start");
            self.lose(Lost::Endpoint, &id, text);
        }
        let account = settings.or_else(|| old.as_ref().map(|old| old.account.clone()));
        let account = account.or_else(|| counted.as_ref().map(|counted| counted.account.clone())).unwrap_or_default();
        let first_fresh = counted.map_or(DeliveryId::MAX, |counted| counted.first_fresh);
        let before_it = DeliveryId::from_u128(first_fresh.as_u128().saturating_sub(1));
        let position = old.as_ref().map_or(DeliveryId::MIN, |old| old.queue_position);
        let health = old.map(|old| old.health).unwrap_or_default();
        Progress {
            account,
            queue_position: position.min(before_it),
            asked,
            health: EndpointHealth { pending, ..health },
            life,
        }
    }

    pub(super) fn write_meta(&mut self, id: StoreId) -> Result<(), RepairError> {
        let mut meta = self.meta.take().unwrap_or_else(|| Meta { totals: self.totals.clone(), ..Meta::default() });
        meta.store = id;
        meta.last_id = self.greatest;
        meta.skew = self.skew;
        meta.lookalikes = self.lookalikes;
        // Each endpoint's progress lies in a row of its own.
        meta.journal_slots = 0;
        meta.totals.pending = self.report.pending;
        meta.stored.events = self.report.events;
        meta.stored.deliveries = self.report.deliveries;
        self.put(&Row::Meta, &meta, &[])
    }
}
