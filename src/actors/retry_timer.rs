//! RetryTimer: the one that knows when the next attempt of each endpoint is due, and wakes its Dispatcher then.
//! It holds one time an endpoint; the rows themselves stay in the store, where it begins at its start.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::prelude::*;
use fail::fail_point;

use super::{
    dispatchers::{Wake, wake},
    floor::Shared,
    supervisor::{Child, Lifeline},
};
use crate::{
    domain::{ids::EndpointId, time::Timestamp},
    store::{DueClass, StoreError},
};

/// The clock is looked at this often at least: the steady clock also counts the time that a machine slept through,
/// which a sleeping task does not notice.
const LONGEST_SLEEP: Duration = Duration::from_millis(if cfg!(feature = "testing") { 20 } else { 1_000 });

/// Messages that may wait.
const MAILBOX: usize = 4_096;

/// Endpoints that are read from the store in one go at the start.
const CHUNK: usize = 256;

/// The endpoint has a due row at this time.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Due {
    pub(super) endpoint: EndpointId,
    pub(super) at: Timestamp,
}

/// Tells the timer. A full mailbox takes nothing more: then the timer reads the rows themselves, as at its start.
pub(super) fn tell(shared: &Shared, due: Due) {
    if let Some(timer) = &*shared.timer.load()
        && timer.try_send(due).is_err()
    {
        shared.timer_missed.store(true, Ordering::Release);
    }
}

pub(super) struct RetryTimer {
    shared: Arc<Shared>,
    times: BTreeSet<(Timestamp, EndpointId)>,
    by_endpoint: HashMap<EndpointId, Timestamp>,
    /// Endpoints whose rows have not been looked at since the start.
    unread: Vec<EndpointId>,
    sleeping: Option<SpawnHandle>,
    _lifeline: Lifeline,
}

impl RetryTimer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let lifeline = Lifeline::new(&shared, Child::RetryTimer);
        Self {
            shared,
            times: BTreeSet::new(),
            by_endpoint: HashMap::new(),
            unread: Vec::new(),
            sleeping: None,
            _lifeline: lifeline,
        }
    }

    fn note(&mut self, due: Due) {
        let earlier = self.by_endpoint.get(&due.endpoint).is_none_or(|at| due.at < *at);
        if earlier {
            if let Some(later) = self.by_endpoint.insert(due.endpoint, due.at) {
                self.times.remove(&(later, due.endpoint));
            }
            self.times.insert((due.at, due.endpoint));
        }
    }

    /// Reads some endpoints' first due rows; overdue ones start at once, and so do those with fresh deliveries.
    fn read_some(&mut self, ctx: &mut Context<Self>) {
        let mut failed = Vec::new();
        for _ in 0..CHUNK {
            let Some(endpoint) = self.unread.pop() else { break };
            wake(&self.shared, endpoint, Wake::FRESH);
            let read = self.read(endpoint);
            if let Err(error @ StoreError::Damaged(_)) = read {
                // Its Dispatcher meets it too, and goes on as far as it can.
                tracing::error!(%endpoint, %error, "the due rows cannot be read");
                wake(&self.shared, endpoint, Wake::ALL);
            } else if let Err(error) = read {
                tracing::warn!(%endpoint, %error, "the due rows could not be read; trying again");
                failed.push(endpoint);
            }
        }
        self.ring(ctx);
        if !self.unread.is_empty() {
            ctx.run_later(Duration::ZERO, Self::read_some);
        }
        if !failed.is_empty() {
            // The other endpoints do not wait for these.
            ctx.run_later(Duration::from_secs(1), move |timer, ctx| {
                timer.unread.append(&mut failed);
                timer.read_some(ctx);
            });
        }
    }

    fn read(&mut self, endpoint: EndpointId) -> Result<(), StoreError> {
        fail_point!("retry_timer::read", |_| Err(StoreError::Failed("an injected failure".to_owned())));
        for class in [DueClass::AskedFor, DueClass::InTurn] {
            if let Some(at) = self.shared.store.next_due(endpoint, class, Timestamp::EPOCH)? {
                self.note(Due { endpoint, at });
            }
        }
        Ok(())
    }

    /// Wakes all whose time has come, and sleeps until the next.
    fn ring(&mut self, ctx: &mut Context<Self>) {
        let now = self.shared.clock.steady();
        while let Some((at, endpoint)) = self.times.first().copied().filter(|(at, _)| *at <= now) {
            self.times.remove(&(at, endpoint));
            self.by_endpoint.remove(&endpoint);
            wake(&self.shared, endpoint, Wake::DUE);
        }
        if let Some(handle) = self.sleeping.take() {
            ctx.cancel_future(handle);
        }
        if let Some((at, _)) = self.times.first() {
            let sleep = at.since(now).min(LONGEST_SLEEP).max(Duration::from_millis(1));
            self.sleeping = Some(ctx.run_later(sleep, Self::ring));
        }
    }
}

impl Actor for RetryTimer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        // Now, not before: what is committed from here on is told to this timer.
        self.unread = self.shared.store.endpoints_with_work();
        self.read_some(ctx);
    }
}

impl Handler<Due> for RetryTimer {
    type Result = ();

    fn handle(&mut self, due: Due, ctx: &mut Context<Self>) {
        fail_point!("retry_timer::handle");
        let first = self.times.first().map(|(at, _)| *at);
        self.note(due);
        if self.shared.timer_missed.swap(false, Ordering::AcqRel) {
            self.unread = self.shared.store.endpoints_with_work();
            self.read_some(ctx);
        } else if first.is_none_or(|first| due.at < first) {
            self.ring(ctx);
        }
    }
}
