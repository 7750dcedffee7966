//! Property tests: whatever is done to a store, on whichever engine, it holds what the model holds, before and after a
//! restart or a crash, its lists show it, and the full check finds nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::{prelude::*, sample::Index, strategy::ValueTree as _, test_runner::TestRunner};

use super::{
    actions::{Action, Answer, Post, actions, listings},
    bench::Bench,
    compare::{compare, compare_lists},
    ground::Ground,
    making,
};
use crate::{
    domain::attempt::Trigger,
    store::{EngineKind, memory::MemoryEngine},
};

fn hold(ground: impl Fn() -> Ground, default_cases: u32) {
    let config = ProptestConfig { cases: cases(default_cases), failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(actions in actions(), listings in listings())| {
        let mut bench = Bench::with_endpoints(ground());
        for action in &actions {
            making::run(bench.act(action));
        }
        compare(bench.store(), &bench.model);
        compare_lists(bench.store(), &bench.model, &listings);
        bench.reopen();
        compare(bench.store(), &bench.model);
    });
}

#[test]
fn the_store_holds_what_the_model_holds_on_sled() {
    hold(|| Ground::on_disk(EngineKind::Sled), 30);
}

#[test]
fn the_store_holds_what_the_model_holds_on_redb() {
    hold(|| Ground::on_disk(EngineKind::Redb), 15);
}

#[test]
fn the_store_holds_what_the_model_holds_in_memory() {
    hold(|| Ground::in_memory(MemoryEngine::new()), 60);
}

/// A delivery has a rotation that was asked for and one in its turn; what the model says of either holds.
#[test]
fn two_rotations_of_a_delivery_are_told_apart() {
    for first in [0, 1] {
        let mut bench = Bench::with_endpoints(Ground::in_memory(MemoryEngine::new()));
        let post =
            Post { account: 0, event_type: 0, id: None, idempotency: None, created: None, object: 0, test: false };
        // There is one of everything, so any index chooses it.
        let any = any::<Index>().new_tree(&mut TestRunner::deterministic()).unwrap().current();
        for action in [
            Action::Accept(vec![vec![post]]),
            Action::Retry(vec![any]),
            Action::SettleDue(any, Answer::RefusedOldSecret),
            Action::SettleFresh(vec![(any, Answer::RefusedOldSecret)]),
        ] {
            making::run(bench.act(&action));
        }
        let rotations = bench.all_due();
        assert_eq!(rotations.iter().map(|due| due.trigger).collect::<Vec<_>>(), [Trigger::Rotation, Trigger::Rotation]);
        let due = rotations[first];
        making::run(bench.settle(due.delivery, Some(due), due.trigger, Answer::Code(200, 1)));
        compare(bench.store(), &bench.model);
        assert_eq!(bench.all_due().len(), first, "the one that was asked for is made all the same");
    }
}

/// The model test can fail: an engine that does not sync before it returns loses what was acknowledged.
#[test]
fn an_engine_that_does_not_sync_is_found_out() {
    let engine = MemoryEngine::new();
    let mut bench = Bench::with_endpoints(Ground::in_memory(engine.clone()));
    engine.hold_syncs(true);
    let post = Post { account: 0, event_type: 0, id: None, idempotency: None, created: None, object: 0, test: false };
    making::run(bench.act(&Action::Accept(vec![vec![post]])));
    compare(bench.store(), &bench.model);
    // Of one unsynced batch, an even seed keeps none.
    assert!(catch_unwind(AssertUnwindSafe(|| bench.crash(0))).is_err(), "a lost event was not missed");
}

/// Few, so that every run of the tests can afford them; more by proptest's own variable.
fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}
