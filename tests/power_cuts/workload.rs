//! Real traffic at the real server under the recorder: single events and batches, short and long bodies, deliveries
//! that succeed and fail, retries of both kinds, changes of endpoints, retention, and new starts.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::checker::DATA;
use crate::disk::{Image, read_image};
use crate::engines::Engine;
use crate::promises::{self, Promise, Promised};
use crate::record::Record;
use crate::recorder::{self, FileRangeSync};
use crate::rng::Rng;
use crate::scratch;
use crate::support::api::id;
use crate::support::clock::TestClock;
use crate::support::{Api, Receiver, Server, eventually, until};

const PRODUCERS: u64 = 3;
const RETENTION: Duration = Duration::from_hours(1);

/// How much traffic there is.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Starts of the server; what the rounds before the last one brought is removed by retention.
    pub rounds: u64,
    /// Requests of each producer in a round.
    pub requests: u64,
    /// Up to so many events more than one in a batch.
    pub batch: usize,
}

/// What was recorded.
pub struct Recorded {
    pub record: Record,
    pub promises: Vec<Promise>,
    /// What really lay in the data directory at the end.
    pub end: Image,
}

/// What the clients of one run share.
struct Clients {
    record: PathBuf,
    promises: Mutex<Vec<Promise>>,
    version: AtomicU64,
}

impl Clients {
    fn length(&self) -> usize {
        usize::try_from(std::fs::metadata(&self.record).unwrap().len()).unwrap()
    }

    fn promised(&self, of: Promised) {
        let made_at = self.length();
        self.promises.lock().unwrap().push(Promise { made_at, of });
    }

    fn accepted(&self, answer: &Value, object: &str) {
        let (id, created) = (answer["id"].as_str().unwrap(), answer["created"].as_i64().unwrap());
        let kind = answer["type"].as_str().unwrap();
        let body = format!(r#"{{"id":"{id}","type":"{kind}","created":{created},"data":{{"object":{object}}}}}"#);
        self.promised(Promised::Event {
            id: id.to_owned(),
            digest: promises::digest(body.as_bytes()),
            deliveries: u32::try_from(answer["deliveries"].as_u64().unwrap()).unwrap(),
            removable_at: None,
        });
    }

    /// From now on retention may remove all that was accepted so far.
    fn all_removable(&self) {
        let now = self.length();
        for promise in self.promises.lock().unwrap().iter_mut() {
            if let Promised::Event { removable_at, .. } = &mut promise.of {
                removable_at.get_or_insert(now);
            }
        }
    }

    fn one_event(&self) -> Option<String> {
        self.promises.lock().unwrap().iter().find_map(|promise| match &promise.of {
            Promised::Event { id, deliveries: 1.., .. } => Some(id.clone()),
            _ => None,
        })
    }

    fn describe(&self, api: &Api, endpoint: &str) {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        let body = json!({"description": format!("version {version}")});
        api.send("PATCH", &format!("/v1/endpoints/{endpoint}"), &body).expect(200);
        self.promised(Promised::Endpoint { id: endpoint.to_owned(), version });
    }

    /// One producer's requests of a round.
    fn produce(&self, api: &Api, load: Load, mut rng: Rng) {
        for number in 0..load.requests {
            let event = |rng: &mut Rng, length: usize| {
                // Two go to an endpoint each, one to both, one to none.
                let kinds = ["batch.completed", "batch.failed", "fine_tuning.job.failed", "usage.threshold.reached"];
                let object = format!(r#"{{"number": {number}, "seed":{}, "pad":"{}"}}"#, rng.next(), pad(rng, length));
                (format!(r#"{{"type":"{}","data":{{"object":{object}}}}}"#, rng.one_of(&kinds)), object)
            };
            if number % 3 == 0 {
                let events: Vec<(String, String)> =
                    (0..2 + rng.below(load.batch)).map(|_| event(&mut rng, 200)).collect();
                let texts: Vec<&str> = events.iter().map(|(text, _)| text.as_str()).collect();
                let body = format!(r#"{{"events":[{}]}}"#, texts.join(","));
                let answer = api.send_text("POST", "/v1/events/batch", &body).expect(202);
                for (answer, (_, object)) in answer["data"].as_array().unwrap().iter().zip(&events) {
                    self.accepted(answer, object);
                }
            } else {
                // Above 7 KB a body is cut into parts.
                let length = if number % 3 == 1 { rng.below(900) } else { 5_000 + rng.below(40_000) };
                let (text, object) = event(&mut rng, length);
                let answer = api.send_text("POST", "/v1/events", &text).expect(202);
                self.accepted(&answer, &object);
            }
        }
    }
}

/// Text that does not compress.
fn pad(rng: &mut Rng, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        write!(text, "{:016x}", rng.next()).unwrap();
    }
    text
}

/// Runs the traffic; the record begins in an empty directory.
pub fn run(engine: Engine, load: Load, file_range: FileRangeSync, seed: u64) -> Recorded {
    let logs = scratch::directory();
    let record = logs.path().join("record");
    let setup = Server::setup().args(["--retention", "1h", "--max-in-flight", "16"]).args(engine.flags.iter().copied());
    let mut clock = TestClock::new(setup.root());
    let disk = setup.root().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut setup = setup.env("MYTHICHOOKS_TEST_CLOCK", clock.file()).data_in(&format!("disk/{DATA}"));
    for (name, value) in recorder::environment(&disk, &record, file_range) {
        setup = setup.env(name, value);
    }
    let clients = Clients { record, promises: Mutex::default(), version: AtomicU64::new(0) };
    let taking = Receiver::ok();
    let failing = Receiver::start(|_, before| if before % 4 == 3 { 500 } else { 200 });
    let refusing = Receiver::start(|_, _| 500);

    let mut server = setup.start();
    let endpoint = id(&server.admin().endpoint_with(&taking.url(), &json!({"event_types": ["batch.completed"]})));
    for (receiver, types) in
        [(&taking, json!(["fine_tuning.job.failed"])), (&failing, json!(["batch.failed", "fine_tuning.job.failed"]))]
    {
        server.admin().endpoint_with(&receiver.url(), &json!({"event_types": types}));
    }
    for round in 0..load.rounds {
        let old = clients.one_event().filter(|_| round > 0);
        let api = server.admin();
        std::thread::scope(|scope| {
            for producer in 0..PRODUCERS {
                let (api, clients) = (api.clone(), &clients);
                let rng = Rng::new(seed ^ (round << 8 | producer));
                scope.spawn(move || clients.produce(&api, load, rng));
            }
            for _ in 0..load.requests / 6 {
                clients.describe(&api, &endpoint);
            }
            // A delivery that fails for good, and is tried again by hand.
            let gone = json!({"event_types": ["batch.failed"], "retry_schedule": ["50ms"]});
            let gone = id(&api.endpoint_with(&refusing.url(), &gone));
            let failed = eventually("a delivery fails for good", || {
                let failed = api.list(&format!("/v1/deliveries?status=failed&endpoint_id={gone}&limit=5"));
                (!failed.is_empty()).then_some(failed)
            });
            for delivery in &failed {
                api.post_empty(&format!("/v1/deliveries/{}/retry", id(delivery))).expect(202);
            }
            assert_eq!(api.delete(&format!("/v1/endpoints/{gone}")).status, 204);
        });
        until("no delivery waits", || api.list("/v1/deliveries?status=pending&limit=1").is_empty());
        if let Some(old) = old {
            until("retention removes what is old", || api.get(&format!("/v1/events/{old}")).status == 404);
        }
        if round + 1 < load.rounds {
            clients.all_removable();
            clock.advance(RETENTION * 2);
            if round % 2 == 0 {
                kill_at_rest(&mut server, &clients);
            } else {
                assert!(server.terminate().success());
            }
            server.start_again();
        }
    }
    assert!(server.terminate().success());
    let end = read_image(&disk);
    Recorded { record: Record::read(&clients.record), promises: clients.promises.into_inner().unwrap(), end }
}

/// Kills the server between two changes: one that was made and not yet recorded would be missing.
fn kill_at_rest(server: &mut Server, clients: &Clients) {
    let mut before = clients.length();
    until("the server rests", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = clients.length();
        std::mem::replace(&mut before, now) == now
    });
    server.kill();
}
