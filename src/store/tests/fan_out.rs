//! An event to so many endpoints that their list takes several rows: it is read again wherever a delivery lies in it,
//! and goes with its event.

use std::time::Duration;

use futures_util::future::join_all;

use super::making::{answered, audit, endpoint, event, event_with_list_apart, open, put_endpoint, run, settlement};
use crate::{
    domain::{
        account::Account,
        attempt::Trigger,
        delivery::DeliveryStatus,
        event::Event,
        ids::{DeliveryId, EndpointId},
    },
    store::{
        Store,
        engine::Order,
        keys::{self, Row, kind},
        long::part_key,
        verify,
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
