//! An engine whose index is damaged so that rows in their order pass over one that a look-up still finds: what repair
//! makes of it is sound, and a delivery is kept with its attempts.

use std::path::Path;

use super::making::{answered, event, open, put_endpoint, run, settlement};
use crate::{
    domain::{
        attempt::Trigger,
        ids::{DeliveryId, EventKey},
    },
    store::{
        EngineKind, RepairReport, directory,
        engine::{Aside, CommitError, CopyError, Engine, Entries, Order, ReadError, Write, Writes},
        keys::{self, Row},
        manifest::{FORMAT, Manifest, StoreId},
        repair::rebuild,
        verify,
    },
};

struct PassesOver {
    engine: Box<dyn Engine>,
    key: Vec<u8>,
}

impl Engine for PassesOver {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.engine.get(key)
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order) -> Entries<'_> {
        let rows = self.engine.range(from, to, order);
        Box::new(rows.filter(|row| row.as_ref().map_or(true, |row| row.key != self.key)))
    }

    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError> {
        self.engine.commit(batch)
    }

    fn copy(&self, aside: Aside) -> Result<Writes<'_>, CopyError> {
        self.engine.copy(aside)
    }

    fn approximate_size(&self) -> u64 {
        self.engine.approximate_size()
    }
}

/// A store of three events, the second of which was delivered, and replayed to an endpoint that came later, which refused
/// it twice.
fn stored() -> (tempfile::TempDir, EventKey) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let second = run(async {
        let endpoint = put_endpoint(&store).await;
        let accepted = store.accept(vec![event(&[endpoint], "{}"); 3]).await.unwrap();
        let second = &accepted[1].event;
        let attempt = answered(Trigger::Schedule, second.accepted_at, 200, b"");
        store.settle(settlement(second.first_delivery, None, attempt)).await.unwrap();
        let later = put_endpoint(&store).await;
        assert_eq!(store.catch_up(later, vec![second.key]).await.unwrap(), 1);
        let replayed = replayed(&*store.shared().engine, second.key);
        for number in [1, 2] {
            let attempt = answered(Trigger::Replay, second.accepted_at, 503, b"");
            let settled = store.settle(settlement(replayed, None, attempt)).await.unwrap();
            assert_eq!(settled.delivery.attempts_made, number);
        }
        second.key
    });
    (directory, second)
}

/// The delivery that was made for an event by a replay.
fn replayed(engine: &dyn Engine, event: EventKey) -> DeliveryId {
    let of_event = keys::extras_of(event);
    let link = engine.range(&of_event, &keys::end_of(&of_event), Order::Ascending).next().unwrap().unwrap();
    DeliveryId::from_u128(keys::last_id(&link.key).unwrap())
}

/// Repairs a store of whose rows one is passed over, and asserts that what comes of it is sound.
fn repaired(source: &Path, key: impl FnOnce(&dyn Engine) -> Vec<u8>) -> RepairReport {
    let (_, engine) = directory::open(source, 8 << 20).unwrap();
    let key = key(&*engine);
    let engine = PassesOver { engine, key };
    assert!(engine.get(&engine.key).unwrap().is_some());

    let to = tempfile::tempdir().unwrap();
    let unfinished = directory::begin(to.path()).unwrap();
    let (kind, id) = (EngineKind::Sled, StoreId::random().unwrap());
    let report = rebuild(&engine, kind, id, to.path(), &unfinished, &mut |_, _| {}).unwrap();
    directory::finish(to.path(), Manifest { format: FORMAT, engine: kind, id }).unwrap();
    let checked = verify(to.path(), &mut |_, _| {}).unwrap();
    assert!(checked.is_sound(), "{:#?}\n{report:#?}", checked.findings);
    report
}

#[test]
fn deliveries_of_an_event_that_is_passed_over_are_not_kept_without_it() {
    let (source, second) = stored();
    let report = repaired(source.path(), |_| Row::Event(second).key());
    assert_eq!((report.events, report.deliveries, report.lost), (2, 2, 2), "{report:#?}");
    assert!(report.losses.iter().all(|loss| loss.text.contains("its event is lost")), "{report:#?}");
}

#[test]
fn a_replayed_delivery_that_is_passed_over_is_kept() {
    let (source, second) = stored();
    let report = repaired(source.path(), |engine| Row::Delivery(replayed(engine, second)).key());
    assert_eq!((report.events, report.deliveries, report.pending, report.lost), (3, 4, 3, 0), "{report:#?}");
}

#[test]
fn a_delivery_that_was_made_with_its_event_and_is_passed_over_is_kept() {
    let (source, second) = stored();
    let first = DeliveryId::from_u128(second.as_u128() + 1);
    let report = repaired(source.path(), |_| Row::Delivery(first).key());
    assert_eq!((report.events, report.deliveries, report.pending, report.lost), (3, 4, 3, 0), "{report:#?}");
}
