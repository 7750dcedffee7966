//! One event to a thousand endpoints: until the last was sent, against as many bare POSTs.

use std::time::Instant;

use super::delivery::CONNECTIONS;
use crate::{
    bare,
    report::{Figure, Sample, Target, median},
    rig::{
        load::post_all,
        payload,
        receiver::Receiver,
        server::{Server, Subject, endpoint},
    },
    scale::Plan,
};

/// In each round so many fan-outs, one after another; the first opens the connections and does not count.
const TIMES: usize = 11;

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let endpoints = plan.pick(50, 1_000, 1_000);
    let receiver = Receiver::start();
    let samples = (0..plan.rounds).map(|_| {
        let bare = bare::posts(&receiver.url(0), endpoints, TIMES);
        let ours = ours(plan, &receiver, endpoints);
        Sample { ours: median(ours[1..].to_vec()) * 1_000.0, reference: median(bare[1..].to_vec()) * 1_000.0 }
    });
    vec![Figure {
        name: format!("one event to {endpoints} endpoints, all sent"),
        unit: "ms",
        against: "as many bare POSTs",
        target: Target::AtMost(1.5),
        samples: samples.collect(),
    }]
}

fn ours(plan: &Plan, receiver: &Receiver, endpoints: usize) -> Vec<f64> {
    let server = Server::start(plan.engine);
    let urls: Vec<String> = (0..endpoints).map(|n| receiver.url(n)).collect();
    post_all(&server.target("/v1/endpoints", 201), CONNECTIONS, endpoints as u64, move |n| {
        endpoint(&urls[n as usize], "default").to_string()
    });
    let mut times = Vec::new();
    for n in 1..=TIMES {
        let goal = receiver.expect(receiver.answered() + endpoints as u64);
        let start = Instant::now();
        post_all(&server.events(), 1, 1, |_| payload::event(payload::UNSTAMPED));
        times.push((goal.wait() - start).as_secs_f64());
        server.wait_for_delivered((n * endpoints) as u64);
    }
    times
}
