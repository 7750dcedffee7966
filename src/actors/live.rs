//! Live readers of `GET /v1/stream`: what they are told, which part of it each wants, and that none is waited for.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;

use crate::domain::{
    account::Account,
    attempt::Attempt,
    delivery::{Delivery, DeliveryStatus},
    event_type::EventTypeName,
    ids::EndpointId,
};

/// Readers at a time.
const MOST_READERS: usize = 256;
/// Of those who see one account alone, so many for each account: one customer does not keep out the others.
const MOST_OF_AN_ACCOUNT: usize = 32;
/// Items that a reader may be behind before it is dropped: more than what one batch of 1,000 events makes at once, for
/// a few endpoints, so that nobody is dropped who only had no turn yet.
const FURTHEST_BEHIND: usize = 16_384;

/// One thing that happened to a delivery.
#[derive(Debug, Clone)]
pub enum LiveItem {
    /// An attempt was written down.
    Attempt {
        /// The delivery after it.
        delivery: Arc<Delivery>,
        /// The attempt.
        attempt: Arc<Attempt>,
    },
    /// A delivery's status changed, or it was made (`before` is `None`).
    Status {
        /// The delivery as it is now.
        delivery: Arc<Delivery>,
        /// Its status before.
        before: Option<DeliveryStatus>,
    },
}

impl LiveItem {
    fn delivery(&self) -> &Delivery {
        match self {
            Self::Attempt { delivery, .. } | Self::Status { delivery, .. } => delivery,
        }
    }
}

/// Which items a reader wants.
#[derive(Debug, Clone, Default)]
pub struct LiveFilter {
    /// Of this account.
    pub account: Option<Account>,
    /// Of this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of this type.
    pub event_type: Option<EventTypeName>,
    /// Whose delivery is now in this state.
    pub status: Option<DeliveryStatus>,
}

impl LiveFilter {
    fn wants(&self, delivery: &Delivery) -> bool {
        self.account.as_ref().is_none_or(|account| *account == delivery.account)
            && self.endpoint.is_none_or(|endpoint| endpoint == delivery.endpoint_id)
            && self.event_type.as_ref().is_none_or(|event_type| *event_type == delivery.event_type)
            && self.status.is_none_or(|status| status == delivery.status)
    }
}

struct Reader {
    filter: LiveFilter,
    items: mpsc::Sender<LiveItem>,
}

/// Where live readers sign on; cheap to clone.
#[derive(Clone, Default)]
pub struct LiveTail(Arc<Tail>);

#[derive(Default)]
struct Tail {
    readers: Mutex<Vec<Reader>>,
    any: AtomicBool,
    closed: AtomicBool,
}

impl LiveTail {
    /// A new reader's items. A reader that falls behind by more than a bounded number is dropped: its channel closes.
    /// `None`: there are as many readers as are allowed, or as many of its account, or the server is stopping.
    #[must_use]
    pub fn subscribe(&self, filter: LiveFilter) -> Option<mpsc::Receiver<LiveItem>> {
        let mut readers = self.readers();
        readers.retain(|reader| !reader.items.is_closed());
        let of_account = readers.iter().filter(|reader| reader.filter.account == filter.account).count();
        let crowded = filter.account.is_some() && of_account >= MOST_OF_AN_ACCOUNT;
        if crowded || readers.len() >= MOST_READERS || self.0.closed.load(Ordering::Acquire) {
            return None;
        }
        let (items, receiver) = mpsc::channel(FURTHEST_BEHIND);
        readers.push(Reader { filter, items });
        self.0.any.store(true, Ordering::Release);
        Some(receiver)
    }

    /// Whether anybody reads, so that nothing is put together for nobody.
    pub(super) fn has_readers(&self) -> bool {
        self.0.any.load(Ordering::Acquire)
    }

    pub(super) fn publish(&self, item: &LiveItem) {
        let mut readers = self.readers();
        readers.retain(|reader| {
            if reader.filter.wants(item.delivery()) {
                reader.items.try_send(item.clone()).is_ok()
            } else {
                !reader.items.is_closed()
            }
        });
        self.0.any.store(!readers.is_empty(), Ordering::Release);
    }

    /// Drops all readers: something was lost on the way to them, and a gap must not go unnoticed.
    pub(super) fn drop_readers(&self) {
        self.readers().clear();
        self.0.any.store(false, Ordering::Release);
    }

    /// Drops all readers and takes no more.
    pub(super) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.drop_readers();
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.0.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
