//! A day of steady load with retention, through the store: what a delivered event takes on disk, and that the store
//! does not grow. Time is injected as the moment before which retention prunes, once a minute as in the server.

use tempfile::TempDir;

use crate::{
    cores,
    report::{Figure, Sample, Target, median},
    rig::filled::{Filled, bytes_of_a_delivered_event},
    scale::Plan,
};

const HOURS: usize = 24;
const MINUTES: usize = 60;
/// Retention, in hours.
const KEPT: usize = 6;
/// The hours in which the store has its full size, in two parts.
const EARLIER: std::ops::Range<usize> = 9..15;
const LATER: std::ops::Range<usize> = 18..24;

/// One round, since the end of each of its hours is a sample.
pub fn measure(plan: &Plan) -> Vec<Figure> {
    let a_minute = plan.pick(2, 80, 800);
    let directory = TempDir::with_prefix("mythichooks-bench-").unwrap();
    let filled = Filled::new(directory.path(), plan.engine, "http://127.0.0.1:9/hook");
    let mut ends = Vec::new();
    let mut sizes = Vec::new();
    for minute in 0..HOURS * MINUTES {
        filled.deliver(a_minute);
        ends.push(filled.dividing_time());
        if let Some(old) = minute.checked_sub(KEPT * MINUTES) {
            filled.prune(ends[old]);
        }
        if (minute + 1).is_multiple_of(MINUTES) {
            sizes.push(cores::disk_used(directory.path()) as f64);
        }
    }
    filled.close();
    let (earlier, later) = (median(sizes[EARLIER].to_vec()), median(sizes[LATER].to_vec()));
    let kept = (KEPT * MINUTES) as f64 * a_minute as f64;
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
