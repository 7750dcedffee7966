//! The table of running Dispatchers. One exists only while its endpoint has work: a wake-up makes it, idleness ends
//! it, and both happen under the table's lock, so that no wake-up falls in between. A Dispatcher that panics is made
//! anew; the leases on deliveries in flight outlive it here, so that nothing is sent twice.

use std::{
    collections::BTreeMap,
    hash::BuildHasher,
    ops::BitOr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix::{Addr, prelude::*};
use actix_rt::ArbiterHandle;
use foldhash::{HashMap, fast::RandomState};

use super::{
    dispatcher::{Dispatcher, Look},
    floor::Shared,
    supervisor::{Deaths, give_up},
};
use crate::domain::{
    delivery::Delivery,
    ids::{DeliveryId, EndpointId},
    time::Timestamp,
};

/// Why a Dispatcher is to look at its endpoint again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wake(u8);

impl Wake {
    pub(super) const FRESH: Self = Self(1);
    pub(super) const DUE: Self = Self(2);
    pub(super) const ALL: Self = Self(3);
    /// The windows are to be read anew from the store.
    pub(super) const AGAIN: Self = Self(7);

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Wake {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A delivery with an attempt under way.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    /// It waits for its first turn all the same.
    fresh: bool,
    /// How many attempts were written down before the one under way.
    attempts_made: u32,
    /// A due row of it was passed over meanwhile.
    passed_over: bool,
}

/// What is in flight to one endpoint, and how far its queue was read.
#[derive(Debug, Default)]
pub(super) struct Leases {
    in_flight: BTreeMap<DeliveryId, InFlight>,
    /// The queue was read up to here.
    read_to: Option<DeliveryId>,
    /// The first delivery that was read and has not had its turn.
    next_turn: Option<DeliveryId>,
    /// Those that cannot be sent, since the store is damaged where they or their events lie.
    held: BTreeMap<DeliveryId, Held>,
    /// The Dispatcher has more to start when an attempt is over.
    waits_for_end: bool,
}

/// A delivery that is not tried for now.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// It waits for its first turn.
    fresh: bool,
    until: Timestamp,
}

/// How long a delivery that the store cannot give is held.
const HOLD: Duration = Duration::from_hours(1);

impl Leases {
    pub(super) fn count(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn holds(&self, delivery: DeliveryId) -> bool {
        self.in_flight.contains_key(&delivery) || self.held.contains_key(&delivery)
    }

    /// The delivery is not tried again until an hour from now, or until a restart; the log says so once in that time.
    pub(super) fn hold(&mut self, delivery: DeliveryId, fresh: bool, now: Timestamp, why: &str) {
        tracing::error!(%delivery, %why, "a delivery cannot be sent: it is held for an hour; the others go on");
        self.held.insert(delivery, Held { fresh, until: now.plus(HOLD) });
    }

    /// Lets go of what was held long enough; true if there was any.
    pub(super) fn let_go(&mut self, now: Timestamp) -> bool {
        let before = self.held.len();
        self.held.retain(|_, held| held.until > now);
        self.held.len() < before
    }

    fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.held.is_empty()
    }

    /// Whether a due row is to be passed over, since an attempt of its delivery is under way; the due rows are read
    /// again when that is over.
    pub(super) fn passes_over(&mut self, delivery: DeliveryId) -> bool {
        if self.held.contains_key(&delivery) {
            return true;
        }
        let held = self.in_flight.get_mut(&delivery);
        held.map(|in_flight| in_flight.passed_over = true).is_some()
    }

    pub(super) fn take(&mut self, delivery: DeliveryId, fresh: bool, attempts_made: u32) {
        self.in_flight.insert(delivery, InFlight { fresh, attempts_made, passed_over: false });
    }

    /// After an attempt that was written down another one begins at once.
    pub(super) fn go_on(&mut self, delivery: DeliveryId, attempts_made: u32) {
        if let Some(in_flight) = self.in_flight.get_mut(&delivery) {
            in_flight.attempts_made = attempts_made;
        }
    }

    /// The next attempt that is over is to make its Dispatcher look.
    pub(super) fn wait_for_end(&mut self) {
        self.waits_for_end = true;
    }

    /// The attempt is over; what its Dispatcher is to look for because of it. `None`: it need not look.
    pub(super) fn release(&mut self, delivery: DeliveryId) -> Option<Wake> {
        let passed_over = self.in_flight.remove(&delivery).is_some_and(|in_flight| in_flight.passed_over);
        let waited_for = std::mem::take(&mut self.waits_for_end);
        if passed_over { Some(Wake::DUE) } else { waited_for.then_some(Wake::default()) }
    }

    /// The delivery still waits for its first turn: the queue's position must not pass it.
    pub(super) fn put_back(&mut self, delivery: DeliveryId) {
        self.next_turn = Some(self.next_turn.map_or(delivery, |next| next.min(delivery)));
    }

    pub(super) fn read(&mut self, read_to: DeliveryId, next_turn: Option<DeliveryId>) {
        self.read_to = Some(read_to);
        self.next_turn = next_turn;
    }

    /// Up to where all fresh deliveries have had their first turn once `settling` has had its own.
    pub(super) fn position(&self, settling: Option<DeliveryId>) -> DeliveryId {
        let fresh = self.in_flight.iter().filter(|(_, in_flight)| in_flight.fresh).map(|(id, _)| *id);
        let held = self.held.iter().filter(|(_, held)| held.fresh).map(|(id, _)| *id);
        let waiting = fresh.filter(|id| Some(*id) != settling).chain(self.next_turn).chain(held).min();
        // One that is sent by hand may lie beyond what was read: what is between has not had its turn.
        let read_to = self.read_to.unwrap_or(DeliveryId::MIN);
        waiting.map_or(read_to, |first| read_to.min(DeliveryId::from_u128(first.as_u128().saturating_sub(1))))
    }
}

/// One endpoint's place in the table.
#[derive(Default)]
pub(super) struct Slot {
    leases: Mutex<Leases>,
}

impl Slot {
    pub(super) fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry {
    addr: Addr<Dispatcher>,
    slot: Arc<Slot>,
    waiting: Wake,
    deaths: Deaths,
}

/// The table.
pub(super) struct Dispatchers {
    threads: Vec<ArbiterHandle>,
    began: Instant,
    hasher: RandomState,
    running: Mutex<HashMap<EndpointId, Entry>>,
}

impl Dispatchers {
    pub(super) fn new(threads: Vec<ArbiterHandle>) -> Self {
        Self { threads, began: Instant::now(), hasher: RandomState::default(), running: Mutex::default() }
    }

    /// When the first of them could begin.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    fn running(&self) -> MutexGuard<'_, HashMap<EndpointId, Entry>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which thread is an endpoint's: it stays on one, where its connections are kept.
    fn thread(&self, endpoint: EndpointId) -> usize {
        let hash = usize::try_from(self.hasher.hash_one(endpoint) & 0xffff).unwrap_or(0);
        hash % self.threads.len().max(1)
    }

    /// Whether the attempt that comes next for this delivery is under way. Between the end of an attempt and the end of
    /// its lease it is not, though the delivery is held.
    pub(super) fn is_sending(&self, delivery: &Delivery) -> bool {
        let running = self.running();
        let Some(entry) = running.get(&delivery.endpoint_id) else { return false };
        let leases = entry.slot.leases();
        leases.in_flight.get(&delivery.id).is_some_and(|under_way| under_way.attempts_made == delivery.attempts_made)
    }

    /// What a Dispatcher was woken for since it last looked.
    pub(super) fn take_wake(&self, endpoint: EndpointId) -> Wake {
        self.running().get_mut(&endpoint).map(|entry| std::mem::take(&mut entry.waiting)).unwrap_or_default()
    }

    /// Takes an idle Dispatcher out of the table; false: it was woken meanwhile and is to go on.
    pub(super) fn retire(&self, endpoint: EndpointId) -> bool {
        let mut running = self.running();
        let idle = running.get(&endpoint).is_none_or(|entry| entry.waiting.is_none() && entry.slot.leases().is_empty());
        if idle {
            running.remove(&endpoint);
        }
        idle
    }

    /// Has the endpoint's Dispatcher begin again from the store: a turn that it gave out was not taken.
    pub(super) fn reread(&self, endpoint: EndpointId) {
        if let Some(entry) = self.running().get_mut(&endpoint) {
            entry.waiting = entry.waiting | Wake::AGAIN;
        }
    }

    /// Tells the endpoint's Dispatcher, if there is one, that there is a place for an attempt.
    pub(super) fn look(&self, endpoint: EndpointId) {
        if let Some(entry) = self.running().get(&endpoint) {
            entry.addr.do_send(Look);
        }
    }

    /// An attempt is over: tells the endpoint's Dispatcher, if there is one, to look again, where there is a reason.
    pub(super) fn attempt_is_over(&self, endpoint: EndpointId, why: Option<Wake>) {
        if let Some(entry) = self.running().get_mut(&endpoint)
            && (why.is_some() || !entry.waiting.is_none())
        {
            entry.waiting = entry.waiting | why.unwrap_or_default();
            entry.addr.do_send(Look);
        }
    }
}

/// Wakes the endpoint's Dispatcher, and makes it if there is none.
pub(super) fn wake(shared: &Arc<Shared>, endpoint: EndpointId, why: Wake) {
    wake_all(shared, &[(endpoint, why)]);
}

/// The same for many. Each thread is told once of all its Dispatchers, and they look before it turns to answers that
/// come meanwhile: so an event with many deliveries is sent whole before the first of them is written down.
pub(super) fn wake_all(shared: &Arc<Shared>, wakes: &[(EndpointId, Wake)]) {
    if wakes.is_empty() || shared.is_stopping() {
        return;
    }
    let dispatchers = &shared.dispatchers;
    let mut to_tell: Vec<Vec<Addr<Dispatcher>>> = vec![Vec::new(); dispatchers.threads.len()];
    {
        let mut running = dispatchers.running();
        for &(endpoint, why) in wakes {
            if let Some(entry) = running.get_mut(&endpoint) {
                // One message is enough for all that has been noted until it is handled.
                if entry.waiting.is_none()
                    && let Some(addresses) = to_tell.get_mut(dispatchers.thread(endpoint))
                {
                    addresses.push(entry.addr.clone());
                }
                entry.waiting = entry.waiting | why;
                continue;
            }
            let slot = Arc::new(Slot::default());
            if let Some(addr) = start(shared, endpoint, Arc::clone(&slot), Duration::ZERO) {
                running.insert(endpoint, Entry { addr, slot, waiting: Wake::ALL, deaths: Deaths::default() });
            }
        }
    }
    for (thread, addresses) in dispatchers.threads.iter().zip(to_tell) {
        match addresses.as_slice() {
            [] => {}
            [only] => only.do_send(Look),
            _ => {
                thread.spawn_fn(move || {
                    for address in addresses {
                        address.do_send(Look);
                    }
                });
            }
        }
    }
}

fn start(shared: &Arc<Shared>, endpoint: EndpointId, slot: Arc<Slot>, pause: Duration) -> Option<Addr<Dispatcher>> {
    let thread = shared.dispatchers.threads.get(shared.dispatchers.thread(endpoint))?;
    let shared = Arc::clone(shared);
    Some(Dispatcher::start_in_arbiter(thread, move |_| Dispatcher::new(shared, endpoint, slot, pause)))
}

/// A Dispatcher was dropped without having retired: it panicked.
pub(super) fn died(shared: &Arc<Shared>, endpoint: EndpointId) {
    if shared.is_stopping() {
        return;
    }
    let mut running = shared.dispatchers.running();
    let Some(entry) = running.get_mut(&endpoint) else { return };
    let Some(pause) = entry.deaths.count(Instant::now()) else { give_up("a Dispatcher") };
    tracing::error!(%endpoint, "a Dispatcher panicked; starting it anew");
    if let Some(addr) = start(shared, endpoint, Arc::clone(&entry.slot), pause) {
        entry.addr = addr;
        entry.waiting = Wake::ALL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_stops_before_the_first_that_has_not_had_its_turn() {
        let id = DeliveryId::from_u128;
        let mut leases = Leases::default();
        assert_eq!(leases.position(None), DeliveryId::MIN);
        leases.take(id(30), true, 0);
        assert_eq!(leases.position(None), DeliveryId::MIN, "sent by hand before the queue was read");
        leases.release(id(30));
        leases.read(id(20), Some(id(12)));
        leases.take(id(10), true, 0);
        leases.take(id(11), true, 0);
        leases.take(id(3), false, 1);
        assert_eq!(leases.position(Some(id(11))), id(9), "10 is still under way");
        assert_eq!(leases.position(Some(id(10))), id(10));
        assert_eq!(leases.release(id(10)), None, "nobody waits for it");
        assert_eq!(leases.position(Some(id(11))), id(11), "12 waits for its turn");
        leases.read(id(20), None);
        assert_eq!(leases.position(Some(id(11))), id(20));
        assert_eq!(leases.position(None), id(10), "an interrupted turn is to be taken again");
        leases.put_back(id(11));
        assert!(leases.passes_over(id(11)));
        assert_eq!(leases.release(id(11)), Some(Wake::DUE), "its rows were passed over");
        assert_eq!(leases.position(None), id(10), "until the queue is read again");
        leases.wait_for_end();
        assert_eq!([leases.release(id(3)), leases.release(id(3))], [Some(Wake::default()), None]);
    }

    #[test]
    fn what_is_held_is_passed_over_for_an_hour_and_keeps_its_place() {
        let id = DeliveryId::from_u128;
        let at = |minutes| Timestamp::EPOCH.plus(Duration::from_mins(minutes));
        let mut leases = Leases::default();
        leases.read(id(20), None);
        leases.hold(id(3), false, at(0), "damaged");
        leases.hold(id(7), true, at(1), "damaged");
        assert_eq!(leases.position(None), id(6), "a fresh one is not passed by the queue's position");
        assert!(leases.holds(id(3)) && leases.passes_over(id(7)) && !leases.is_empty());
        assert!(!leases.let_go(at(59)));
        assert!(leases.let_go(at(60)) && !leases.holds(id(3)) && leases.holds(id(7)));
        assert!(leases.let_go(at(61)) && leases.is_empty());
        assert_eq!(leases.position(None), id(20));
    }
}
