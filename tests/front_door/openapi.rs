//! The OpenAPI document: complete, valid, with examples that fit, and true under property tests (`schemathesis`).

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::flask::python;
use crate::support::routes::{Fixture, ROUTES, Who};
use crate::support::{Receiver, Server};

fn document() -> (Server, Value) {
    let server = Server::start();
    let document = server.anonymous().get("/openapi.json").expect(200);
    (server, document)
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.is_object() {
                all.push((format!("{} {path}", method.to_uppercase()), operation));
            }
        }
    }
    all
}

#[test]
fn it_is_openapi_3_1_with_everything_described() {
    let (_server, document) = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(document["components"]["securitySchemes"].as_object().is_some_and(|schemes| !schemes.is_empty()));
    let mut ids = std::collections::HashSet::new();
    for (name, operation) in operations(&document) {
        let operation_id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{name}: no operationId"));
        assert!(ids.insert(operation_id), "{name}: the operationId {operation_id} is there twice");
        let said = operation["summary"].as_str().or(operation["description"].as_str());
        assert!(said.is_some_and(|text| !text.is_empty()), "{name}: no summary");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|code| code.starts_with('2')), "{name}: no success documented");
        for (code, response) in responses {
            assert!(
                !response["description"].as_str().unwrap_or("").is_empty() || response.get("$ref").is_some(),
                "{name} {code}"
            );
        }
    }
}

#[test]
fn every_guarded_operation_documents_its_refusals() {
    let (_server, document) = document();
    let open: Vec<&str> = ROUTES.iter().filter(|route| route.who == Who::Open).map(|route| route.path).collect();
    for (name, operation) in operations(&document) {
        let path = name.split(' ').nth(1).unwrap();
        let codes: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
        if open.contains(&path) {
            continue;
        }
        for code in ["401", "403"] {
            assert!(codes.iter().any(|c| *c == code), "{name}: {code} is not documented: {codes:?}");
        }
        if path.contains('{') {
            assert!(codes.iter().any(|c| *c == "404"), "{name}: 404 is not documented: {codes:?}");
        }
    }
}

#[test]
fn examples_fit_their_schemas() {
    let (_server, document) = document();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for (name, operation) in operations(&document) {
        let bodies = operation["responses"].as_object().unwrap().values().chain([&operation["requestBody"]]);
        for content in bodies.filter_map(|body| body["content"].as_object()) {
            for (media_type, media) in content {
                if media["schema"].is_null() || !media_type.ends_with("json") {
                    continue;
                }
                let named =
                    media["examples"].as_object().into_iter().flat_map(|all| all.values().map(|one| &one["value"]));
                let examples: Vec<&Value> = media.get("example").into_iter().chain(named).collect();
                let schema = json!({"components": document["components"], "allOf": [media["schema"]]});
                let validator = jsonschema::validator_for(&schema).unwrap();
                for example in examples {
                    checked += 1;
                    if let Some(error) = validator.iter_errors(example).next() {
                        wrong.push(format!("{name} {media_type}: {error} at {}", error.instance_path));
                    }
                }
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let several = schema["examples"].as_array().into_iter().flatten();
        let whole = json!({"components": document["components"], "allOf": [schema]});
        let validator = jsonschema::validator_for(&whole).unwrap();
        for example in schema.get("example").into_iter().chain(several) {
            checked += 1;
            if let Some(error) = validator.iter_errors(example).next() {
                wrong.push(format!("schema {name}: {error} at {}", error.instance_path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 10, "only {checked} examples in the document");
}

/// What the server answers to good requests fits what it says of itself.
#[test]
fn real_answers_fit_the_document() {
    let fixture = Fixture::new();
    let document = fixture.admin.get("/openapi.json").expect(200);
    let mut wrong = Vec::new();
    for route in ROUTES.iter().filter(|route| route.who != Who::Open && !route.streams()) {
        let (path, body) = fixture.request(route, "default");
        let answer = match body {
            Some(body) => fixture.admin.send(route.method, &path, &body),
            None if route.method == "POST" => fixture.admin.post_empty(&path),
            None => fixture.admin.request(route.method, &path, &[], None),
        };
        let (_, item) = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(path, _)| fits(path, route.path))
            .unwrap_or_else(|| panic!("{} is not in the document", route.name()));
        let response = &item[route.method.to_lowercase()]["responses"][answer.status.to_string()];
        if response.is_null() {
            wrong.push(format!("{answer}: this status is not documented"));
            continue;
        }
        let schema = &response["content"]["application/json"]["schema"];
        if answer.body.is_empty() || schema.is_null() {
            continue;
        }
        let schema = json!({"components": document["components"], "allOf": [schema]});
        let validator = jsonschema::validator_for(&schema).unwrap();
        if let Some(error) = validator.iter_errors(&answer.json()).next() {
            wrong.push(format!("{answer}: {error} at {}", error.instance_path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn fits(documented: &str, plain: &str) -> bool {
    let (documented, plain): (Vec<&str>, Vec<&str>) = (documented.split('/').collect(), plain.split('/').collect());
    documented.len() == plain.len()
        && documented.iter().zip(&plain).all(|(d, p)| d == p || d.starts_with('{') && *p == "{}")
}

/// Generated requests, good and bad: no 5xx, no undocumented answer, and the further checks that apply.
#[test]
fn properties() {
    let server = Server::setup().schedule("1h").start();
    let api = server.admin();
    let receiver = Receiver::ok();
    api.endpoint(&receiver.url());
    for _ in 0..3 {
        api.event();
    }
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/properties");
    let report = server.setup.root().join("schemathesis");
    std::fs::create_dir(&report).unwrap();
    let mut command = Command::new(python().with_file_name("schemathesis"));
    command
        .current_dir(&report)
        .env("PYTHONPATH", &settings)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .arg("--config-file")
        .arg(settings.join("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", server.base)])
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", api.token.as_ref().unwrap()))
        // The stream's answer has no end; `api_observe` reads it.
        .args(["--exclude-path", "/v1/stream"])
        .args(["--checks", "all", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "15", "--max-time", "50", "--generation-deterministic"])
        .args(["--request-timeout", "10", "--workers", "1", "--no-color", "--continue-on-failure"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let failures = text.find("= FAILURES").or(text.find("= ERRORS")).unwrap_or(0);
    assert!(
        output.status.success(),
        "schemathesis: {}\n{}\n{}",
        output.status,
        &text[failures..],
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(server.anonymous().get("/healthz").status, 200);
}
