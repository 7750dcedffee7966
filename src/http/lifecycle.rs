//! Where the server stands between start and stop, for `/readyz` and the live streams that end with it.

use std::sync::Arc;

use tokio::sync::watch;

/// A phase of the server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not ready yet.
    Starting,
    /// Takes work.
    Ready,
    /// Takes no new work; what is under way is ended.
    Stopping,
}

/// The switch; cheap to clone.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    phase: Arc<watch::Sender<Phase>>,
}

impl Lifecycle {
    /// A server that is starting.
    #[must_use]
    pub fn new() -> Self {
        Self { phase: Arc::new(watch::Sender::new(Phase::Starting)) }
    }

    /// The server is in this phase from now on; it never leaves [`Phase::Stopping`].
    pub fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let changes = *now != Phase::Stopping && *now != phase;
            if changes {
                *now = phase;
            }
            changes
        });
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Resolves when the server stops.
    pub fn stopping(&self) -> impl Future<Output = ()> + use<> {
        let mut phase = self.phase.subscribe();
        async move {
            // An error means that the switch is gone, and with it the server.
            let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
        }
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn there_is_no_way_back_from_stopping() {
        let lifecycle = Lifecycle::new();
        assert_eq!(lifecycle.phase(), Phase::Starting);
        lifecycle.enter(Phase::Ready);
        let stopping = lifecycle.stopping();
        lifecycle.enter(Phase::Stopping);
        stopping.await;
        lifecycle.enter(Phase::Ready);
        assert_eq!(lifecycle.phase(), Phase::Stopping);
    }
}
