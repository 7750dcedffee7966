//! A day of steady load with retention, through the store: what a delivered event takes on disk, and that the store
//! does not grow. Time is injected as the moment before which each hour's retention prunes.

use tempfile::TempDir;

use crate::{
    cores,
    report::{Figure, Sample, Target, median},
    rig::filled::{Filled, bytes_of_a_delivered_event},
    scale::Plan,
};

const HOURS: usize = 24;
/// Retention, in hours.
const KEPT: usize = 6;
/// The hours in which the store has its full size, in two parts.
const EARLIER: std::ops::Range<usize> = 9..15;
const LATER: std::ops::Range<usize> = 18..24;

/// One round, since each of its hours is a sample.
pub fn measure(plan: &Plan) -> Vec<Figure> {
    let an_hour = plan.pick(100, 5_000, 50_000);
    let directory = TempDir::with_prefix("mythichooks-bench-").unwrap();
    let filled = Filled::new(directory.path(), plan.engine, "http://127.0.0.1:9/hook");
    let mut ends = Vec::new();
    let mut sizes = Vec::new();
    for hour in 0..HOURS {
        filled.deliver(an_hour);
        ends.push(filled.end_of_hour());
        if hour >= KEPT {
            filled.prune(ends[hour - KEPT]);
        }
        sizes.push(cores::disk_used(directory.path()) as f64);
    }
    filled.close();
    let (earlier, later) = (median(sizes[EARLIER].to_vec()), median(sizes[LATER].to_vec()));
    let kept = KEPT as f64 * an_hour as f64;
    vec![
        Figure {
            name: "disk a delivered event, after retention".to_owned(),
            unit: "bytes",
            against: "payload, attempt and headers",
            target: Target::AtMost(3.0),
            samples: vec![Sample { ours: later / kept, reference: bytes_of_a_delivered_event() as f64 }],
        },
        Figure {
            name: format!("store after {HOURS} hours of steady load"),
            unit: "MiB",
            against: "nine hours before",
            target: Target::AtMost(1.1),
            samples: vec![Sample { ours: later / MEBIBYTE, reference: earlier / MEBIBYTE }],
        },
    ]
}

const MEBIBYTE: f64 = 1_048_576.0;
