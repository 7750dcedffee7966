//! What retention costs those who commit meanwhile: the time of a commit while much is pruned, against the time of one
//! with nothing beside it.

use std::time::Duration;

use tempfile::TempDir;

use super::quantile;
use crate::{
    report::{Figure, Sample, Target},
    rig::filled::Filled,
    scale::Plan,
};

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let events = plan.pick(2_000, 100_000, 500_000);
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let directory = TempDir::with_prefix("mythichooks-bench-").unwrap();
        let filled = Filled::new(directory.path(), plan.engine, "http://127.0.0.1:9/hook");
        filled.deliver(events);
        let end = filled.dividing_time();
        let mut left = plan.pick(20, 1_000, 2_000);
        let mut quiet: Vec<Duration> = filled.commits_while(|| {
            left -= 1;
            left > 0
        });
        let mut pruning = filled.commits_while_pruning(end);
        filled.close();
        p50.push(Sample { ours: quantile(&mut pruning, 0.5), reference: quantile(&mut quiet, 0.5) });
        p99.push(Sample { ours: quantile(&mut pruning, 0.99), reference: quantile(&mut quiet, 0.99) });
    }
    let figure = |part: &str, target, samples| Figure {
        name: format!("an event's commit while {events} events are pruned, {part}"),
        unit: "ms",
        against: "the same without",
        target: Target::AtMost(target),
        samples,
    };
    vec![figure("p50", 2.0, p50), figure("p99", 3.0, p99)]
}
