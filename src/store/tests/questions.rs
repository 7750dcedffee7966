//! Each question and change by itself, on a store that is opened again in between.

use std::time::Duration;

use super::*;
use crate::{
    domain::{attempt::Trigger, delivery::DeliveryStatus, ids::DeliveryId, time::Timestamp},
    store::{AcceptError, DueClass, EventFilter, PageRequest},
};

const END: Timestamp = Timestamp::EPOCH;

#[test]
fn an_event_is_delivered_and_its_log_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (id, endpoint) = run(async {
        let endpoint = put_endpoint(&store).await;
        let accepted = store.accept(vec![event(&[endpoint], r#"{"a":1}"#)]).await.unwrap();
        let event = &accepted[0].event;
        assert!(!accepted[0].repeated);
        assert_eq!(event.delivery_count, 1);
        let fresh = store.fresh(endpoint, DeliveryId::MIN, 10).unwrap();
        assert!(fresh.at_end);
        assert_eq!(fresh.deliveries.iter().map(|d| d.id).collect::<Vec<_>>(), [event.first_delivery]);
        assert_eq!(store.totals().pending, 1);
        let started_at = fresh.deliveries[0].created_at;
        let attempt = answered(Trigger::Schedule, started_at, 500, b"no");
        let settled = store.settle(settlement(event.first_delivery, None, attempt)).await.unwrap();
        assert_eq!(settled.delivery.status, DeliveryStatus::Pending);
        assert!(store.fresh(endpoint, DeliveryId::MIN, 10).unwrap().deliveries.is_empty());
        let five_minutes = started_at.plus(Duration::from_mins(5));
        assert_eq!(store.next_due(endpoint, DueClass::InTurn, Timestamp::EPOCH).unwrap(), Some(five_minutes));
        (event.first_delivery, endpoint)
    });
    drop(store);

    let store = open(directory.path());
    assert_eq!(store.endpoints_with_work(), [endpoint]);
    let end = END.plus(Duration::MAX);
    let due = store.due(endpoint, DueClass::InTurn, end, 10).unwrap();
    assert_eq!(due, store.oldest_due(endpoint, 10).unwrap());
    run(async {
        let attempt = answered(Trigger::Schedule, due[0].at, 200, &"x".repeat(50_000).into_bytes());
        let settled = store.settle(settlement(id, Some(due[0]), attempt)).await.unwrap();
        assert_eq!(settled.delivery.status, DeliveryStatus::Delivered);
    });
    assert!(store.endpoints_with_work().is_empty());
    let attempts = store.delivery_with_attempts(id).unwrap().unwrap().1;
    assert_eq!(
        attempts.iter().map(|a| (a.number, a.response_code())).collect::<Vec<_>>(),
        [(1, Some(500)), (2, Some(200))]
    );
    assert_eq!(attempts[1].outcome.response.as_ref().unwrap().body.len(), 50_000);
    assert_eq!(store.totals().delivered, 1);
    assert_eq!(store.totals().pending, 0);
}

#[test]
fn the_same_id_is_a_repetition_or_a_conflict_within_one_batch_too() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    run(async {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(30_000));
        let mut first = event(&[], &long);
        first.id = Some("evt_mine".parse().unwrap());
        let mut other = first.clone();
        other.object = "{}".into();
        let refused = store.accept(vec![event(&[], "{}"), first.clone(), other.clone()]).await.unwrap_err();
        assert!(matches!(refused, AcceptError::Conflict { index: 2, what: "id" }));
        assert_eq!(store.totals().accepted, 0, "all or none");
        let all = EventFilter::default();
        assert!(store.events(&all, PageRequest { limit: 9, after: None }).unwrap().items.is_empty());

        let accepted = store.accept(vec![first.clone(), first.clone()]).await.unwrap();
        assert_eq!(accepted.iter().map(|a| a.repeated).collect::<Vec<_>>(), [false, true]);
        let key = accepted[0].event.key;
        assert_eq!(store.body(key).unwrap().unwrap().object(), long.as_bytes());
        let again = store.accept(vec![first]).await.unwrap();
        assert_eq!((again[0].event.key, again[0].repeated), (key, true));
        assert!(store.accept(vec![other]).await.is_err());
    });
}
