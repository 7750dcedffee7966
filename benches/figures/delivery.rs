//! Delivered a second, from the first POST until the last 2xx is written down, and the CPU time of that an event.

use super::rate;
use crate::{
    bare::Bare,
    report::{Figure, Sample, Target},
    rig::{
        load::post_all,
        payload,
        receiver::Receiver,
        server::{Server, Subject},
    },
    scale::Plan,
};

/// Producers' connections.
pub const CONNECTIONS: usize = 64;

/// What one run of one side came to.
struct Run {
    a_second: f64,
    micros_an_event: f64,
}

pub fn measure(plan: &Plan) -> Vec<Figure> {
    [1, 100].into_iter().flat_map(|endpoints| of_endpoints(plan, endpoints)).collect()
}

fn of_endpoints(plan: &Plan, endpoints: usize) -> [Figure; 2] {
    let events = plan.pick(200, 20_000, 20_000);
    let receiver = Receiver::on_ports(endpoints);
    let (mut speed, mut cost) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let urls: Vec<String> = (0..endpoints).map(|n| receiver.url(n)).collect();
        let bare = run(&Bare::start(&urls), &receiver, endpoints, events);
        let server = Server::start(plan.engine);
        for (n, url) in urls.iter().enumerate() {
            let event_type = event_type(n, endpoints);
            if endpoints > 1 {
                server.add_event_type(&event_type);
            }
            server.add_endpoint_for(url, &event_type);
        }
        let ours = run(&server, &receiver, endpoints, events);
        speed.push(Sample { ours: ours.a_second, reference: bare.a_second });
        cost.push(Sample { ours: ours.micros_an_event, reference: bare.micros_an_event });
    }
    let plural = if endpoints == 1 { "endpoint" } else { "endpoints" };
    [
        Figure {
            name: format!("delivered a second, {endpoints} {plural}"),
            unit: "/s",
            against: "the bare loop",
            target: Target::AtLeast(0.7),
            samples: speed,
        },
        Figure {
            name: format!("CPU of the server an event, {endpoints} {plural}"),
            unit: "µs",
            against: "the bare loop",
            target: Target::AtMost(1.5),
            samples: cost,
        },
    ]
}

/// Of many endpoints each hears of a type of its own, so that an event goes to one.
fn event_type(n: usize, endpoints: usize) -> String {
    if endpoints == 1 { "batch.completed".to_owned() } else { format!("bench.number_{n}") }
}

fn run(subject: &impl Subject, receiver: &Receiver, endpoints: usize, events: u64) -> Run {
    let body = move |n: u64| payload::event_of_type(&event_type(n as usize % endpoints, endpoints), payload::UNSTAMPED);
    let target = subject.events();
    // Connections are opened, memory is taken.
    let warm_up = events / 20 + 2 * endpoints as u64;
    let goal = receiver.expect(receiver.answered() + warm_up);
    post_all(&target, CONNECTIONS, warm_up, body);
    goal.wait();
    subject.wait_for_delivered(warm_up);

    let goal = receiver.expect(receiver.answered() + events);
    let cpu_before = subject.process().cpu_time();
    let start = std::time::Instant::now();
    post_all(&target, CONNECTIONS, events, body);
    goal.wait();
    subject.wait_for_delivered(warm_up + events);
    let elapsed = start.elapsed();
    let cpu = subject.process().cpu_time().saturating_sub(cpu_before);
    Run { a_second: rate(events, elapsed), micros_an_event: cpu.as_secs_f64() * 1e6 / events as f64 }
}
