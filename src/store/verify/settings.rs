//! Endpoints, catalog, tokens, audit entries and statistics: that each can be read and lies where it belongs.

use super::Check;
use crate::{
    domain::{
        audit::AuditEntry, endpoint::Endpoint, event_type::EventType, ids::EndpointId, session::Session, token::Token,
    },
    store::{
        Minute, StoreError,
        keys::Row,
        long, reading,
        stored::{Life, Progress},
        traffic::StoredTraffic,
    },
};

impl Check<'_> {
    pub(super) fn endpoint(&mut self, id: EndpointId, row: &Row, part: u16) -> Result<(), StoreError> {
        self.part(row, part)?;
        if part > 0 {
            return Ok(());
        }
        let Some((endpoint, _)) = long::get::<Endpoint>(&self.rows, row)? else { return Ok(()) };
        self.demand(endpoint.id == id, row, "it has another endpoint's id");
        match reading::record::<Progress>(&self.rows, &Row::Progress(id))? {
            Some((progress, _)) => {
                self.demand(progress.life == Life::Alive, row, "it was deleted");
                self.demand(progress.account == endpoint.account, row, "its progress is of another account");
            }
            None => self.demand(false, row, "its progress is missing"),
        }
        Ok(())
    }

    pub(super) fn progress(&mut self, id: EndpointId, row: &Row) -> Result<(), StoreError> {
        self.report.endpoints += 1;
        // So that one of which nothing waits is compared too.
        self.counted.entry(id).or_default();
        let Some((progress, _)) = reading::record::<Progress>(&self.rows, row)? else { return Ok(()) };
        let found = self.exists(&Row::Endpoint(id))?;
        self.demand(found == (progress.life == Life::Alive), row, "its settings are missing, or should not be there");
        Ok(())
    }

    pub(super) fn setting(&mut self, row: &Row, part: u16) -> Result<(), StoreError> {
        self.part(row, part)?;
        if part > 0 {
            return Ok(());
        }
        let at_its_place = match row {
            Row::EventType(name) => {
                long::get::<EventType>(&self.rows, row)?.is_none_or(|(entry, _)| entry.name == *name)
            }
            Row::Token(id) => long::get::<Token>(&self.rows, row)?.is_none_or(|(token, _)| token.id == *id),
            Row::Audit(id) => long::get::<AuditEntry>(&self.rows, row)?.is_none_or(|(entry, _)| entry.id == *id),
            _ => true,
        };
        self.demand(at_its_place, row, "it lies under another one's key");
        Ok(())
    }

    pub(super) fn session(&mut self, digest: [u8; 32], row: &Row) -> Result<(), StoreError> {
        let Some((session, _)) = reading::record::<Session>(&self.rows, row)? else { return Ok(()) };
        self.demand(session.digest == digest, row, "it lies under another one's key");
        Ok(())
    }

    pub(super) fn traffic(&mut self, id: EndpointId, row: &Row) -> Result<(), StoreError> {
        reading::record::<StoredTraffic>(&self.rows, row)?;
        let known = self.exists(&Row::Progress(id))?;
        self.demand(known, row, "nothing else is known of the endpoint");
        Ok(())
    }

    pub(super) fn minute(&mut self, row: &Row) -> Result<(), StoreError> {
        let Some((minute, _)) = reading::record::<Minute>(&self.rows, row)? else { return Ok(()) };
        self.demand(*row == Row::Minute(minute.minute), row, "it lies under another one's key");
        Ok(())
    }
}
