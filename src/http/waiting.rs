//! What waits at the endpoints that a token sees: how much, since when the oldest of it is due, and what is tried again
//! next.

use super::{Api, auth::Caller, problem::Problem};
use crate::{
    domain::{delivery::Delivery, endpoint::EndpointStatus, ids::EndpointId, time::Timestamp},
    store::Store,
};

/// What waits.
pub struct Waiting {
    /// Pending deliveries.
    pub pending: u64,
    /// Those of them that paused and disabled endpoints hold.
    pub held: u64,
    /// Since when, on the wall's clock, the delivery is due that is so for longest; `None`: nothing is due.
    pub due_since: Option<Timestamp>,
    /// The attempts by schedule that come next, soonest first, with their times on the wall's clock.
    pub next: Vec<(Delivery, Timestamp)>,
}

/// What waits at the endpoints that this token sees, with `most` of the next attempts.
///
/// # Errors
/// The store does not answer.
pub async fn at<R>(api: &Api, caller: &Caller<R>, most: usize) -> Result<Waiting, Problem> {
    let mut waiting = Waiting { pending: 0, held: 0, due_since: None, next: Vec::new() };
    let mut awake: Vec<EndpointId> = Vec::new();
    let snapshot = api.registry().snapshot();
    for endpoint in api.store().endpoints_with_work().iter().filter_map(|id| snapshot.endpoint(*id)) {
        if !caller.sees(&endpoint.account) {
            continue;
        }
        let pending = api.store().health(endpoint.id).pending;
        waiting.pending += pending;
        if endpoint.status == EndpointStatus::Enabled {
            awake.push(endpoint.id);
        } else {
            waiting.held += pending;
        }
    }
    let clock = api.clock().clone();
    let read = api.store().read(move |store: &Store| {
        let due_since = store.due_since(&awake)?;
        let mut next = Vec::new();
        for (_, due) in store.next_attempts(&awake, most)? {
            // One that was settled meanwhile is not waiting any more.
            if let Some(delivery) = store.delivery(due.delivery)? {
                next.push((delivery, clock.wall_at(due.at)));
            }
        }
        Ok((due_since, next))
    });
    (waiting.due_since, waiting.next) = read.await?;
    Ok(waiting)
}
