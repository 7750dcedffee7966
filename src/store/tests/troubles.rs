//! A store that is used elsewhere, is newer, damaged or half made; a queue that is full, a clock that was set back.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use super::making::{answered, event, event_with_list_apart, open, put_endpoint, run, settlement};
use crate::{
    clock::Clock,
    domain::{
        attempt::Trigger,
        ids::{DeliveryId, EndpointId},
        time::Timestamp,
    },
    store::{
        AcceptError, Change, DeliveryFilter, EventFilter, Observer, OpenError, Options, PageRequest, Store, StoreError,
        keys::Row, long::part_key, verify,
    },
};

fn try_open(directory: &Path) -> Result<Store, OpenError> {
    Store::open(directory, Options::default(), Clock::start())
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// A directory with a store in it that nobody uses.
fn stored() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    run(async {
        let endpoint = put_endpoint(&store).await;
        store.accept(vec![event(&[endpoint], "{}")]).await.unwrap();
    });
    directory
}

#[test]
fn a_directory_in_use_is_refused_to_a_second_process() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert!(matches!(try_open(directory.path()), Err(OpenError::InUse(_))));
    assert!(matches!(verify(directory.path(), &mut |_, _| {}), Err(OpenError::InUse(_))));
    drop(store);
    assert!(verify(directory.path(), &mut |_, _| {}).unwrap().is_sound());
}

#[test]
fn a_newer_store_is_left_untouched() {
    let directory = stored();
    fs::write(directory.path().join("store/manifest"), "mythichooks store\nformat 7\nengine other\n").unwrap();
    let before = files(directory.path());
    assert!(matches!(try_open(directory.path()), Err(OpenError::Newer { found: 7, known: 5 })));
    assert_eq!(files(directory.path()), before);
}

#[test]
fn a_store_that_lacks_something_is_never_taken_for_an_empty_one() {
    let gone = |path: PathBuf| fs::remove_file(path).unwrap();
    let emptied = |path: PathBuf| fs::write(path, b"").unwrap();
    let zeroed = |path: PathBuf| {
        let length = fs::metadata(&path).unwrap().len();
        fs::write(path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    };
    let names = ["store/manifest", "store/sled/conf", "store/sled/db"];
    for name in names {
        for (how, damage) in [("gone", &gone as &dyn Fn(PathBuf)), ("emptied", &emptied), ("zeroed", &zeroed)] {
            let directory = stored();
            damage(directory.path().join(name));
            assert!(matches!(try_open(directory.path()), Err(OpenError::Damaged(_))), "{name} {how}");
        }
    }
}

/// What makes the witness necessary: the engine itself takes an older copy of its files for the whole store.
#[test]
fn an_older_copy_of_the_files_is_refused_and_said_to_be_one() {
    let directory = stored();
    let earlier = files(&directory.path().join("store/sled"));
    let store = try_open(directory.path()).unwrap();
    run(async {
        for _ in 0..3 {
            store.accept(vec![event(&[], "{}")]).await.unwrap();
        }
    });
    drop(store);
    for path in files(&directory.path().join("store/sled")).into_keys() {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in earlier {
        fs::write(path, bytes).unwrap();
    }
    // Three, and the one at the end that has the minute's counts.
    let error = try_open(directory.path()).err().unwrap().to_string();
    assert!(error.contains("is older than it was: its last 4 commits are missing"), "{error}");
    let report = verify(directory.path(), &mut |_, _| {}).unwrap();
    assert_eq!((report.events, report.found), (1, 1), "but for its age it is sound: {:?}", report.findings);
    assert!(report.findings[0].text.contains("is older than it was"), "{:?}", report.findings);
}

#[test]
fn a_witness_that_is_behind_does_not_refuse_and_one_that_is_gone_does() {
    let directory = stored();
    let path = directory.path().join("store/witness");
    let behind = fs::read(&path).unwrap();
    let store = try_open(directory.path()).unwrap();
    run(store.accept(vec![event(&[], "{}")])).unwrap();
    drop(store);
    assert_ne!(fs::read(&path).unwrap(), behind);
    fs::write(&path, &behind).unwrap();
    assert_eq!(try_open(directory.path()).unwrap().totals().accepted, 2);
    fs::remove_file(&path).unwrap();
    let error = try_open(directory.path()).err().unwrap().to_string();
    assert!(error.contains("witness is missing"), "{error}");
    let report = verify(directory.path(), &mut |_, _| {}).unwrap();
    assert_eq!(report.found, 1, "{:?}", report.findings);
}

/// One damaged record: the rest of its queue, of the lists and of retention goes on.
#[test]
fn what_is_damaged_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    run(async {
        let endpoint = put_endpoint(&store).await;
        let events = store.accept((0..4).map(|_| event_with_list_apart(&[endpoint])).collect()).await.unwrap();
        let (damaged, without_list) = (&events[1].event, &events[3].event);
        let engine = &store.shared().engine;
        for key in [Row::Event(damaged.key).key(), part_key(&Row::Recipients(without_list.key), 0)] {
            let mut value = engine.get(&key).unwrap().unwrap();
            value[9] ^= 4;
            engine.commit(vec![(key, Some(value))]).unwrap();
        }
        engine.commit(vec![(Row::Delivery(damaged.first_delivery).key(), Some(vec![0; 32]))]).unwrap();
        let read = store.fresh(endpoint, DeliveryId::MIN, 10).unwrap();
        assert_eq!(read.deliveries.len(), 2);
        let named: Vec<_> = read.damaged.iter().map(|(id, _)| *id).collect();
        assert_eq!(named, [damaged.first_delivery, without_list.first_delivery]);
        assert!(read.damaged.iter().all(|(_, why)| why.contains("its checksum is wrong")), "{:?}", read.damaged);
        let page = PageRequest { limit: 10, after: None };
        assert_eq!(store.events(&EventFilter::default(), page).unwrap().items.len(), 3);
        let page = PageRequest { limit: 10, after: None };
        assert_eq!(store.deliveries(&DeliveryFilter::default(), page).unwrap().items.len(), 2);
        assert!(matches!(store.delivery(damaged.first_delivery), Err(StoreError::Damaged(_))));
        for at in [0, 2] {
            let delivery = store.delivery(events[at].event.first_delivery).unwrap().unwrap();
            let attempt = answered(Trigger::Schedule, delivery.created_at, 200, b"");
            store.settle(settlement(delivery.id, None, attempt)).await.unwrap();
        }
        let later = store.shared().clock.wall().plus(Duration::from_hours(1));
        while store.prune(later).await.unwrap() {}
        let page = PageRequest { limit: 10, after: None };
        assert_eq!(store.events(&EventFilter::default(), page).unwrap().items.len(), 1, "what is whole was pruned");
    });
}

#[test]
fn what_a_death_left_behind_does_not_keep_a_store_from_opening() {
    let directory = stored();
    let left = directory.path().join("store/sled/snap.00000000000000FF.generating");
    fs::write(&left, b"half").unwrap();
    fs::create_dir(directory.path().join("store.unfinished")).unwrap();
    assert_eq!(try_open(directory.path()).unwrap().totals().accepted, 1);
    assert!(!left.exists());

    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("store.unfinished")).unwrap();
    fs::write(directory.path().join("store.unfinished/manifest"), b"").unwrap();
    assert_eq!(try_open(directory.path()).unwrap().totals().accepted, 0);
    assert!(!directory.path().join("store.unfinished").exists());
}

#[test]
fn a_place_that_is_no_directory_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = try_open(&file).err().unwrap();
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    assert!(matches!(verify(directory.path(), &mut |_, _| {}), Err(OpenError::Missing(_))));
}

/// Holds the writer up until it is let go.
struct Gate(Mutex<mpsc::Receiver<()>>);

impl Observer for Gate {
    fn committed(&self, changes: &[Change]) {
        if changes.iter().any(|change| matches!(change, Change::Accepted { .. })) {
            // The sender is dropped when the gate is to stay open.
            let _ = self.0.lock().unwrap().recv();
        }
    }
}

#[test]
fn a_full_queue_refuses_events_but_not_outcomes() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { queue: 1, ..Options::default() };
    let store = Store::open(directory.path(), options, Clock::start()).unwrap();
    let (open_gate, gate) = mpsc::channel();
    store.observe(Arc::new(Gate(Mutex::new(gate))));
    run(async {
        let endpoint = put_endpoint(&store).await;
        let first = store.accept(vec![event(&[endpoint], "{}")]);
        let second = async {
            // The first one is stored, and its observer holds the writer.
            while store.totals().accepted == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let fresh = store.fresh(endpoint, DeliveryId::MIN, 1).unwrap().deliveries.remove(0);
            let waiting = store.accept(vec![event(&[], "{}")]);
            let refused = async {
                let refused = store.accept(vec![event(&[], "{}")]).await;
                assert!(matches!(refused, Err(AcceptError::Store(StoreError::Overloaded))));
                drop(open_gate);
            };
            let attempt = answered(Trigger::Schedule, fresh.created_at, 200, b"");
            let settled = store.settle(settlement(fresh.id, None, attempt));
            let (waiting, (), settled) = futures_util::join!(waiting, refused, settled);
            waiting.unwrap();
            settled.unwrap();
        };
        let (first, ()) = futures_util::join!(first, second);
        first.unwrap();
        assert_eq!(store.totals().delivered, 1);
        store.close();
        assert!(matches!(store.accept(vec![event(&[], "{}")]).await, Err(AcceptError::Store(StoreError::Closed))));
    });
}

#[test]
fn ids_and_lists_stay_in_order_when_the_clock_was_ahead() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let ahead = store.shared().clock.wall().plus(Duration::from_hours(5));
    let endpoint = run(put_endpoint(&store));
    let first = run(store.accept(vec![event(&[endpoint], "{}")])).unwrap().remove(0).event;
    store.shared().minter.mint(ahead, 1);
    let second = run(store.accept(vec![event(&[endpoint], "{}")])).unwrap().remove(0).event;
    drop(store);

    let store = open(directory.path());
    let third = run(store.accept(vec![event(&[endpoint], "{}")])).unwrap().remove(0).event;
    assert!(first.key < second.key && second.key < third.key);
    assert!(third.accepted_at < ahead, "people see the time of day");
    assert!(store.shared().clock.steady() >= ahead, "schedules do not go back");
    let soon = third.accepted_at.plus(Duration::from_mins(1));
    let span = EventFilter { since: Some(first.accepted_at), until: Some(soon), ..EventFilter::default() };
    let page = PageRequest { limit: 10, after: None };
    let found: Vec<_> = store.events(&span, page).unwrap().items.iter().map(|event| event.key).collect();
    assert_eq!(found, [third.key, second.key, first.key]);
}

#[test]
fn a_page_that_finds_little_is_returned_short_and_the_next_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    run(async {
        let mut endpoints: Vec<EndpointId> = Vec::new();
        for _ in 0..30 {
            endpoints.push(put_endpoint(&store).await);
        }
        let mut last = DeliveryId::MIN;
        let attempt = |code| answered(Trigger::Schedule, Timestamp::from_seconds(1), code, b"");
        for n in 0..1_000 {
            let event = store.accept(vec![event(&endpoints, "{}")]).await.unwrap().remove(0).event;
            last = event.first_delivery;
            for of_first in 0..if n == 0 { 30 } else { 0 } {
                let id = DeliveryId::from_u128(last.as_u128() + of_first);
                store.settle(settlement(id, None, attempt(200))).await.unwrap();
            }
        }
        // There is no index of this code: nearly all have it.
        let filter = DeliveryFilter { response_code: Some(200), ..DeliveryFilter::default() };
        let mut page = store.deliveries(&filter, PageRequest { limit: 5, after: None }).unwrap();
        assert!(page.items.is_empty());
        for _ in 0..5 {
            if page.items.is_empty() {
                page = store.deliveries(&filter, PageRequest { limit: 5, after: page.next }).unwrap();
            }
        }
        assert_eq!(page.items.len(), 5);
        assert!(page.next.is_some());
        let rest = store.deliveries(&filter, PageRequest { limit: 50, after: page.next }).unwrap();
        assert_eq!((rest.items.len(), rest.next), (25, None));

        // The one answer with this code is another endpoint's.
        let filter =
            DeliveryFilter { endpoint: Some(endpoints[3]), response_code: Some(500), ..DeliveryFilter::default() };
        store.settle(settlement(last, None, attempt(500))).await.unwrap();
        let page = store.deliveries(&filter, PageRequest { limit: 5, after: None }).unwrap();
        assert_eq!((page.items.len(), page.next), (0, None));
    });
}

#[cfg(feature = "testing")]
mod injected {
    use super::*;
    use crate::store::{TrafficStep, tests::making::audit};

    #[test]
    fn a_batch_that_fails_leaves_nothing_behind() {
        let scenario = fail::FailScenario::setup();
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        run(async {
            let endpoint = put_endpoint(&store).await;
            fail::cfg("store::commit", "return").unwrap();
            assert!(store.accept(vec![event(&[endpoint], "{}")]).await.is_err());
            fail::cfg("store::commit", "off").unwrap();
            assert_eq!((store.totals().accepted, store.health(endpoint).pending), (0, 0));
            fail::cfg("store::full", "return").unwrap();
            let refused = store.accept(vec![event(&[endpoint], "{}")]).await;
            assert!(matches!(refused, Err(AcceptError::Store(StoreError::Full))));
            fail::cfg("store::full", "off").unwrap();
            store.accept(vec![event(&[endpoint], "{}")]).await.unwrap();
            assert_eq!((store.totals().accepted, store.health(endpoint).pending), (1, 1));
        });
        drop(store);
        assert!(verify(directory.path(), &mut |_, _| {}).unwrap().is_sound());
        scenario.teardown();
    }

    #[test]
    fn a_batch_that_fails_takes_no_counts_with_it() {
        let scenario = fail::FailScenario::setup();
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let endpoint = run(async {
            let endpoint = put_endpoint(&store).await;
            let event = store.accept(vec![event(&[endpoint], "{}")]).await.unwrap().remove(0).event;
            let attempt = answered(Trigger::Schedule, event.accepted_at, 200, b"");
            store.settle(settlement(event.first_delivery, None, attempt)).await.unwrap();
            fail::cfg("store::commit", "1*return->off").unwrap();
            assert!(store.delete_endpoint(endpoint, audit("endpoint.deleted")).await.is_err());
            endpoint
        });
        drop(store);
        let store = open(directory.path());
        let hours = store.traffic(endpoint, TrafficStep::Hour, 24);
        assert_eq!(hours.iter().map(|hour| hour.taken).sum::<u32>(), 1);
        scenario.teardown();
    }
}
