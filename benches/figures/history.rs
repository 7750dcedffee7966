//! What a long history costs: an event, a page of Logs, a due scan, with a long one against a short one.

use std::time::Instant;

use tempfile::TempDir;

use super::{delivery::CONNECTIONS, rate};
use crate::{
    report::{Figure, Sample, Target, median},
    rig::{
        filled::{Filled, RARE},
        load::post_all,
        payload,
        receiver::Receiver,
        server::{Server, Subject, data_dir},
    },
    scale::Plan,
};

/// A page of Logs.
const PAGE: u64 = 50;
/// Of the history so many in a thousand wait for another attempt.
const DUE: u64 = 100;

/// What was measured of one history.
struct Costs {
    /// Each in microseconds.
    event: f64,
    newest_page: f64,
    page_in_the_middle: f64,
    page_of_a_rare_type: f64,
}

/// A store with a history.
struct History {
    directory: TempDir,
    /// A time at which half of it was there.
    middle: String,
    /// In microseconds.
    due_scans: Vec<f64>,
}

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let (short, long) = plan.pick((1_000, 2_000), (10_000, 200_000), (10_000, 10_000_000));
    let receiver = Receiver::start();
    let [short_history, long_history] = [short, long].map(|events| History::new(plan, &receiver, events));
    let rounds: Vec<(Costs, Costs)> =
        (0..plan.rounds).map(|_| (short_history.costs(plan, &receiver), long_history.costs(plan, &receiver))).collect();
    let figure = |what: &str, samples| Figure {
        name: format!("{what} at {long} events"),
        unit: "µs",
        against: "the same at the short history",
        target: Target::AtMost(1.2),
        samples,
    };
    let of = |cost: fn(&Costs) -> f64| {
        rounds.iter().map(|(short, long)| Sample { ours: cost(long), reference: cost(short) }).collect()
    };
    let scans = short_history.due_scans.iter().zip(&long_history.due_scans);
    vec![
        figure("an event, delivered,", of(|costs| costs.event)),
        figure("the newest page of Logs", of(|costs| costs.newest_page)),
        figure("a page of Logs in the middle", of(|costs| costs.page_in_the_middle)),
        figure("a page of Logs of a rare type", of(|costs| costs.page_of_a_rare_type)),
        figure("a due scan", scans.map(|(short, long)| Sample { ours: *long, reference: *short }).collect()),
    ]
}

impl History {
    fn new(plan: &Plan, receiver: &Receiver, events: u64) -> Self {
        let directory = TempDir::with_prefix("mythichooks-bench-").unwrap();
        let filled = Filled::new(&data_dir(directory.path()), plan.engine, &receiver.url(0));
        // The oldest of all: behind everything else.
        filled.deliver_rare(PAGE);
        let due = events * DUE / 1_000;
        filled.make_due(due);
        filled.deliver(events / 2 - due);
        let middle = filled.dividing_time().to_string();
        filled.deliver(events - events / 2);
        let due_scans = (0..plan.rounds).map(|_| micros(plan.pick(5, 500, 500), || _ = filled.scan_due())).collect();
        filled.close();
        Self { directory, middle, due_scans }
    }

    fn costs(&self, plan: &Plan, receiver: &Receiver) -> Costs {
        let server = Server::start_on(self.directory.path(), plan.engine);
        let times = plan.pick(5, 200, 200);
        let newest_page = micros(times, || page(&server, &format!("/v1/deliveries?limit={PAGE}")));
        let path = format!("/v1/deliveries?limit={PAGE}&type={RARE}");
        let page_of_a_rare_type = micros(times, || page(&server, &path));
        let path = format!("/v1/deliveries?limit={PAGE}&until={}", self.middle);
        let page_in_the_middle = micros(times, || page(&server, &path));

        // What an engine does once after a start is not what an event costs: it is over when so many are delivered.
        deliver(&server, receiver, plan.pick(10, 2_000, 2_000));
        let event = deliver(&server, receiver, plan.pick(100, 5_000, 10_000));
        Costs { event, newest_page, page_in_the_middle, page_of_a_rare_type }
    }
}

/// Has so many events accepted and delivered; how many microseconds one took.
fn deliver(server: &Server, receiver: &Receiver, events: u64) -> f64 {
    let before = server.delivered();
    let goal = receiver.expect(receiver.answered() + events);
    let start = Instant::now();
    post_all(&server.events(), CONNECTIONS, events, |_| payload::event(payload::UNSTAMPED));
    goal.wait();
    server.wait_for_delivered(before + events);
    1e6 / rate(events, start.elapsed())
}

fn page(server: &Server, path: &str) {
    let page = server.get(path);
    assert_eq!(page["data"].as_array().unwrap().len() as u64, PAGE);
}

/// How many microseconds something takes, the median of so many times.
fn micros(times: usize, mut what: impl FnMut()) -> f64 {
    let once = || {
        let start = Instant::now();
        what();
        start.elapsed().as_secs_f64() * 1e6
    };
    median(std::iter::repeat_with(once).take(times).collect())
}
