//! Sessions of the dashboard: a small set that is read whole at the start, and kept by whoever read it.

use super::{
    NewAudit, Store, StoreError, audit, codec,
    engine::Order,
    keys::{self, Row, kind},
    settings,
};
use crate::domain::session::Session;

impl Store {
    /// Stores one session, if given, and removes those with these digests, all or nothing.
    pub async fn change_sessions(
        &self,
        new: Option<Session>,
        gone: Vec<[u8; 32]>,
        audit: Option<NewAudit>,
    ) -> Result<(), StoreError> {
        self.write(settings::CHANGE, move |work| {
            for digest in gone {
                work.delete(Row::Session(digest).key());
            }
            if let Some(session) = new {
                work.put_record(&Row::Session(session.digest), &session, &[])?;
            }
            audit.map_or(Ok(()), |audit| audit::put(work, audit))
        })
        .await
    }

    /// All sessions: read once, at the start.
    pub fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let mut sessions = Vec::new();
        for entry in self.shared().family(&keys::all_of(kind::SESSION), Order::Ascending) {
            let entry = entry?;
            let (session, _) = codec::decode(&entry.key, &entry.value).map_err(|error| error.at(&entry.key))?;
            sessions.push(session);
        }
        Ok(sessions)
    }
}
