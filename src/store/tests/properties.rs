//! Property tests: whatever is done to a store, on whichever engine, it holds what the model holds, before and after a
//! restart or a crash, its lists show it, and the full check finds nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::{
    actions::{Action, Post, actions, listings},
    bench::Bench,
    compare::{compare, compare_lists},
    ground::Ground,
    making,
};
use crate::store::{EngineKind, memory::MemoryEngine};

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
