//! Dispatcher: one endpoint's attempts, within its limits. It starts what is next for as long as there is room, and
//! looks again when an attempt that it waits for is over, when it is woken, or when a limit allows. Idle, it ends itself.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use fail::fail_point;

use super::{
    delivery_attempt::{self, Addressee},
    dispatchers::{self, Slot, Wake},
    floor::Shared,
    pace::Pace,
    retry_timer::{self, Due},
    turns::{Manner, Next, Turns},
};
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointStatus},
        ids::EndpointId,
    },
    store::StoreError,
};

/// How long a Dispatcher stays without work: its connections may be wanted again soon.
const IDLE: Duration = Duration::from_millis(if cfg!(feature = "testing") { 100 } else { 10_000 });
/// The pause after the store did not answer, or when all places for attempts are taken.
const PAUSE: Duration = Duration::from_millis(500);
/// The pause where the queue itself is damaged, or deliveries are held.
const STUCK: Duration = Duration::from_mins(1);
/// The pause where a row fell due a moment ago.
const JUST_NOW: Duration = Duration::from_millis(2);

/// Look for work again.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Look;

pub(super) struct Dispatcher {
    shared: Arc<Shared>,
    endpoint: EndpointId,
    slot: Arc<Slot>,
    turns: Turns,
    /// What is known of the endpoint since it last changed.
    addressee: Option<Rc<Addressee>>,
    pace: Pace,
    pause: Duration,
    /// A later look that is planned already.
    planned: Option<SpawnHandle>,
    /// Its queue cannot be read, which was told.
    is_stuck: bool,
    /// When it last had something to do.
    busy_at: Instant,
    lifeline: Lifeline,
}

/// Held by a Dispatcher for as long as it lives: dropped without having retired, it panicked.
struct Lifeline {
    shared: Arc<Shared>,
    endpoint: EndpointId,
    retired: bool,
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if !self.retired {
            dispatchers::died(&self.shared, self.endpoint);
        }
    }
}

impl Dispatcher {
    pub(super) fn new(shared: Arc<Shared>, endpoint: EndpointId, slot: Arc<Slot>, pause: Duration) -> Self {
        let turns = Turns::new(&shared.store, endpoint);
        let pace = Pace::since(shared.dispatchers.began());
        let lifeline = Lifeline { shared: Arc::clone(&shared), endpoint, retired: false };
        Self {
            shared,
            endpoint,
            slot,
            turns,
            addressee: None,
            pace,
            pause,
            planned: None,
            is_stuck: false,
            busy_at: Instant::now(),
            lifeline,
        }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.shared.is_stopping() {
            return;
        }
        let why = self.shared.dispatchers.take_wake(self.endpoint);
        self.turns.woken(&self.shared.store, why);
        if self.slot.leases().let_go(self.shared.clock.steady()) {
            self.turns.woken(&self.shared.store, Wake::AGAIN);
        }
        let plan = self.start_attempts();
        match plan {
            Plan::AfterAttempt => {}
            Plan::After(pause) => self.plan(ctx, pause),
            Plan::Idle => {
                if self.busy_at.elapsed() < IDLE {
                    // One that is planned already comes soon enough: a timer for each delivery would be dear.
                    if self.planned.is_none() {
                        self.plan(ctx, IDLE);
                    }
                } else if self.shared.dispatchers.retire(self.endpoint) {
                    self.lifeline.retired = true;
                    ctx.stop();
                } else if self.planned.is_none() {
                    // The end of its last attempt tells nobody, and what is held is let go after an hour by a look alone.
                    let under_way = self.slot.leases().count() > 0;
                    self.plan(ctx, if under_way { IDLE } else { STUCK });
                }
            }
        }
    }

    fn plan(&mut self, ctx: &mut Context<Self>, pause: Duration) {
        if let Some(handle) = self.planned.take() {
            ctx.cancel_future(handle);
        }
        let look = |dispatcher: &mut Self, ctx: &mut Context<Self>| {
            dispatcher.planned = None;
            dispatcher.look(ctx);
        };
        self.planned = Some(ctx.run_later(pause, look));
    }

    /// Starts what may start now, and says when to look again.
    fn start_attempts(&mut self) -> Plan {
        loop {
            let routing = self.shared.routing.load();
            // A deleted endpoint's queue is dropped by the registry.
            let Some(endpoint) = routing.endpoint(self.endpoint) else { return Plan::Idle };
            let addressee = self.addressee(endpoint);
            let effective = &addressee.effective;
            let slot = Arc::clone(&self.slot);
            let mut leases = slot.leases();
            if leases.count() >= usize::from(effective.max_in_flight) {
                leases.wait_for_end();
                return Plan::AfterAttempt;
            }
            let now = Instant::now();
            if let Err(wait) = self.pace.take(effective.rate_limit, now) {
                return Plan::After(wait);
            }
            let Some(place) = self.shared.capacity.take(self.endpoint, leases.count() == 0, now) else {
                self.pace.give_back();
                // An attempt of its own that is under way is soon over where only others hang.
                leases.wait_for_end();
                return Plan::After(PAUSE);
            };
            // Looked at with the place taken: who stops waits for the places that are taken.
            if self.shared.is_stopping() {
                return Plan::Idle;
            }
            let manner = Manner { held: endpoint.status != EndpointStatus::Enabled, ordered: endpoint.ordered };
            let next = self.turns.next(&self.shared.store, self.shared.clock.steady(), manner, &mut leases);
            let turn = match next {
                Ok(Next::Turn(turn)) => turn,
                Ok(next) => {
                    self.pace.give_back();
                    // What comes behind an attempt under way has its turn when that is over.
                    let behind = endpoint.ordered && leases.count() > 0;
                    if behind {
                        leases.wait_for_end();
                    }
                    drop(leases);
                    return self.rest(&next, behind);
                }
                Err(error @ StoreError::Damaged(_)) => {
                    self.pace.give_back();
                    if !std::mem::replace(&mut self.is_stuck, true) {
                        tracing::error!(endpoint = %self.endpoint, %error, "the queue cannot be read; the others go on");
                    }
                    return Plan::After(STUCK);
                }
                Err(error) => {
                    self.pace.give_back();
                    tracing::warn!(endpoint = %self.endpoint, %error, "the queue could not be read; trying again");
                    return Plan::After(PAUSE);
                }
            };
            let delivery = &turn.delivery;
            leases.take(delivery.id, delivery.is_fresh(), delivery.attempts_made);
            drop(leases);
            self.busy_at = Instant::now();
            delivery_attempt::spawn(&self.shared, &self.slot, &addressee, *turn, place);
        }
    }

    fn addressee(&mut self, endpoint: &Arc<Endpoint>) -> Rc<Addressee> {
        match &self.addressee {
            Some(known) if Arc::ptr_eq(&known.endpoint, endpoint) => Rc::clone(known),
            _ => {
                let addressee = Rc::new(Addressee::new(endpoint, &self.shared.settings.defaults));
                Rc::clone(self.addressee.insert(addressee))
            }
        }
    }

    fn rest(&mut self, next: &Next, behind: bool) -> Plan {
        if let Next::Wait(at) = *next {
            if at <= self.shared.clock.steady() {
                // It fell due while the rows were being read.
                self.turns.woken(&self.shared.store, Wake::DUE);
                return Plan::After(JUST_NOW);
            }
            retry_timer::tell(&self.shared, Due { endpoint: self.endpoint, at });
        }
        if behind { Plan::AfterAttempt } else { Plan::Idle }
    }
}

/// When to look again.
enum Plan {
    /// When an attempt is over.
    AfterAttempt,
    /// After this pause.
    After(Duration),
    /// When woken.
    Idle,
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(8);
        if self.pause.is_zero() {
            self.look(ctx);
        } else {
            self.plan(ctx, self.pause);
        }
    }
}

impl Handler<Look> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Context<Self>) {
        fail_point!("dispatcher::handle");
        self.look(ctx);
    }
}
