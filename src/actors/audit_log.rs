//! AuditLog: streams what was committed to live readers, and prunes the log by retention, a little at a time.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use fail::fail_point;

use super::{
    floor::Shared,
    live::LiveItem,
    supervisor::{Child, Lifeline},
};
use crate::store::Change;

/// How often the log is looked through for what is past its retention.
const ROUND: Duration = Duration::from_mins(1);
/// The pause between two steps of a round, so that commits go on in between.
const STEP: Duration = Duration::from_millis(20);

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
    _lifeline: Lifeline,
}

impl AuditLog {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let lifeline = Lifeline::new(&shared, Child::AuditLog);
        Self { shared, _lifeline: lifeline }
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
                live.publish(&LiveItem::Status { delivery, before: Some(before) });
            }
            Change::Due { .. } => {}
        }
    }

    fn prune(&mut self, ctx: &mut Context<Self>) {
        let shared = Arc::clone(&self.shared);
        let round = async move {
            let before = shared.clock.wall().minus(shared.settings.retention);
            loop {
                match shared.store.prune(before).await {
                    Ok(true) => tokio::time::sleep(STEP).await,
                    Ok(false) => return,
                    Err(error) => return tracing::warn!(%error, "the log could not be pruned; trying again later"),
                }
            }
        };
        // The next round begins after this one has ended.
        ctx.spawn(round.into_actor(self).map(|(), _, ctx| {
            ctx.run_later(ROUND, Self::prune);
        }));
    }
}

impl Actor for AuditLog {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(1_024);
        // What was in the mailbox of one that panicked never reached its readers.
        self.shared.live.drop_readers();
        ctx.run_later(Duration::from_secs(1), Self::prune);
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
