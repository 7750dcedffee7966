//! Deliveries whose record is lost, though their event is whole: their event's list, or their endpoint's log, still says to
//! whom they go, and other rows what state they were in. So they are made again rather than lost: at least once is the promise.

use super::{Rebuild, Silent, events::EventsWalk};
use crate::{
    domain::{
        attempt::Trigger,
        delivery::{Delivery, DeliveryStatus, NextAttempt},
        event::Event,
        ids::{DeliveryId, EndpointId, EventKey},
    },
    store::{
        DueRow,
        keys::{EndStatus, Row, kind},
        reading::{self, Rows as _},
        recipients,
        scan::{Cursor, NamedRow},
        stored::{Asked, Latest, MOST_ASKED, StoredDelivery},
    },
};

/// What led to a delivery whose record is lost.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Of this event.
    pub event: EventKey,
    endpoint: Option<EndpointId>,
    retrying: bool,
    due: Vec<DueRow>,
    ended: Option<EndStatus>,
    code: Option<u16>,
}

impl Trace {
    fn of(event: EventKey, endpoint: Option<EndpointId>) -> Self {
        Self { event, endpoint, retrying: false, due: Vec::new(), ended: None, code: None }
    }

    /// The delivery as far as it is known; `None`: to whom it goes is not.
    pub fn delivery(&self, id: DeliveryId, event: &Event, attempts: u32, had_its_turn: bool) -> Option<StoredDelivery> {
        let created_at = id.minted_at();
        let fresh = NextAttempt { at: created_at, trigger: Trigger::Schedule };
        let is_own = |due: &&DueRow| matches!(due.trigger, Trigger::Schedule | Trigger::Replay | Trigger::Test);
        let due = self.due.iter().find(is_own).map(|due| NextAttempt { at: due.at, trigger: due.trigger });
        let (status, next) = match self.ended {
            Some(EndStatus::Failed) => (DeliveryStatus::Failed, None),
            Some(EndStatus::Canceled) => (DeliveryStatus::Canceled, None),
            None if due.is_some() => (DeliveryStatus::Pending, due),
            // Neither waiting nor given up, though it had its turn.
            None if had_its_turn && !self.retrying => (DeliveryStatus::Delivered, None),
            None => (DeliveryStatus::Pending, Some(fresh)),
        };
        let asked = self.due.iter().filter(|due| !is_own(due)).take(MOST_ASKED);
        let asked = asked.map(|due| Asked { at: due.at, trigger: due.trigger }).collect();
        // One that goes out anew begins its schedule anew.
        let scheduled_made = if next == Some(fresh) { 0 } else { attempts };
        let delivery = Delivery {
            id,
            event_key: event.key,
            event_id: event.id.clone(),
            endpoint_id: self.endpoint?,
            account: event.account.clone(),
            event_type: event.event_type.clone(),
            status,
            test: event.test,
            attempts_made: attempts,
            scheduled_made,
            next,
            last_response_code: self.code,
            created_at,
            completed_at: next.is_none().then_some(created_at),
        };
        let latest = if attempts > 0 { Latest::Apart } else { Latest::None };
        Some(StoredDelivery { delivery, asked, latest })
    }

    /// To whom it goes, if that is known.
    pub fn endpoint(&self) -> Option<EndpointId> {
        self.endpoint
    }
}

impl Rebuild<'_> {
    /// Finds the deliveries that events had and whose records are lost, and what led to them.
    pub(super) fn find_traces(&mut self) {
        let mut events = EventsWalk::begin(self.engine);
        let mut deliveries = Cursor::of_kind(self.engine, kind::DELIVERY, &mut Silent);
        while let Some(stored) = events.next_whole() {
            for id in stored.deliveries().map(DeliveryId::from_u128) {
                while deliveries.take_if(&mut Silent, |row| row.key() < Row::Delivery(id).key()).is_some() {}
                let found = deliveries.take_if(&mut Silent, |row| *row == Row::Delivery(id));
                if found.is_none()
                    && stored.fresh_delivery(id).is_some_and(|fresh| self.needs_no_record(&deliveries, &fresh))
                {
                    continue;
                }
                if found.is_none_or(|found| Self::decoded::<StoredDelivery>(&found.entry).is_err()) {
                    let endpoint = stored.fresh_delivery(id).map(|fresh| fresh.delivery.endpoint_id);
                    self.traces.insert(id, Trace::of(stored.event.key, endpoint));
                }
            }
        }
        while deliveries.take(&mut Silent).is_some() {}
        let mut extras = Cursor::of_kind(self.engine, kind::EXTRA, &mut Silent);
        while let Some(found) = extras.take(&mut Silent) {
            if let Row::Extra(event, id) = found.row
                && (deliveries.is_unread(&Row::Delivery(id))
                    || !matches!(reading::delivery(&self.rows, id), Ok(Some(_))))
            {
                self.traces.insert(id, Trace::of(event, None));
            }
        }
        self.find_touched();
        if !self.traces.is_empty() {
            for of_kind in [kind::QUEUE, kind::RETRYING, kind::DUE, kind::STATUS, kind::CODE] {
                let mut cursor = Cursor::of_kind(self.engine, of_kind, &mut Silent);
                while let Some(NamedRow { row, .. }) = cursor.take(&mut Silent) {
                    self.trace(&row);
                }
            }
        }
    }

    /// Of deliveries without a record, those that needs must have had one: they were sent, or stopped.
    fn find_touched(&mut self) {
        for of_kind in [kind::RETRYING, kind::DUE, kind::STATUS, kind::CODE] {
            let mut cursor = Cursor::of_kind(self.engine, of_kind, &mut Silent);
            while let Some(NamedRow { row, .. }) = cursor.take(&mut Silent) {
                let Some(id) = delivery_of(&row).filter(|id| !self.traces.contains_key(id)) else { continue };
                if matches!(self.rows.get(&Row::Delivery(id).key()), Ok(None))
                    && let Some(trace) = self.trace_by_event(id)
                {
                    self.traces.insert(id, trace);
                }
            }
        }
    }

    /// What its event tells of a delivery that was made with it.
    pub(super) fn trace_by_event(&self, id: DeliveryId) -> Option<Trace> {
        let stored = reading::event_before(&self.rows, id).ok()??;
        let fresh = recipients::fresh_delivery(&self.rows, &stored, id).ok()??;
        Some(Trace::of(stored.event.key, Some(fresh.delivery.endpoint_id)))
    }

    fn trace(&mut self, row: &Row) {
        let Some(id) = delivery_of(row) else { return };
        let Some(trace) = self.traces.get_mut(&id) else { return };
        match row {
            Row::Queue(endpoint, _) => trace.endpoint = Some(*endpoint),
            Row::Retrying(endpoint, _) => {
                trace.endpoint = Some(*endpoint);
                trace.retrying = true;
            }
            Row::Due(endpoint, due) => {
                trace.endpoint = Some(*endpoint);
                trace.due.push(*due);
            }
            Row::Status(status, _) => trace.ended = Some(*status),
            Row::Code(code, _) => trace.code = Some(*code),
            _ => {}
        }
    }
}

/// The delivery that a row leads to.
fn delivery_of(row: &Row) -> Option<DeliveryId> {
    match row {
        Row::Queue(_, id) | Row::Retrying(_, id) | Row::Status(_, id) | Row::Code(_, id) => Some(*id),
        Row::Due(_, due) => Some(due.delivery),
        _ => None,
    }
}
