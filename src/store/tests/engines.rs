//! What the store relies on in an engine: one list of demands, which every engine is held to.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use crate::store::engine::{
    self, Engine, EngineKind, Entry, Order, Write, every_entry,
    memory::{Fault, MemoryEngine, Unsynced},
};

const CACHE: u64 = 8 << 20;

/// A database of some engine, which can be closed and opened again.
trait Database {
    fn make() -> Self;
    /// Opens it; the one opened before is dropped by then.
    fn open(&self) -> Box<dyn Engine>;
}

struct OnDisk<const REDB: bool>(tempfile::TempDir);

impl<const REDB: bool> OnDisk<REDB> {
    const KIND: EngineKind = if REDB { EngineKind::Redb } else { EngineKind::Sled };
}

impl<const REDB: bool> Database for OnDisk<REDB> {
    fn make() -> Self {
        let directory = tempfile::tempdir().unwrap();
        engine::create(Self::KIND, &directory.path().join("it"), CACHE, Vec::new()).unwrap();
        Self(directory)
    }

    fn open(&self) -> Box<dyn Engine> {
        engine::open(Self::KIND, &self.0.path().join("it"), CACHE).unwrap()
    }
}

impl Database for MemoryEngine {
    fn make() -> Self {
        Self::new()
    }

    fn open(&self) -> Box<dyn Engine> {
        Box::new(self.clone())
    }
}

fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Write {
    (key.as_ref().to_vec(), Some(value.as_ref().to_vec()))
}

fn delete(key: impl AsRef<[u8]>) -> Write {
    (key.as_ref().to_vec(), None)
}

fn number(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn keys(engine: &dyn Engine, from: &[u8], to: &[u8], order: Order) -> Vec<Vec<u8>> {
    engine.range(from, to, order).map(|entry| entry.unwrap().key).collect()
}

fn values_are_got_by_their_whole_key<D: Database>() {
    let database = D::make();
    let engine = database.open();
    engine.commit(vec![put("a", "1"), put("ab", ""), put([0, 0xff], [0; 3]), put("", "empty")]).unwrap();
    assert_eq!(engine.get(b"a").unwrap().unwrap(), b"1");
    assert_eq!(engine.get(b"ab").unwrap().unwrap(), b"");
    assert_eq!(engine.get(&[0, 0xff]).unwrap().unwrap(), [0; 3]);
    assert_eq!(engine.get(b"").unwrap().unwrap(), b"empty");
    for missing in [&b"b"[..], b"abc", &[0], &[0, 0xff, 0]] {
        assert_eq!(engine.get(missing).unwrap(), None);
    }
}

fn a_range_has_its_beginning_and_not_its_end_in_both_orders<D: Database>() {
    let database = D::make();
    let engine = database.open();
    engine.commit(["a", "b", "ba", "c", "d"].map(|key| put(key, key)).to_vec()).unwrap();
    for (from, to, expected) in [
        ("b", "d", &["b", "ba", "c"][..]),
        ("aa", "bz", &["b", "ba"]),
        ("", "a", &[]),
        ("", "z", &["a", "b", "ba", "c", "d"]),
        ("b", "b", &[]),
        ("d", "b", &[]),
        ("da", "z", &[]),
    ] {
        let (low, high) = (from.as_bytes(), to.as_bytes());
        let mut expected: Vec<Vec<u8>> = expected.iter().map(|key| key.as_bytes().to_vec()).collect();
        assert_eq!(keys(&*engine, low, high, Order::Ascending), expected, "{from}..{to}");
        expected.reverse();
        assert_eq!(keys(&*engine, low, high, Order::Descending), expected, "{from}..{to} descending");
    }
    let whole: Vec<Entry> = every_entry(&*engine).map(Result::unwrap).collect();
    assert!(whole.iter().all(|entry| entry.key == entry.value));
    assert_eq!(whole.len(), 5);
}

fn nothing_is_no_trouble<D: Database>() {
    let database = D::make();
    let engine = database.open();
    engine.commit(Vec::new()).unwrap();
    assert_eq!(every_entry(&*engine).count(), 0);
    engine.commit(vec![delete("never there")]).unwrap();
    assert_eq!(engine.range(b"", b"", Order::Descending).count(), 0);
    drop(engine);
    assert_eq!(every_entry(&*database.open()).count(), 0);
}

fn a_batch_puts_overwrites_and_deletes_and_stays<D: Database>() {
    let database = D::make();
    let engine = database.open();
    engine.commit(vec![put("keep", "1"), put("change", "1"), put("go", "1")]).unwrap();
    engine.commit(vec![put("change", "22"), delete("go"), put("new", "1")]).unwrap();
    let look = |engine: &dyn Engine| -> BTreeMap<Vec<u8>, Vec<u8>> {
        every_entry(engine).map(Result::unwrap).map(|entry| (entry.key, entry.value)).collect()
    };
    let expected = BTreeMap::from([("keep", "1"), ("change", "22"), ("new", "1")].map(|(k, v)| (k.into(), v.into())));
    assert_eq!(look(&*engine), expected);
    drop(engine);
    let engine = database.open();
    assert_eq!(look(&*engine), expected);
    assert_eq!(engine.get(b"go").unwrap(), None);
}

fn a_range_goes_on_while_commits_are_made<D: Database>() {
    let database = D::make();
    let engine = database.open();
    engine.commit((0..400).map(|n| put(number(n * 10), number(n))).collect()).unwrap();
    for order in [Order::Ascending, Order::Descending] {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for (step, entry) in (0_u32..).zip(engine.range(&number(0), &number(4_000), order)) {
            let key = entry.unwrap().key;
            if step.is_multiple_of(7) {
                // Behind, ahead, and what is overwritten where it is.
                let batch = vec![put(number(step * 10 + 5), "x"), delete(number(3_999 - step)), put(&key, "again")];
                engine.commit(batch).unwrap();
            }
            seen.push(key);
        }
        let in_order = match order {
            Order::Ascending => seen.is_sorted_by(|a, b| a < b),
            Order::Descending => seen.is_sorted_by(|a, b| a > b),
        };
        assert!(in_order, "a key came twice or out of order");
        let stayed = (0..400).map(|n| number(n * 10)).filter(|key| engine.get(key).unwrap().is_some());
        assert!(
            stayed.into_iter().all(|key| seen.iter().any(|found| *found == key)),
            "a key that stayed was passed by"
        );
    }
}

fn large_values_come_back_whole<D: Database>() {
    let database = D::make();
    let engine = database.open();
    let value = |n: u32| -> Vec<u8> { (0..7_000 - n).map(|at| (at.wrapping_mul(31) ^ n).to_le_bytes()[0]).collect() };
    for first in (0..200).step_by(50) {
        engine.commit((first..first + 50).map(|n| put(number(n), value(n))).collect()).unwrap();
    }
    drop(engine);
    let engine = database.open();
    for (n, entry) in (0..).zip(every_entry(&*engine)) {
        assert_eq!(entry.unwrap().value, value(n));
        assert_eq!(engine.get(&number(n)).unwrap().unwrap(), value(n));
    }
    assert_eq!(every_entry(&*engine).count(), 200);
}

fn many_keys_are_found_again_and_the_size_grows<D: Database>() {
    let database = D::make();
    let engine = database.open();
    let before = engine.approximate_size();
    let scattered = |n: u32| number(n.wrapping_mul(2_654_435_761) & 0x7fff_ffff);
    for first in (0..40_000).step_by(2_000) {
        engine.commit((first..first + 2_000).map(|n| put(scattered(n), [7; 100])).collect()).unwrap();
    }
    let full = engine.approximate_size();
    assert!(full > before.max(40_000 * 100), "{before} to {full}");
    for first in (0..40_000).step_by(2_000) {
        let gone = (first..first + 2_000).filter(|n| n % 3 != 0);
        engine.commit(gone.map(|n| delete(scattered(n))).collect()).unwrap();
    }
    drop(engine);
    let engine = database.open();
    assert_eq!(every_entry(&*engine).count(), 40_000_usize.div_ceil(3));
    assert!((0..40_000).step_by(97).all(|n| engine.get(&scattered(n)).unwrap().is_some() == (n % 3 == 0)));
    // A first page of a long range costs no walk over the rest.
    assert_eq!(engine.range(b"", &[u8::MAX], Order::Descending).take(3).count(), 3);
}

fn readers_and_the_writer_do_not_wait_for_each_other_for_ever<D: Database>() {
    let database = D::make();
    let engine = database.open();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = None;
                for _ in 0..200 {
                    let seen = engine.get(b"a").unwrap();
                    assert!(last <= seen, "it went back");
                    last = seen;
                    assert!(engine.range(b"a", b"c", Order::Ascending).map(Result::unwrap).count() <= 2);
                }
            });
        }
        for n in 0..100 {
            engine.commit(vec![put("a", number(n)), put("b", number(n))]).unwrap();
        }
    });
    assert_eq!(engine.get(b"a").unwrap().unwrap(), number(99));
}

/// A step of the model test: a batch, or the database is closed and opened.
#[derive(Debug, Clone)]
enum Step {
    Commit(BTreeMap<Vec<u8>, Option<Vec<u8>>>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || vec(prop_oneof![Just(0_u8), Just(1), Just(0x7f), Just(0xfe)], 0..4);
    let value = prop_oneof![6 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 6_900..7_000)];
    let batch = prop::collection::btree_map(key(), prop::option::weighted(0.7, value), 0..12);
    vec(prop_oneof![9 => batch.prop_map(Step::Commit), 1 => Just(Step::Reopen)], 1..30)
}

fn it_is_an_ordered_map<D: Database>() {
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in steps(), from in vec(any::<u8>(), 0..3), to in vec(any::<u8>(), 0..3))| {
        let database = D::make();
        let mut engine = database.open();
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Commit(batch) => {
                    engine.commit(batch.clone().into_iter().collect()).unwrap();
                    for (key, value) in batch {
                        match value {
                            Some(value) => drop(model.insert(key, value)),
                            None => drop(model.remove(&key)),
                        }
                    }
                }
                Step::Reopen => {
                    drop(engine);
                    engine = database.open();
                }
            }
        }
        let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| Entry { key: key.clone(), value: value.clone() };
        let found: Vec<Entry> = every_entry(&*engine).map(Result::unwrap).collect();
        prop_assert_eq!(found, model.iter().map(entry).collect::<Vec<_>>());
        let (from, to) = (from.min(to.clone()), to);
        let within: Vec<Entry> = if from < to { model.range(from.clone()..to.clone()).rev().map(entry).collect() } else { Vec::new() };
        let found: Vec<Entry> = engine.range(&from, &to, Order::Descending).map(Result::unwrap).collect();
        prop_assert_eq!(found, within);
    });
}

/// One test a demand and engine.
macro_rules! demands {
    ($($demand:ident),* $(,)?) => {
        demands!(@engine sled, OnDisk<false>, $($demand),*);
        demands!(@engine redb, OnDisk<true>, $($demand),*);
        demands!(@engine memory, MemoryEngine, $($demand),*);
    };
    (@engine $engine:ident, $database:ty, $($demand:ident),*) => {
        mod $engine {
            use super::*;
            $(#[test] fn $demand() { super::$demand::<$database>() })*
        }
    };
}

demands! {
    values_are_got_by_their_whole_key,
    a_range_has_its_beginning_and_not_its_end_in_both_orders,
    nothing_is_no_trouble,
    a_batch_puts_overwrites_and_deletes_and_stays,
    a_range_goes_on_while_commits_are_made,
    large_values_come_back_whole,
    many_keys_are_found_again_and_the_size_grows,
    readers_and_the_writer_do_not_wait_for_each_other_for_ever,
    it_is_an_ordered_map,
}

#[test]
fn the_engine_in_memory_loses_what_was_not_synced_batch_by_batch() {
    let engine = MemoryEngine::new();
    engine.commit(vec![put("synced", "1")]).unwrap();
    engine.hold_syncs(true);
    engine.commit(vec![put("first", "1"), delete("synced")]).unwrap();
    engine.commit(vec![put("second", "1"), put("second too", "1")]).unwrap();
    let left = |unsynced| keys(&engine.crash(unsynced), b"", b"z", Order::Ascending);
    assert_eq!(left(Unsynced::Lost), [b"synced"]);
    assert_eq!(left(Unsynced::Some { seed: 3 }), [b"synced"]);
    assert_eq!(left(Unsynced::Some { seed: 4 }), [b"first"]);
    assert_eq!(left(Unsynced::Some { seed: 5 }), [&b"first"[..], b"second", b"second too"]);
    engine.hold_syncs(false);
    engine.commit(Vec::new()).unwrap();
    assert_eq!(left(Unsynced::Lost), [&b"first"[..], b"second", b"second too"]);
}

#[test]
fn the_engine_in_memory_fails_when_it_is_told_to() {
    for (fault, seen, kept) in
        [(Fault::BeforeApplying, false, false), (Fault::BeforeSyncing, true, false), (Fault::AfterSyncing, true, true)]
    {
        let engine = MemoryEngine::new();
        engine.fail_after(1, fault);
        engine.commit(vec![put("before", "1")]).unwrap();
        engine.commit(vec![put("it", "1")]).unwrap_err();
        assert_eq!(engine.get(b"it").unwrap().is_some(), seen, "{fault:?}");
        assert_eq!(engine.crash(Unsynced::Lost).get(b"it").unwrap().is_some(), kept, "{fault:?}");
        engine.commit(vec![put("after", "1")]).unwrap();
    }
}
