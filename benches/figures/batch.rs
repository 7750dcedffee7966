//! Events a second of batch ingest, against our own single ingest.

use super::{ingest::accepted_a_second, rate};
use crate::{
    report::{Figure, Sample, Target},
    rig::{load::post_all, payload, server::Server},
    scale::Plan,
};

/// Events a request.
const EVENTS: u64 = 100;
/// Connections that post batches.
const CONNECTIONS: usize = 8;

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let events = plan.pick(1_000, 40_000, 200_000);
    let samples = (0..plan.rounds).map(|_| {
        let server = Server::start(plan.engine);
        let reference = accepted_a_second(&server, events / 2);
        let batch = payload::batch(EVENTS as usize, payload::UNSTAMPED);
        let elapsed =
            post_all(&server.target("/v1/events/batch", 202), CONNECTIONS, events / EVENTS, move |_| batch.clone());
        Sample { ours: rate(events, elapsed), reference }
    });
    vec![Figure {
        name: "batch ingest, 100 events a request".to_owned(),
        unit: "/s",
        against: "our single ingest",
        target: Target::AtLeast(3.0),
        samples: samples.collect(),
    }]
}
