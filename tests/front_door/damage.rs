//! Damage to files: a stopped store of several segments has each of its files cut, zeroed, bit-flipped, removed,
//! swapped and rolled back, in many ways. Each time either it does not open, with an error that says so, or `verify`
//! names what is wrong, or the store is proven to have all of its rows as before. `MYTHICHOOKS_DAMAGE_FLIPS` sets the
//! number of bits that are flipped in the largest file (40).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::server::mythichooks;
use crate::support::{Receiver, Server, until};

/// No check of so small a store takes longer, even where it reads around damage.
const LONGEST: Duration = Duration::from_secs(120);
const SEGMENT: usize = 512 * 1024;
/// Checks that run at a time.
const WORKERS: usize = 2;

fn flips() -> usize {
    std::env::var("MYTHICHOOKS_DAMAGE_FLIPS").map_or(40, |flips| flips.parse().unwrap())
}

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

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(root: &Path, at: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(directory, directory, &mut found);
    found
}

/// Runs a command that must end by itself, without a panic.
fn finished(mut command: Command, what: &str) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipes = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    // Read beside the wait: a long list of findings is more than a pipe holds.
    let reader = std::thread::spawn(move || {
        let mut read = (Vec::new(), Vec::new());
        std::io::Read::read_to_end(&mut pipes.0, &mut read.0).unwrap();
        std::io::Read::read_to_end(&mut pipes.1, &mut read.1).unwrap();
        read
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > LONGEST {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{what}: it hangs");
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    let (stdout, stderr) = reader.join().unwrap();
    let output = Output { status, stdout, stderr };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{what}: {} {said}", output.status);
    assert!(!said.contains("panicked"), "{what}: {said}");
    output
}

fn checked(directory: &Path, what: &str) -> Output {
    let mut command = mythichooks();
    command.args(["verify", "--json", "--data-dir"]).arg(directory);
    finished(command, what)
}

fn report(output: &Output) -> Option<Value> {
    serde_json::from_slice(&output.stdout).ok()
}

/// Stores: sound, an earlier state of it, and another one.
struct Stores {
    sound: tempfile::TempDir,
    earlier: tempfile::TempDir,
    other: tempfile::TempDir,
    digest: Value,
}

fn post(server: &Server, round: usize) {
    let api = server.admin();
    for batch in 0..4 {
        let event = |n: usize| {
            json!({
                "id": format!("evt_r{round}b{batch}n{n}"),
                "type": "batch.completed",
                "data": {"object": {"n": n, "pad": "p".repeat(n * 53 % if n.is_multiple_of(97) { 20_000 } else { 900 })}},
            })
        };
        let events: Vec<Value> = (0..500).map(event).collect();
        api.post("/v1/events/batch", &json!({"events": events})).expect(202);
    }
}

impl Stores {
    fn make(engine: &str) -> Self {
        let stop = |server: &mut Server| assert!(server.terminate().success());
        let kept = |server: &Server| {
            let directory = tempfile::tempdir().unwrap();
            copy(&server.setup.data_dir(), directory.path());
            directory
        };
        let mut other = Server::setup().args(["--engine", engine]).start();
        other.admin().post("/v1/events", &json!({"type": "batch.completed", "data": {"object": {}}})).expect(202);
        stop(&mut other);

        let receiver = Receiver::start(|_, before| if before % 5 == 2 { 500 } else { 200 });
        let mut server = Server::setup().schedule("1h").args(["--engine", engine]).start();
        server.admin().endpoint(&receiver.url());
        post(&server, 0);
        stop(&mut server);
        let earlier = kept(&server);
        server.start_again();
        post(&server, 1);
        until("most were sent", || receiver.count() > 3_000);
        stop(&mut server);
        // A start and a stop more: the engine has then written all that it writes at either.
        server.start_again();
        stop(&mut server);

        let sound = kept(&server);
        let output = checked(sound.path(), "the sound store");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let report = report(&output).unwrap();
        assert_eq!(report["events"], 4_000);
        Self { sound, earlier, other: kept(&other), digest: report["digest"].clone() }
    }

    /// What is said of a copy in which one file was changed.
    fn try_damage(&self, what: &str, name: &Path, bytes: Option<&[u8]>) -> Outcome {
        let directory = tempfile::tempdir().unwrap();
        copy(self.sound.path(), directory.path());
        let path = directory.path().join(name);
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let output = checked(directory.path(), what);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match report(&output) {
            Some(report) if output.status.success() => {
                assert_eq!(report["digest"], self.digest, "{what}: what is not as it was is taken for sound");
                Outcome::Whole
            }
            Some(report) => {
                assert!(!report["findings"].as_array().unwrap().is_empty(), "{what}: {said}");
                Outcome::Named
            }
            None => {
                let clear = ["damaged", "cannot be used"].iter().any(|word| said.contains(word));
                assert!(clear && said.lines().count() == 1, "{what}: {said}");
                Outcome::Refused
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Every row is as before.
    Whole,
    /// It opened, and the check named what is wrong.
    Named,
    /// It did not open.
    Refused,
}

/// All damaged forms of a file, each with its name.
fn damaged(name: &Path, bytes: &[u8], stores: &Stores) -> Vec<(String, Option<Vec<u8>>)> {
    let length = bytes.len();
    let mut forms: Vec<(String, Option<Vec<u8>>)> = vec![("removed".into(), None)];
    let mut cuts = vec![0, length / 2, length.saturating_sub(1), length.saturating_sub(37)];
    cuts.extend([1, 2, 3].iter().filter_map(|n| length.checked_sub(n * SEGMENT)));
    for cut in cuts.into_iter().filter(|cut| *cut < length) {
        forms.push((format!("cut to {cut} of {length}"), Some(bytes[..cut].to_vec())));
    }
    for (unit, tries) in [(512, 8), (4_096, 8), (SEGMENT, 6)] {
        let step = (length / tries).max(1).next_multiple_of(unit);
        for from in (0..length).step_by(step) {
            let mut zeroed = bytes.to_vec();
            let to = length.min(from + unit);
            zeroed[from..to].fill(0);
            forms.push((format!("zeroed from {from} to {to}"), Some(zeroed)));
        }
    }
    let tries = if length > SEGMENT { flips() } else { 12 };
    for n in 0..tries {
        // Spread over the file, each time at another bit of another byte.
        let at = (length * n / tries + n * 7_919) % length;
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (n % 8);
        forms.push((format!("bit {} of byte {at} flipped", n % 8), Some(flipped)));
    }
    for (whose, from) in [("another store's", &stores.other), ("an older copy", &stores.earlier)] {
        // The engine's own snapshots have names of their own each time.
        if let Ok(other) = fs::read(from.path().join(name)) {
            forms.push((whose.to_owned(), Some(other)));
        }
    }
    forms.retain(|(_, form)| form.as_deref() != Some(bytes));
    forms
}

#[test]
fn whatever_is_done_to_a_file_of_sled_is_found_or_does_no_harm() {
    is_found_or_does_no_harm("sled");
}

#[test]
fn whatever_is_done_to_a_file_of_redb_is_found_or_does_no_harm() {
    is_found_or_does_no_harm("redb");
}

fn is_found_or_does_no_harm(engine: &str) {
    let stores = Stores::make(engine);
    let mut outcomes: BTreeMap<(PathBuf, Outcome), Vec<String>> = BTreeMap::new();
    let mut names = Vec::new();
    for (name, bytes) in files(&stores.sound.path().join("store")) {
        let name = Path::new("store").join(name);
        let forms = damaged(&name, &bytes, &stores);
        let (tried, next) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some((how, form)) = forms.get(next.fetch_add(1, Ordering::SeqCst)) {
                        let what = format!("{} {how}", name.display());
                        let outcome = stores.try_damage(&what, &name, form.as_deref());
                        tried.lock().unwrap().push((outcome, how.clone()));
                    }
                });
            }
        });
        for (outcome, how) in tried.into_inner().unwrap() {
            outcomes.entry((name.clone(), outcome)).or_default().push(how);
        }
        names.push(name);
    }
    for ((name, outcome), how) in &outcomes {
        println!("{} {outcome:?}: {} times", name.display(), how.len());
    }
    let found = |name: &str, outcome| outcomes.get(&(PathBuf::from(name), outcome)).map_or(0, Vec::len);
    // The test can fail only where damage does something: it has to, in each file.
    for name in names {
        let name = name.to_string_lossy().into_owned();
        let told = found(&name, Outcome::Named) + found(&name, Outcome::Refused);
        assert!(told > 0, "nothing that was done to {name} was ever found");
    }
    assert_eq!(found("store/manifest", Outcome::Named), 0, "a manifest is believed or not");
}

#[test]
fn what_is_repaired_of_sled_is_sound() {
    is_sound_when_repaired("sled");
}

#[test]
fn what_is_repaired_of_redb_is_sound() {
    is_sound_when_repaired("redb");
}

/// Of a store that is damaged anywhere, repair makes one that is sound, or says that it cannot.
fn is_sound_when_repaired(engine: &str) {
    let has_a_log = engine == "sled";
    let stores = Stores::make(engine);
    let engine = files(&stores.sound.path().join("store"))
        .into_iter()
        .max_by_key(|(_, bytes)| bytes.len())
        .map(|(name, bytes)| (Path::new("store").join(name), bytes));
    let (log, bytes) = engine.unwrap();
    let small: Vec<PathBuf> = files(&stores.sound.path().join("store")).into_keys().collect();
    let mut cases: Vec<(PathBuf, String, Option<Vec<u8>>)> = Vec::new();
    for n in 0..6 {
        let at = bytes.len() * n / 6 + 9_001;
        let mut zeroed = bytes.clone();
        zeroed[at..at + 3_000].fill(0);
        cases.push((log.clone(), format!("zeroed at {at}"), Some(zeroed)));
    }
    let mut cuts = vec![bytes.len() / 2, bytes.len() - SEGMENT - 5];
    if has_a_log {
        cuts.extend([bytes.len() * 3 / 4, bytes.len() - 9_001]);
    }
    for cut in cuts {
        cases.push((log.clone(), format!("cut to {cut}"), Some(bytes[..cut].to_vec())));
    }
    for name in small.into_iter().map(|name| Path::new("store").join(name)).filter(|name| *name != log) {
        cases.push((name.clone(), "removed".into(), None));
        cases.push((name, "emptied".into(), Some(Vec::new())));
    }
    let mut saved = 0;
    let count = cases.len();
    for (name, how, form) in cases {
        let what = format!("{} {how}", name.display());
        let directory = tempfile::tempdir().unwrap();
        copy(stores.sound.path(), directory.path());
        match form {
            Some(form) => fs::write(directory.path().join(&name), form).unwrap(),
            None => fs::remove_file(directory.path().join(&name)).unwrap(),
        }
        let before = files(&directory.path().join("store"));
        let to = directory.path().join("new");
        let mut command = mythichooks();
        command.args(["repair", "--json", "--data-dir"]).arg(directory.path()).arg("--to").arg(&to);
        let output = finished(command, &what);
        assert!(files(&directory.path().join("store")) == before, "{what}: the source was changed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            assert!(said.contains("nothing could be saved"), "{what}: {said}");
            continue;
        }
        let told = report(&output).unwrap();
        let check = checked(&to, &what);
        let checked = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(check.status.success(), "{what}: {checked}\n{told}");
        let events = told["events"].as_u64().unwrap();
        if events == 0 {
            // Where the root of the engine's tree is lost, an endpoint or so is all that is left.
            let rows = report(&check).unwrap()["rows"].as_u64();
            assert!(rows > Some(1) && told["lost"].as_u64() > Some(0), "{what}: {told}");
            continue;
        }
        println!("{what}: {} events, {} deliveries, {} losses", told["events"], told["deliveries"], told["lost"]);
        if saved == 0 {
            serves(&to);
        }
        if name != log {
            assert_eq!((&told["events"], &told["lost"]), (&json!(4_000), &json!(0)), "{what}: {told}");
        }
        saved += 1;
    }
    assert!(saved * 2 > count, "only {saved} of {count} were saved at all");
}

fn serves(directory: &Path) {
    let setup = Server::setup();
    copy(directory, &setup.data_dir());
    let mut server = setup.start();
    let id = server.admin().event();
    assert_eq!(server.admin().get(&format!("/v1/events/{id}")).expect(200)["id"], id.as_str());
    assert!(server.terminate().success());
    server.verify_store();
}
