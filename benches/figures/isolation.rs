//! A healthy endpoint's latency while a thousand others hang, against its own without them.

use serde_json::json;

use super::{delivery::CONNECTIONS, latency::delays, quantile};
use crate::{
    report::{Figure, Sample, Target},
    rig::{
        load::post_all,
        payload,
        receiver::Receiver,
        server::{Server, Subject},
    },
    scale::Plan,
};

/// Events for each endpoint that hangs; that they are more than it may have under way keeps it wanting more.
const BACKLOG: u64 = 20;
/// What it may have under way: the server's default.
const UNDER_WAY: u64 = 8;

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let (events, hanging) = (plan.pick(50, 1_000, 3_000), plan.pick(20, 1_000, 1_000));
    let receiver = Receiver::start();
    let samples = (0..plan.rounds).map(|_| {
        let server = Server::start(plan.engine);
        server.add_endpoint(&receiver.url(0), "default");
        let reference = quantile(&mut delays(&server, &receiver, "default", events), 0.99);
        let hang = Receiver::start();
        let urls: Vec<String> = (0..hanging).map(|n| hang.hanging_url(n)).collect();
        post_all(&server.target("/v1/endpoints", 201), CONNECTIONS, hanging as u64, move |n| {
            json!({"url": urls[n as usize], "event_types": ["*"], "account": "hung"}).to_string()
        });
        post_all(&server.events(), 1, BACKLOG, |_| payload::event_of("hung", payload::UNSTAMPED));
        hang.wait_for_hanging(hanging as u64 * UNDER_WAY);
        Sample { ours: quantile(&mut delays(&server, &receiver, "default", events), 0.99), reference }
    });
    vec![Figure {
        name: format!("a healthy endpoint's p99 while {hanging} hang"),
        unit: "ms",
        against: "its own without them",
        target: Target::AtMost(2.0),
        samples: samples.collect(),
    }]
}
