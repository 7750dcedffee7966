//! Stores that are filled through the library, without HTTP: millions of events in minutes.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{join, join_all};
use mythichooks::{
    clock::Clock,
    domain::{
        account::Account,
        attempt::{Attempt, Outcome, Response, Timing, Trigger},
        audit::Actor,
        endpoint::Endpoint,
        ids::{DeliveryId, EndpointId},
        schedule::{AttemptTimes, RetrySchedule},
        signature::SigningSecret,
        subscription::Subscription,
        time::Timestamp,
    },
    store::{Accepted, DueClass, EngineKind, NewAudit, NewEvent, Options, Settlement, Store, in_steps},
};

use super::payload;

/// The type of nearly all events, and that of a few.
const COMMON: &str = "batch.completed";
pub const RARE: &str = "fine_tuning.job.failed";
/// Events of one request to the store.
const TOGETHER: u64 = 128;
/// What receivers answer: name, value and body.
const ANSWER_HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("content-length", "17"),
    ("date", "Thu, 25 Jan 2024 00:00:00 GMT"),
    ("server", "receiver"),
];
const ANSWER_BODY: &[u8] = br#"{"received":true}"#;
/// An attempt's number, trigger, time, duration with its five parts, address and status code, as plain binary numbers.
const ATTEMPT_BYTES: usize = 4 + 1 + 8 + 8 + 5 * 8 + 6 + 2;

/// A store with one endpoint.
pub struct Filled {
    store: Store,
    endpoint: EndpointId,
    clock: Clock,
    runtime: tokio::runtime::Runtime,
    schedule: RetrySchedule,
}

/// What becomes of events.
#[derive(Clone, Copy)]
enum Fate {
    Waits,
    Delivered,
    /// Failed once, and due again in a month.
    Due,
}

impl Filled {
    /// A new store in this directory, with an endpoint of this URL.
    pub fn new(directory: &Path, engine: EngineKind, url: &str) -> Self {
        let clock = Clock::start();
        let options = Options { engine: Some(engine), ..Options::default() };
        let store = Store::open(directory, options, clock.clone()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let endpoint = EndpointId::from_u128(store.mint());
        runtime.block_on(store.put_endpoint(endpoint_of(endpoint, url, clock.wall()), audit())).unwrap();
        Self { store, endpoint, clock, runtime, schedule: "30d".parse().unwrap() }
    }

    /// Accepts events whose deliveries wait for their first turn.
    pub fn accept(&self, events: u64) {
        self.fill(events, COMMON, Fate::Waits);
    }

    /// Accepts events and has each delivered at the first attempt.
    pub fn deliver(&self, events: u64) {
        self.fill(events, COMMON, Fate::Delivered);
    }

    /// The same with events of another type.
    pub fn deliver_rare(&self, events: u64) {
        self.fill(events, RARE, Fate::Delivered);
    }

    /// Accepts events whose first attempt fails, so that they are due again.
    pub fn make_due(&self, events: u64) {
        self.fill(events, COMMON, Fate::Due);
    }

    fn fill(&self, events: u64, event_type: &str, fate: Fate) {
        self.runtime.block_on(async {
            let mut accepted = Vec::new();
            let mut left = events;
            while left > 0 || !accepted.is_empty() {
                let now = left.min(TOGETHER);
                left -= now;
                // What was accepted is settled while the next are accepted.
                let settled = self.settle_all(&accepted, fate);
                let (next, ()) = join(self.accept_some(now, event_type), settled).await;
                accepted = next;
            }
        });
    }

    async fn accept_some(&self, events: u64, event_type: &str) -> Vec<Accepted> {
        if events == 0 {
            return Vec::new();
        }
        let new = (0..events).map(|_| NewEvent {
            id: None,
            idempotency: None,
            event_type: event_type.parse().unwrap(),
            account: Account::default(),
            created: None,
            object: Bytes::from(payload::object(payload::UNSTAMPED)),
            endpoints: vec![self.endpoint],
            test: false,
            repeat_only: false,
        });
        self.store.accept(new.collect()).await.unwrap()
    }

    async fn settle_all(&self, accepted: &[Accepted], fate: Fate) {
        let code = match fate {
            Fate::Waits => return,
            Fate::Delivered => 200,
            Fate::Due => 500,
        };
        let settlements = accepted.iter().map(|accepted| {
            let delivery = accepted.event.first_delivery;
            self.store.settle(self.settlement(delivery, accepted.event.accepted_at, code))
        });
        for settled in join_all(settlements).await {
            settled.unwrap();
        }
    }

    fn settlement(&self, delivery: DeliveryId, started: Timestamp, code: u16) -> Settlement {
        let headers = ANSWER_HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let response = Response { code, headers, body: ANSWER_BODY.to_vec(), truncated: false };
        let part = Some(Duration::from_micros(250));
        let outcome = Arc::new(Outcome {
            duration: Duration::from_millis(1),
            timing: Timing { dns: part, connect: part, tls: part, first_byte: part, body: part },
            remote_addr: Some(([127, 0, 0, 1], 443).into()),
            response: Some(response),
            error: None,
        });
        let finished = started.plus(Duration::from_millis(1));
        Settlement {
            delivery,
            due: None,
            attempt: Attempt { number: 0, trigger: Trigger::Schedule, started_at: started, outcome },
            schedule: self.schedule.clone(),
            newer_secret: false,
            times: AttemptTimes { started, finished, finished_wall: finished },
            queue_position: delivery,
        }
    }

    /// The time by which all events until now count as older than those that come.
    pub fn dividing_time(&self) -> Timestamp {
        // Times are compared by the millisecond.
        let last = self.clock.wall();
        while self.clock.wall() <= last {
            std::thread::sleep(Duration::from_micros(200));
        }
        self.clock.wall()
    }

    /// Prunes what was accepted before this time.
    pub fn prune(&self, before: Timestamp) {
        self.runtime.block_on(async { while self.store.prune(before).await.unwrap() {} });
    }

    /// The times of commits of one event each, a millisecond apart.
    pub fn commits_while(&self, mut go_on: impl FnMut() -> bool) -> Vec<Duration> {
        let mut times = Vec::new();
        while go_on() {
            let start = Instant::now();
            self.runtime.block_on(self.accept_some(1, COMMON));
            times.push(start.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        times
    }

    /// The same while all that was accepted before this time is pruned.
    pub fn commits_while_pruning(&self, before: Timestamp) -> Vec<Duration> {
        let store = self.store.clone();
        let pruner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(in_steps(|| store.prune(before))).unwrap();
        });
        let times = self.commits_while(|| !pruner.is_finished());
        pruner.join().unwrap();
        times
    }

    /// What the Dispatcher and the retry timer ask of the due index: the first 64 rows, and when the next is due.
    pub fn scan_due(&self) -> usize {
        let end = Timestamp::from_millis(i64::MAX);
        let next = self.store.next_due(self.endpoint, DueClass::InTurn, self.clock.steady()).unwrap();
        assert!(next.is_some(), "nothing is due");
        self.store.due(self.endpoint, DueClass::InTurn, end, 64).unwrap().len()
    }

    /// Ends the writer and gives the directory back.
    pub fn close(self) {
        self.store.close();
    }
}

/// The headers that the log shows of a request: names and how long their values are.
const REQUEST_HEADERS: [(&str, usize); 6] = [
    ("content-type", 16),
    ("user-agent", 17),
    ("webhook-id", 30),
    ("webhook-timestamp", 10),
    ("webhook-signature", 47),
    ("x-mythicdot-signature", 64),
];

/// The bytes of a delivered event as the log shows it: the body as sent, the attempt's numbers, the headers of request
/// and answer, and the answer's body.
pub fn bytes_of_a_delivered_event() -> usize {
    let sent: usize = REQUEST_HEADERS.iter().map(|(name, length)| name.len() + length).sum();
    let around = r#"{"id":"evt_","type":"batch.completed","created":1706140800,"data":{"object":}}"#.len() + 26;
    let headers: usize = ANSWER_HEADERS.iter().map(|(name, value)| name.len() + value.len()).sum();
    around + payload::object(payload::UNSTAMPED).len() + ATTEMPT_BYTES + sent + headers + ANSWER_BODY.len()
}

fn endpoint_of(id: EndpointId, url: &str, now: Timestamp) -> Endpoint {
    let secret = SigningSecret::from_random([7; 24]);
    let endpoint = Endpoint::new(id, Account::default(), url.to_owned(), vec![Subscription::All], secret, now);
    Endpoint { max_in_flight: Some(64), ..endpoint }
}

fn audit() -> NewAudit {
    NewAudit {
        actor: Actor::Server,
        action: "endpoint.created",
        subject: "it".into(),
        account: None,
        details: String::new(),
    }
}
