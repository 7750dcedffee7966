//! How many attempts may be under way at a time. Every endpoint may have one whatever the others do, so that no set
//! of hung endpoints can use up the whole for the rest; where there are more endpoints than that, up to a second bound.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The count of attempts under way, and its bound.
#[derive(Debug)]
pub struct Capacity {
    bound: usize,
    most: usize,
    taken: AtomicUsize,
    emptied: Notify,
}

/// One attempt's place; dropped when the attempt is over.
#[derive(Debug)]
pub struct Place(Arc<Capacity>);

impl Capacity {
    /// A capacity of so many attempts, and with the first of each endpoint of `most`.
    #[must_use]
    pub fn new(bound: usize, most: usize) -> Self {
        Self { bound, most, taken: AtomicUsize::new(0), emptied: Notify::new() }
    }

    /// A place for one more attempt; `first`: its endpoint has no other.
    pub fn take(self: &Arc<Self>, first: bool) -> Option<Place> {
        let before = self.taken.fetch_add(1, Ordering::SeqCst);
        let place = Place(Arc::clone(self));
        (before < if first { self.most } else { self.bound }).then_some(place)
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

    #[test]
    fn the_first_of_an_endpoint_has_a_place_where_others_have_none() {
        let capacity = Arc::new(Capacity::new(1, 2));
        let one = capacity.take(false);
        assert!(one.is_some());
        assert!(capacity.take(false).is_none());
        let first = capacity.take(true);
        assert!(first.is_some());
        assert_eq!(capacity.taken(), 2);
        assert!(capacity.take(true).is_none());
        drop((one, first));
        assert_eq!(capacity.taken(), 0);
    }
}
