//! The figures, a file for each group.

mod batch;
mod day;
mod delivery;
mod fan_out;
mod history;
mod ingest;
mod isolation;
mod latency;
mod memory;
mod recovery;
mod retention;
mod verify;

use std::time::{Duration, Instant};

use crate::{report::Figure, scale::Plan};

/// A group of figures.
struct Group {
    name: &'static str,
    measure: fn(&Plan) -> Vec<Figure>,
}

const GROUPS: [Group; 12] = [
    Group { name: "delivery", measure: delivery::measure },
    Group { name: "ingest", measure: ingest::measure },
    Group { name: "batch", measure: batch::measure },
    Group { name: "latency", measure: latency::measure },
    Group { name: "isolation", measure: isolation::measure },
    Group { name: "fan_out", measure: fan_out::measure },
    Group { name: "memory", measure: memory::measure },
    Group { name: "recovery", measure: recovery::measure },
    Group { name: "history", measure: history::measure },
    Group { name: "day", measure: day::measure },
    Group { name: "retention", measure: retention::measure },
    Group { name: "verify", measure: verify::measure },
];

/// The names of all groups.
pub fn names() -> Vec<&'static str> {
    GROUPS.iter().map(|group| group.name).collect()
}

/// Measures these groups, or all if none is named.
pub fn measure(plan: &Plan, only: &[String]) -> Vec<Figure> {
    let mut all = Vec::new();
    for group in &GROUPS {
        if !only.is_empty() && !only.iter().any(|name| name == group.name) {
            continue;
        }
        let start = Instant::now();
        let figures = (group.measure)(plan);
        eprintln!("{} ({:.1} s)", group.name, start.elapsed().as_secs_f64());
        for figure in &figures {
            eprintln!("  {}", figure.line());
        }
        all.extend(figures);
    }
    all
}

/// So many a second.
fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

/// The value below which this part of the durations lies, in milliseconds.
fn quantile(durations: &mut [Duration], part: f64) -> f64 {
    assert!(!durations.is_empty(), "nothing arrived");
    durations.sort_unstable();
    let at = ((durations.len() as f64 * part).ceil() as usize).clamp(1, durations.len()) - 1;
    durations[at].as_secs_f64() * 1_000.0
}
