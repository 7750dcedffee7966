//! Looks at one image after another, in a process of its own: an engine that meets an impossible file may panic in
//! any thread, hang, or end the process. The invariants are those of the test's first page.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use mythichooks::clock::Clock;
use mythichooks::domain::{account::Account, event::Event, ids::DeliveryId};
use mythichooks::store::{Finding, NewEvent, Options, Store, verify};
use serde::{Deserialize, Serialize};

use crate::promises::{self, Promise, Promised};

/// In the environment of a process that looks at images.
pub const WORKER: &str = "POWER_CUTS_WORKER";
/// The test that such a process runs.
pub const TEST: &str = "checker::tests::a_process_that_looks_at_images";
/// What its lines begin with.
pub const STAGE: &str = "stage:";
pub const VERDICT: &str = "verdict:";

/// The data directory, from the root of the disk on: its own name, and that of the one above, are part of the image.
pub const DATA: &str = "above/data";

const CACHE: u64 = 16 << 20;

/// What such a process is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    /// Look at the image of a disk in this directory, against the promises made up to `cut`.
    Check { directory: PathBuf, promises: PathBuf, cut: usize },
    /// Open the store on it and accept so many events one by one. For a process under the recorder.
    Use { directory: PathBuf, record: PathBuf, events: usize },
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Verdict {
    Sound,
    Broken { invariant: String, what: String },
    Used { promises: Vec<Promise> },
}

type Checked<T> = Result<T, String>;

fn open(directory: &Path) -> Checked<Store> {
    let options = Options { cache: CACHE, placed_at_once: 1, ..Options::default() };
    Store::open(directory, options, Clock::start()).map_err(|error| error.to_string())
}

/// Checks all invariants; each is told to `stage` before it is looked at.
pub fn check(directory: &Path, promises: &[Promise], cut: usize, stage: impl Fn(&str)) -> Checked<()> {
    stage("I1");
    let store = open(directory)?;
    stage("I2");
    hold(&store, promises, cut)?;
    stage("I5");
    let no_token = store.tokens().map_err(|error| error.to_string())?.is_empty();
    let file = std::fs::read_to_string(directory.join("admin-token")).unwrap_or_default();
    demand(no_token || file.trim().starts_with("mhk_"), || "the file with the first token is gone".to_owned())?;
    drop(store);

    stage("I3");
    sound(directory)?;

    stage("I4");
    let store = open(directory)?;
    let accepted = accept(&store, r#"{"after":"the cut"}"#)?;
    drop(store);
    sound(directory)?;
    let store = open(directory)?;
    let found = store.event(&accepted.id).map_err(|error| error.to_string())?;
    demand(found.as_ref() == Some(&accepted), || "what was accepted after the cut is not there".to_owned())
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn sound(directory: &Path) -> Checked<()> {
    let report = verify(directory, &mut |_, _| {}).map_err(|error| error.to_string())?;
    let findings = || format!("{} findings: {}", report.found, first_of(&report.findings));
    demand(report.is_sound(), findings)
}

fn hold(store: &Store, promises: &[Promise], cut: usize) -> Checked<()> {
    let endpoints = store.endpoints().map_err(|error| error.to_string())?;
    let described: HashMap<String, &str> =
        endpoints.iter().map(|endpoint| (endpoint.id.to_string(), endpoint.description.as_str())).collect();
    let mut lost = Vec::new();
    for promise in promises.iter().filter(|promise| promise.made_at <= cut) {
        let kept = match &promise.of {
            Promised::Event { id, digest, deliveries, removable_at } => {
                event_is_whole(store, id, digest, *deliveries, removable_at.is_some_and(|at| at <= cut))
            }
            Promised::Endpoint { id, version } => {
                let found = described.get(id).and_then(|text| text.strip_prefix("version ")?.parse::<u64>().ok());
                demand(found.is_some_and(|found| found >= *version), || {
                    format!("endpoint {id} is at {found:?}, but {version} was acknowledged")
                })
            }
        };
        lost.extend(kept.err());
    }
    demand(lost.is_empty(), || format!("{} promises broken: {}", lost.len(), lost[..lost.len().min(5)].join("; ")))
}

fn event_is_whole(store: &Store, id: &str, digest: &str, deliveries: u32, removable: bool) -> Checked<()> {
    let failed = |error: mythichooks::store::StoreError| format!("{id}: {error}");
    let Some(event) = store.event(&id.parse().map_err(|_| "not an id")?).map_err(failed)? else {
        return demand(removable, || format!("{id} is gone"));
    };
    let body = store.body(event.key).map_err(failed)?.ok_or_else(|| format!("the body of {id} is gone"))?;
    demand(promises::digest(body.bytes()) == digest, || format!("the body of {id} is another"))?;
    demand(event.delivery_count == deliveries, || format!("{id} has not as many deliveries as were promised"))?;
    for n in 0..u128::from(deliveries) {
        let delivery = DeliveryId::from_u128(event.first_delivery.as_u128() + n);
        let found = store.delivery(delivery).map_err(failed)?;
        demand(found.is_some_and(|found| found.event_id == event.id), || format!("a delivery of {id} is gone"))?;
    }
    Ok(())
}

fn accept(store: &Store, object: &str) -> Checked<Event> {
    let new = NewEvent {
        id: None,
        idempotency: None,
        event_type: "batch.completed".parse().map_err(|_| "not a type")?,
        account: Account::default(),
        created: None,
        object: Bytes::copy_from_slice(object.as_bytes()),
        endpoints: store.endpoints().map_err(|error| error.to_string())?.iter().map(|endpoint| endpoint.id).collect(),
        test: false,
        repeat_only: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let accepted = runtime.block_on(store.accept(vec![new])).map_err(|error| error.to_string())?;
    Ok(accepted[0].event.clone())
}

fn use_store(directory: &Path, record: &Path, events: usize) -> Checked<Vec<Promise>> {
    let store = open(directory)?;
    let mut made = Vec::new();
    for number in 0..events {
        let object = format!(r#"{{"number":{number},"pad":"{}"}}"#, "x".repeat(9_000 * number));
        let event = accept(&store, &object)?;
        let body = store.body(event.key).map_err(|error| error.to_string())?.ok_or("its body is not there")?;
        let of = Promised::Event {
            id: event.id.to_string(),
            digest: promises::digest(body.bytes()),
            deliveries: event.delivery_count,
            removable_at: None,
        };
        let length = std::fs::metadata(record).map_err(|error| error.to_string())?.len();
        made.push(Promise { made_at: usize::try_from(length).unwrap(), of });
    }
    Ok(made)
}

/// Answers one task; a panic is an answer too.
pub fn answer(task: &Task, stage: impl Fn(&str)) -> Verdict {
    let reached = Mutex::new(String::from("I1"));
    let note = |name: &str| {
        name.clone_into(&mut reached.lock().unwrap());
        stage(name);
    };
    let done = catch_unwind(AssertUnwindSafe(|| match task {
        Task::Check { directory, promises, cut } => {
            check(&directory.join(DATA), &promises::read(promises), *cut, note).map(|()| Verdict::Sound)
        }
        Task::Use { directory, record, events } => {
            use_store(&directory.join(DATA), record, *events).map(|promises| Verdict::Used { promises })
        }
    }));
    let what = match done {
        Ok(Ok(verdict)) => return verdict,
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            format!("a panic: {text}")
        }
    };
    Verdict::Broken { invariant: reached.into_inner().unwrap(), what }
}

/// Reads tasks from the standard input, a line each, and answers them until it ends.
fn work() {
    std::panic::set_hook(Box::new(|_| {}));
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{line}").unwrap();
        out.flush().unwrap();
    };
    for line in std::io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line.unwrap()).unwrap();
        let verdict = answer(&task, |name| say(format!("{STAGE}{name}")));
        say(format!("{VERDICT}{}", serde_json::to_string(&verdict).unwrap()));
    }
}

mod tests {
    use super::*;
    use crate::disk::{Node, read_image, write_image};
    use crate::scratch;

    /// Without its environment it looks at a store of its own: whole, with a promise that nobody kept, and damaged.
    #[test]
    fn a_process_that_looks_at_images() {
        if std::env::var_os(WORKER).is_some() {
            return work();
        }
        let scratch = scratch::directory();
        let (made, directory) = (scratch.path().join("made"), scratch.path().join("looked-at"));
        let record = scratch.path().join("record");
        std::fs::write(&record, "").unwrap();
        let mut promises = use_store(&made.join(DATA), &record, 3).unwrap();
        let image = read_image(&made);
        let file = scratch.path().join("promises");
        let look = |image, promises: &[Promise]| {
            write_image(image, &directory);
            promises::write(promises, &file);
            answer(&Task::Check { directory: directory.clone(), promises: file.clone(), cut: 0 }, |_| {})
        };
        let broken = |verdict| match verdict {
            Verdict::Broken { invariant, .. } => invariant,
            other => panic!("{other:?}"),
        };
        let whole = look(&image, &promises);
        assert!(matches!(whole, Verdict::Sound), "{whole:?}");

        let Promised::Event { digest, .. } = &mut promises[1].of else { unreachable!() };
        digest.replace_range(0..2, "zz");
        assert_eq!(broken(look(&image, &promises)), "I2", "another body");
        let mut damaged = image.clone();
        for (path, node) in &mut damaged {
            if let Node::File(bytes) = node
                && path.contains("/store/")
            {
                bytes.truncate(bytes.len() / 2);
            }
        }
        assert_eq!(broken(look(&damaged, &[])), "I1", "files cut in half");
    }
}

fn first_of(findings: &[Finding]) -> String {
    let first: Vec<_> = findings.iter().take(5).map(|finding| finding.text.as_str()).collect();
    first.join("; ")
}
