//! Accepted (202) a second while nothing is subscribed.

use super::{delivery::CONNECTIONS, rate};
use crate::{
    bare::Bare,
    report::{Figure, Sample, Target},
    rig::{
        load::post_all,
        payload,
        server::{Server, Subject},
    },
    scale::Plan,
};

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let events = plan.pick(500, 40_000, 100_000);
    let samples = (0..plan.rounds).map(|_| {
        let reference = accepted_a_second(&Bare::start(&[]), events);
        Sample { ours: accepted_a_second(&Server::start(plan.engine), events), reference }
    });
    vec![Figure {
        name: "accepted a second, nothing subscribed".to_owned(),
        unit: "/s",
        against: "bare ingest",
        target: Target::AtLeast(0.8),
        samples: samples.collect(),
    }]
}

/// After a warm-up.
pub fn accepted_a_second(subject: &impl Subject, events: u64) -> f64 {
    let body = |_| payload::event(payload::UNSTAMPED);
    post_all(&subject.events(), CONNECTIONS, events / 20, body);
    rate(events, post_all(&subject.events(), CONNECTIONS, events, body))
}
