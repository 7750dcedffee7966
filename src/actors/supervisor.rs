//! Supervisor: starts the three single actors and starts them anew when one has panicked, with growing pauses.
//! An actor that panics is dropped by its runtime, so each holds a [`Lifeline`] whose end is the news of its death.
//! Too many deaths end the process: the service manager then begins from a clean state.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{audit_log::AuditLog, endpoint_registry::EndpointRegistry, floor::Shared, retry_timer::RetryTimer};

/// So many deaths within [`WINDOW`] are too many.
const TOO_MANY: usize = 50;
const WINDOW: Duration = Duration::from_mins(1);

/// The actors that there is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    EndpointRegistry,
    RetryTimer,
    AuditLog,
}

/// Held by an actor for as long as it lives.
pub(super) struct Lifeline {
    shared: Arc<Shared>,
    child: Child,
}

impl Lifeline {
    pub(super) fn new(shared: &Arc<Shared>, child: Child) -> Self {
        Self { shared: Arc::clone(shared), child }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if let Some(supervisor) = self.shared.supervisor.get() {
            supervisor.do_send(Died(self.child));
        }
    }
}

#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct Died(Child);

/// Counts deaths, and says how long to pause before the next life.
#[derive(Debug, Default)]
pub(super) struct Deaths(VecDeque<Instant>);

impl Deaths {
    /// The pause before a restart; `None` after too many deaths.
    pub(super) fn count(&mut self, now: Instant) -> Option<Duration> {
        self.0.push_back(now);
        while self.0.front().is_some_and(|death| now.saturating_duration_since(*death) > WINDOW) {
            self.0.pop_front();
        }
        let doublings = u32::try_from(self.0.len().min(8)).unwrap_or(8);
        (self.0.len() <= TOO_MANY).then(|| Duration::from_millis(5) * 2_u32.pow(doublings))
    }
}

/// Ends the process: what failed again and again is not mended by going on.
pub(super) fn give_up(what: &str) -> ! {
    tracing::error!("{what} panicked more than {TOO_MANY} times within a minute: giving up");
    std::process::exit(1)
}

pub(super) struct Supervisor {
    shared: Arc<Shared>,
    deaths: Deaths,
}

impl Supervisor {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, deaths: Deaths::default() }
    }

    fn start_child(&self, child: Child) {
        let shared = Arc::clone(&self.shared);
        match child {
            Child::EndpointRegistry => {
                let addr = EndpointRegistry::new(Arc::clone(&shared)).start();
                shared.registry.store(Some(Arc::new(addr)));
            }
            Child::RetryTimer => {
                let addr = RetryTimer::new(Arc::clone(&shared)).start();
                shared.timer.store(Some(Arc::new(addr)));
            }
            Child::AuditLog => {
                let addr = AuditLog::new(Arc::clone(&shared)).start();
                shared.audit_log.store(Some(Arc::new(addr)));
            }
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(64);
        // Of a start that failed before this actor had a turn: actix gives it one when it is dropped.
        if self.shared.is_stopping() {
            return;
        }
        for child in [Child::EndpointRegistry, Child::AuditLog, Child::RetryTimer] {
            self.start_child(child);
        }
    }
}

impl Handler<Died> for Supervisor {
    type Result = ();

    fn handle(&mut self, Died(child): Died, ctx: &mut Context<Self>) {
        if self.shared.is_stopping() {
            return;
        }
        let Some(pause) = self.deaths.count(Instant::now()) else { give_up("an actor") };
        tracing::error!(actor = ?child, "an actor panicked; starting it anew");
        ctx.run_later(pause, move |supervisor, _| supervisor.start_child(child));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_too_many_deaths_end_it() {
        let mut deaths = Deaths::default();
        let start = Instant::now();
        assert_eq!(deaths.count(start), Some(Duration::from_millis(10)));
        assert_eq!(deaths.count(start), Some(Duration::from_millis(20)));
        for _ in 2..TOO_MANY {
            assert!(deaths.count(start).is_some_and(|pause| pause <= Duration::from_secs(2)));
        }
        assert_eq!(deaths.count(start), None);
        let later = start + WINDOW + Duration::from_millis(1);
        assert_eq!(deaths.count(later), Some(Duration::from_millis(10)), "what is long ago is forgiven");
    }
}
