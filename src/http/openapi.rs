//! The OpenAPI document: the routes describe themselves beside their handlers, and what all of them share is added here
//! by rule, so that it cannot be forgotten on one: the token, the refusals and their headers.

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{Api, answer, api, extract::NoQuery, problem::ProblemDocument};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Mythichooks",
        description = "The admin API of a webhook server.\n\nTimes are RFC 3339 in UTC, durations like `30s`, `5m`, \
            `2h` or `7d`. Lists are newest first, with cursors. Errors are problem documents of RFC 9457: 400 for what \
            this document alone shows to be wrong, 422 for what is wrong by its meaning, by the server's settings or by \
            what is stored. A method that a path does not have is answered 405, with `Allow`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemDocument))
)]
struct Document;

/// The OpenAPI document
#[utoipa::path(get, path = "/openapi.json", tag = "probes", operation_id = "openapi",
    responses((status = 200, description = "This document.", body = Object)))]
pub async fn openapi(_: NoQuery, api: Data<Api>) -> HttpResponse {
    answer::builder(StatusCode::OK).content_type("application/json").body(api.document().clone())
}

/// The document as JSON text.
pub fn document() -> String {
    let mut document = Document::openapi();
    document.merge(api::Paths::openapi());
    let mut document = serde_json::to_value(document).unwrap_or_default();
    complete(&mut document);
    document.to_string()
}

/// Adds what all operations share.
fn complete(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "mhk_…",
            "description": "An API token: `admin` may do all, `read` all but secrets and changes, `ingest` post events. \
                A token can be bound to one account."}
    });
    // The derive macro has an attribute for it, but writes it down as the maximum.
    document["components"]["schemas"]["RetryFilter"]["minProperties"] = json!(1);
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            complete_operation(path, operation);
        }
    }
}

fn complete_operation(path: &str, operation: &mut Value) {
    let has_body = operation.get("requestBody").is_some();
    let open = !path.starts_with("/v1/");
    let mut shared = vec![("400", "A parameter or a field of the body is not valid.")];
    if !open {
        operation["security"] = json!([{"token": []}]);
        shared.push(("401", "There is no token, or none that is known."));
        shared.push(("403", "The token may not do this."));
        shared.push(("503", "Not now: too much work waits, the disk is full, or the server is stopping."));
    }
    if path.contains('{') {
        shared.push(("404", "There is no such thing for this token."));
    }
    if has_body {
        shared.push(("408", "The body did not come in time."));
        shared.push(("413", "The body, or an event's object, is more than the limit."));
        shared.push(("415", "The body is not `application/json`, or it is compressed."));
    }
    for (status, description) in shared {
        let responses = &mut operation["responses"];
        if responses.get(status).is_none() {
            responses[status] = json!({"description": description});
        }
    }
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        complete_response(status, response);
    }
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        // A parameter can be left out, but it has no text that means null.
        strip_null(&mut parameter["schema"]);
    }
    if let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema") {
        // So can a body.
        strip_null(schema);
    }
}

fn complete_response(status: &str, response: &mut Value) {
    if status.starts_with(['4', '5']) {
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        response["content"] = json!({"application/problem+json": {"schema": schema}});
    }
    let header = match status {
        "401" => ("WWW-Authenticate", "What is needed: a bearer token.", json!({"type": "string"})),
        "503" => ("Retry-After", "When to try again, in seconds.", json!({"type": "integer", "minimum": 0})),
        _ => return,
    };
    let (name, description, schema) = header;
    response["headers"][name] = json!({"description": description, "required": true, "schema": schema});
}

/// Takes the null out of a schema of an optional value.
fn strip_null(schema: &mut Value) {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(choices) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = choices.as_slice() {
            *schema = only.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parsed() -> Value {
        serde_json::from_str(&document()).unwrap()
    }

    fn operations(document: &Value) -> Vec<(String, String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, item): (&String, &'_ Value)| {
            let path = path.clone();
            let methods: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
            methods.into_iter().map(move |method| (path.clone(), method)).collect::<Vec<_>>()
        };
        let names: Vec<_> = paths.iter().flat_map(of_path).collect();
        names.into_iter().map(|(path, method)| (path.clone(), method.clone(), &paths[&path][&method])).collect()
    }

    #[test]
    fn the_document_has_the_routes_that_are_served() {
        let document = parsed();
        let described: BTreeSet<_> =
            operations(&document).into_iter().map(|(path, method, _)| (path, method)).collect();
        let served: BTreeSet<_> = api::ROUTES
            .iter()
            .flat_map(|(path, methods)| {
                methods.iter().map(|method| ((*path).to_owned(), method.trim_end_matches("_only").to_owned()))
            })
            .collect();
        assert_eq!(described, served);
    }

    #[test]
    fn every_operation_is_described_to_the_end() {
        let document = parsed();
        let mut ids = BTreeSet::new();
        for (path, method, operation) in operations(&document) {
            let at = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{at}");
            assert_eq!(operation.get("security").is_some(), path.starts_with("/v1/"), "{at}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{at}: {parameter}");
                assert!(!parameter["schema"].to_string().contains("null"), "{at}: {parameter}");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                let problem = response.pointer("/content/application~1problem+json").is_some();
                assert_eq!(problem, status.starts_with(['4', '5']), "{at}: {status}");
            }
        }
        assert_eq!(document["openapi"], "3.1.0");
    }

    #[test]
    fn every_reference_leads_somewhere_and_bodies_take_no_unknown_fields() {
        fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(reference)) = object.get("$ref") {
                        found.insert(reference);
                    }
                    object.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = parsed();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 30);
        for reference in found {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{reference}");
        }
        for (path, method, operation) in operations(&document) {
            let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema/$ref") else {
                assert!(operation.get("requestBody").is_none(), "{method} {path}: a body by name");
                continue;
            };
            let schema = document.pointer(schema.as_str().unwrap().trim_start_matches('#')).unwrap();
            assert_eq!(schema["additionalProperties"], false, "{method} {path}");
        }
    }
}
