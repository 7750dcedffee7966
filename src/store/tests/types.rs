//! Lists by type in a store that holds more of other types than a page may look at.

use super::*;
use crate::{
    domain::ids::{DeliveryId, EventKey},
    store::{
        DeliveryFilter, EventFilter, PageRequest,
        engine::{Engine, Order},
        history::MOST_LOOKED_AT,
        keys::{self, kind},
        verify,
    },
};

const RARE: &str = "key.leaked";

fn rows_of_types(engine: &dyn Engine) -> usize {
    let all = keys::all_of(kind::OF_TYPE);
    engine.range(&all, &keys::end_of(&all), Order::Ascending).count()
}

#[test]
fn a_page_finds_a_rare_type_among_all_others_and_its_index_goes_with_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let deliveries = DeliveryFilter { event_type: Some(RARE.parse().unwrap()), ..DeliveryFilter::default() };
    let events = EventFilter { event_type: deliveries.event_type.clone(), ..EventFilter::default() };
    run(async {
        let endpoint = put_endpoint(&store).await;
        let mut rare = event(&[endpoint], "{}");
        rare.event_type = RARE.parse().unwrap();
        let accepted = store.accept(vec![rare]).await.unwrap().remove(0).event;
        let batches = MOST_LOOKED_AT / 200 + 1;
        for _ in 0..batches {
            store.accept(vec![event(&[endpoint], "{}"); 200]).await.unwrap();
        }
        let page = store.deliveries(&deliveries, PageRequest { limit: 50, after: None }).unwrap();
        assert_eq!(page.items.iter().map(|d| d.id).collect::<Vec<_>>(), [accepted.first_delivery]);
        assert_eq!(page.next, None, "all was looked at");
        let page = store.events(&events, PageRequest { limit: 50, after: None }).unwrap();
        assert_eq!(page.items, [accepted]);
        assert_eq!(page.next, None);
        let none = DeliveryFilter { event_type: Some("no.such".parse().unwrap()), ..DeliveryFilter::default() };
        let page = store.deliveries(&none, PageRequest { limit: 50, after: None }).unwrap();
        assert_eq!((page.items.len(), page.next), (0, None::<DeliveryId>));
    });
    assert!(rows_of_types(&*store.shared().engine) > 100);
    drop(store);
    assert!(verify(directory.path(), &mut |_, _| {}).unwrap().is_sound());
    prune_all(directory.path());
}

fn prune_all(directory: &std::path::Path) {
    let store = open(directory);
    run(async {
        let endpoint = store.endpoints().unwrap().remove(0).id;
        store.delete_endpoint(endpoint, audit("endpoint.deleted")).await.unwrap();
        while store.drop_queue(endpoint).await.unwrap() {}
        let later = store.shared().clock.wall().plus(std::time::Duration::from_millis(1));
        while store.shared().clock.wall() <= later {
            tokio::task::yield_now().await;
        }
        // Begins the block that stays.
        let last = store.accept(vec![event(&[], "{}")]).await.unwrap().remove(0).event;
        while store.prune(later).await.unwrap() {}
        let left = store.events(&EventFilter::default(), PageRequest { limit: 9, after: None }).unwrap();
        assert_eq!(left.items.iter().map(|event| event.key).collect::<Vec<EventKey>>(), [last.key]);
    });
    // Of the last block, and of that which ends within it.
    assert_eq!(rows_of_types(&*store.shared().engine), 4);
    drop(store);
    assert!(verify(directory, &mut |_, _| {}).unwrap().is_sound());
}
