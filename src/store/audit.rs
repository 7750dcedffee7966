//! The audit log: an entry goes into the batch of the change that it tells of.

use super::{
    AuditFilter, NewAudit, Page, PageRequest, Store, StoreError,
    engine::Order,
    history::{Bounds, MOST_LOOKED_AT},
    keys::{self, Row, kind},
    long, settings,
    work::Work,
};
use crate::domain::{audit::AuditEntry, ids::AuditId, time::Timestamp};

impl Store {
    /// Writes an audit entry by itself.
    pub async fn audit(&self, audit: NewAudit) -> Result<(), StoreError> {
        self.write(settings::CHANGE, move |work| put(work, audit)).await
    }

    /// The audit log, newest first.
    pub fn audit_log(
        &self,
        filter: &AuditFilter,
        page: PageRequest<AuditId>,
    ) -> Result<Page<AuditEntry, AuditId>, StoreError> {
        let shared = self.shared();
        let bounds = Bounds::of(shared, filter.since, filter.until, page.after.map(AuditId::as_u128));
        let mut found = Page { items: Vec::new(), next: None };
        let Some((low, high)) = bounds.range() else { return Ok(found) };
        let prefix = keys::all_of(kind::AUDIT);
        let from = keys::with_id(&prefix, low);
        let to = keys::end_of(&keys::with_id(&prefix, high));
        let mut last = None;
        let mut looked_at = 0;
        for entry in shared.engine.range(&from, &to, Order::Descending) {
            let entry = entry?;
            let Some((Row::Audit(id), 0)) = Row::parse(&entry.key) else { continue };
            if looked_at == MOST_LOOKED_AT {
                found.next = last;
                break;
            }
            looked_at += 1;
            let read = shared.past_damage(long::get::<AuditEntry>(shared, &Row::Audit(id)))?;
            let Some((entry, _)) = read else { continue };
            if matches(filter, &entry) {
                if found.items.len() >= page.limit {
                    found.next = last;
                    break;
                }
                found.items.push(entry);
            }
            last = Some(id);
        }
        Ok(found)
    }
}

fn matches(filter: &AuditFilter, entry: &AuditEntry) -> bool {
    filter.account.as_ref().is_none_or(|account| entry.account.as_ref() == Some(account))
        && filter.action.as_ref().is_none_or(|action| *action == entry.action)
        && filter.subject.as_ref().is_none_or(|subject| *subject == entry.subject)
        && filter.since.is_none_or(|since| entry.at >= since)
        && filter.until.is_none_or(|until| entry.at < until)
}

/// Adds an entry to a batch.
pub fn put(work: &mut Work, audit: NewAudit) -> Result<(), StoreError> {
    let (id, at) = work.mint(1);
    let entry = AuditEntry {
        id: AuditId::from_u128(id),
        at,
        actor: audit.actor,
        action: audit.action.to_owned(),
        subject: audit.subject,
        account: audit.account,
        details: audit.details,
    };
    long::put(work, &Row::Audit(entry.id), &entry, &[])
}

/// Removes entries from before this time, at most `most`; true if there may be more.
pub fn prune(work: &mut Work, before: Timestamp, most: usize) -> Result<bool, StoreError> {
    let shared = work.shared;
    let mut removed = 0;
    for entry in shared.family(&keys::all_of(kind::AUDIT), Order::Ascending) {
        let entry = entry?;
        let Some((Row::Audit(id), 0)) = Row::parse(&entry.key) else { continue };
        let read = shared.past_damage(long::get::<AuditEntry>(work, &Row::Audit(id)))?;
        // One that is damaged has its time in its id.
        let at = read.map_or_else(|| id.minted_at(), |(entry, _)| entry.at);
        let old = at < before;
        if !old || removed == most {
            return Ok(old);
        }
        for part in shared.family(&Row::Audit(id).key(), Order::Ascending) {
            work.delete(part?.key);
        }
        removed += 1;
    }
    Ok(false)
}
