//! How many attempts may be under way at a time. Every endpoint may have one whatever the others do, so that no set
//! of hung endpoints can use up the whole for the rest. Where more endpoints want one than there can be, they take
//! turns: who waits for longest is next, and not who has just had one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::domain::ids::EndpointId;

/// Who waits asks again sooner than this; else it has nothing to send any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// The count of attempts under way, and its bounds.
#[derive(Debug)]
pub struct Capacity {
    bound: usize,
    most: usize,
    taken: AtomicUsize,
    emptied: Notify,
    waiting: Mutex<Queue>,
    /// How many wait, to be looked at without the lock.
    waiters: AtomicUsize,
}

/// Endpoints without any attempt under way, for which there was no place: by number, in the order in which they came.
#[derive(Debug, Default)]
struct Queue {
    numbers: HashMap<EndpointId, u64>,
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
}

#[derive(Debug)]
struct Waiting {
    endpoint: EndpointId,
    asked_at: Instant,
}

impl Queue {
    /// Whether it is among the first so many; then it waits no more, else it does.
    fn take(&mut self, endpoint: EndpointId, free: usize, now: Instant) -> bool {
        while let Some(first) = self.waiting.first_entry()
            && now.duration_since(first.get().asked_at) >= PATIENCE
        {
            self.numbers.remove(&first.remove().endpoint);
        }
        let number = self.numbers.get(&endpoint).copied();
        let is_among = self.waiting.values().take(free).any(|one| one.endpoint == endpoint);
        if is_among || (number.is_none() && self.waiting.len() < free) {
            self.numbers.remove(&endpoint);
            number.and_then(|number| self.waiting.remove(&number));
            return true;
        }
        let number = number.unwrap_or_else(|| {
            self.last += 1;
            self.numbers.insert(endpoint, self.last);
            self.last
        });
        self.waiting.insert(number, Waiting { endpoint, asked_at: now });
        false
    }
}

/// One attempt's place; dropped when the attempt is over.
#[derive(Debug)]
pub struct Place(Arc<Capacity>);

impl Capacity {
    /// A capacity of so many attempts, and with the first of each endpoint of `most`.
    #[must_use]
    pub fn new(bound: usize, most: usize) -> Self {
        Self {
            bound,
            most,
            taken: AtomicUsize::new(0),
            emptied: Notify::new(),
            waiting: Mutex::default(),
            waiters: AtomicUsize::new(0),
        }
    }

    /// A place for one more attempt of an endpoint, at `now`; `first`: it has no other, and is to ask again soon.
    pub fn take(self: &Arc<Self>, endpoint: EndpointId, first: bool, now: Instant) -> Option<Place> {
        let before = self.taken.fetch_add(1, Ordering::SeqCst);
        let place = Place(Arc::clone(self));
        let nobody_waits = self.waiters.load(Ordering::SeqCst) == 0;
        if !first {
            return (before < self.bound && nobody_waits).then_some(place);
        }
        let free = self.most.saturating_sub(before);
        if free > 0 && nobody_waits {
            return Some(place);
        }
        self.is_next(endpoint, free, now).then_some(place)
    }

    /// Whether it is among those whose turn it is, with so many places free; else it waits.
    fn is_next(&self, endpoint: EndpointId, free: usize, now: Instant) -> bool {
        let mut queue = self.queue();
        let is_next = queue.take(endpoint, free, now);
        self.waiters.store(queue.waiting.len(), Ordering::SeqCst);
        is_next
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The endpoint that waits for longest.
    pub fn next(&self) -> Option<EndpointId> {
        if self.waiters.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.queue().waiting.first_key_value().map(|(_, one)| one.endpoint)
    }

    /// Places taken now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Resolves when no place is taken.
    pub async fn idle(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.taken() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(n: u128) -> EndpointId {
        EndpointId::from_u128(n)
    }

    #[test]
    fn the_first_of_an_endpoint_has_a_place_where_others_have_none() {
        let (capacity, now) = (Arc::new(Capacity::new(1, 2)), Instant::now());
        let one = capacity.take(endpoint(1), false, now);
        assert!(one.is_some());
        assert!(capacity.take(endpoint(1), false, now).is_none());
        let first = capacity.take(endpoint(2), true, now);
        assert!(first.is_some());
        assert_eq!(capacity.taken(), 2);
        assert!(capacity.take(endpoint(3), true, now).is_none());
        drop((one, first));
        assert_eq!(capacity.taken(), 0);
    }

    #[test]
    fn who_waits_for_longest_is_next() {
        let (capacity, now) = (Arc::new(Capacity::new(1, 1)), Instant::now());
        let take = |n, at| capacity.take(endpoint(n), true, at);
        let taken = take(1, now).unwrap();
        assert!(take(2, now).is_none() && take(3, now).is_none());
        drop(taken);
        assert_eq!(capacity.next(), Some(endpoint(2)));
        assert!(capacity.take(endpoint(4), false, now).is_none(), "nobody has a second before others have one");
        assert!(take(1, now).is_none(), "it has just had one");
        assert!(take(3, now).is_none(), "another waits for longer");
        drop(take(2, now).unwrap());
        drop(take(3, now).unwrap());
        drop(take(1, now).unwrap());
        assert_eq!(capacity.next(), None);

        let taken = take(1, now).unwrap();
        assert!(take(2, now).is_none() && take(3, now).is_none());
        drop(taken);
        let later = now + PATIENCE;
        drop(take(3, later).expect("the other has not asked again"));
        assert_eq!(capacity.next(), None);
    }
}
