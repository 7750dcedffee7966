//! From the store's writer to the actors: which Dispatchers have work now, when the timer is to ring, what live
//! readers are told. Runs on the writer's thread, so it only sets flags and sends hints.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{
    audit_log::Committed,
    dispatchers::{Wake, wake_all},
    floor::Shared,
    retry_timer::{self, Due},
};
use crate::{
    domain::{delivery::DeliveryStatus, endpoint::EndpointStatus, ids::EndpointId},
    store::{Change, Observer},
};

pub(super) struct Waking {
    shared: Arc<Shared>,
    /// A batch did not reach the audit log: live readers have a gap.
    gap: AtomicBool,
}

impl Waking {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, gap: AtomicBool::new(false) }
    }

    fn is_enabled(&self, endpoint: EndpointId) -> bool {
        let routing = self.shared.routing.load();
        // One that is not known here may be so new that the snapshot does not have it yet.
        routing.endpoint(endpoint).is_none_or(|endpoint| endpoint.status == EndpointStatus::Enabled)
    }

    fn is_ordered(&self, endpoint: EndpointId) -> bool {
        self.shared.routing.load().endpoint(endpoint).is_some_and(|endpoint| endpoint.ordered)
    }

    fn tell_readers(&self, changes: &[Change]) {
        if !self.shared.live.has_readers() {
            return;
        }
        let gap = self.gap.swap(false, Ordering::AcqRel);
        let audit_log = self.shared.audit_log.load();
        let sent =
            audit_log.as_ref().is_some_and(|log| log.try_send(Committed { changes: changes.to_vec(), gap }).is_ok());
        if !sent {
            self.gap.store(true, Ordering::Release);
        }
    }
}

impl Observer for Waking {
    fn committed(&self, changes: &[Change]) {
        let now = self.shared.clock.steady();
        let mut wakes = Vec::new();
        for change in changes {
            match change {
                Change::Accepted { deliveries, .. } => {
                    for delivery in deliveries.iter().filter(|delivery| delivery.is_fresh()) {
                        // Resuming wakes the Dispatcher of a paused one.
                        if self.is_enabled(delivery.endpoint_id) {
                            wakes.push((delivery.endpoint_id, Wake::FRESH));
                        }
                    }
                }
                Change::Due { endpoint, at } if *at <= now => wakes.push((*endpoint, Wake::DUE)),
                Change::Due { endpoint, at } => {
                    retry_timer::tell(&self.shared, Due { endpoint: *endpoint, at: *at });
                }
                // In an ordered endpoint it may have held the others.
                Change::Changed { delivery, .. } if delivery.status == DeliveryStatus::Canceled => {
                    if self.is_ordered(delivery.endpoint_id) {
                        wakes.push((delivery.endpoint_id, Wake::ALL));
                    }
                }
                Change::Settled { .. } | Change::Changed { .. } => {}
            }
        }
        wake_all(&self.shared, &wakes);
        self.tell_readers(changes);
    }
}
