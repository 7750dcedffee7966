//! A server as it may look on a Tuesday afternoon: six customers, a day of traffic, one endpoint that has been failing
//! since the morning, one that is slow. Made with the server's clock set back a day and moved on in steps; the receivers
//! are at names and with certificates that only this server knows.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::support::api::id;
use crate::support::authority::Authority;
use crate::support::clock::TestClock;
use crate::support::{Api, Server, eventually};

/// 24 November 2026, 13:40:12 UTC.
const NOW_MS: i64 = 1_795_527_612_000;
const MINUTE_MS: i64 = 60_000;
/// When one receiver begins to refuse: 11:24.
const BREAKS_MS: i64 = NOW_MS - 136 * MINUTE_MS;
/// When the receiver of another is gone for good.
const LEAVES_MS: i64 = NOW_MS - 19 * 60 * MINUTE_MS;
/// Where the receivers listen; of this machine alone.
const ADDRESS: &str = "127.0.0.77:443";
const HOSTS: [&str; 6] = [
    "api.brightwater.example",
    "hooks.fernway.example",
    "staging.fernway.example",
    "in.lumenpress.example",
    "events.northwind.example",
    "hooks.tidewater.example",
];

/// What the receivers know of the story.
#[derive(Clone, Default)]
struct Receivers {
    now_ms: Arc<AtomicI64>,
}

/// The moments at which something is sent, a little uneven: a quarter of an hour apart at first, then five minutes.
fn moments() -> Vec<i64> {
    let minutes_ago = (150..24 * 60 + 15).rev().step_by(15).chain((0..=145).rev().step_by(5));
    minutes_ago.map(|ago| NOW_MS - ago * MINUTE_MS - (ago * 7_919 % 170) * 1_000 * i64::from(ago > 0)).collect()
}

impl Receivers {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    /// Some hours of the day have more than one of the receivers takes; the last one does not.
    fn is_busy_time(&self) -> bool {
        let now_ms = self.now_ms();
        now_ms / (20 * MINUTE_MS) % 7 < 3 && now_ms < NOW_MS - 40 * MINUTE_MS
    }

    /// Answers as the host that is asked does at this time of the story.
    async fn answer(request: HttpRequest, body: web::Bytes, receivers: web::Data<Receivers>) -> HttpResponse {
        let host = request.connection_info().host().to_owned();
        // Spreads what is not told over the requests, the same way in each run.
        let spread = body.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let (least, range) = if host.starts_with("in.lumen") { (140, 260) } else { (12, 60) };
        actix_web::rt::time::sleep(Duration::from_millis(least + spread % range)).await;
        match &*host {
            "api.brightwater.example" if receivers.now_ms() >= BREAKS_MS => HttpResponse::ServiceUnavailable()
                .content_type("text/plain")
                .body("upstream connect error or disconnect/reset before headers. reset reason: connection timeout"),
            "events.northwind.example" if spread.is_multiple_of(5) && receivers.is_busy_time() => {
                HttpResponse::TooManyRequests().insert_header(("retry-after", "60")).json(json!({"error": "slow down"}))
            }
            "hooks.tidewater.example" if receivers.now_ms() >= LEAVES_MS => HttpResponse::Gone().body("moved out"),
            _ => HttpResponse::Ok().json(json!({"received": true})),
        }
    }

    fn start(&self, authority: &Authority) {
        let (certificate, key) = authority.sign(&HOSTS, 2020..2090);
        let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let receivers = web::Data::new(self.clone());
        let (tell, listens) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || App::new().app_data(receivers.clone()).default_service(web::to(Receivers::answer));
                let server = HttpServer::new(app).workers(1).bind_rustls_0_23(ADDRESS, config).unwrap();
                tell.send(()).unwrap();
                server.disable_signals().run().await.unwrap();
            });
        });
        listens.recv().unwrap();
    }
}

/// The account whose portal is shown.
pub const CUSTOMER: &str = "brightwater";

pub fn scene() -> Ground {
    let setup = Server::setup().documented_schedule().listen("127.0.0.1:8420");
    let authority = Authority::new();
    let ca_file = authority.pem_file(setup.root());
    let hosts_file = setup.root().join("hosts");
    let address = ADDRESS.split(':').next().unwrap();
    let hosts = HOSTS.map(|host| format!("{address} {host}\n")).concat();
    std::fs::write(&hosts_file, format!("127.0.0.1 localhost\n{hosts}")).unwrap();
    let mut clock = TestClock::new(setup.root());
    clock.set_ms(moments()[0] - MINUTE_MS);
    let clock_file = clock.file().to_owned();
    let arguments: [OsString; 6] = [
        "--ca-file".into(),
        ca_file.into(),
        "--portal-name".into(),
        "Halcyon AI".into(),
        "--portal-accent".into(),
        "#0f766e".into(),
    ];
    let server = setup.env("MYTHICHOOKS_TEST_CLOCK", clock_file).hosts(&hosts_file).args(arguments).start();
    let receivers = Receivers::default();
    receivers.start(&authority);

    let mut ground = Ground::of(server, BTreeMap::new(), Vec::new());
    ground.account = CUSTOMER;
    let admin = ground.admin.clone();
    let brightwater = customers(&admin);
    let examples = examples(&admin);
    for (number, now_ms) in (0..).zip(moments()) {
        clock.set_ms(now_ms);
        receivers.now_ms.store(now_ms, Ordering::SeqCst);
        send(&admin, number, now_ms, &examples);
        settle(&admin);
    }
    let failing = |filter: &str| admin.list(&format!("/v1/deliveries?endpoint_id={brightwater}&{filter}"));
    let retried = failing("status=pending").into_iter().find(|delivery| delivery["attempts_made"] == 3);
    let retried = retried.unwrap_or_else(|| failing("status=pending").remove(0));
    ground.things = BTreeMap::from([
        ("event", retried["event_id"].as_str().unwrap().to_owned()),
        ("delivery", id(&retried)),
        ("delivered", id(&failing("status=delivered")[0])),
        ("endpoint", brightwater),
        ("type", "batch.completed".to_owned()),
    ]);
    ground
}

/// Endpoints, a type and tokens; the id of the endpoint that will fail.
fn customers(admin: &Api) -> String {
    let voice = json!({
        "name": "voice.call.transcribed",
        "description": "A recorded call was transcribed.",
        "example": {"id": "call_7Qx2", "seconds": 184, "language": "en", "speakers": ["agent", "caller"]},
    });
    admin.post("/v1/event-types", &voice).expect(201);
    let add = |account: &str, url: &str, description: &str, types: &[&str]| {
        let more = json!({"account": account, "description": description, "event_types": types});
        id(&admin.endpoint_with(url, &more))
    };
    let brightwater = add(
        "brightwater",
        "https://api.brightwater.example/hooks/halcyon",
        "Brightwater Health",
        &["fine_tuning.*", "batch.*"],
    );
    add("brightwater", "https://api.brightwater.example/usage", "Usage alerts", &["usage.threshold.reached"]);
    add("fernway", "https://hooks.fernway.example/webhooks", "Fernway Labs", &["*"]);
    let staging = add("fernway", "https://staging.fernway.example/webhooks", "Fernway staging", &["batch.*"]);
    add("lumen", "https://in.lumenpress.example/events", "Lumen Press", &["batch.completed", "batch.failed"]);
    add("northwind", "https://events.northwind.example/mythic", "Northwind Robotics", &["*"]);
    add("tidewater", "https://hooks.tidewater.example/in", "Tidewater Shipping", &["batch.*"]);
    add("juniper", "https://juniper.example/hooks", "Juniper Legal", &["voice.call.transcribed"]);
    admin.send("PATCH", &format!("/v1/endpoints/{staging}"), &json!({"status": "paused"})).expect(200);
    for (name, role, account) in [
        ("jobs service", "ingest", Value::Null),
        ("on-call", "read", Value::Null),
        ("fernway ci", "admin", json!("fernway")),
    ] {
        let mut body = json!({"name": name, "role": role});
        if !account.is_null() {
            body["account"] = account;
        }
        admin.post("/v1/tokens", &body).expect(201);
    }
    brightwater
}

/// The catalog's example of each type.
fn examples(admin: &Api) -> BTreeMap<String, Value> {
    let types = admin.get("/v1/event-types").expect(200);
    let types = types["data"].as_array().unwrap().iter();
    types.map(|kind| (kind["name"].as_str().unwrap().to_owned(), kind["example"].clone())).collect()
}

/// The events of one step: more by day than by night, mostly of jobs that went well.
fn send(admin: &Api, step: i64, now_ms: i64, examples: &BTreeMap<String, Value>) {
    let by_day = 12 - (now_ms / 3_600_000 % 24 - 13).abs().min(12);
    let count = 3 + by_day + step * 5 % 4;
    let is_late = NOW_MS - now_ms < 150 * MINUTE_MS;
    let mut events = Vec::new();
    for number in 0..if is_late { count / 3 } else { count } {
        let draw = step * 37 + number * 11;
        let account = ["fernway", "northwind", "lumen", "brightwater", "fernway", "northwind"]
            [usize::try_from(draw % 6).unwrap()];
        let kind = match draw % 17 {
            0..=6 => "batch.completed",
            7 => "batch.failed",
            8..=10 => "fine_tuning.job.created",
            11..=14 => "fine_tuning.job.succeeded",
            15 => "fine_tuning.job.failed",
            _ => "usage.threshold.reached",
        };
        let mut object = examples[kind].clone();
        object["id"] =
            json!(format!("{}_{:08x}", kind.split('.').next().unwrap(), draw * 2_654_435_761 % 4_294_967_291));
        events.push(json!({"type": kind, "account": account, "data": {"object": object}}));
    }
    if [LEAVES_MS, LEAVES_MS + 30 * MINUTE_MS].iter().any(|at| (at - now_ms).abs() < 8 * MINUTE_MS) {
        events.push(
            json!({"type": "batch.completed", "account": "tidewater", "data": {"object": examples["batch.completed"]}}),
        );
    }
    admin.post("/v1/events/batch", &json!({ "events": events })).expect(202);
}

/// Waits until nothing is due that could go out.
fn settle(admin: &Api) {
    eventually("all that is due was tried", || {
        let waiting = admin.list("/v1/deliveries?status=pending&limit=500");
        // What is tried again is due later than now; a paused endpoint's deliveries have not been tried.
        let due = waiting.iter().filter(|delivery| delivery["attempts_made"] == 0).count();
        let held = held(admin);
        (due == held).then_some(())
    });
}

/// What a paused endpoint holds.
fn held(admin: &Api) -> usize {
    let endpoints = admin.list("/v1/endpoints");
    let paused = endpoints.iter().filter(|endpoint| endpoint["status"] == "paused");
    paused.map(|endpoint| usize::try_from(endpoint["health"]["pending"].as_u64().unwrap()).unwrap()).sum()
}
