//! Resident memory: idle.

use crate::{
    report::{Figure, Sample, Target},
    rig::server::Server,
    scale::Plan,
};

pub fn measure(plan: &Plan) -> Vec<Figure> {
    vec![idle(plan)]
}

fn idle(plan: &Plan) -> Figure {
    let samples =
        (0..plan.rounds).map(|_| Sample { ours: Server::start(plan.engine).process.resident(), reference: 25.0 });
    Figure {
        name: "resident memory, idle".to_owned(),
        unit: "MiB",
        against: "the limit",
        target: Target::AtMost(1.0),
        samples: samples.collect(),
    }
}
