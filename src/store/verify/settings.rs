//! Endpoints, catalog, tokens, audit entries, statistics and totals: that each can be read, lies where it belongs, and
//! counts what there is.

use super::{Check, Counted, finding::Group};
use crate::{
    domain::{
        audit::AuditEntry, endpoint::Endpoint, event_type::EventType, ids::EndpointId, session::Session, token::Token,
    },
    store::{
        Minute, StoreError,
        engine::Entry,
        journal::{Journal, JournalSlot},
        keys::{Row, kind},
        scan::{LongRecord, NamedRow},
        stored::{Life, Meta, Progress},
        traffic::StoredTraffic,
    },
};

impl Check<'_> {
    /// What the rest is compared with.
    pub(super) fn meta_and_progress(&mut self) {
        let mut totals = self.cursor(kind::META);
        while let Some(NamedRow { row, entry, .. }) = totals.take(self) {
            match Self::decoded::<Meta>(&entry) {
                Ok((meta, _)) => {
                    let (events, deliveries) = (meta.stored.events, meta.stored.deliveries);
                    // An event's record; a delivery's record and its place in the log.
                    self.expected_rows = events.saturating_add(deliveries.saturating_mul(2));
                    self.meta = Some(meta);
                }
                Err(error) => self.find_error(&row, &error),
            }
        }
        let mut endpoints = self.cursor(kind::PROGRESS);
        while let Some(NamedRow { row, entry, .. }) = endpoints.take(self) {
            let Row::Progress(id) = row else { continue };
            // So that one of which nothing waits is compared too.
            self.counted.entry(id).or_default();
            let progress = match Self::decoded::<Progress>(&entry) {
                Ok((progress, _)) => Some(progress),
                Err(error) => {
                    self.find_error(&row, &error);
                    None
                }
            };
            self.progress.insert(id, progress);
        }
        self.newer_progress();
    }

    /// What the journal says counts for more than an endpoint's own row.
    fn newer_progress(&mut self) {
        let mut slots = Vec::new();
        let mut cursor = self.cursor(kind::JOURNAL);
        while let Some(NamedRow { row, entry, .. }) = cursor.take(self) {
            let Row::Journal(slot) = row else { continue };
            match Self::decoded::<JournalSlot>(&entry) {
                Ok((read, _)) => slots.push((slot, read)),
                Err(error) => self.find_error(&row, &error),
            }
        }
        let expected = self.meta.as_ref().map_or(0, |meta| meta.journal_slots);
        for slot in 0..expected {
            let row = Row::Journal(slot);
            if !slots.iter().any(|(found, _)| *found == slot) {
                let found = self.exists(&row);
                self.demand(found, &row, "it is missing");
            }
        }
        let unknown = self.meta.is_none();
        for (slot, _) in &slots {
            self.demand(unknown || *slot < expected, &Row::Journal(*slot), "the totals do not know of it");
        }
        let (_, newest) = Journal::of(slots);
        for (id, progress) in newest {
            if progress.is_some() {
                self.counted.entry(id).or_default();
                self.progress.insert(id, progress);
            } else if self.progress.remove(&id).is_some() {
                self.find(Group::Endpoints, format!("endpoint {id}: it was removed, but its progress is there"));
            }
        }
        self.report.endpoints = u64::try_from(self.progress.len()).unwrap_or(u64::MAX);
    }

    pub(super) fn settings(&mut self) {
        for of_kind in [kind::ENDPOINT, kind::EVENT_TYPE, kind::TOKEN, kind::AUDIT] {
            let mut cursor = self.cursor(of_kind);
            while let Some(record) = cursor.take_record(self) {
                if let Err(error) = self.setting(&record) {
                    self.find_error(&record.row, &error);
                }
            }
        }
        let alive = self
            .progress
            .iter()
            .filter(|(_, progress)| progress.as_ref().is_some_and(|progress| progress.life == Life::Alive));
        for id in alive.map(|(id, _)| *id).collect::<Vec<_>>() {
            let found = self.exists(&Row::Endpoint(id));
            self.demand(found, &Row::Progress(id), "its settings are missing");
        }
        for of_kind in [kind::MINUTE, kind::SESSION, kind::TRAFFIC] {
            let mut cursor = self.cursor(of_kind);
            while let Some(NamedRow { row, entry, .. }) = cursor.take(self) {
                if let Err(error) = self.small(&row, &entry) {
                    self.find_error(&row, &error);
                }
            }
        }
    }

    fn setting(&mut self, record: &LongRecord) -> Result<(), StoreError> {
        let at_its_place = match &record.row {
            Row::Endpoint(id) => {
                let endpoint = record.record::<Endpoint>()?;
                self.endpoint(*id, &endpoint);
                endpoint.id == *id
            }
            Row::EventType(name) => record.record::<EventType>()?.name == *name,
            Row::Token(id) => record.record::<Token>()?.id == *id,
            Row::Audit(id) => record.record::<AuditEntry>()?.id == *id,
            _ => true,
        };
        self.demand(at_its_place, &record.row, "it lies under another one's key");
        Ok(())
    }

    fn endpoint(&mut self, id: EndpointId, endpoint: &Endpoint) {
        let row = Row::Endpoint(id);
        match self.progress.get(&id).cloned() {
            Some(Some(progress)) => {
                self.demand(progress.life == Life::Alive, &row, "it was deleted");
                self.demand(progress.account == endpoint.account, &row, "its progress is of another account");
            }
            Some(None) => {}
            None => {
                let found = self.exists(&Row::Progress(id));
                self.demand(found, &row, "its progress is missing");
            }
        }
    }

    fn small(&mut self, row: &Row, entry: &Entry) -> Result<(), StoreError> {
        let at_its_place = match row {
            Row::Minute(minute) => Self::decoded::<Minute>(entry)?.0.minute == *minute,
            Row::Session(digest) => Self::decoded::<Session>(entry)?.0.digest == *digest,
            Row::Traffic(id) => {
                Self::decoded::<StoredTraffic>(entry)?;
                let known = self.progress.contains_key(id) || self.exists(&Row::Progress(*id));
                self.demand(known, row, "nothing else is known of the endpoint");
                true
            }
            _ => true,
        };
        self.demand(at_its_place, row, "it lies under another one's key");
        Ok(())
    }

    /// Compares the counts that are kept with what was counted.
    pub(super) fn counts(&mut self) {
        let mut pending = 0;
        for (id, counted) in std::mem::take(&mut self.counted) {
            pending += counted.pending;
            self.counts_of(id, counted);
        }
        let Some(meta) = self.meta.take() else {
            let found = self.exists(&Row::Meta);
            self.demand(found, &Row::Meta, "they are missing");
            return;
        };
        let (events, deliveries) = (self.report.events, self.report.deliveries);
        for (what, kept, found) in [
            ("events", meta.stored.events, events),
            ("deliveries", meta.stored.deliveries, deliveries),
            ("pending deliveries", meta.totals.pending, pending),
        ] {
            self.demand(kept == found, &Row::Meta, &format!("they count {kept} {what}, but there are {found}"));
        }
        (self.on_progress)(self.report.rows, self.report.rows);
    }

    fn counts_of(&mut self, id: EndpointId, counted: Counted) {
        let row = Row::Progress(id);
        match self.progress.get(&id) {
            Some(Some(progress)) => {
                let life = progress.life;
                let kept = (progress.health.pending, progress.asked);
                let found = (counted.pending, counted.asked);
                if kept != found {
                    let (pending, asked) = kept;
                    self.find(
                        Group::Endpoints,
                        format!(
                            "endpoint {id}: it counts {pending} pending deliveries and {asked} attempts that were asked \
                             for, but there are {} and {}",
                            found.0, found.1
                        ),
                    );
                }
                let waits = counted.pending > 0 || counted.asked > 0;
                self.demand(life != Life::Dropped || !waits, &row, "it was dropped, but something waits");
            }
            // Named when its own row was read.
            Some(None) => {}
            None => {
                let found = self.exists(&row);
                self.demand(found, &row, "it is missing");
            }
        }
    }
}
