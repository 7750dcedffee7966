//! Which events an endpoint gets: exact names, `batch.*`, `*`.

use serde_json::json;

use crate::support::api::id;
use crate::support::{Receiver, Server};

#[test]
fn each_form_of_subscription_matches_what_it_says() {
    let server = Server::start();
    let api = server.admin();
    for name in ["batch", "batch.deep.down", "batchelor.done"] {
        let entry = json!({"name": name, "description": "d", "example": {"a": 1}});
        let made = api.post("/v1/event-types", &entry);
        assert!(matches!(made.status, 200 | 201), "{made}");
    }
    let table: [(&[&str], &[&str]); 5] = [
        (&["batch.completed"], &["batch.completed"]),
        (&["batch.*"], &["batch.completed", "batch.failed", "batch.deep.down"]),
        (&["fine_tuning.job.*", "batch.failed"], &["fine_tuning.job.created", "batch.failed"]),
        (&["batch.failed", "batch.*", "*"], &["batch", "batch.failed", "batchelor.done", "usage.threshold.reached"]),
        (&["usage.*"], &["usage.threshold.reached"]),
    ];
    let kinds = [
        "batch",
        "batch.completed",
        "batch.failed",
        "batch.deep.down",
        "batchelor.done",
        "fine_tuning.job.created",
        "usage.threshold.reached",
    ];
    for (number, (subscribed, wanted)) in table.into_iter().enumerate() {
        let receiver = Receiver::ok();
        let account = format!("acct{number}");
        api.endpoint_with(&receiver.url(), &json!({"event_types": subscribed, "account": account}));
        for kind in kinds {
            let event = json!({"type": kind, "data": {"object": {}}, "account": account});
            let answer = api.post("/v1/events", &event).expect(202);
            let all = subscribed.contains(&"*");
            let expected = u64::from(all || wanted.contains(&kind));
            assert_eq!(answer["deliveries"], expected, "{kind} for {subscribed:?}");
            if expected == 1 {
                api.delivery_in(&id(&answer), "delivered");
            }
        }
    }
}

#[test]
fn names_that_match_nothing_are_refused() {
    let server = Server::start();
    let api = server.admin();
    for bad in [
        json!(["no.such"]),
        json!(["nosuch.*"]),
        json!([]),
        json!([""]),
        json!(["batch.*.x"]),
        json!(["*.completed"]),
        json!(["batch*"]),
        json!(["**"]),
        json!(["batch."]),
        json!(["Batch.Completed"]),
        json!([" batch.completed"]),
        json!([1]),
        json!("batch.completed"),
        json!(null),
    ] {
        let body = json!({"url": "http://127.0.0.1:9/", "event_types": bad});
        let problem = api.post("/v1/endpoints", &body).any_problem();
        let pointer = problem["pointer"].as_str().unwrap_or_default();
        assert!(pointer.starts_with("/event_types"), "{bad}: {problem}");
    }
}

#[test]
fn an_event_of_an_unknown_type_is_refused() {
    let server = Server::start();
    let api = server.admin();
    for bad in ["no.such", "batch.*", "*", "", "batch.completed ", "BATCH.COMPLETED"] {
        let problem = api.post("/v1/events", &json!({"type": bad, "data": {"object": {}}})).any_problem();
        assert_eq!(problem["pointer"], "/type", "{bad}: {problem}");
    }
}
