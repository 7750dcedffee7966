//! What waits at many endpoints at once: since when the delivery that waits longest is due, and which attempts come next.
//! Each endpoint costs a few reads of its first rows, however much waits there.

use std::collections::BinaryHeap;

use super::{
    DueClass, DueRow, Store, StoreError,
    engine::Order,
    keys::{self, Row},
};
use crate::domain::{
    ids::{DeliveryId, EndpointId},
    time::Timestamp,
};

impl Store {
    /// Since when, on the wall's clock, the delivery is due that is so for longest, of those that wait at these
    /// endpoints. One that is being sent counts until its attempt is over. `None`: nothing is due.
    pub fn due_since(&self, endpoints: &[EndpointId]) -> Result<Option<Timestamp>, StoreError> {
        let shared = self.shared();
        let now = shared.clock.steady();
        let (skew, durable) = {
            let view = shared.view();
            (std::time::Duration::from_millis(view.meta.skew), view.durable)
        };
        let mut oldest: Option<Timestamp> = None;
        for endpoint in endpoints {
            for class in [DueClass::InTurn, DueClass::AskedFor] {
                if let Some(due) = self.due(*endpoint, class, now, 1)?.first() {
                    oldest = Some(earlier(oldest, shared.clock.wall_at(due.at)));
                }
            }
            // Ids tell the time, so most queues need not be read.
            let position = self.queue_position(*endpoint).as_u128();
            let first = shared.queue(*endpoint, position, durable).next().transpose()?;
            let Some(first) = first.map(|id| DeliveryId::from_u128(id).minted_at()) else { continue };
            if oldest.is_none_or(|oldest| first <= oldest.plus(skew))
                && let Some(delivery) = self.fresh(*endpoint, DeliveryId::MIN, 1)?.deliveries.first()
            {
                oldest = Some(earlier(oldest, delivery.created_at));
            }
        }
        Ok(oldest)
    }

    /// The attempts by schedule that come next at these endpoints, soonest first; those that are due already are none.
    pub fn next_attempts(
        &self,
        endpoints: &[EndpointId],
        limit: usize,
    ) -> Result<Vec<(EndpointId, DueRow)>, StoreError> {
        let shared = self.shared();
        let now = shared.clock.steady();
        let mut soonest: BinaryHeap<(DueRow, EndpointId)> = BinaryHeap::new();
        for endpoint in endpoints {
            let from = keys::due_after(*endpoint, DueClass::InTurn, now);
            let to = keys::end_of(&keys::due_of(*endpoint, DueClass::InTurn));
            for entry in shared.engine.range(&from, &to, Order::Ascending).take(limit) {
                let Some((Row::Due(_, due), _)) = Row::parse(&entry?.key) else { continue };
                if soonest.len() >= limit && soonest.peek().is_some_and(|(last, _)| due >= *last) {
                    break;
                }
                soonest.push((due, *endpoint));
                if soonest.len() > limit {
                    soonest.pop();
                }
            }
        }
        Ok(soonest.into_sorted_vec().into_iter().map(|(due, endpoint)| (endpoint, due)).collect())
    }
}

fn earlier(one: Option<Timestamp>, other: Timestamp) -> Timestamp {
    one.map_or(other, |one| one.min(other))
}
