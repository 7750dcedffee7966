//! What the full check says of stores that are not whole: a row that is gone, one that is changed, one too many.

use std::path::Path;

use super::making::{answered, audit, endpoint, event, event_with_list_apart, open, put_endpoint, run, settlement};
use crate::{
    domain::{
        account::Account,
        attempt::Trigger,
        ids::{DeliveryId, EndpointId, EventKey},
        subscription::Subscription,
        time::Timestamp,
    },
    store::{
        DueClass, MissedQuestion, directory,
        engine::{Engine, Entry, Order},
        keys::{EndStatus, Row},
        long,
        verify::check,
    },
};

/// A store with every kind of row.
pub fn fill(directory: &Path) {
    let store = open(directory);
    run(async {
        let other = endpoint(&store, &"acme".parse::<Account>().unwrap());
        let acme = other.id;
        store.put_endpoint(other, audit("endpoint.created")).await.unwrap();
        let first = put_endpoint(&store).await;
        let mut large = event(&[first], &format!(r#"{{"text":"{}"}}"#, "x".repeat(15_000)));
        large.id = Some("evt_mine".parse().unwrap());
        large.idempotency = Some([3; 32]);
        let mut of_acme = event(&[acme], "{}");
        of_acme.account = "acme".parse().unwrap();
        let accepted = store.accept(vec![large, of_acme, event(&[first], "{}")]).await.unwrap();
        let at = accepted[0].event.accepted_at;
        let mut id = accepted[0].event.first_delivery;
        // One fails twice, with a large answer, and waits; one is given up; both are retried by hand.
        for code in [500, 503] {
            let attempt = answered(Trigger::Schedule, at, code, "y".repeat(12_000).as_bytes());
            store.settle(settlement(id, None, attempt)).await.unwrap();
        }
        store.retry(vec![id], audit("delivery.retried")).await.unwrap();
        id = accepted[1].event.first_delivery;
        store.settle(settlement(id, None, answered(Trigger::Schedule, at, 410, b""))).await.unwrap();
        store.cancel(accepted[2].event.first_delivery, audit("delivery.canceled")).await.unwrap();
        let late = put_endpoint(&store).await;
        let question = MissedQuestion {
            endpoint: late,
            account: Account::default(),
            subscriptions: vec![Subscription::All],
            only: std::collections::BTreeSet::new(),
            since: Timestamp::EPOCH,
            until: Timestamp::from_millis(i64::MAX),
            after: None,
        };
        let missed = store.missed(&question, 10).unwrap().items;
        assert_eq!(store.catch_up(late, missed).await.unwrap(), 2);
        // Of the list that lies apart one delivery was made; the others wait.
        let wide = [first, late, first, late, first, late];
        let accepted = store.accept(vec![event_with_list_apart(&wide)]).await.unwrap();
        id = accepted[0].event.first_delivery;
        store.settle(settlement(id, None, answered(Trigger::Schedule, at, 200, b""))).await.unwrap();
    });
}

pub fn all(engine: &dyn Engine) -> Vec<Entry> {
    engine.range(&[], &[u8::MAX; 64], Order::Ascending).map(Result::unwrap).collect()
}

fn with_store(test: impl FnOnce(&dyn Engine)) {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let (_, engine) = directory::open(directory.path(), 8 << 20).unwrap();
    let report = check(&*engine);
    assert!(report.is_sound(), "{:#?}", report.findings);
    test(&*engine);
}

#[test]
fn a_row_that_is_gone_is_missed() {
    with_store(|engine| {
        for Entry { key, value } in all(engine) {
            let (row, part) = Row::parse(&key).unwrap();
            engine.commit(vec![(key.clone(), None)]).unwrap();
            let report = check(engine);
            // Nothing leads to a whole one of these.
            let alone = matches!(row, Row::Audit(_) | Row::Minute(_) | Row::Traffic(_) | Row::Session(_)) && part == 0;
            assert!(!report.is_sound() || alone, "nobody misses {row:?} {part}");
            engine.commit(vec![(key, Some(value))]).unwrap();
        }
        assert!(check(engine).is_sound());
    });
}

#[test]
fn a_row_that_is_changed_is_named() {
    with_store(|engine| {
        for Entry { key, mut value } in all(engine) {
            let sound = value.clone();
            match value.last_mut() {
                Some(last) => *last ^= 0x40,
                None => value.push(0),
            }
            engine.commit(vec![(key.clone(), Some(value))]).unwrap();
            let report = check(engine);
            let name = crate::store::keys::describe(&key);
            let named = report.findings.iter().any(|finding| finding.text.contains(&name));
            assert!(named, "{name} is not among {:#?}", report.findings);
            engine.commit(vec![(key, Some(sound))]).unwrap();
        }
    });
}

#[test]
fn a_row_too_many_is_named() {
    with_store(|engine| {
        let rows = all(engine);
        let of =
            |found: fn(&Row) -> bool| rows.iter().map(|entry| Row::parse(&entry.key).unwrap().0).find(found).unwrap();
        let Row::Delivery(id) = of(|row| matches!(row, Row::Delivery(_))) else { unreachable!() };
        let Row::Event(event) = of(|row| matches!(row, Row::Event(_))) else { unreachable!() };
        let Row::Due(endpoint, due) = of(|row| matches!(row, Row::Due(..))) else { unreachable!() };
        assert_eq!(DueClass::of(due.trigger), DueClass::AskedFor);
        let later = crate::store::DueRow { at: Timestamp::from_millis(i64::MAX), ..due };
        let (no_delivery, no_event) = (DeliveryId::MAX, EventKey::MAX);
        let surplus = [
            Row::Queue(EndpointId::MAX, id),
            Row::Queue(endpoint, no_delivery),
            Row::Due(endpoint, later),
            Row::Retrying(EndpointId::MAX, id),
            Row::Status(EndStatus::Failed, id),
            Row::Status(EndStatus::Canceled, no_delivery),
            Row::Code(404, id),
            Row::Extra(event, id),
            Row::Extra(no_event, no_delivery),
            Row::OfAccount("acme".parse().unwrap(), no_event),
            Row::OfAccount("other".parse().unwrap(), event),
        ];
        for row in surplus {
            engine.commit(vec![(row.key(), Some(Vec::new()))]).unwrap();
            let report = check(engine);
            let name = crate::store::keys::describe(&row.key());
            assert!(report.findings.iter().any(|finding| finding.text.contains(&name)), "{name}");
            engine.commit(vec![(row.key(), None)]).unwrap();
        }
        // A list that an event has with it already, one of no event, and one of another length than the event tells.
        let listed = rows.iter().map(|entry| Row::parse(&entry.key).unwrap().0).find_map(|row| match row {
            Row::Recipients(key) => Some(key),
            _ => None,
        });
        for (event, says) in
            [(event, "no need of it"), (no_event, "its event is missing"), (listed.unwrap(), "does not tell of all")]
        {
            let row = Row::Recipients(event);
            let key = long::part_key(&row, 0);
            let before = engine.get(&key).unwrap();
            let value = long::cut(&row, &[7; 16], 16).unwrap().remove(0).value;
            engine.commit(vec![(key.clone(), Some(value))]).unwrap();
            let report = check(engine);
            assert!(report.findings.iter().any(|finding| finding.text.contains(says)), "{:#?}", report.findings);
            engine.commit(vec![(key, before)]).unwrap();
        }
        engine.commit(vec![(b"!?".to_vec(), Some(Vec::new()))]).unwrap();
        assert_eq!(check(engine).found, 1);
    });
}
