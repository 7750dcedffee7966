//! A token bound to an account sees and makes only that account's things.

use serde_json::{Value, json};

use crate::support::api::id;
use crate::support::routes::Fixture;
use crate::support::{Api, until};

fn bound(fixture: &Fixture, role: &str, account: &str) -> Api {
    fixture.server.api_as(role, Some(account))
}

#[test]
fn lists_show_the_own_account_alone() {
    let fixture = Fixture::new();
    let mut globex = Vec::new();
    for _ in 0..3 {
        globex.push(fixture.endpoint("globex"));
        globex.push(fixture.event("globex"));
        globex.push(fixture.delivery("globex"));
    }
    let ours = [fixture.delivery("acme"), fixture.event("acme")];
    let api = bound(&fixture, "read", "acme");
    for path in ["/v1/endpoints", "/v1/events", "/v1/deliveries", "/v1/audit-log"] {
        let text = String::from_utf8(api.get(path).body).unwrap();
        for foreign in &globex {
            assert!(!text.contains(foreign.as_str()), "{path} shows {foreign}");
        }
        assert!(!text.contains("globex"), "{path} names the other account: {text}");
    }
    assert!(api.list("/v1/deliveries").iter().any(|delivery| id(delivery) == ours[0]));
    assert!(api.list("/v1/events").iter().any(|event| id(event) == ours[1]));
    // Asking for another's is no way round.
    for path in ["/v1/endpoints", "/v1/events", "/v1/deliveries"] {
        let answer = api.get(&format!("{path}?account=globex"));
        assert!(
            answer.status == 200 && answer.json()["data"] == json!([]) || matches!(answer.status, 403 | 404),
            "{answer}"
        );
    }
    let foreign_endpoint = &globex[0];
    let answer = api.get(&format!("/v1/deliveries?endpoint_id={foreign_endpoint}"));
    assert!(matches!(answer.status, 404) || answer.json()["data"] == json!([]), "{answer}");
}

#[test]
fn what_a_bound_token_makes_is_its_accounts() {
    let fixture = Fixture::new();
    let admin = bound(&fixture, "admin", "acme");
    let made = admin.endpoint(&fixture.receiver.url());
    assert_eq!(made["account"], "acme");
    let event = bound(&fixture, "ingest", "acme")
        .post("/v1/events", &json!({"type": "batch.completed", "data": {"object": {}}}))
        .expect(202);
    assert_eq!(event["account"], "acme");
    assert_eq!(event["deliveries"], 1);
    let batch = json!({"events": [{"type": "batch.completed", "data": {"object": {}}}]});
    bound(&fixture, "ingest", "acme").post("/v1/events/batch", &batch).expect(202);
    assert_eq!(fixture.admin.list("/v1/events?account=acme").len(), 2);
}

#[test]
fn it_makes_nothing_for_another() {
    let fixture = Fixture::new();
    let foreign = fixture.endpoint("globex");
    let admin = bound(&fixture, "admin", "acme");
    let producer = bound(&fixture, "ingest", "acme");
    let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": "globex"});
    let endpoint = json!({"url": fixture.receiver.url(), "event_types": ["*"], "account": "globex"});
    for answer in [
        producer.post("/v1/events", &event),
        producer.post("/v1/events/batch", &json!({"events": [event]})),
        admin.post("/v1/endpoints", &endpoint),
        admin.send("PATCH", &format!("/v1/endpoints/{foreign}"), &json!({"description": "x"})),
    ] {
        assert!(matches!(answer.status, 403 | 404), "{answer}");
    }
    assert!(fixture.admin.list("/v1/events").is_empty());
    assert_eq!(fixture.admin.list("/v1/endpoints").len(), 1);
}

#[test]
fn its_own_account_may_be_named() {
    let fixture = Fixture::new();
    let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": "acme"});
    bound(&fixture, "ingest", "acme").post("/v1/events", &event).expect(202);
}

#[test]
fn another_accounts_thing_is_like_one_that_is_not() {
    let fixture = Fixture::new();
    let foreign = fixture.endpoint("globex");
    let api = bound(&fixture, "admin", "acme");
    let plain = |problem: &Value, thing: &str| problem.to_string().replace(thing, "ID");
    let missing = format!("ep_{}", "0".repeat(foreign.len() - 3));
    let absent = api.get(&format!("/v1/endpoints/{missing}")).problem(404);
    let hidden = api.get(&format!("/v1/endpoints/{foreign}")).problem(404);
    assert_eq!(plain(&absent, &missing), plain(&hidden, &foreign), "the answer tells that it exists");
}

#[test]
fn an_event_id_of_another_account_is_free() {
    let fixture = Fixture::new();
    let event = json!({"id": "evt_same", "type": "batch.completed", "data": {"object": {"of": "acme"}}});
    bound(&fixture, "ingest", "acme").post("/v1/events", &event).expect(202);
    let theirs = bound(&fixture, "ingest", "globex");
    let answer = theirs.post("/v1/events", &json!({"id": "evt_same", "type": "batch.failed", "data": {"object": {}}}));
    // Ids are the server's, or the account's own; either way nothing of the other account's event is told.
    assert!(matches!(answer.status, 202 | 409), "{answer}");
    assert!(!answer.to_string().contains("acme"), "{answer}");
}

#[test]
fn bulk_retry_and_stats_stay_inside_the_account() {
    let fixture = Fixture::new();
    fixture.delivery("globex");
    fixture.delivery("acme");
    until("both first attempts are over", || fixture.receiver.count() >= 2);
    let before = fixture.receiver.count();
    let api = bound(&fixture, "admin", "acme");
    let answer = api.post("/v1/deliveries/retry", &json!({"status": "pending"})).expect(202);
    assert!(answer.to_string().contains('1'), "{answer}");
    until("its own is retried", || fixture.receiver.count() > before);
    let globex = fixture.admin.list("/v1/deliveries?account=globex").remove(0);
    assert_eq!(globex["attempts_made"], 1, "{globex}");
}
