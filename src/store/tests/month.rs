//! Two months of steady load with retention: the store's files stop growing once as much goes as comes.
//!
//! Time is injected as the moment before which a day's retention prunes. `MYTHICHOOKS_MONTH_EVENTS` sets the events a day.

use super::making::{answered, event, open, put_endpoint, run, settlement};
use crate::{
    domain::attempt::Trigger,
    store::{
        Store,
        engine::{Engine, Order},
        verify,
    },
};

const DAYS: usize = 60;
/// Retention, in days.
const KEPT: usize = 4;
/// From this day on the store is about as large as it gets. Retention removes from the fifth day on; sled's files go on
/// growing for some days more, until as many segments are freed as are filled.
const STEADY: usize = 10;

fn events_a_day() -> usize {
    std::env::var("MYTHICHOOKS_MONTH_EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(600)
}

/// Bytes of all keys and values.
fn live(store: &Store) -> u64 {
    let engine: &dyn Engine = &*store.shared().engine;
    let entries = engine.range(&[], &[u8::MAX; 64], Order::Ascending).map(Result::unwrap);
    entries.map(|entry| u64::try_from(entry.key.len() + entry.value.len()).unwrap()).sum()
}

async fn day(store: &Store, endpoints: &[crate::domain::ids::EndpointId]) {
    let mut done = 0;
    while done < events_a_day() {
        let large = |n: usize| if n.is_multiple_of(50) { 20_000 } else { 300 };
        let new = (0..100).map(|n| {
            let to = &endpoints[n % endpoints.len()..][..1];
            event(to, &format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(large(n))))
        });
        let accepted = store.accept(new.collect()).await.unwrap();
        let settled = accepted.iter().map(|accepted| {
            let attempt = answered(Trigger::Schedule, accepted.event.accepted_at, 200, b"thanks");
            store.settle(settlement(accepted.event.first_delivery, None, attempt))
        });
        for settled in futures_util::future::join_all(settled).await {
            settled.unwrap();
        }
        done += 100;
    }
}

#[test]
fn two_months_of_steady_load_do_not_grow_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut evenings = Vec::new();
    let mut sizes = Vec::new();
    run(async {
        let mut endpoints = Vec::new();
        for _ in 0..10 {
            endpoints.push(put_endpoint(&store).await);
        }
        for today in 0..DAYS {
            day(&store, &endpoints).await;
            // Of the next day is what comes in a later millisecond.
            let evening = store.shared().clock.wall();
            while store.shared().clock.wall() <= evening {
                tokio::task::yield_now().await;
            }
            evenings.push(store.shared().clock.wall());
            if today >= KEPT {
                let before = evenings[today - KEPT];
                // A round that was begun within its time goes on where it was, so it is walked on until it is done.
                while store.prune(before).await.unwrap() {}
            }
            sizes.push((store.shared().engine.approximate_size(), live(&store)));
            let kept = u64::try_from(KEPT.min(today + 1) * events_a_day()).unwrap();
            assert_eq!(store.shared().view().meta.stored.events, kept, "day {today}");
        }
    });
    for (day, (disk, live)) in sizes.iter().enumerate() {
        println!("day {day}: {disk} bytes on disk, {live} live, {}.{:02} times", disk / live, disk * 100 / live % 100);
    }
    let (settled, month) = sizes.split_at(STEADY);
    let most = settled.iter().map(|(disk, _)| disk).max().unwrap();
    for (disk, live) in month {
        // Of segments of 512 KiB a few more or fewer are free.
        assert!(*disk <= most + most / 4 + (2 << 20), "{disk} bytes on disk, {most} in the first days: {sizes:?}");
        let (_, first) = settled.last().unwrap();
        assert!(live.abs_diff(*first) < first / 20, "the load is not steady: {sizes:?}");
    }
    drop(store);
    assert!(verify(directory.path(), &mut |_, _| {}).unwrap().is_sound());
}
