//! A small client of the admin API: answers keep their bytes, and a wrong status fails the test with all that was said.

use serde_json::{Value, json};
use ureq::http;

use super::wait::eventually;

/// The API under one token, or none.
#[derive(Clone)]
pub struct Api {
    agent: ureq::Agent,
    pub base: String,
    pub token: Option<String>,
}

pub struct Answer {
    pub asked: String,
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Api {
    pub fn new(base: &str, token: Option<&str>) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .allow_non_standard_methods(true)
            .timeout_global(Some(std::time::Duration::from_secs(40)))
            .build()
            .new_agent();
        Api { agent, base: base.to_owned(), token: token.map(str::to_owned) }
    }

    pub fn with_token(&self, token: Option<&str>) -> Self {
        Api { token: token.map(str::to_owned), ..self.clone() }
    }

    /// One request as it is; an error only if no answer came.
    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap())?,
            None => self.agent.run(request.body(()).unwrap())?,
        };
        let body = response.body_mut().with_config().limit(256 << 20).read_to_vec()?;
        Ok(Answer {
            asked: format!("{method} {path}"),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body,
        })
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        self.try_request(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: no answer: {error}"))
    }

    /// A GET whose body is read by the caller, as slowly as it likes; the status, and the body.
    pub fn open(&self, path: &str) -> (u16, impl std::io::Read + use<>) {
        let mut request = http::Request::builder().uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.agent.run(request.body(()).unwrap()).unwrap();
        (response.status().as_u16(), response.into_body().into_reader())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], None)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, &[], None)
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_text(method, path, &body.to_string())
    }

    /// The text goes out as it stands, for what a JSON value cannot hold.
    pub fn send_text(&self, method: &str, path: &str, body: &str) -> Answer {
        self.request(method, path, &[("content-type", "application/json")], Some(body.as_bytes()))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    /// A POST without a body.
    pub fn post_empty(&self, path: &str) -> Answer {
        self.request("POST", path, &[], Some(b""))
    }

    /// Registers an endpoint for all event types.
    pub fn endpoint(&self, url: &str) -> Value {
        self.endpoint_with(url, &json!({}))
    }

    /// Registers an endpoint for all event types, `more` merged into the request.
    pub fn endpoint_with(&self, url: &str, more: &Value) -> Value {
        let mut body = json!({"url": url, "event_types": ["*"]});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.post("/v1/endpoints", &body).expect(201)
    }

    /// Posts a small `batch.completed` event; its id.
    pub fn event(&self) -> String {
        self.event_of("batch.completed", &json!({"id": "batch_1"}))
    }

    pub fn event_of(&self, kind: &str, object: &Value) -> String {
        id(&self.post("/v1/events", &json!({"type": kind, "data": {"object": object}})).expect(202))
    }

    pub fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).expect(200)["data"].as_array().unwrap_or_else(|| panic!("{path}: no `data`")).clone()
    }

    /// The deliveries of one event, newest first.
    pub fn deliveries_of(&self, event_id: &str) -> Vec<Value> {
        self.list(&format!("/v1/deliveries?event_id={event_id}"))
    }

    /// The one delivery of an event that has just one, in full.
    pub fn delivery_of(&self, event_id: &str) -> Value {
        let all = self.deliveries_of(event_id);
        assert_eq!(all.len(), 1, "deliveries of {event_id}: {all:?}");
        self.get(&format!("/v1/deliveries/{}", id(&all[0]))).expect(200)
    }

    /// Waits until the one delivery of an event is as `condition` says; the delivery in full.
    pub fn delivery_when(&self, event_id: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || {
                last = self.delivery_of(event_id);
                condition(&last).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("the delivery of {event_id} never was `{what}`; last: {last:#}"))
    }

    /// Waits until the one delivery of an event has `status`.
    pub fn delivery_in(&self, event_id: &str, status: &str) -> Value {
        self.delivery_when(event_id, status, |delivery| delivery["status"] == status)
    }

    /// Waits until the one delivery of an event has had `count` attempts.
    pub fn delivery_after(&self, event_id: &str, count: usize) -> Value {
        self.delivery_when(event_id, &format!("{count} attempts"), |delivery| attempts(delivery).len() >= count)
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{self}: not JSON: {error}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body, if the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document, if the status is this one.
    #[track_caller]
    pub fn problem(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        self.any_problem()
    }

    /// The problem document of any 4xx.
    #[track_caller]
    pub fn any_problem(self) -> Value {
        assert!((400..500).contains(&self.status), "expected a 4xx: {self}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self}");
        for member in ["type", "title", "detail"] {
            let text = problem[member].as_str().unwrap_or_else(|| panic!("{self}: `{member}` is missing"));
            assert!(!text.is_empty(), "{self}: `{member}` is empty");
        }
        problem
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.body[..self.body.len().min(2000)];
        write!(f, "{} -> {} {}", self.asked, self.status, String::from_utf8_lossy(shown))
    }
}

/// The `id` of a resource.
#[track_caller]
pub fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap_or_else(|| panic!("no id in {resource}")).to_owned()
}

/// The attempts of a delivery in full.
#[track_caller]
pub fn attempts(delivery: &Value) -> &Vec<Value> {
    delivery["attempts"].as_array().unwrap_or_else(|| panic!("no attempts in {delivery}"))
}
