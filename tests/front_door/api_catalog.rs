//! The catalog of event types: the built-in ones, an operator's own, and schemas that refuse.

use serde_json::json;

use crate::support::api::id;
use crate::support::{Receiver, Server};

#[test]
fn an_operators_own_type_lives_and_dies() {
    let server = Server::start();
    let api = server.admin();
    let entry = json!({"name": "invoice.paid", "description": "An invoice was paid", "example": {"amount": 12}});
    let made = api.post("/v1/event-types", &entry).expect(201);
    assert_eq!(made["name"], "invoice.paid");
    assert_eq!(made["enforce_schema"], false);
    api.post("/v1/event-types", &entry).problem(409);
    assert!(api.list("/v1/event-types?limit=500").iter().any(|e| e["name"] == "invoice.paid"));
    let receiver = Receiver::ok();
    api.endpoint_with(&receiver.url(), &json!({"event_types": ["invoice.paid"]}));
    let event = api.event_of("invoice.paid", &json!({"amount": 1}));
    api.delivery_in(&event, "delivered");
    let changed = json!({"name": "invoice.paid", "description": "Paid", "example": {"amount": 13}});
    let put = api.send("PUT", "/v1/event-types/invoice.paid", &changed).expect(200);
    assert_eq!(put["description"], "Paid");
    let gone = api.delete("/v1/event-types/invoice.paid");
    if gone.status == 409 {
        // Still subscribed to: refusing is as good an answer as any.
        let endpoint = id(&api.list("/v1/endpoints")[0]);
        api.delete(&format!("/v1/endpoints/{endpoint}"));
        assert!(matches!(api.delete("/v1/event-types/invoice.paid").status, 200 | 204));
    } else {
        assert!(matches!(gone.status, 200 | 204), "{gone}");
    }
    let unknown = json!({"type": "invoice.paid", "data": {"object": {}}});
    api.post("/v1/events", &unknown).any_problem();
    api.delete("/v1/event-types/invoice.paid").problem(404);
}

#[test]
fn the_catalog_outlives_a_restart() {
    let mut server = Server::start();
    let entry = json!({"name": "invoice.paid", "description": "d", "example": {}});
    server.admin().post("/v1/event-types", &entry).expect(201);
    server.kill();
    server.start_again();
    assert!(server.admin().list("/v1/event-types?limit=500").iter().any(|e| e["name"] == "invoice.paid"));
}

#[test]
fn a_schema_documents_and_refuses_only_where_asked() {
    let server = Server::start();
    let api = server.admin();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["amount"],
        "properties": {"amount": {"type": "integer", "minimum": 0}, "lines": {"type": "array", "items": {"type": "string"}}},
    });
    let entry = json!({"name": "invoice.paid", "description": "d", "example": {"amount": 1}, "schema": schema});
    api.post("/v1/event-types", &entry).expect(201);
    api.event_of("invoice.paid", &json!({"amount": "many"}));
    let mut strict = entry.clone();
    strict["enforce_schema"] = json!(true);
    api.send("PUT", "/v1/event-types/invoice.paid", &strict).expect(200);
    api.event_of("invoice.paid", &json!({"amount": 5, "lines": ["a"]}));
    for (object, pointer) in [
        (json!({"amount": "many"}), "/data/object/amount"),
        (json!({"amount": -1}), "/data/object/amount"),
        (json!({"amount": 1, "lines": ["a", 2]}), "/data/object/lines/1"),
        (json!({}), "/data/object"),
    ] {
        let sent = json!({"type": "invoice.paid", "data": {"object": object}});
        let problem = api.post("/v1/events", &sent).any_problem();
        assert_eq!(problem["pointer"], pointer, "{problem}");
        let batch = json!({"events": [{"type": "batch.completed", "data": {"object": {}}}, sent]});
        let problem = api.post("/v1/events/batch", &batch).any_problem();
        assert_eq!(problem["pointer"], format!("/events/1{pointer}"), "{problem}");
    }
}

#[test]
fn built_in_schemas_document_and_do_not_refuse() {
    let server = Server::start();
    let api = server.admin();
    for entry in api.list("/v1/event-types?limit=500") {
        assert_eq!(entry["enforce_schema"], false, "{entry}");
        let schema = &entry["schema"];
        assert!(schema.is_object(), "{entry}");
        let validator = jsonschema::validator_for(schema).unwrap();
        assert!(validator.is_valid(&entry["example"]), "the example of {} breaks its schema", entry["name"]);
        api.event_of(entry["name"].as_str().unwrap(), &json!({"anything": ["at", "all"]}));
    }
}

#[test]
fn unusable_entries_are_refused() {
    let server = Server::start();
    let api = server.admin();
    let good = json!({"name": "invoice.paid", "description": "d", "example": {}});
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("Invoice Paid")),
        ("name", json!("invoice.*")),
        ("name", json!(".paid")),
        ("name", json!("invoice..paid")),
        ("name", json!("a".repeat(5000))),
        ("name", json!(1)),
        ("name", json!("a/b")),
        ("description", json!(1)),
        ("example", json!("text")),
        ("example", json!([])),
        ("schema", json!({"type": "nonsense"})),
        ("schema", json!("x")),
        ("schema", json!({"pattern": "("})),
        ("schema", json!({"$ref": "http://127.0.0.1:1/schema"})),
        ("enforce_schema", json!("yes")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let problem = api.post("/v1/event-types", &body).any_problem();
        assert!(
            problem["pointer"].as_str().is_some_and(|p| p.starts_with(&format!("/{field}"))),
            "{field}={value}: {problem}"
        );
    }
    let mut misfit = good.clone();
    misfit["schema"] = json!({"type": "object", "required": ["x"]});
    misfit["enforce_schema"] = json!(true);
    let answer = api.post("/v1/event-types", &misfit);
    assert!(answer.status == 201 || answer.status < 500, "an example that breaks the schema: {answer}");
}
