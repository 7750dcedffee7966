//! AuditLog: streams what was committed to live readers, and prunes the log by retention, a little at a time.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use fail::fail_point;

use super::{
    floor::Shared,
    live::LiveItem,
    supervisor::{Child, Lifeline},
};
use crate::store::{self, Change, StoreError};

/// How often the log is looked through for what is past its retention.
const ROUND: Duration = Duration::from_mins(1);
/// How often the store is looked at for nearing its quota.
const QUOTA_ROUND: Duration = Duration::from_millis(250);
/// What one batch of the store changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Committed {
    pub(super) changes: Vec<Change>,
    /// Something before this was lost.
    pub(super) gap: bool,
}

pub(super) struct AuditLog {
    shared: Arc<Shared>,
    /// Events that were pruned before their time, as far as it was told of.
    pruned_early: u64,
    _lifeline: Lifeline,
}

impl AuditLog {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let lifeline = Lifeline::new(&shared, Child::AuditLog);
        Self { shared, pruned_early: 0, _lifeline: lifeline }
    }

    fn publish(&self, change: Change) {
        let live = &self.shared.live;
        match change {
            Change::Accepted { deliveries, .. } => {
                for delivery in deliveries.iter() {
                    live.publish(&LiveItem::Status { delivery: Arc::new(delivery.clone()), before: None });
                }
            }
            Change::Settled { delivery, before, attempt } => {
                live.publish(&LiveItem::Attempt { delivery: Arc::clone(&delivery), attempt });
                if delivery.status != before {
                    live.publish(&LiveItem::Status { delivery, before: Some(before) });
                }
            }
            Change::Changed { delivery, before } => {
                live.publish(&LiveItem::Status { delivery, before });
            }
            Change::Due { .. } => {}
        }
    }

    fn prune(&mut self, ctx: &mut Context<Self>) {
        self.tell_of_early_pruning();
        let shared = Arc::clone(&self.shared);
        let round = async move {
            // By the earlier of both clocks: one that is set ahead makes nothing old.
            let before = shared.clock.earlier().minus(shared.settings.retention);
            in_steps(|| shared.store.prune(before)).await;
        };
        // The next round begins after this one has ended.
        ctx.spawn(round.into_actor(self).map(|(), _, ctx| {
            ctx.run_later(ROUND, Self::prune);
        }));
    }

    fn make_room(&mut self, ctx: &mut Context<Self>) {
        let shared = Arc::clone(&self.shared);
        let round = async move { in_steps(|| shared.store.make_room()).await };
        ctx.spawn(round.into_actor(self).map(|(), _, ctx| {
            ctx.run_later(QUOTA_ROUND, Self::make_room);
        }));
    }

    fn tell_of_early_pruning(&mut self) {
        let in_all = self.shared.store.space().pruned_early;
        if in_all > self.pruned_early {
            let events = in_all - self.pruned_early;
            tracing::warn!(
                events,
                "the store nears its quota: the oldest completed events were pruned before their time"
            );
        }
        self.pruned_early = in_all;
    }
}

/// Takes all steps; one that fails is tried again in the next round.
async fn in_steps<F: Future<Output = Result<bool, StoreError>>>(step: impl Fn() -> F) {
    if let Err(error) = store::in_steps(step).await {
        tracing::warn!(%error, "the log could not be pruned; trying again later");
    }
}

impl Actor for AuditLog {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(1_024);
        // What was in the mailbox of one that panicked never reached its readers.
        self.shared.live.drop_readers();
        ctx.run_later(Duration::from_secs(1), Self::prune);
        ctx.run_later(QUOTA_ROUND, Self::make_room);
    }
}

impl Handler<Committed> for AuditLog {
    type Result = ();

    fn handle(&mut self, committed: Committed, _: &mut Context<Self>) {
        fail_point!("audit_log::handle");
        if committed.gap {
            self.shared.live.drop_readers();
        }
        for change in committed.changes {
            self.publish(change);
        }
    }
}
