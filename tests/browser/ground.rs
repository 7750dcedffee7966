//! The server that pages are looked at on, with its receivers: as it is after its first start, or with two accounts that
//! have endpoints in every state and some hundred deliveries.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::person::Person;
use crate::support::api::id;
use crate::support::{Api, Receiver, Reply, Server, eventually};

/// The customer who looks, and another whom it must not see.
pub const ACCOUNT: &str = "acme";
pub const OTHER: &str = "globex";

/// More than a few pages of each list.
const EVENTS: usize = 300;

/// Ids by the names that `pages` has for them.
pub type Things = BTreeMap<&'static str, String>;

pub struct Ground {
    pub server: Server,
    pub admin: Api,
    pub things: Things,
    pub others: Things,
    /// Whose things these are.
    pub account: &'static str,
    /// They answer for as long as they are held.
    pub receivers: Vec<Receiver>,
}

impl Ground {
    /// Nothing but what a server begins with.
    pub fn bare() -> Ground {
        let things = BTreeMap::from([("type", "batch.completed".to_owned())]);
        Ground::of(Server::start(), things, Vec::new())
    }

    pub fn of(server: Server, things: Things, receivers: Vec<Receiver>) -> Ground {
        let admin = server.admin();
        Ground { server, admin, things, others: Things::new(), account: ACCOUNT, receivers }
    }

    pub fn furnished() -> Ground {
        let look = ["--portal-name", "Halcyon AI", "--portal-accent", "#0f766e"];
        let server = Server::setup().documented_schedule().args(look).start();
        let good = Receiver::ok();
        let bad = Receiver::start(|_, _| {
            let page = "<!doctype html><title>503</title><h1>Service unavailable</h1><p>No healthy upstream.</p>";
            Reply::status(503).header("content-type", "text/html; charset=utf-8").body(page)
        });
        let mut ground = Ground::of(server, Things::new(), Vec::new());
        let token = ground.catalog_and_tokens();
        ground.others = ground.account(OTHER, &good, &bad);
        ground.things = ground.account(ACCOUNT, &good, &bad);
        ground.things.insert("token", token);
        ground.receivers.extend([good, bad]);
        ground
    }

    /// The id of a token.
    fn catalog_and_tokens(&self) -> String {
        let kind = json!({
            "name": "voice.call.transcribed",
            "description": "A recorded call was transcribed.",
            "example": {"id": "call_71", "seconds": 184, "speakers": ["agent", "caller"], "language": null},
            "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            "enforce_schema": true,
        });
        self.admin.post("/v1/event-types", &kind).expect(201);
        let bound = json!({"name": "acme integration", "role": "admin", "account": ACCOUNT, "expires_in": "90d"});
        self.admin.post("/v1/tokens", &bound).expect(201);
        self.admin.post("/v1/tokens", &json!({"name": "billing service", "role": "ingest"})).expect(201);
        let reader = json!({"name": "on-call laptop", "role": "read", "expires_in": "90d"});
        id(&self.admin.post("/v1/tokens", &reader).expect(201))
    }

    /// An account with endpoints that are healthy, failing, paused, disabled and new, and what was sent to them.
    fn account(&self, account: &str, good: &Receiver, bad: &Receiver) -> Things {
        let add = |receiver: &Receiver, description: &str, types: Value| {
            let more = json!({"account": account, "description": description, "event_types": types});
            id(&self.admin.endpoint_with(&receiver.url(), &more))
        };
        let healthy = add(good, &format!("Results intake of {account}"), json!(["*"]));
        let failing = add(
            bad,
            &format!("Old billing system of {account} behind two proxies"),
            json!(["usage.threshold.reached", "batch.*"]),
        );
        let paused = add(good, &format!("Nightly reports of {account}"), json!(["batch.failed"]));
        let disabled = add(good, &format!("Trial account of {account}"), json!(["fine_tuning.*"]));
        add(good, "", json!(["voice.call.transcribed"]));
        for (endpoint, status) in [(&paused, "paused"), (&disabled, "disabled")] {
            self.admin.send("PATCH", &format!("/v1/endpoints/{endpoint}"), &json!({ "status": status })).expect(200);
        }
        self.events(account);
        let list = |filter: &str| self.admin.list(&format!("/v1/deliveries?account={account}&limit=1&{filter}"));
        eventually("all first attempts are over", || {
            let waiting = self.admin.list(&format!("/v1/deliveries?account={account}&status=pending&limit=500"));
            let fresh = |delivery: &Value| delivery["attempts_made"] == 0 && delivery["endpoint_id"] != *paused;
            (!waiting.iter().any(fresh)).then_some(())
        });
        let retried = list(&format!("endpoint_id={failing}&status=pending&response_code=503")).remove(0);
        BTreeMap::from([
            ("event", retried["event_id"].as_str().unwrap().to_owned()),
            ("delivery", id(&retried)),
            ("delivered", id(&list("status=delivered")[0])),
            ("endpoint", failing),
            ("healthy", healthy),
            ("paused", paused),
            ("disabled", disabled),
            ("type", "voice.call.transcribed".to_owned()),
        ])
    }

    /// Mostly of types that only the healthy endpoint takes; a few for each of the others.
    fn events(&self, account: &str) {
        let events: Vec<Value> = (0..EVENTS)
            .map(|number| {
                let kind = match number % 50 {
                    0 => "usage.threshold.reached",
                    1 => "batch.failed",
                    2 => "voice.call.transcribed",
                    _ => "fine_tuning.job.created",
                };
                let object =
                    json!({"id": format!("job_{number}"), "model": "a-model-of-some-length", "note": "résumé ✓"});
                json!({"type": kind, "account": account, "data": {"object": object}})
            })
            .collect();
        self.admin.post("/v1/events/batch", &json!({ "events": events })).expect(202);
    }

    /// Things happen before the eyes of who has the live tail open.
    pub fn happens(&self, person: &Person) {
        if !self.things.contains_key("endpoint") {
            return;
        }
        person.sees("What happens from now on shows here");
        for kind in ["batch.completed", "batch.failed", "usage.threshold.reached"] {
            let event = json!({"type": kind, "account": self.account, "data": {"object": {"id": "it_1"}}});
            self.admin.post("/v1/events", &event).expect(202);
        }
        person.sees("503");
    }

    /// The path of a fresh portal link.
    pub fn portal_link(&self, account: &str) -> String {
        let made = self.admin.post(&format!("/v1/accounts/{account}/portal-link"), &json!({})).expect(201);
        let url = made["url"].as_str().unwrap();
        url.strip_prefix(&self.server.base).unwrap_or_else(|| panic!("{url} is not at {}", self.server.base)).to_owned()
    }
}
