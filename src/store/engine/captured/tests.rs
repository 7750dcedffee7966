//! Copies of a small engine and of sled, with commits at every possible moment.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::store::engine::{CommitError, EngineKind, Entries, ReadError, create, open};

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// The simplest engine that can be copied.
#[derive(Default)]
struct Small {
    state: RwLock<State>,
    capture: Capture,
}

impl Engine for Small {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.state.read().unwrap().get(key).cloned())
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order) -> Entries<'_> {
        assert_eq!(order, Order::Ascending);
        let state = self.state.read().unwrap();
        let found = state.range(from.to_vec()..to.to_vec());
        let found: Vec<_> = found.map(|(key, value)| Ok(Entry { key: key.clone(), value: value.clone() })).collect();
        Box::new(found.into_iter())
    }

    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError> {
        let committing = self.capture.committing();
        apply(&mut self.state.write().unwrap(), &batch);
        committing.committed(&batch);
        Ok(())
    }

    fn copy(&self, aside: Aside) -> Result<Writes<'_>, CopyError> {
        self.capture.copy(self, aside)
    }

    fn approximate_size(&self) -> u64 {
        0
    }
}

fn apply(state: &mut State, batch: &[Write]) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(state.insert(key.clone(), value.clone())),
            None => drop(state.remove(key)),
        }
    }
}

fn aside(directory: &Path, memory: usize) -> Aside {
    Aside { memory, directory: directory.to_owned(), free_space_floor: 0 }
}

fn key(number: u16) -> Vec<u8> {
    [b"k", &number.to_be_bytes()[..]].concat()
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Write>),
    /// So many writes of the copy are taken.
    Copy(usize),
}

fn write() -> impl Strategy<Value = Write> {
    (0..1_000_u16, proptest::option::weighted(0.7, vec(any::<u8>(), 0..40))).prop_map(|(n, value)| (key(n), value))
}

fn batch() -> impl Strategy<Value = Vec<Write>> {
    // A batch names each key once.
    vec(write(), 0..60).prop_map(|writes| writes.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![batch().prop_map(Step::Commit), (1..300_usize).prop_map(Step::Copy)], 0..40)
}

proptest! {
    #[test]
    fn a_copy_is_the_state_at_the_moment_when_its_end_was_fixed(
        first in vec(batch(), 0..30),
        steps in steps(),
        memory in prop_oneof![Just(0_usize), Just(500), Just(1 << 20)],
    ) {
        let directory = tempfile::tempdir().unwrap();
        let engine = Small::default();
        for batch in first {
            engine.commit(batch).unwrap();
        }
        let mut copy = engine.capture.begin(&engine, aside(directory.path(), memory)).unwrap();
        prop_assert!(matches!(engine.copy(aside(directory.path(), memory)), Err(CopyError::Busy)));
        let mut copied = State::new();
        let mut end = None;
        let mut take = |copy: &mut Copy, most: usize| {
            for _ in 0..most {
                let walking = matches!(copy.stage, Stage::Walk { .. });
                let write = copy.next();
                if walking && !matches!(copy.stage, Stage::Walk { .. }) {
                    end = Some(engine.state.read().unwrap().clone());
                }
                let Some(write) = write else { break };
                apply(&mut copied, &[write.unwrap()]);
            }
        };
        for step in steps {
            match step {
                Step::Commit(batch) => engine.commit(batch).unwrap(),
                Step::Copy(most) => take(&mut copy, most),
            }
        }
        take(&mut copy, usize::MAX);
        prop_assert_eq!(Some(copied), end);
        prop_assert!(copy.next().is_none());
        drop(copy);
        prop_assert!(engine.capture.log().is_none(), "nothing is captured any more");
        prop_assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no file is left");
        prop_assert!(engine.copy(aside(directory.path(), memory)).is_ok());
    }
}

#[test]
fn a_copy_that_is_dropped_early_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Small::default();
    engine.commit((0..10).map(|n| (key(n), Some(vec![1; 100]))).collect()).unwrap();
    let mut copy = engine.copy(aside(directory.path(), 10)).unwrap();
    assert!(copy.next().is_some());
    engine.commit((0..10).map(|n| (key(n), Some(vec![2; 100]))).collect()).unwrap();
    drop(copy);
    assert!(engine.capture.log().is_none());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn without_room_the_copy_ends_and_commits_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Small::default();
    engine.commit((0..1_000).map(|n| (key(n), Some(vec![1; 100]))).collect()).unwrap();
    let no_room = Aside { free_space_floor: u64::MAX, ..aside(directory.path(), 50) };
    let nowhere = aside(&directory.path().join("missing"), 50);
    for bad in [no_room, nowhere] {
        let mut copy = engine.copy(bad).unwrap();
        assert!(copy.next().is_some());
        engine.commit((0..10).map(|n| (key(n), Some(vec![2; 100]))).collect()).unwrap();
        let seen = copy.by_ref().take_while(Result::is_ok).count();
        assert!(seen < 1_000, "it ends with the step, not with the walk: {seen}");
        assert!(copy.next().is_none());
    }
}

/// Batches that set ten keys to one number, by a thread that never rests: a copy shows one number, and not an earlier
/// one than that from before it began.
#[test]
fn a_copy_of_sled_under_load_lies_between_two_batches() {
    const TEAM: u16 = 10;
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("sled");
    let others = (0..2_000).map(|n| (key(1_000 + n), Some(vec![0; 50]))).collect();
    create(EngineKind::Sled, &store, 8 << 20, others).unwrap();
    let engine = open(EngineKind::Sled, &store, 8 << 20).unwrap();
    let team = |number: u32| (0..TEAM).map(|n| (key(n * 300), Some(number.to_be_bytes().to_vec()))).collect::<Vec<_>>();
    engine.commit(team(0)).unwrap();
    let over = AtomicBool::new(false);
    let copies = thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                engine.commit(team(number)).unwrap();
            }
        });
        let copies = [0, 100, 1 << 20, 0, 100, 1 << 20].map(|memory| {
            let before = engine.get(&key(0));
            let copy = engine.copy(aside(directory.path(), memory));
            (before, copy.and_then(Iterator::collect::<Result<Vec<_>, _>>))
        });
        over.store(true, Ordering::Relaxed);
        copies
    });
    for (before, copy) in copies {
        let mut state = State::new();
        apply(&mut state, &copy.unwrap());
        let numbers: Vec<_> = (0..TEAM).map(|n| state.get(&key(n * 300)).cloned()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "a batch is half there: {numbers:?}");
        assert!(numbers[0] >= before.unwrap(), "the copy is older than its beginning");
        assert_eq!(state.len(), 2_000 + usize::from(TEAM) - 6, "six of the ten took another's place");
    }
}
