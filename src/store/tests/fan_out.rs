//! An event to so many endpoints that their list takes several rows: it is read again wherever a delivery lies in it,
//! and goes with its event.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use super::making::{answered, audit, endpoint, event, event_with_list_apart, open, put_endpoint, run, settlement};
use crate::{
    domain::{
        account::Account,
        attempt::Trigger,
        delivery::DeliveryStatus,
        event::Event,
        ids::{DeliveryId, EndpointId, EventKey},
        time::Timestamp,
    },
    store::{
        Store,
        engine::Order,
        keys::{self, Row, kind},
        long::part_key,
        repair, verify,
    },
};

const ENDPOINTS: usize = 1_000;
/// Around the ends of parts of 431.
const PLACES: [usize; 6] = [0, 430, 431, 861, 862, 999];

fn rows_of(store: &Store, kind: u8) -> usize {
    let all = keys::all_of(kind);
    store.shared().engine.range(&all, &keys::end_of(&all), Order::Ascending).count()
}

async fn fan_out(store: &Store) -> (Event, Vec<EndpointId>) {
    let account = Account::default();
    let endpoints: Vec<_> = (0..ENDPOINTS).map(|_| endpoint(store, &account)).collect();
    let ids: Vec<_> = endpoints.iter().map(|endpoint| endpoint.id).collect();
    let stored = endpoints.into_iter().map(|endpoint| store.put_endpoint(endpoint, audit("endpoint.created")));
    join_all(stored).await.into_iter().for_each(Result::unwrap);
    (store.accept(vec![event(&ids, "{}")]).await.unwrap().remove(0).event, ids)
}

fn nth(event: &Event, n: usize) -> DeliveryId {
    DeliveryId::from_u128(event.first_delivery.as_u128() + n as u128)
}

#[test]
fn an_event_to_a_thousand_is_read_again_and_goes_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (event, endpoints) = run(fan_out(&store));
    assert_eq!((rows_of(&store, kind::DELIVERY), rows_of(&store, kind::RECIPIENTS)), (0, 3));
    drop(store);

    assert!(verify(directory.path(), &mut |_, _| {}).unwrap().is_sound());
    let store = open(directory.path());
    for n in PLACES {
        let delivery = store.delivery(nth(&event, n)).unwrap().unwrap();
        assert_eq!((delivery.endpoint_id, delivery.status), (endpoints[n], DeliveryStatus::Pending));
        let read = store.fresh(endpoints[n], DeliveryId::MIN, 10).unwrap();
        assert_eq!(read.deliveries, [delivery]);
    }
    assert_eq!(store.delivery(nth(&event, ENDPOINTS)).unwrap(), None);

    let later = store.shared().clock.wall().plus(Duration::from_hours(1));
    run(async {
        let settle = |n| {
            let attempt = answered(Trigger::Schedule, event.accepted_at, 200, b"");
            store.settle(settlement(nth(&event, n), None, attempt))
        };
        join_all((0..ENDPOINTS - 1).map(settle)).await.into_iter().for_each(|settled| drop(settled.unwrap()));
        while store.prune(later).await.unwrap() {}
        assert_eq!(rows_of(&store, kind::EVENT), 1, "the last delivery waits");
        settle(ENDPOINTS - 1).await.unwrap();
    });
    drop(store);
    // A walk begins anew.
    let store = open(directory.path());
    run(async { while store.prune(later).await.unwrap() {} });
    for kind in [kind::EVENT, kind::RECIPIENTS, kind::DELIVERY, kind::QUEUE] {
        assert_eq!(rows_of(&store, kind), 0, "{}", char::from(kind));
    }
}

/// What a delivery is, and to whom it goes, when its endpoint is deleted or it is canceled before its first turn.
#[test]
fn one_of_many_is_canceled_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (event, endpoints) = run(fan_out(&store));
    run(async {
        store.cancel(nth(&event, 500), audit("delivery.canceled")).await.unwrap();
        store.delete_endpoint(endpoints[501], audit("endpoint.deleted")).await.unwrap();
        while store.drop_queue(endpoints[501]).await.unwrap() {}
        put_endpoint(&store).await;
    });
    drop(store);
    assert!(verify(directory.path(), &mut |_, _| {}).unwrap().is_sound());
    let store = open(directory.path());
    for (n, status) in
        [(499, DeliveryStatus::Pending), (500, DeliveryStatus::Canceled), (501, DeliveryStatus::Canceled)]
    {
        let delivery = store.delivery(nth(&event, n)).unwrap().unwrap();
        assert_eq!((delivery.endpoint_id, delivery.status), (endpoints[n], status));
    }
    assert_eq!(store.totals().pending, ENDPOINTS as u64 - 2);
}

#[test]
fn a_list_that_is_lost_keeps_what_waits_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    run(async {
        let endpoint = put_endpoint(&store).await;
        let (over, gone, damaged) = {
            let events = (0..3).map(|_| event_with_list_apart(&[endpoint])).collect();
            let mut accepted = store.accept(events).await.unwrap().into_iter().map(|accepted| accepted.event);
            (accepted.next().unwrap(), accepted.next().unwrap(), accepted.next().unwrap())
        };
        let attempt = answered(Trigger::Schedule, over.accepted_at, 200, b"");
        store.settle(settlement(over.first_delivery, None, attempt)).await.unwrap();
        let list = |event: &Event| part_key(&Row::Recipients(event.key), 0);
        let writes = [(list(&over), Some(vec![0; 32])), (list(&gone), None), (list(&damaged), Some(vec![0; 32]))];
        store.shared().engine.commit(writes.into()).unwrap();

        let read = store.fresh(endpoint, DeliveryId::MIN, 10).unwrap();
        let named: Vec<_> = read.damaged.iter().map(|(id, _)| *id).collect();
        assert_eq!((read.deliveries, named), (Vec::new(), vec![gone.first_delivery, damaged.first_delivery]));
        let later = store.shared().clock.wall().plus(Duration::from_hours(1));
        while store.prune(later).await.unwrap() {}
        assert_eq!((rows_of(&store, kind::EVENT), rows_of(&store, kind::RECIPIENTS)), (2, 1));
        store.delete_endpoint(endpoint, audit("endpoint.deleted")).await.unwrap();
        while store.drop_queue(endpoint).await.unwrap() {}
    });
}

#[test]
fn places_are_written_when_nothing_else_is_to_be_done() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (event, endpoints) = run(fan_out(&store));
    let until = Instant::now() + Duration::from_mins(1);
    while store.shared().unplaced.has(event.key) {
        assert!(Instant::now() < until, "they are not written");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((rows_of(&store, kind::UNPLACED), rows_of(&store, kind::QUEUE)), (0, ENDPOINTS));
    let read = store.fresh(endpoints[7], DeliveryId::MIN, 10).unwrap();
    assert_eq!(read.deliveries.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [nth(&event, 7)]);
    drop(store);
    assert!(verify(directory.path(), &mut |_, _| {}).unwrap().is_sound());
}

/// A writer that always has something to do writes places beside it, once many wait for that.
#[test]
fn what_waits_for_its_place_is_bounded() {
    const EVENTS: usize = 20;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (_, endpoints) = run(fan_out(&store));
    let accept = |_| store.accept(vec![event(&endpoints, "{}")]);
    assert!(run(join_all((0..EVENTS).map(accept))).iter().all(Result::is_ok));
    let unplaced = rows_of(&store, kind::UNPLACED);
    // 16,384 deliveries, one event that is partly written, and the one that was accepted last.
    assert!(unplaced <= 18, "{unplaced} of {} events", 1 + EVENTS);
    assert_eq!(store.fresh(endpoints[3], DeliveryId::MIN, 100).unwrap().deliveries.len(), 1 + EVENTS);
}

#[cfg(feature = "testing")]
mod injected {
    use super::*;
    use crate::store::{
        DeliveryFilter, EngineKind, MissedQuestion, PageRequest, Report,
        backup::{RestoreOptions, restore},
        change_engine,
    };

    fn check(directory: &Path) -> Report {
        verify(directory, &mut |_, _| {}).unwrap()
    }

    /// A store whose writer gets no further than this with the places of an event.
    fn stuck(place: &str, written: usize) {
        fail::cfg("store::place", place).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let (event, endpoints) = run(fan_out(&store));
        let until = Instant::now() + Duration::from_mins(1);
        while rows_of(&store, kind::QUEUE) < written {
            assert!(Instant::now() < until, "they are not written");
        }
        drop(store);
        assert!(check(directory.path()).is_sound());
        // Nothing is in memory but what the mark tells, there and in a copy on another engine.
        change_engine(directory.path(), EngineKind::Redb, &mut |_, _, _| {}).unwrap();
        let store = open(directory.path());
        let mut backup = Vec::new();
        store.backup().unwrap().write_to(&mut backup).unwrap();
        drop(store);
        let directory = tempfile::tempdir().unwrap();
        restore(backup.as_slice(), directory.path(), RestoreOptions::default()).unwrap();
        assert!(check(directory.path()).is_sound());
        let store = open(directory.path());
        assert_eq!((rows_of(&store, kind::UNPLACED), rows_of(&store, kind::QUEUE)), (1, written));
        let deliveries = |n: usize, status| {
            let filter = DeliveryFilter { endpoint: Some(endpoints[n]), status, ..DeliveryFilter::default() };
            let page = store.deliveries(&filter, PageRequest { after: None, limit: 10 }).unwrap();
            page.items.iter().map(|delivery| delivery.id).collect::<Vec<_>>()
        };
        for n in PLACES {
            let read = store.fresh(endpoints[n], DeliveryId::MIN, 10).unwrap();
            assert_eq!(read.deliveries.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [nth(&event, n)]);
            assert!(store.fresh(endpoints[n], nth(&event, n), 10).unwrap().deliveries.is_empty());
            assert_eq!(deliveries(n, None), [nth(&event, n)]);
            assert_eq!(deliveries(n, Some(DeliveryStatus::Pending)), [nth(&event, n)]);
            assert_eq!(store.due_since(&[endpoints[n]]).unwrap(), Some(event.accepted_at));
        }
        let question = MissedQuestion {
            endpoint: endpoints[0],
            account: Account::default(),
            subscriptions: vec!["*".parse().unwrap()],
            only: BTreeSet::new(),
            since: Timestamp::EPOCH,
            until: store.shared().clock.wall().plus(Duration::from_hours(1)),
            after: None,
        };
        assert_eq!(store.missed(&question, 10).unwrap().items, []);

        let later = store.shared().clock.wall().plus(Duration::from_hours(1));
        run(async {
            store.cancel(nth(&event, 500), audit("delivery.canceled")).await.unwrap();
            store.delete_endpoint(endpoints[501], audit("endpoint.deleted")).await.unwrap();
            while store.drop_queue(endpoints[501]).await.unwrap() {}
            let settle = |n| {
                let attempt = answered(Trigger::Schedule, event.accepted_at, 200, b"");
                store.settle(settlement(nth(&event, n), None, attempt))
            };
            let open = (0..ENDPOINTS).filter(|n| ![500, 501].contains(n));
            join_all(open.map(settle)).await.into_iter().for_each(|settled| drop(settled.unwrap()));
            assert_eq!(store.totals().pending, 0);
            while store.prune(later).await.unwrap() {}
            assert_eq!(rows_of(&store, kind::EVENT), 1, "it waits for its places");
        });
        assert_eq!(deliveries(501, Some(DeliveryStatus::Canceled)), [nth(&event, 501)]);
        drop(store);
        assert!(check(directory.path()).is_sound());

        fail::cfg("store::place", "off").unwrap();
        let store = open(directory.path());
        run(async { while store.prune(later).await.unwrap() {} });
        for kind in [kind::EVENT, kind::RECIPIENTS, kind::DELIVERY, kind::QUEUE, kind::UNPLACED] {
            assert_eq!(rows_of(&store, kind), 0, "{}", char::from(kind));
        }
        drop(store);
        assert!(check(directory.path()).is_sound());
    }

    /// All that asks for a queue, of a store that could write no place, or some.
    #[test]
    fn what_has_no_place_yet_is_found_sent_and_dropped_as_if_it_had() {
        let scenario = fail::FailScenario::setup();
        stuck("return", 0);
        stuck("1*off->return", 400);
        scenario.teardown();
    }

    #[test]
    fn a_mark_that_is_lost_or_leads_nowhere_is_named_and_repaired() {
        let scenario = fail::FailScenario::setup();
        fail::cfg("store::place", "return").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let (event, endpoints) = run(fan_out(&store));
        let nowhere = Row::Unplaced(EventKey::from_u128(7)).key();
        store.shared().engine.commit(vec![(nowhere, Some(Vec::new()))]).unwrap();
        drop(store);
        let report = check(directory.path());
        let named: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert!(report.found == 1 && named[0].contains("the event is missing"), "{named:?}");

        let store = open(directory.path());
        store.shared().engine.commit(vec![(Row::Unplaced(event.key).key(), None)]).unwrap();
        drop(store);
        let report = check(directory.path());
        assert_eq!(report.found, 1 + ENDPOINTS as u64);
        assert!(report.findings.iter().any(|finding| finding.to_string().contains("there is no row for it")));

        let repaired = tempfile::tempdir().unwrap();
        repair(directory.path(), repaired.path(), &mut |_, _| {}).unwrap();
        assert!(check(repaired.path()).is_sound());
        let store = open(repaired.path());
        let read = store.fresh(endpoints[9], DeliveryId::MIN, 10).unwrap();
        assert_eq!(read.deliveries.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [nth(&event, 9)]);
        drop(store);
        scenario.teardown();
    }
}
