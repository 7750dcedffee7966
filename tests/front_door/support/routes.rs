//! Every route of the API: who may call it, and a request that is good. The tests of roles, accounts and bad input go
//! through this table, and one test holds it against the served OpenAPI document, so that no route is forgotten.

use serde_json::{Value, json};

use super::api::id;
use super::{Api, Receiver, Server};

/// Who may call a route: contract section 3, "Roles".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// All, without a token.
    Open,
    /// `admin` and `ingest`: posting events.
    Producers,
    /// Every role.
    All,
    /// `admin` and `read`.
    Readers,
    /// `admin`.
    Admins,
    /// `admin` and `read`, not bound to an account: what is the whole server's.
    ServerReaders,
    /// `admin` not bound to an account.
    Operators,
}

/// What a route shows or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One thing of one account, named by an id in the path.
    Thing,
    /// The caller's account, or all: lists, streams, posts.
    Own,
    /// The server's: catalog, tokens, health.
    Server,
}

pub struct Route {
    pub method: &'static str,
    /// As in OpenAPI, each parameter written `{}`.
    pub path: &'static str,
    pub who: Who,
    pub scope: Scope,
    /// Whether it takes a JSON body.
    pub body: bool,
}

const fn route(method: &'static str, path: &'static str, who: Who, scope: Scope, body: bool) -> Route {
    Route { method, path, who, scope, body }
}

pub const ROUTES: &[Route] = &[
    route("GET", "/healthz", Who::Open, Scope::Server, false),
    route("GET", "/readyz", Who::Open, Scope::Server, false),
    route("GET", "/openapi.json", Who::Open, Scope::Server, false),
    route("GET", "/metrics", Who::Open, Scope::Server, false),
    route("POST", "/v1/events", Who::Producers, Scope::Own, true),
    route("POST", "/v1/events/batch", Who::Producers, Scope::Own, true),
    route("POST", "/v1/events/dry-run", Who::All, Scope::Own, true),
    route("GET", "/v1/events", Who::Readers, Scope::Own, false),
    route("GET", "/v1/events/{}", Who::Readers, Scope::Thing, false),
    route("POST", "/v1/endpoints", Who::Admins, Scope::Own, true),
    route("GET", "/v1/endpoints", Who::Readers, Scope::Own, false),
    route("GET", "/v1/endpoints/{}", Who::Readers, Scope::Thing, false),
    route("PATCH", "/v1/endpoints/{}", Who::Admins, Scope::Thing, true),
    route("DELETE", "/v1/endpoints/{}", Who::Admins, Scope::Thing, false),
    route("GET", "/v1/endpoints/{}/secret", Who::Admins, Scope::Thing, false),
    route("POST", "/v1/endpoints/{}/rotate-secret", Who::Admins, Scope::Thing, true),
    route("POST", "/v1/endpoints/{}/test", Who::Admins, Scope::Thing, true),
    route("POST", "/v1/endpoints/{}/replay", Who::Admins, Scope::Thing, true),
    route("POST", "/v1/accounts/{}/portal-link", Who::Operators, Scope::Server, true),
    route("GET", "/v1/deliveries", Who::Readers, Scope::Own, false),
    route("GET", "/v1/deliveries/{}", Who::Readers, Scope::Thing, false),
    route("POST", "/v1/deliveries/{}/retry", Who::Admins, Scope::Thing, false),
    route("POST", "/v1/deliveries/{}/cancel", Who::Admins, Scope::Thing, false),
    route("POST", "/v1/deliveries/retry", Who::Admins, Scope::Own, true),
    route("GET", "/v1/event-types", Who::Readers, Scope::Server, false),
    route("GET", "/v1/event-types/{}", Who::Readers, Scope::Server, false),
    route("POST", "/v1/event-types", Who::Operators, Scope::Server, true),
    route("PUT", "/v1/event-types/{}", Who::Operators, Scope::Server, true),
    route("DELETE", "/v1/event-types/{}", Who::Operators, Scope::Server, false),
    route("POST", "/v1/tokens", Who::Operators, Scope::Server, true),
    route("GET", "/v1/tokens", Who::ServerReaders, Scope::Server, false),
    route("DELETE", "/v1/tokens/{}", Who::Operators, Scope::Server, false),
    route("GET", "/v1/audit-log", Who::Readers, Scope::Own, false),
    route("GET", "/v1/stats", Who::ServerReaders, Scope::Server, false),
    route("GET", "/v1/stream", Who::Readers, Scope::Own, false),
    route("GET", "/v1/backup", Who::Operators, Scope::Server, false),
];

impl Route {
    /// `METHOD /path`
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// A route whose answer never ends by itself.
    pub fn streams(&self) -> bool {
        self.path == "/v1/stream"
    }
}

/// A server with things in it that requests can be made about.
pub struct Fixture {
    pub server: Server,
    pub admin: Api,
    pub receiver: Receiver,
    made: std::cell::Cell<u32>,
}

impl Fixture {
    pub fn new() -> Fixture {
        let server = Server::setup().schedule("1h").start();
        let admin = server.admin();
        Fixture { server, admin, receiver: Receiver::start(|_, _| 500), made: std::cell::Cell::new(0) }
    }

    fn number(&self) -> u32 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }

    pub fn endpoint(&self, account: &str) -> String {
        id(&self.admin.endpoint_with(&self.receiver.url(), &json!({"account": account})))
    }

    /// An event of `account`, with a pending delivery if the account has an endpoint.
    pub fn event(&self, account: &str) -> String {
        let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        id(&self.admin.post("/v1/events", &event).expect(202))
    }

    /// A pending delivery of `account`, to an endpoint of its own.
    pub fn delivery(&self, account: &str) -> String {
        let endpoint = self.endpoint(account);
        let event = self.event(account);
        let found = self.admin.list(&format!("/v1/deliveries?event_id={event}&endpoint_id={endpoint}"));
        id(&found[0])
    }

    pub fn token(&self) -> String {
        id(&self.admin.post("/v1/tokens", &json!({"name": "a token", "role": "read"})).expect(201))
    }

    pub fn event_type(&self) -> String {
        let name = format!("custom.kind{}", self.number());
        let entry = json!({"name": name, "description": "d", "example": {}});
        self.admin.post("/v1/event-types", &entry).expect(201);
        name
    }

    /// The path of `route` about a fresh thing of `account`, and a good body for it. In bodies that may name an
    /// account, none is named.
    pub fn request(&self, route: &Route, account: &str) -> (String, Option<Value>) {
        let with = |thing: String| route.path.replace("{}", &thing);
        let path = match route.path {
            path if !path.contains("{}") => path.to_owned(),
            path if path.starts_with("/v1/accounts/") => with(account.to_owned()),
            path if path.starts_with("/v1/events/") => with(self.event(account)),
            path if path.starts_with("/v1/endpoints/") => with(self.endpoint(account)),
            path if path.starts_with("/v1/deliveries/") => with(self.delivery(account)),
            path if path.starts_with("/v1/event-types/") => with(self.event_type()),
            path if path.starts_with("/v1/tokens/") => with(self.token()),
            path => panic!("no thing for {path}"),
        };
        let body = route.body.then(|| self.good_body(route, &path));
        (path, body)
    }

    fn good_body(&self, route: &Route, path: &str) -> Value {
        match (route.method, route.path) {
            ("POST", "/v1/events" | "/v1/events/dry-run") => {
                json!({"type": "batch.completed", "data": {"object": {"n": 1}}})
            }
            ("POST", "/v1/events/batch") => json!({"events": [{"type": "batch.completed", "data": {"object": {}}}]}),
            ("POST", "/v1/endpoints") => json!({"url": self.receiver.url(), "event_types": ["batch.*"]}),
            ("PATCH", "/v1/endpoints/{}") => json!({"description": "changed"}),
            ("POST", "/v1/endpoints/{}/rotate-secret") => json!({"overlap": "1h"}),
            ("POST", "/v1/endpoints/{}/test") => json!({"type": "batch.completed"}),
            ("POST", "/v1/endpoints/{}/replay") => json!({"since": "2020-01-01T00:00:00Z", "select": "failed"}),
            ("POST", "/v1/accounts/{}/portal-link") => json!({"expires_in": "5m"}),
            ("POST", "/v1/deliveries/retry") => json!({"status": "failed"}),
            ("POST", "/v1/event-types") => {
                json!({"name": format!("made.kind{}", self.number()), "description": "d", "example": {}})
            }
            ("PUT", "/v1/event-types/{}") => {
                let name = path.rsplit('/').next().unwrap();
                json!({"name": name, "description": "changed", "example": {}})
            }
            ("POST", "/v1/tokens") => json!({"name": "made", "role": "read"}),
            _ => panic!("no body for {}", route.name()),
        }
    }
}

/// The routes of an OpenAPI document as `METHOD /path`, parameters written `{}`, sorted.
pub fn documented(openapi: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        let plain: String =
            path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/");
        for method in ["get", "put", "post", "delete", "patch", "head", "options"] {
            if item.get(method).is_some() {
                all.push(format!("{} {plain}", method.to_uppercase()));
            }
        }
    }
    all.sort();
    all
}
