//! What an endpoint's Dispatcher does next: a small window on its queue and its due rows, read anew when it is empty.
//! Memory holds this window; the queue itself stays in the store.

use std::collections::VecDeque;

use fail::fail_point;

use super::dispatchers::{Leases, Wake};
use crate::{
    domain::{
        attempt::Trigger,
        delivery::{Delivery, DeliveryStatus},
        ids::{DeliveryId, EndpointId},
        time::Timestamp,
    },
    store::{DueClass, DueRow, Store, StoreError},
};

/// Rows that are read at a time.
const WINDOW: usize = 64;

/// A delivery whose next attempt may start now.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) delivery: Delivery,
    /// The due row that it comes from; `None` for a first turn.
    pub(super) due: Option<DueRow>,
}

impl Turn {
    pub(super) fn trigger(&self) -> Trigger {
        self.due.map_or(Trigger::Schedule, |row| row.trigger)
    }
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Next {
    /// This, now.
    Turn(Box<Turn>),
    /// Nothing before this time.
    Wait(Timestamp),
    /// Nothing until something changes.
    Nothing,
}

/// How the endpoint wants its deliveries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Paused or disabled: only what somebody asked for.
    pub(super) held: bool,
    /// The oldest event first, one at a time.
    pub(super) ordered: bool,
}

/// What was read of the rows that are not due yet.
#[derive(Debug, Clone, Copy)]
struct FirstDue {
    held: bool,
    at: Option<Timestamp>,
}

pub(super) struct Turns {
    endpoint: EndpointId,
    fresh: VecDeque<Delivery>,
    read_to: DeliveryId,
    asked: VecDeque<DueRow>,
    due: VecDeque<DueRow>,
    /// What the store may have beyond the windows.
    more: Wake,
    /// When the first row is due that waited when nothing else was left, as it was last read; rows that were added
    /// since are told of.
    first_due: Option<FirstDue>,
    /// Whether retries have the next turn, so that neither they nor fresh deliveries wait for all of the others.
    retries_first: bool,
}

impl Turns {
    pub(super) fn new(store: &Store, endpoint: EndpointId) -> Self {
        Self {
            endpoint,
            fresh: VecDeque::new(),
            read_to: store.queue_position(endpoint),
            asked: VecDeque::new(),
            due: VecDeque::new(),
            more: Wake::ALL,
            first_due: None,
            retries_first: true,
        }
    }

    /// Notes that the store has more.
    pub(super) fn woken(&mut self, store: &Store, why: Wake) {
        if why.has(Wake::AGAIN) {
            *self = Self::new(store, self.endpoint);
        }
        self.more = self.more | why;
    }

    /// Finds the next turn, and marks in `leases` how far the queue was read.
    pub(super) fn next(
        &mut self,
        store: &Store,
        now: Timestamp,
        manner: Manner,
        leases: &mut Leases,
    ) -> Result<Next, StoreError> {
        if let Some(turn) = self.next_asked(store, now, leases)? {
            return Ok(Next::Turn(Box::new(turn)));
        }
        if manner.held {
            self.due.clear();
            return self.wait(store, now, true);
        }
        let next = if manner.ordered {
            self.next_in_order(store, now, leases)?
        } else {
            self.next_of_either(store, now, leases)?
        };
        leases.read(self.read_to, self.fresh.front().map(|delivery| delivery.id));
        match next {
            Next::Nothing => self.wait(store, now, false),
            next => Ok(next),
        }
    }

    fn next_asked(&mut self, store: &Store, now: Timestamp, leases: &mut Leases) -> Result<Option<Turn>, StoreError> {
        if self.asked.is_empty() && self.more.has(Wake::DUE) {
            self.asked = store.due(self.endpoint, DueClass::AskedFor, now, WINDOW + leases.count())?.into();
        }
        while let Some(row) = self.asked.pop_front() {
            // It was read a while ago: it may have been made since, or canceled with its delivery.
            if leases.passes_over(row.delivery) || !store.is_due(self.endpoint, row)? {
                continue;
            }
            if let Some(delivery) = read(store, row.delivery, false, now, leases)? {
                return Ok(Some(Turn { delivery, due: Some(row) }));
            }
        }
        Ok(None)
    }

    fn next_of_either(&mut self, store: &Store, now: Timestamp, leases: &mut Leases) -> Result<Next, StoreError> {
        self.retries_first = !self.retries_first;
        for retries in [!self.retries_first, self.retries_first] {
            let turn = if retries { self.next_due(store, now, leases)? } else { self.next_fresh(store, now, leases)? };
            if let Some(turn) = turn {
                return Ok(Next::Turn(Box::new(turn)));
            }
        }
        Ok(Next::Nothing)
    }

    fn next_due(&mut self, store: &Store, now: Timestamp, leases: &mut Leases) -> Result<Option<Turn>, StoreError> {
        if self.due.is_empty() && self.more.has(Wake::DUE) {
            self.due = store.due(self.endpoint, DueClass::InTurn, now, WINDOW + leases.count())?.into();
        }
        while let Some(row) = self.due.pop_front() {
            if !leases.passes_over(row.delivery)
                && let Some(delivery) = read(store, row.delivery, false, now, leases)?
                && waits_for(&delivery, row)
            {
                return Ok(Some(Turn { delivery, due: Some(row) }));
            }
        }
        Ok(None)
    }

    fn next_fresh(&mut self, store: &Store, now: Timestamp, leases: &mut Leases) -> Result<Option<Turn>, StoreError> {
        let delivery = self.oldest_fresh(store, now, leases)?;
        if delivery.is_some() {
            self.fresh.pop_front();
        }
        Ok(delivery.map(|delivery| Turn { delivery, due: None }))
    }

    /// The first of the window, read again and left there.
    fn oldest_fresh(
        &mut self,
        store: &Store,
        now: Timestamp,
        leases: &mut Leases,
    ) -> Result<Option<Delivery>, StoreError> {
        while self.has_fresh(store, now, leases)? {
            let Some(first) = self.fresh.front().map(|read| read.id) else { break };
            fail_point!("dispatcher::read", |_| Err(StoreError::Failed("an injected failure".to_owned())));
            // It was read a while ago: it may have been canceled since, or delivered by hand.
            if !leases.holds(first)
                && let Some(delivery) = read(store, first, true, now, leases)?.filter(Delivery::is_fresh)
            {
                return Ok(Some(delivery));
            }
            self.fresh.pop_front();
        }
        Ok(None)
    }

    fn has_fresh(&mut self, store: &Store, now: Timestamp, leases: &mut Leases) -> Result<bool, StoreError> {
        while self.fresh.is_empty() && self.more.has(Wake::FRESH) {
            let read = store.fresh(self.endpoint, self.read_to, WINDOW)?;
            self.read_to = read.read_to;
            self.fresh = read.deliveries.into();
            for (id, why) in read.damaged {
                if !leases.holds(id) {
                    leases.hold(id, true, now, &why);
                }
            }
            if read.at_end {
                self.more = self.more.without(Wake::FRESH);
            }
        }
        Ok(!self.fresh.is_empty())
    }

    /// The delivery of the oldest event of all; while it waits for its retry, so do the rest.
    fn next_in_order(&mut self, store: &Store, now: Timestamp, leases: &mut Leases) -> Result<Next, StoreError> {
        if leases.count() > 0 {
            return Ok(Next::Nothing);
        }
        for row in store.oldest_due(self.endpoint, WINDOW)? {
            if leases.holds(row.delivery) {
                continue;
            }
            let read = read(store, row.delivery, false, now, leases)?;
            let Some(delivery) = read.filter(|delivery| waits_for(delivery, row)) else { continue };
            if self.oldest_fresh(store, now, leases)?.is_some_and(|fresh| fresh.event_key < delivery.event_key) {
                break;
            }
            let turn = Turn { delivery, due: Some(row) };
            return Ok(if row.at <= now { Next::Turn(Box::new(turn)) } else { Next::Wait(row.at) });
        }
        Ok(self.next_fresh(store, now, leases)?.map_or(Next::Nothing, |turn| Next::Turn(Box::new(turn))))
    }

    /// Nothing is left to do now: when will there be? Rows up to now were all read: those that are still there belong
    /// to deliveries in flight, or wait for others in an ordered endpoint.
    fn wait(&mut self, store: &Store, now: Timestamp, held: bool) -> Result<Next, StoreError> {
        let read = self.first_due.filter(|first| !self.more.has(Wake::DUE) && first.held == held);
        let first = match read {
            Some(first) => first,
            None => FirstDue { held, at: self.read_first_due(store, now, held)? },
        };
        self.more = self.more.without(Wake::DUE);
        self.first_due = Some(first);
        Ok(first.at.map_or(Next::Nothing, Next::Wait))
    }

    fn read_first_due(&self, store: &Store, now: Timestamp, held: bool) -> Result<Option<Timestamp>, StoreError> {
        let asked = store.next_due(self.endpoint, DueClass::AskedFor, now)?;
        let in_turn = if held { None } else { store.next_due(self.endpoint, DueClass::InTurn, now)? };
        Ok(asked.into_iter().chain(in_turn).min())
    }
}

/// A delivery as it is now; one whose record is damaged is held.
fn read(
    store: &Store,
    id: DeliveryId,
    fresh: bool,
    now: Timestamp,
    leases: &mut Leases,
) -> Result<Option<Delivery>, StoreError> {
    match store.waiting(id) {
        Err(StoreError::Damaged(why)) => {
            leases.hold(id, fresh, now, &why);
            Ok(None)
        }
        read => read,
    }
}

fn waits_for(delivery: &Delivery, row: DueRow) -> bool {
    delivery.status == DeliveryStatus::Pending
        && delivery.next.is_some_and(|next| next.at == row.at && next.trigger == row.trigger)
}
