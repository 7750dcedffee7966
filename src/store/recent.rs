//! Deliveries that were accepted a moment ago and wait for their first turn, in memory with their bodies. A Dispatcher
//! that keeps up with its queue takes them from here, and so does the writer when it settles them; whatever is not
//! here lies in the engine. The writer alone changes it, after each commit and before anybody is told of it.
//!
//! It relies on this: only an accepted event makes fresh deliveries, and one that ceased to be fresh never is again.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foldhash::HashMap;

use super::Change;
use crate::domain::{
    delivery::Delivery,
    event::EventBody,
    ids::{DeliveryId, EndpointId},
    time::Timestamp,
};

/// No more deliveries than this are kept, nor more bytes of bodies; the oldest go first.
const MOST_DELIVERIES: usize = 8_192;
const MOST_BYTES: usize = 16 << 20;
/// Nor for longer than this: what then still waits does so for long, and lies in the engine as well.
const LONGEST: Duration = Duration::from_secs(2);
/// Of more endpoints than this, only those are known that have something here.
const MOST_ENDPOINTS: usize = 16_384;

/// What is kept.
pub struct Recent {
    kept: Mutex<Kept>,
    most_deliveries: usize,
    most_bytes: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { kept: Mutex::default(), most_deliveries: MOST_DELIVERIES, most_bytes: MOST_BYTES }
    }
}

#[derive(Default)]
struct Kept {
    /// In the order in which they were accepted, which is that of their ids. `None`: it is gone since.
    deliveries: VecDeque<(DeliveryId, Option<Fresh>)>,
    endpoints: HashMap<EndpointId, Waiting>,
    bytes: usize,
}

/// One delivery among those of its event.
#[derive(Clone)]
struct Fresh {
    of_event: Arc<Vec<Delivery>>,
    index: usize,
    body: EventBody,
}

impl Fresh {
    fn delivery(&self) -> Option<&Delivery> {
        self.of_event.get(self.index)
    }
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

    /// Takes over a batch that was committed at `now` by the wall clock; `before` is the greatest id that had been minted
    /// before it.
    pub fn committed(&self, before: u128, now: Timestamp, changes: &[Change], touched: &[Touched]) {
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
        kept.shrink(self.most_deliveries, self.most_bytes, now);
        for touched in touched {
            if touched.fresh {
                kept.forget_up_to(touched.endpoint, touched.delivery);
            } else {
                kept.remove(touched.endpoint, touched.delivery);
            }
        }
    }

    /// Lets go of what has been here for too long at `now`, though nothing else comes. Whether nothing is left.
    pub fn age(&self, now: Timestamp) -> bool {
        let mut kept = self.kept();
        kept.shrink(self.most_deliveries, self.most_bytes, now);
        let empty = kept.deliveries.is_empty();
        if empty {
            kept.deliveries.shrink_to_fit();
        }
        empty
    }

    /// A delivery, if it is here: then it is as it was accepted.
    pub fn delivery(&self, id: DeliveryId) -> Option<Delivery> {
        self.kept().fresh(id).and_then(|fresh| fresh.delivery().cloned())
    }

    /// The body that this delivery sends.
    pub fn body(&self, id: DeliveryId) -> Option<EventBody> {
        self.kept().fresh(id).map(|fresh| fresh.body.clone())
    }

    /// Up to `limit` fresh deliveries of an endpoint after `after`, oldest first, and whether these are all. `None`: not
    /// all that there may be are here.
    pub fn after(&self, endpoint: EndpointId, after: DeliveryId, limit: usize) -> Option<(Vec<Delivery>, bool)> {
        let kept = self.kept();
        let waiting = kept.endpoints.get(&endpoint).filter(|waiting| waiting.after <= after)?;
        let mut ids = waiting.ids.range(DeliveryId::from_u128(after.as_u128().saturating_add(1))..);
        let fresh = ids.by_ref().take(limit).filter_map(|id| kept.fresh(*id));
        let found = fresh.filter_map(|fresh| fresh.delivery().cloned()).collect();
        Some((found, ids.next().is_none()))
    }
}

impl Kept {
    fn place(&self, id: DeliveryId) -> Option<usize> {
        self.deliveries.binary_search_by_key(&id, |(id, _)| *id).ok()
    }

    fn fresh(&self, id: DeliveryId) -> Option<&Fresh> {
        self.deliveries.get(self.place(id)?)?.1.as_ref()
    }

    fn add(&mut self, before: DeliveryId, delivery: &Delivery, fresh: Fresh) {
        let (endpoint, id) = (delivery.endpoint_id, delivery.id);
        // An endpoint that was not known has nothing in this batch but what is added here.
        let unknown = || Waiting { after: before, ids: BTreeSet::new() };
        self.endpoints.entry(endpoint).or_insert_with(unknown).ids.insert(id);
        self.bytes += fresh.body.bytes().len();
        self.deliveries.push_back((id, Some(fresh)));
    }

    fn shrink(&mut self, most_deliveries: usize, most_bytes: usize, now: Timestamp) {
        let oldest = now.minus(LONGEST);
        while let Some((id, fresh)) = self.deliveries.front() {
            let (id, waits_at) = (*id, fresh.as_ref().and_then(Fresh::delivery).map(|delivery| delivery.endpoint_id));
            if let Some(endpoint) = waits_at {
                let full = self.deliveries.len() > most_deliveries || self.bytes > most_bytes;
                if !full && id.minted_at() >= oldest {
                    break;
                }
                self.forget_up_to(endpoint, id);
            }
            self.deliveries.pop_front();
        }
    }

    fn remove(&mut self, endpoint: EndpointId, id: DeliveryId) {
        let place = self.place(id).and_then(|place| self.deliveries.get_mut(place));
        let Some(fresh) = place.and_then(|(_, fresh)| fresh.take()) else { return };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        account::Account,
        attempt::Trigger,
        delivery::{DeliveryStatus, NextAttempt},
        event::Event,
        ids::{EventId, EventKey},
        time::Timestamp,
    };

    const MOST: usize = 12;

    fn endpoint(n: u8) -> EndpointId {
        EndpointId::from_u128(u128::from(n) + 1)
    }

    fn accepted(key: u128, endpoints: &[u8]) -> Change {
        let (event_key, at) = (EventKey::from_u128(key), Timestamp::EPOCH);
        let (id, event_type) = (EventId::generated(event_key), "batch.completed".parse().unwrap());
        let first_delivery = DeliveryId::from_u128(key + 1);
        let deliveries = endpoints.iter().zip(first_delivery.as_u128()..).map(|(n, delivery)| Delivery {
            id: DeliveryId::from_u128(delivery),
            event_key,
            event_id: id.clone(),
            endpoint_id: endpoint(*n),
            account: Account::default(),
            event_type: "batch.completed".parse().unwrap(),
            status: DeliveryStatus::Pending,
            test: false,
            attempts_made: 0,
            scheduled_made: 0,
            next: Some(NextAttempt { at, trigger: Trigger::Schedule }),
            last_response_code: None,
            created_at: at,
            completed_at: None,
        });
        let deliveries = Arc::new(deliveries.collect::<Vec<_>>());
        let body = EventBody::new(&id, &event_type, at, r#"{"n":1}"#);
        let delivery_count = u32::try_from(deliveries.len()).unwrap();
        let event = Event {
            key: event_key,
            id,
            event_type,
            account: Account::default(),
            created: at,
            accepted_at: at,
            test: false,
            first_delivery,
            delivery_count,
        };
        Change::Accepted { event: Arc::new(event), body, deliveries }
    }

    #[test]
    fn who_keeps_up_needs_no_more_than_what_is_here() {
        let recent = Recent::default();
        let ids = |deliveries: Vec<Delivery>| deliveries.iter().map(|found| found.id.as_u128()).collect::<Vec<_>>();
        recent.committed(100, Timestamp::EPOCH, &[accepted(101, &[0]), accepted(103, &[1])], &[]);
        let (found, all) = recent.after(endpoint(0), DeliveryId::from_u128(100), 64).unwrap();
        assert!(all && ids(found) == [102] && recent.body(DeliveryId::from_u128(102)).is_some());
        assert!(recent.after(endpoint(0), DeliveryId::from_u128(99), 64).is_none(), "what was before is not here");
        assert!(recent.after(endpoint(2), DeliveryId::from_u128(104), 64).is_none(), "nothing is known of it");
        let settled = Touched { endpoint: endpoint(0), delivery: DeliveryId::from_u128(102), fresh: false };
        recent.committed(104, Timestamp::EPOCH, &[accepted(105, &[1])], &[settled]);
        recent.committed(106, Timestamp::EPOCH, &[accepted(107, &[0])], &[]);
        let (found, all) = recent.after(endpoint(0), DeliveryId::from_u128(102), 64).unwrap();
        assert!(all && ids(found) == [108], "it is known still after it had nothing");
    }

    #[test]
    fn what_waits_for_long_is_read_from_the_engine() {
        let recent = Recent::default();
        let minted = |millis: u64| (u128::from(millis) << 80) + 1;
        let id = |millis| DeliveryId::from_u128(minted(millis) + 1);
        recent.committed(0, Timestamp::from_millis(1_000), &[accepted(minted(1_000), &[0])], &[]);
        recent.committed(minted(1_000), Timestamp::from_millis(2_500), &[accepted(minted(2_500), &[0])], &[]);
        assert!(recent.body(id(1_000)).is_some() && !recent.age(Timestamp::from_millis(3_000)));
        assert!(!recent.age(Timestamp::from_millis(3_001)));
        assert!(recent.body(id(1_000)).is_none() && recent.body(id(2_500)).is_some());
        assert!(recent.after(endpoint(0), DeliveryId::MIN, 64).is_none());
        assert!(recent.age(Timestamp::from_millis(4_501)) && recent.body(id(2_500)).is_none());
    }

    proptest! {
        /// Batches of events, and of changes to what waits: what is said to be all is all, and nothing else.
        #[test]
        fn what_is_here_is_all_that_waits(
            batches in prop::collection::vec(
                (
                    prop::collection::vec(prop::collection::vec(0..4_u8, 0..4), 0..6),
                    prop::collection::vec((0..40_usize, any::<bool>()), 0..6),
                    prop::bool::weighted(0.1),
                ),
                1..40,
            ),
        ) {
            let recent = Recent { most_deliveries: MOST, ..Recent::default() };
            let mut waiting: Vec<(EndpointId, DeliveryId)> = Vec::new();
            let mut last = 100_u128;
            for (events, touches, aged) in batches {
                let before = last;
                let touched: Vec<_> = touches.iter().filter_map(|(at, fresh)| {
                    let (endpoint, delivery) = *waiting.get(*at)?;
                    Some(Touched { endpoint, delivery, fresh: *fresh })
                }).collect();
                waiting.retain(|(_, id)| !touched.iter().any(|touched| touched.delivery == *id && !touched.fresh));
                let mut changes = Vec::new();
                for endpoints in &events {
                    let change = accepted(last + 1, endpoints);
                    last += 1 + endpoints.len() as u128;
                    if let Change::Accepted { deliveries, .. } = &change {
                        waiting.extend(deliveries.iter().map(|delivery| (delivery.endpoint_id, delivery.id)));
                    }
                    changes.push(change);
                }
                recent.committed(before, Timestamp::EPOCH, &changes, &touched);
                if aged {
                    prop_assert!(recent.age(Timestamp::EPOCH.plus(LONGEST + Duration::from_millis(1))));
                }
                prop_assert!(recent.kept().deliveries.len() <= MOST);
                for n in 0..4 {
                    for after in (90..=last).map(DeliveryId::from_u128) {
                        let Some((found, all)) = recent.after(endpoint(n), after, 3) else { continue };
                        let ids: Vec<_> = found.iter().map(|delivery| delivery.id).collect();
                        let own = waiting.iter().filter(|(of, id)| *of == endpoint(n) && *id > after);
                        let expected: Vec<_> = own.map(|(_, id)| *id).collect();
                        prop_assert_eq!(all, expected.len() <= 3);
                        prop_assert_eq!(&ids[..], &expected[..expected.len().min(3)]);
                    }
                }
                for (_, id) in &waiting {
                    prop_assert_eq!(recent.delivery(*id).is_some(), recent.body(*id).is_some());
                }
            }
            let kept = recent.kept();
            let bytes: usize = kept.deliveries.iter().flat_map(|(_, fresh)| fresh).map(|fresh| fresh.body.bytes().len()).sum();
            drop(kept);
            prop_assert_eq!(bytes, recent.kept().bytes);
        }
    }
}
