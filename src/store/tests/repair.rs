//! Stores in which a row is gone or damaged, of every kind: what repair makes of them is sound, keeps all that is whole
//! as it was, and says what it lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{
    damage::{all, fill},
    making::{audit, open, run},
};
use crate::{
    domain::{
        attempt::Trigger, delivery::DeliveryStatus, event_type::EventType, ids::DeliveryId, time::Timestamp,
        token::Role,
    },
    store::{
        Lost, RepairError, RepairReport, codec, directory,
        journal::{Journal, JournalSlot},
        keys::{Row, kind},
        long::part_key,
        repair,
        stored::{StoredDelivery, StoredEvent},
        verify,
    },
};

const CACHE: u64 = 8 << 20;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn rows(directory: &Path) -> Rows {
    let opened = directory::open_as_it_is(directory, CACHE).unwrap();
    all(&*opened.engine).into_iter().map(|entry| (entry.key, entry.value)).collect()
}

fn change(directory: &Path, key: &[u8], value: Option<Vec<u8>>) {
    let (_, engine) = directory::open(directory, CACHE).unwrap();
    engine.commit(vec![(key.to_vec(), value)]).unwrap();
}

/// Repairs, and asserts that what came of it is sound.
fn repaired(directory: &Path) -> (RepairReport, Rows) {
    let to = tempfile::tempdir().unwrap();
    let report = repair(directory, to.path(), &mut |_, _| {}).unwrap();
    let checked = verify(to.path(), &mut |_, _| {}).unwrap();
    assert!(checked.is_sound(), "{:#?}\n{report:#?}", checked.findings);
    assert!(to.path().join("set-aside/report.json").is_file());
    assert!(!to.path().join("salvage").exists());
    (report, rows(to.path()))
}

fn stored() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let store = open(directory.path());
    run(async {
        let entry = EventType {
            name: "own.type".parse().unwrap(),
            description: "d".repeat(9_000),
            example: "{}".into(),
            schema: None,
            enforce_schema: false,
        };
        store.put_event_type(entry, audit("event_type.created")).await.unwrap();
        let token = crate::domain::token::Token {
            id: crate::domain::ids::TokenId::from_u128(store.mint()),
            name: "a token".into(),
            role: Role::Admin,
            account: None,
            digest: [9; 32],
            created_at: Timestamp::EPOCH,
            expires_at: None,
        };
        store.put_token(token, audit("token.created")).await.unwrap();
    });
    directory
}

/// Records: they follow from nothing else.
fn is_record(key: &[u8]) -> bool {
    let records = [
        kind::EVENT,
        kind::BODY,
        kind::RECIPIENTS,
        kind::DELIVERY,
        kind::ATTEMPT,
        kind::ENDPOINT,
        kind::EVENT_TYPE,
        kind::TOKEN,
        kind::AUDIT,
        kind::MINUTE,
        kind::SESSION,
        kind::TRAFFIC,
    ];
    key.first().is_some_and(|kind| records.contains(kind))
}

fn pending(rows: &Rows) -> BTreeSet<DeliveryId> {
    let deliveries = rows.iter().filter(|(key, _)| key.first() == Some(&kind::DELIVERY));
    let read = deliveries.filter_map(|(key, value)| crate::store::codec::decode::<StoredDelivery>(key, value).ok());
    let pending = read.filter(|(stored, _)| stored.delivery.status == DeliveryStatus::Pending);
    let mut pending: BTreeSet<_> = pending.map(|(stored, _)| stored.delivery.id).collect();
    for (key, value) in rows.iter().filter(|(key, _)| key.first() == Some(&kind::EVENT)) {
        let Ok((stored, _)) = crate::store::codec::decode::<StoredEvent>(key, value) else { continue };
        let untouched = stored.deliveries().map(DeliveryId::from_u128);
        pending.extend(untouched.filter(|id| !rows.contains_key(&Row::Delivery(*id).key())));
    }
    pending
}

/// The event that a row belongs to, by the rows as they were.
fn event_of(rows: &Rows, row: &Row) -> Option<u128> {
    match row {
        Row::Event(key) | Row::Body(key) | Row::Recipients(key) => Some(key.as_u128()),
        Row::Delivery(id) | Row::Attempt(id, _) => {
            let key = Row::Delivery(*id).key();
            let (stored, _) = crate::store::codec::decode::<StoredDelivery>(&key, rows.get(&key)?).ok()?;
            Some(stored.delivery.event_key.as_u128())
        }
        _ => None,
    }
}

fn compare(before: &Rows, after: &Rows, damaged: &[u8], report: &RepairReport) {
    let (row, _) = Row::parse(damaged).unwrap();
    let lost_event = matches!(row, Row::Event(_) | Row::Body(_)).then(|| event_of(before, &row)).flatten();
    for (key, value) in before.iter().filter(|(key, _)| is_record(key)) {
        let (of, _) = Row::parse(key).unwrap();
        let goes = of == row || lost_event.is_some() && event_of(before, &of) == lost_event;
        if !goes {
            assert_eq!(after.get(key), Some(value), "{of:?} when {row:?} was damaged\n{report:#?}");
        }
    }
    if is_record(damaged) {
        assert!(report.lost > 0, "{row:?} was lost without a word");
    } else {
        let derived = |rows: &Rows| -> Rows {
            let own = |key: &[u8]| matches!(key.first(), Some(&kind::PROGRESS | &kind::JOURNAL | &kind::META));
            rows.iter().filter(|(key, _)| !own(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        assert_eq!(derived(before), derived(after), "{row:?}");
    }
    if lost_event.is_none() {
        let (was, is) = (pending(before), pending(after));
        assert!(was.is_subset(&is), "{row:?}: {was:?} {is:?}");
    }
}

#[test]
fn a_sound_store_comes_out_as_it_went_in() {
    let directory = stored();
    let before = rows(directory.path());
    let (report, after) = repaired(directory.path());
    assert_eq!((report.lost, report.set_aside, &report.losses[..]), (0, 0, &[][..]));
    let but_meta = |rows: &Rows| -> Rows {
        rows.iter().filter(|(key, _)| key[0] != kind::META).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    assert_eq!(but_meta(&without_journal(&before)), but_meta(&after));
}

/// The same with each endpoint's newest progress in a row of its own.
fn without_journal(rows: &Rows) -> Rows {
    let mut own = rows.clone();
    let slots = rows.iter().filter_map(|(key, value)| match Row::parse(key) {
        Some((Row::Journal(slot), _)) => Some((slot, codec::decode::<JournalSlot>(key, value).unwrap().0)),
        _ => None,
    });
    let (_, newest) = Journal::of(slots.collect());
    for (id, progress) in newest {
        let key = Row::Progress(id).key();
        match progress {
            Some(progress) => drop(own.insert(key.clone(), codec::encode(&key, &progress, &[]).unwrap())),
            None => drop(own.remove(&key)),
        }
    }
    own.retain(|key, _| key[0] != kind::JOURNAL);
    own
}

/// One row of each kind and part, and each of the kinds of which there are few.
fn samples(before: &Rows) -> Vec<Vec<u8>> {
    let mut seen: BTreeMap<(u8, u16), u32> = BTreeMap::new();
    let mut samples = Vec::new();
    for key in before.keys() {
        let (_, part) = Row::parse(key).unwrap();
        let count = seen.entry((key[0], part)).or_default();
        *count += 1;
        let most = if matches!(key[0], kind::EVENT | kind::DELIVERY | kind::ENDPOINT | kind::PROGRESS) { 3 } else { 1 };
        if *count <= most {
            samples.push(key.clone());
        }
    }
    samples
}

#[test]
fn what_is_left_of_a_store_that_lacks_a_row_is_whole() {
    let sound = stored();
    let before = rows(sound.path());
    for key in samples(&before) {
        let damaged = tempfile::tempdir().unwrap();
        copy(sound.path(), damaged.path());
        change(damaged.path(), &key, None);
        let (row, part) = Row::parse(&key).unwrap();
        if row == Row::Meta {
            continue;
        }
        // Nothing tells that there was one: a body alone would, and so would other parts.
        let (report, after) = repaired(damaged.path());
        let untold = matches!(
            row,
            Row::Audit(_) | Row::Minute(_) | Row::Session(_) | Row::Traffic(_) | Row::Token(_) | Row::EventType(_)
        ) && part == 0;
        let gone = matches!(row, Row::Event(_)) && report.losses.iter().all(|loss| loss.what != Lost::Event);
        if untold || gone {
            continue;
        }
        compare(&before, &after, &key, &report);
    }
}

#[test]
fn what_is_left_of_a_store_with_a_damaged_row_is_whole() {
    let sound = stored();
    let before = rows(sound.path());
    for key in samples(&before) {
        let damaged = tempfile::tempdir().unwrap();
        copy(sound.path(), damaged.path());
        let mut value = before[&key].clone();
        match value.last_mut() {
            Some(last) => *last ^= 1,
            None => value.push(7),
        }
        change(damaged.path(), &key, Some(value.clone()));
        let (report, after) = repaired(damaged.path());
        compare(&before, &after, &key, &report);
        // What could be lost with it is still there.
        assert_eq!(rows_of(damaged.path()).get(&key), Some(&value), "the source was changed");
        let (row, _) = Row::parse(&key).unwrap();
        if is_record(&key) {
            assert!(report.set_aside > 0, "{row:?}");
        }
        if let Row::Delivery(id) = row {
            assert_eq!(report.made_again, 1, "{report:#?}");
            assert!(after.contains_key(&Row::Delivery(id).key()));
        }
    }
}

/// The rows of a store whose totals may be damaged.
fn rows_of(directory: &Path) -> Rows {
    let manifest = crate::store::manifest::Manifest::read(&directory::store_of(directory)).unwrap();
    let files = directory::store_of(directory).join(manifest.engine.name());
    let engine = crate::store::engine::open(manifest.engine, &files, CACHE).unwrap();
    all(&*engine).into_iter().map(|entry| (entry.key, entry.value)).collect()
}

#[test]
fn a_lost_delivery_whose_endpoint_is_not_known_leaves_the_rest_of_its_event() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (event, ids) = run(async {
        let mut endpoints = Vec::new();
        for _ in 0..4 {
            endpoints.push(super::making::put_endpoint(&store).await);
        }
        let event = store.accept(vec![super::making::event_with_list_apart(&endpoints)]).await.unwrap().remove(0).event;
        let first = event.first_delivery.as_u128();
        let ids: Vec<_> = endpoints.iter().zip(0..).map(|(to, n)| (*to, DeliveryId::from_u128(first + n))).collect();
        for n in [0, 2, 3] {
            let attempt = super::making::answered(Trigger::Schedule, event.accepted_at, 503, b"");
            store.settle(super::making::settlement(ids[n].1, None, attempt)).await.unwrap();
        }
        (event, ids)
    });
    drop(store);
    for key in [part_key(&Row::Recipients(event.key), 0), Row::Queue(ids[1].0, ids[1].1).key()] {
        change(directory.path(), &key, None);
    }
    let (report, after) = repaired(directory.path());
    assert_eq!((report.events, report.deliveries, report.lost), (1, 3, 1));
    assert!(report.losses[0].text.contains(&ids[1].1.to_string()), "{report:#?}");
    let key = Row::Event(event.key).key();
    let (stored, _) = crate::store::codec::decode::<StoredEvent>(&key, &after[&key]).unwrap();
    assert_eq!(stored.event.delivery_count, 1);
    assert_eq!(pending(&after), [ids[0].1, ids[2].1, ids[3].1].into());
}

/// Without its record a delivery looks as if it were not sent yet; only the endpoint's count says otherwise.
#[test]
fn a_delivered_one_whose_record_is_gone_is_sent_again_and_reported() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = run(async {
        let endpoint = super::making::put_endpoint(&store).await;
        let accepted = store.accept(vec![super::making::event(&[endpoint], "{}"); 2]).await.unwrap();
        let event = &accepted[1].event;
        let attempt = super::making::answered(Trigger::Schedule, event.accepted_at, 200, b"");
        store.settle(super::making::settlement(event.first_delivery, None, attempt)).await.unwrap();
        event.first_delivery
    });
    drop(store);
    change(directory.path(), &Row::Delivery(id).key(), None);
    assert!(!verify(directory.path(), &mut |_, _| {}).unwrap().is_sound());
    let (report, after) = repaired(directory.path());
    assert_eq!((report.deliveries, report.pending, report.lost), (2, 2, 1), "{report:#?}");
    assert!(report.losses[0].text.contains("sent again"), "{report:#?}");
    assert!(pending(&after).contains(&id));
}

#[test]
fn a_new_directory_is_asked_for_and_a_store_in_use_is_left() {
    let directory = stored();
    let (to, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(to.path().join("something"), "").unwrap();
    let done = |to: &Path| repair(directory.path(), to, &mut |_, _| {});
    assert!(matches!(done(to.path()), Err(RepairError::NotEmpty(_))));
    let store = open(directory.path());
    assert!(matches!(done(elsewhere.path()), Err(RepairError::Source(_))));
    drop(store);
    for name in ["db", "conf"] {
        fs::write(directory.path().join("store/sled").join(name), "").unwrap();
    }
    assert!(matches!(done(elsewhere.path()), Err(RepairError::Nothing(_))));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "another try may be made there");
}

#[test]
fn of_a_store_in_which_no_record_is_whole_no_empty_one_is_made() {
    let directory = stored();
    let damaged = rows(directory.path()).into_iter().map(|(key, value)| (key, Some(vec![0; value.len().max(1)])));
    let (_, engine) = directory::open(directory.path(), CACHE).unwrap();
    engine.commit(damaged.collect()).unwrap();
    drop(engine);
    let to = tempfile::tempdir().unwrap();
    let done = repair(directory.path(), to.path(), &mut |_, _| {});
    assert!(matches!(done, Err(RepairError::Nothing(_))), "{done:#?}");
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
}
