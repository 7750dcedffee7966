//! Resident memory: idle, with many endpoints, with many deliveries that wait.

use serde_json::json;
use tempfile::TempDir;

use super::delivery::CONNECTIONS;
use crate::{
    bare,
    report::{Figure, Sample, Target},
    rig::{load::post_all, payload, receiver::Receiver, server::Server},
    scale::Plan,
};

/// Events a request.
const BATCH: u64 = 1_000;
/// The rows of an event with one delivery that waits.
const ROWS: u64 = 2;

pub fn measure(plan: &Plan) -> Vec<Figure> {
    vec![idle(plan), with_endpoints(plan), with_pending(plan)]
}

fn idle(plan: &Plan) -> Figure {
    let resident = || Server::start(plan.engine).process.resident();
    limited("resident memory, idle".to_owned(), 25.0, (0..plan.rounds).map(|_| resident()))
}

fn with_endpoints(plan: &Plan) -> Figure {
    let endpoints = plan.pick(200, 10_000, 10_000);
    let resident = || {
        let server = Server::start(plan.engine);
        post_all(&server.target("/v1/endpoints", 201), CONNECTIONS, endpoints, |n| {
            let url = format!("http://127.0.0.1:9/hook/{n}");
            json!({"url": url, "event_types": ["batch.*"], "account": format!("account-{n}")}).to_string()
        });
        server.process.resident()
    };
    let name = format!("resident memory, {endpoints} endpoints");
    limited(name, 60.0, (0..plan.rounds).map(|_| resident()))
}

fn limited(name: String, limit: f64, residents: impl Iterator<Item = f64>) -> Figure {
    let samples = residents.map(|ours| Sample { ours, reference: limit }).collect();
    Figure { name, unit: "MiB", against: "the limit", target: Target::AtMost(1.0), samples }
}

/// One round, since a million takes long and memory hardly varies.
fn with_pending(plan: &Plan) -> Figure {
    let events = plan.pick(2 * BATCH, 200_000, 1_000_000);
    let receiver = Receiver::start();
    let directory = TempDir::with_prefix("mythichooks-bench-").unwrap();
    let server = Server::start_on(directory.path(), plan.engine);
    server.add_endpoint(&receiver.hanging_url(0), "default");
    let batch = payload::batch(BATCH as usize, payload::UNSTAMPED);
    post_all(&server.target("/v1/events/batch", 202), 2, events / BATCH, move |_| batch.clone());
    let pending = server.get("/v1/stats?window=1m")["queue_depth"].as_u64().unwrap();
    assert_eq!(pending, events);
    let ours = server.process.resident();
    drop(server);
    let (engine, rows) = bare::hold_rows_of(plan.engine, directory.path());
    assert!(rows >= events * ROWS, "the engine alone holds only {rows} rows");
    let reference = engine.resident();
    Figure {
        name: format!("resident memory, {events} pending deliveries"),
        unit: "MiB",
        against: "the engine alone with the same rows",
        target: Target::AtMost(1.3),
        samples: vec![Sample { ours, reference }],
    }
}
