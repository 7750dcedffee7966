//! The whole floor: what the actors share, how it is started, and how it comes to rest.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use actix::{Addr, prelude::*};
use actix_rt::{Arbiter, ArbiterHandle};
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;

use super::{
    audit_log::AuditLog,
    capacity::Capacity,
    dispatchers::Dispatchers,
    endpoint_registry::{EndpointRegistry, Registry},
    live::LiveTail,
    retry_timer::RetryTimer,
    routing::Routing,
    supervisor::Supervisor,
    waking::Waking,
};
use crate::{
    clock::Clock,
    domain::endpoint::EndpointDefaults,
    outbound::{self, Shortage},
    store::{Store, StoreError},
};

/// What the actors are told at the start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The settings of endpoints that name none of their own.
    pub defaults: EndpointDefaults,
    /// How long completed deliveries stay in the log.
    pub retention: Duration,
    /// Threads that deliver.
    pub threads: usize,
    /// Attempts under way at a time, over all endpoints; each endpoint may have one all the same.
    pub capacity: usize,
    /// Attempts under way at a time, those included.
    pub capacity_in_all: usize,
}

/// Why the actors did not start.
#[derive(Debug, thiserror::Error)]
pub enum ActorsError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("a delivery thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What all actors share. Addresses are looked up at each use, since an actor that panicked has a new one.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) outbound: Arc<outbound::Shared>,
    pub(super) routing: ArcSwap<Routing>,
    pub(super) capacity: Arc<Capacity>,
    pub(super) dispatchers: Dispatchers,
    pub(super) live: LiveTail,
    pub(super) registry: ArcSwapOption<Addr<EndpointRegistry>>,
    pub(super) timer: ArcSwapOption<Addr<RetryTimer>>,
    /// The timer's mailbox was full: it is to read the rows themselves.
    pub(super) timer_missed: AtomicBool,
    pub(super) audit_log: ArcSwapOption<Addr<AuditLog>>,
    pub(super) supervisor: OnceLock<Addr<Supervisor>>,
    /// No new attempt is started any more.
    pub(super) stopping: AtomicBool,
    /// Becomes true when attempts under way are to be cut off.
    pub(super) cut_off: watch::Sender<bool>,
    /// When the log was told last that this machine lacks something, in milliseconds of the steady clock.
    shortage_told: AtomicI64,
}

/// The log is told of a shortage no more often than this: each attempt that waits for it meets it.
const BETWEEN_SHORTAGES: i64 = 10_000;

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Attempts that could not be made wait.
    pub(super) fn tell_shortage(&self, shortage: &Shortage) {
        let now = self.clock.steady().as_millis();
        let told = |last: i64| (now.saturating_sub(last) >= BETWEEN_SHORTAGES).then_some(now);
        if self.shortage_told.fetch_update(Ordering::Relaxed, Ordering::Relaxed, told).is_ok() {
            tracing::warn!(%shortage, "attempts wait until this machine has what they need");
        }
    }
}

/// The running floor.
#[derive(Clone)]
pub struct Actors {
    shared: Arc<Shared>,
}

impl Actors {
    /// Starts all actors; they begin from the store. To be called within an actix system.
    ///
    /// # Errors
    /// The store cannot be read, or threads cannot be started.
    pub fn start(
        store: Store,
        clock: Clock,
        outbound: Arc<outbound::Shared>,
        settings: Settings,
    ) -> Result<Self, ActorsError> {
        let routing = Routing::of(store.endpoints()?);
        let threads = (0..settings.threads.max(1))
            .map(|_| Arbiter::try_new().map(|arbiter| arbiter.handle()))
            .collect::<Result<Vec<ArbiterHandle>, _>>()?;
        let shared = Arc::new(Shared {
            store,
            clock,
            outbound,
            routing: ArcSwap::from_pointee(routing),
            capacity: Arc::new(Capacity::new(settings.capacity, settings.capacity_in_all)),
            dispatchers: Dispatchers::new(threads),
            live: LiveTail::default(),
            registry: ArcSwapOption::empty(),
            timer: ArcSwapOption::empty(),
            timer_missed: AtomicBool::new(false),
            audit_log: ArcSwapOption::empty(),
            supervisor: OnceLock::new(),
            stopping: AtomicBool::new(false),
            cut_off: watch::Sender::new(false),
            shortage_told: AtomicI64::new(i64::MIN),
            settings,
        });
        shared.store.observe(Arc::new(Waking::new(Arc::clone(&shared))));
        let supervisor = Supervisor::new(Arc::clone(&shared)).start();
        // Set here alone, once.
        let _ = shared.supervisor.set(supervisor);
        Ok(Self { shared })
    }

    /// The registry of endpoints.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::new(Arc::clone(&self.shared))
    }

    /// Where live readers sign on.
    #[must_use]
    pub fn live(&self) -> LiveTail {
        self.shared.live.clone()
    }

    /// From now on no new attempt is started, and live readers are let go.
    pub fn stop_starting(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.live.close();
    }

    /// Waits until no attempt is under way, but `grace` at most; what is then under way is cut off and written down
    /// as interrupted.
    pub async fn come_to_rest(&self, grace: Duration) {
        if tokio::time::timeout(grace, self.shared.capacity.idle()).await.is_err() {
            self.cut_off();
            // Writing them down takes a commit or two; the store may be the very thing that does not answer.
            let _ = tokio::time::timeout(Duration::from_secs(5), self.shared.capacity.idle()).await;
        }
    }

    /// Cuts off the attempts under way.
    pub fn cut_off(&self) {
        self.shared.cut_off.send_replace(true);
    }
}
