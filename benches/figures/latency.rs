//! POST to arrival at the receiver at 100 events a second, against one bare commit plus one bare POST.

use std::time::Duration;

use super::quantile;
use crate::{
    bare,
    report::{Figure, Sample, Target},
    rig::{
        load::post_paced,
        payload,
        receiver::Receiver,
        server::{Server, Subject},
    },
    scale::Plan,
};

pub const A_SECOND: u32 = 100;
/// So many before, that do not count: they open the connections.
const WARM_UP: u64 = 20;

pub fn measure(plan: &Plan) -> Vec<Figure> {
    let events = plan.pick(50, 1_000, 3_000);
    let receiver = Receiver::start();
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        bare::commit_and_post(&receiver.url(0), A_SECOND, events);
        let mut bare = receiver.take_delays();
        let server = Server::start(plan.engine);
        server.add_endpoint(&receiver.url(0), "default");
        let mut ours = delays(&server, &receiver, "default", events);
        p50.push(Sample { ours: quantile(&mut ours, 0.5), reference: quantile(&mut bare, 0.5) });
        p99.push(Sample { ours: quantile(&mut ours, 0.99), reference: quantile(&mut bare, 0.99) });
    }
    let figure = |name: &str, most, samples| Figure {
        name: name.to_owned(),
        unit: "ms",
        against: "one bare commit plus one bare POST",
        target: Target::AtMost(most),
        samples,
    };
    vec![
        figure("POST to arrival at 100 a second, p50", 2.0, p50),
        figure("POST to arrival at 100 a second, p99", 3.0, p99),
    ]
}

/// How long events of this account are on their way, at [`A_SECOND`].
pub fn delays(server: &Server, receiver: &Receiver, account: &'static str, events: u64) -> Vec<Duration> {
    let goal = receiver.expect(receiver.answered() + WARM_UP + events);
    post_paced(&server.events(), A_SECOND, WARM_UP, move |_| payload::event_of(account, payload::UNSTAMPED));
    post_paced(&server.events(), A_SECOND, events, move |_| payload::event_of(account, crate::cores::now()));
    goal.wait();
    receiver.take_delays()
}
