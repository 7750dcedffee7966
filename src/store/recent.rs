//! Deliveries that were accepted a moment ago and wait for their first turn, in memory with their bodies. A Dispatcher
//! that keeps up with its queue takes them from here, and so does the writer when it settles them; whatever is not
//! here lies in the engine. The writer alone changes it, after each commit and before anybody is told of it.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Change;
use crate::domain::{
    delivery::Delivery,
    event::EventBody,
    ids::{DeliveryId, EndpointId},
};

/// No more deliveries than this are kept, nor more bytes of bodies; the oldest go first.
const MOST_DELIVERIES: usize = 8_192;
const MOST_BYTES: usize = 16 << 20;
/// Of more endpoints than this, only those are known that have something here.
const MOST_ENDPOINTS: usize = 16_384;

/// What is kept.
#[derive(Default)]
pub struct Recent {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    deliveries: HashMap<DeliveryId, Fresh>,
    endpoints: HashMap<EndpointId, Waiting>,
    /// In the order in which they were accepted, those too that are gone since.
    order: VecDeque<(EndpointId, DeliveryId)>,
    bytes: usize,
}

/// One delivery among those of its event.
#[derive(Clone)]
struct Fresh {
    of_event: Arc<Vec<Delivery>>,
    index: usize,
    body: EventBody,
}

/// An endpoint's fresh deliveries above `after`: all that there are.
struct Waiting {
    after: DeliveryId,
    ids: BTreeSet<DeliveryId>,
}

/// What a batch did to a delivery that had been stored before.
#[derive(Debug, Clone, Copy)]
pub struct Touched {
    /// Whose it is.
    pub endpoint: EndpointId,
    /// Which.
    pub delivery: DeliveryId,
    /// It is changed, but waits for its first turn still.
    pub fresh: bool,
}

impl Recent {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a batch that was committed; `before` is the greatest id that had been minted before it.
    pub fn committed(&self, before: u128, changes: &[Change], touched: &[Touched]) {
        let before = DeliveryId::from_u128(before);
        let mut kept = self.kept();
        if kept.endpoints.len() > MOST_ENDPOINTS {
            kept.endpoints.retain(|_, waiting| !waiting.ids.is_empty());
        }
        for change in changes {
            let Change::Accepted { deliveries, body, .. } = change else { continue };
            for (index, delivery) in deliveries.iter().enumerate().filter(|(_, delivery)| delivery.is_fresh()) {
                let fresh = Fresh { of_event: Arc::clone(deliveries), index, body: body.clone() };
                kept.add(before, delivery, fresh);
            }
        }
        for touched in touched {
            if touched.fresh {
                kept.forget_up_to(touched.endpoint, touched.delivery);
            } else {
                kept.remove(touched.endpoint, touched.delivery);
            }
        }
    }

    /// A delivery, if it is here: then it is as it was accepted.
    pub fn delivery(&self, id: DeliveryId) -> Option<Delivery> {
        self.kept().deliveries.get(&id).and_then(|fresh| fresh.of_event.get(fresh.index).cloned())
    }

    /// The body that this delivery sends.
    pub fn body(&self, id: DeliveryId) -> Option<EventBody> {
        self.kept().deliveries.get(&id).map(|fresh| fresh.body.clone())
    }

    /// Up to `limit` fresh deliveries of an endpoint after `after`, oldest first, and whether these are all. `None`: not
    /// all that there may be are here.
    pub fn after(&self, endpoint: EndpointId, after: DeliveryId, limit: usize) -> Option<(Vec<Delivery>, bool)> {
        let kept = self.kept();
        let waiting = kept.endpoints.get(&endpoint).filter(|waiting| waiting.after <= after)?;
        let mut ids = waiting.ids.range(DeliveryId::from_u128(after.as_u128().saturating_add(1))..);
        let fresh = ids.by_ref().take(limit).filter_map(|id| kept.deliveries.get(id));
        let found = fresh.filter_map(|fresh| fresh.of_event.get(fresh.index).cloned()).collect();
        Some((found, ids.next().is_none()))
    }
}

impl Kept {
    fn add(&mut self, before: DeliveryId, delivery: &Delivery, fresh: Fresh) {
        let (endpoint, id) = (delivery.endpoint_id, delivery.id);
        // An endpoint that was not known has nothing in this batch but what is added here.
        let unknown = || Waiting { after: before, ids: BTreeSet::new() };
        self.endpoints.entry(endpoint).or_insert_with(unknown).ids.insert(id);
        self.bytes += fresh.body.bytes().len();
        self.deliveries.insert(id, fresh);
        self.order.push_back((endpoint, id));
        while let Some((endpoint, id)) = self.order.front().copied() {
            let full = self.order.len() > MOST_DELIVERIES || self.bytes > MOST_BYTES;
            if self.deliveries.contains_key(&id) {
                if !full {
                    break;
                }
                self.forget_up_to(endpoint, id);
            }
            self.order.pop_front();
        }
    }

    fn remove(&mut self, endpoint: EndpointId, id: DeliveryId) {
        let Some(fresh) = self.deliveries.remove(&id) else { return };
        self.bytes -= fresh.body.bytes().len();
        if let Some(waiting) = self.endpoints.get_mut(&endpoint) {
            waiting.ids.remove(&id);
        }
    }

    /// What an endpoint has up to here is read from the engine from now on.
    fn forget_up_to(&mut self, endpoint: EndpointId, last: DeliveryId) {
        let Some(waiting) = self.endpoints.get_mut(&endpoint) else { return };
        waiting.after = waiting.after.max(last);
        let gone: Vec<_> = waiting.ids.range(..=last).copied().collect();
        for id in gone {
            self.remove(endpoint, id);
        }
    }
}
