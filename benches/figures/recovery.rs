//! From the start to ready, with much that waits and a long history, against the engine's own open.

use std::time::Instant;

use tempfile::TempDir;

use crate::{
    bare,
    report::{Figure, Sample, Target},
    rig::{
        filled::Filled,
        receiver::Receiver,
        server::{Server, data_dir},
    },
    scale::Plan,
};

/// What the server may take beside its engine, in seconds.
const BESIDE: f64 = 0.5;

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let (attempts, pending) = plan.pick((500, 100), (200_000, 20_000), (10_000_000, 1_000_000));
    let receiver = Receiver::start();
    let directory = TempDir::with_prefix("mythichooks-bench-").unwrap();
    let filled = Filled::new(&data_dir(directory.path()), plan.engine, &receiver.hanging_url(0));
    filled.deliver(attempts);
    filled.accept(pending);
    filled.close();
    // Whatever the first opening after so many writes has to set right, it does now.
    drop(bare::open_engine(plan.engine, directory.path()));
    let samples = (0..plan.rounds).map(|_| {
        let (_, open) = bare::open_engine(plan.engine, directory.path());
        let start = Instant::now();
        let _server = Server::start_on(directory.path(), plan.engine);
        Sample { ours: start.elapsed().as_secs_f64(), reference: open.as_secs_f64() + BESIDE }
    });
    vec![Figure {
        name: format!("start to ready, {pending} pending, {attempts} attempts in the history"),
        unit: "s",
        against: "the engine's own open plus 0.5 s",
        target: Target::AtMost(1.0),
        samples: samples.collect(),
    }]
}
