//! One turn of a delivery, as a task of its own: sign, send, write down what came of it, and, where a receiver refused
//! an old secret during a rotation's overlap, at once the same again under the newer one.

use std::{cell::OnceCell, panic::AssertUnwindSafe, rc::Rc, sync::Arc, time::Duration};

use actix_web::http::header::{HeaderName, HeaderValue};
use futures_util::FutureExt;

use super::{
    capacity::Place,
    dispatchers::Slot,
    endpoint_registry::{Disable, SecretTaken},
    floor::Shared,
    turns::Turn,
};
use crate::{
    domain::{
        attempt::{Attempt, AttemptError, ErrorKind, Outcome, Timing, Trigger},
        delivery::Delivery,
        endpoint::{EffectiveSettings, Endpoint, EndpointDefaults},
        event::EventBody,
        ids::DeliveryId,
        request_headers::sent_headers,
        schedule::{AttemptTimes, RetrySchedule},
    },
    outbound::{Destination, DestinationError, HttpTransport, OutboundRequest, Shortage, Transport},
    store::{DueRow, Settled, Settlement, StoreError},
};

/// The pause before a settlement that the store did not take is tried again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

thread_local! {
    /// Connections belong to the thread that made them.
    static TRANSPORT: OnceCell<Rc<HttpTransport>> = const { OnceCell::new() };
}

fn transport(shared: &Shared) -> Rc<HttpTransport> {
    TRANSPORT.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(HttpTransport::new(Arc::clone(&shared.outbound))))))
}

/// An endpoint as attempts need it, made once for as long as it does not change.
pub(super) struct Addressee {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) effective: EffectiveSettings,
    destination: Result<Rc<Destination>, DestinationError>,
}

impl Addressee {
    pub(super) fn new(endpoint: &Arc<Endpoint>, defaults: &EndpointDefaults) -> Self {
        Self {
            effective: defaults.effective(endpoint),
            destination: Destination::parse(&endpoint.url).map(Rc::new),
            endpoint: Arc::clone(endpoint),
        }
    }
}

/// The lease on a delivery; given back when its turn is over, however it ends.
struct Lease {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    addressee: Rc<Addressee>,
    delivery: DeliveryId,
    place: Option<Place>,
}

impl Lease {
    /// The delivery still waits for its first turn: its Dispatcher finds it in the store again.
    fn put_back(&self) {
        self.slot.leases().put_back(self.delivery);
        self.shared.dispatchers.reread(self.addressee.endpoint.id);
    }

    /// The pause comes first: a Dispatcher that reads anew while the lease is held passes over this delivery. From the
    /// note to the end of the lease there is no other turn on this thread.
    async fn put_back_after_a_pause(&self, fresh: bool) {
        tokio::time::sleep(STORE_PAUSE).await;
        if fresh {
            self.put_back();
        } else {
            self.shared.dispatchers.reread(self.addressee.endpoint.id);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let why = self.slot.leases().release(self.delivery);
        self.shared.dispatchers.attempt_is_over(self.addressee.endpoint.id, why);
        drop(self.place.take());
        if let Some(next) = self.shared.capacity.next() {
            self.shared.dispatchers.look(next);
        }
    }
}

/// Starts the turn; when it is over the Dispatcher is told to look again, if it waits for that.
pub(super) fn spawn(shared: &Arc<Shared>, slot: &Arc<Slot>, addressee: &Rc<Addressee>, turn: Turn, place: Place) {
    let lease = Lease {
        shared: Arc::clone(shared),
        slot: Arc::clone(slot),
        addressee: Rc::clone(addressee),
        delivery: turn.delivery.id,
        place: Some(place),
    };
    actix_rt::spawn(async move {
        let still_fresh = turn.delivery.is_fresh();
        let taken = AssertUnwindSafe(take_turn(&lease, turn)).catch_unwind().await;
        match taken {
            Ok(Ok(delivery)) if !delivery.is_fresh() => {}
            Ok(Ok(_)) => lease.put_back(),
            Ok(Err(error)) if error.is_lasting() => {
                lease.slot.leases().hold(lease.delivery, still_fresh, lease.shared.clock.steady(), &error.to_string());
            }
            Ok(Err(TurnError::Shortage(shortage))) => {
                lease.shared.tell_shortage(&shortage);
                lease.put_back_after_a_pause(still_fresh).await;
            }
            Ok(Err(error)) => {
                tracing::warn!(delivery = %lease.delivery, %error, "an attempt could not be made; trying again");
                lease.put_back_after_a_pause(still_fresh).await;
            }
            Err(_) => {
                tracing::error!(delivery = %lease.delivery, "an attempt panicked; trying again");
                lease.put_back_after_a_pause(still_fresh).await;
            }
        }
    });
}

/// Why a turn was not taken; the delivery waits as before.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its event is not in the store")]
    NoEvent,
    #[error(transparent)]
    Shortage(#[from] Shortage),
}

impl TurnError {
    /// Whether trying again soon is in vain.
    fn is_lasting(&self) -> bool {
        matches!(self, Self::NoEvent | Self::Store(StoreError::Damaged(_)))
    }
}

/// Makes the attempts of one turn; the delivery as it is after them.
async fn take_turn(lease: &Lease, turn: Turn) -> Result<Delivery, TurnError> {
    fail::fail_point!("dispatcher::attempt");
    let schedule = &lease.addressee.effective.retry_schedule;
    let clock = &lease.shared.clock;
    let mut endpoint = Arc::clone(&lease.addressee.endpoint);
    // A rotation's attempt that a stop cut off goes on under the newest secret.
    let mut generation = match turn.trigger() {
        Trigger::Rotation => endpoint.secrets.newest().generation,
        _ => endpoint.secrets.platform_at(clock.wall()).generation,
    };
    let body = lease.shared.store.body_of(&turn.delivery)?.ok_or(TurnError::NoEvent)?;
    let (mut due, mut trigger) = (turn.due, turn.trigger());
    loop {
        // One look at the time: what is logged is exactly what the next attempt's time counts from.
        let started = clock.steady();
        let started_at = clock.wall_at(started);
        let headers = sent_headers(&endpoint, &turn.delivery.event_id, &body, started_at, generation);
        // Both were checked where they entered.
        let checked = |(name, value)| Some((header_name(name)?, HeaderValue::try_from(value).ok()?));
        let headers = headers.into_iter().filter_map(checked).collect();
        let outcome = send(lease, headers, &body).await?;
        let times = AttemptTimes { started, finished: clock.steady(), finished_wall: clock.wall() };
        let attempt = Attempt { number: 0, trigger, started_at, outcome: Arc::new(outcome) };
        // The secret may have been rotated while the attempt was under way.
        if let Some(now) = lease.shared.routing.load().endpoint(endpoint.id) {
            endpoint = Arc::clone(now);
        }
        act_on(lease, &endpoint, &attempt, generation).await;
        let newer = endpoint.secrets.newer_than(generation, times.finished_wall).map(|live| live.generation);
        let settled = settle(lease, due, attempt, schedule, newer.is_some(), times).await?;
        match (settled.rotate_now, newer) {
            (Some(row), Some(newer)) if !lease.shared.is_stopping() => {
                (due, trigger, generation) = (Some(row), row.trigger, newer);
                lease.slot.leases().go_on(lease.delivery, settled.delivery.attempts_made);
            }
            _ => return Ok(settled.delivery),
        }
    }
}

/// A header's name; those that every request has are not made anew.
fn header_name(name: &str) -> Option<HeaderName> {
    const OF_EVERY_REQUEST: [HeaderName; 4] = [
        HeaderName::from_static("x-mythicdot-signature"),
        HeaderName::from_static("webhook-id"),
        HeaderName::from_static("webhook-timestamp"),
        HeaderName::from_static("webhook-signature"),
    ];
    let known = OF_EVERY_REQUEST.into_iter().find(|known| known.as_str() == name);
    known.or_else(|| HeaderName::try_from(name).ok())
}

/// What an attempt says of its endpoint takes effect before the attempt shows in the log.
async fn act_on(lease: &Lease, endpoint: &Endpoint, attempt: &Attempt, generation: u32) {
    if attempt.succeeded() && endpoint.secrets.is_news(generation) {
        lease.shared.tell_registry(SecretTaken { endpoint: endpoint.id, generation }).await;
    }
    if attempt.says_gone() {
        lease.shared.tell_registry(Disable { endpoint: endpoint.id, reason: "the receiver answered 410 Gone" }).await;
    }
}

async fn send(lease: &Lease, headers: Vec<(HeaderName, HeaderValue)>, body: &EventBody) -> Result<Outcome, Shortage> {
    let destination = match &lease.addressee.destination {
        Ok(destination) => Rc::clone(destination),
        Err(error) => {
            let message = format!("the endpoint's URL cannot be used: {error}");
            return Ok(Outcome {
                duration: Duration::ZERO,
                timing: Timing::default(),
                remote_addr: None,
                response: None,
                error: Some(AttemptError { kind: ErrorKind::Protocol, message }),
            });
        }
    };
    let request = OutboundRequest {
        destination,
        headers,
        body: body.bytes().clone(),
        timeout: lease.addressee.effective.timeout.get(),
        cut_off: lease.shared.cut_off.subscribe(),
    };
    let transport = transport(&lease.shared);
    // A future of some kilobytes: in a box it is not copied with each of those around it.
    Box::pin(transport.send(request)).await
}

/// Writes an attempt down, and does not give up while the store may recover: what was sent must be known.
async fn settle(
    lease: &Lease,
    due: Option<DueRow>,
    attempt: Attempt,
    schedule: &RetrySchedule,
    newer_secret: bool,
    times: AttemptTimes,
) -> Result<Settled, StoreError> {
    let had_its_turn = (due.is_none() && !attempt.was_interrupted()).then_some(lease.delivery);
    let mut settlement = Settlement {
        delivery: lease.delivery,
        due,
        attempt,
        schedule: schedule.clone(),
        newer_secret,
        times,
        queue_position: DeliveryId::MIN,
    };
    loop {
        settlement.queue_position = lease.slot.leases().position(had_its_turn);
        match lease.shared.store.settle(settlement.clone()).await {
            Ok(settled) => return Ok(settled),
            Err(error @ (StoreError::Closed | StoreError::Gone | StoreError::Damaged(_))) => return Err(error),
            Err(error) => {
                tracing::warn!(delivery = %lease.delivery, %error, "an attempt could not be written down; trying again");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}
