//! The rules of the house, as tests with their reasons: which way imports run, how long a file may be, what may be
//! named where, and which calls are banned.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test binary a panic is how a test fails, in what the tests share too"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path from `src/`, and its lines outside `#[cfg(test)]`.
struct Source {
    path: String,
    length: usize,
    lines: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let lines = if is_test_module(path) { Vec::new() } else { product_lines(&text) };
            let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            Source { path, length: text.lines().count(), lines }
        })
        .collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Whether a file belongs to a module `tests` that its parent declares under `#[cfg(test)]`.
fn is_test_module(path: &Path) -> bool {
    let Some(at) = path.ancestors().find(|part| part.file_stem().is_some_and(|stem| stem == "tests")) else {
        return false;
    };
    let parents = [at.with_file_name("mod.rs"), at.parent().unwrap().with_extension("rs")];
    parents.iter().any(|parent| fs::read_to_string(parent).is_ok_and(|text| text.contains("#[cfg(test)]\nmod tests;")))
}

/// The lines that are not in an item under `#[cfg(test)]`; rustfmt's layout is relied on: the item ends with a closing
/// brace at the indentation of its attribute.
fn product_lines(text: &str) -> Vec<(usize, String)> {
    let mut kept = Vec::new();
    let mut skipping: Option<(usize, bool)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match skipping {
            Some((at, opened)) => {
                let opened = opened || line.contains('{');
                let ends = indent == at && (line.trim_start().starts_with('}') || !opened && line.ends_with(';'));
                skipping = (!ends).then_some((at, opened));
            }
            None if line.trim() == "#[cfg(test)]" => skipping = Some((indent, false)),
            None => kept.push((number + 1, line.to_owned())),
        }
    }
    kept
}

/// A line without its comment; string literals that hold `//` are rare enough to be cut too.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// Reports all that broke a rule, with its reason.
fn hold(rule: &str, reason: &str, broken: &[String]) {
    assert!(broken.is_empty(), "\nrule: {rule}\nwhy: {reason}\n{}\n", broken.join("\n"));
}

/// The first part of every path from `crate::`, in groups (`use crate::{a::b, c::d}`) too, with its line.
fn floors_named(source: &Source) -> Vec<(usize, String)> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut named = Vec::new();
    // How many braces deep inside a group; 0 outside.
    let mut depth = 0_usize;
    for (number, line) in &source.lines {
        let line = code(line);
        let mut rest = line;
        while let Some(at) = rest.find("crate::") {
            rest = &rest[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => {
                    depth = 1;
                    rest = group;
                    break;
                }
                None => named.push((*number, word(rest))),
            }
        }
        if depth == 0 {
            continue;
        }
        let mut item_starts = true;
        for (at, character) in rest.char_indices() {
            if depth == 1 && item_starts && character.is_alphabetic() {
                named.push((*number, word(&rest[at..])));
                item_starts = false;
            }
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => item_starts = true,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    named
}

#[test]
fn a_grouped_import_is_seen() {
    let text = "use crate::{\n    clock::Clock,\n    domain::{\n        event::{A, B},\n    },\n    store::C,\n};\nfn f() { crate::http::g() }";
    let source = Source { path: String::new(), length: 0, lines: product_lines(text) };
    let named: Vec<String> = floors_named(&source).into_iter().map(|(_, name)| name).collect();
    assert_eq!(named, ["clock", "domain", "store", "http"]);
}

#[test]
fn imports_run_down_the_floors() {
    // What each floor may name, beside itself.
    let below = |floor: &str| -> Option<&[&str]> {
        match floor {
            "domain" => Some(&[]),
            "store" | "outbound" => Some(&["domain"]),
            "actors" => Some(&["domain", "store", "outbound"]),
            "http" => Some(&["domain", "store", "outbound", "actors"]),
            "cli" => Some(&["domain", "store", "outbound", "actors", "http"]),
            _ => None,
        }
    };
    let floors = ["domain", "store", "outbound", "actors", "http", "cli"];
    let mut broken = Vec::new();
    let mut seen = 0;
    for source in sources() {
        let floor = source.path.split(['/', '.']).next().unwrap_or("").to_owned();
        let Some(allowed) = below(&floor) else { continue };
        seen += 1;
        for (number, named) in floors_named(&source) {
            if floors.contains(&named.as_str()) && named != floor && !allowed.contains(&named.as_str()) {
                broken.push(format!("src/{}:{number}: {floor} names {named}", source.path));
            }
        }
    }
    hold(
        "imports run one way: cli -> http -> actors -> outbound, store -> domain",
        "a floor that knows nothing of those above can be read, tested and replaced alone",
        &broken,
    );
    assert!(seen > 20, "only {seen} files were looked at: have the floors moved?");
}

#[test]
fn the_domain_is_pure() {
    let banned = [
        "tokio",
        "actix",
        "awc",
        "sled",
        "redb",
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::io::",
        "std::thread",
        "std::env",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "getrandom",
        "rand::",
        "println!",
        "tracing",
    ];
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("domain")) {
        for (number, line) in &source.lines {
            for name in banned.iter().filter(|name| code(line).contains(**name)) {
                broken.push(format!("src/{}:{number}: {name}", source.path));
            }
        }
    }
    hold(
        "domain has no tokio, clock, randomness or I/O",
        "what an outcome means is decided by pure functions, which a test can run a million times",
        &broken,
    );
}

#[test]
fn files_are_short() {
    let mut broken = Vec::new();
    for source in sources() {
        if source.length > 400 {
            broken.push(format!("src/{}: {} lines", source.path, source.length));
        }
    }
    let mut paths = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut paths);
    for path in paths {
        let length = fs::read_to_string(&path).unwrap().lines().count();
        if length > 400 {
            broken.push(format!("{}: {length} lines", path.display()));
        }
    }
    hold("no file is longer than 400 lines", "a file has one subject, and is read in one sitting", &broken);
}

#[test]
fn files_say_what_they_are_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    collect(&root.join("tests"), &mut paths);
    let broken: Vec<String> = paths
        .iter()
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!"))
        .map(|path| path.display().to_string())
        .collect();
    hold(
        "a file starts with a line or two on what lives there",
        "who opens it knows whether it is the right one",
        &broken,
    );
}

#[test]
fn the_engine_and_the_codec_are_named_in_one_place() {
    let places: [(&str, &[&str]); 3] = [
        ("sled", &["store/engine.rs", "store/engine/sled.rs"]),
        ("redb", &["store/engine.rs", "store/engine/redb.rs"]),
        ("bincode", &["store/codec.rs", "store/codec/"]),
    ];
    let mut broken = Vec::new();
    for source in sources() {
        for (name, homes) in places {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                continue;
            }
            for (number, line) in &source.lines {
                if [format!("{name}::"), format!("use {name}")].iter().any(|used| code(line).contains(used.as_str())) {
                    broken.push(format!("src/{}:{number}: {name}", source.path));
                }
            }
        }
    }
    hold(
        "sled and redb are named in one file each of src/store/engine, bincode in src/store/codec.rs alone",
        "each may have to be replaced: then one file changes",
        &broken,
    );
}

#[test]
fn nothing_panics_without_a_proof() {
    let calls = [
        ".unwrap()",
        ".expect(",
        "panic!(",
        "todo!(",
        "unimplemented!(",
        "unreachable!(",
        ".unwrap_err()",
        ".expect_err(",
    ];
    let mut broken = Vec::new();
    for source in sources() {
        let mut before_is_comment = false;
        for (number, line) in &source.lines {
            for call in calls.iter().filter(|call| code(line).contains(**call)) {
                let proven = before_is_comment || line.contains("//");
                if !proven || *call == "todo!(" || *call == "unimplemented!(" {
                    broken.push(format!("src/{}:{number}: {call}", source.path));
                }
            }
            let trimmed = line.trim_start();
            let comment = trimmed.starts_with("//") && !trimmed.starts_with("//!") && !trimmed.starts_with("///");
            // The compiler's own form of such a comment, which it checks to be still needed.
            before_is_comment = comment || trimmed.starts_with("#[expect(clippy::") && trimmed.contains("reason = ");
        }
    }
    hold(
        "no unwrap, expect or panic in src, unless a comment there or on the line before proves it safe",
        "nothing that a client, a disk or a network does may end an actor or the server",
        &broken,
    );
}

#[test]
fn the_time_is_asked_in_one_place() {
    // Who may look at the machine's monotonic clock, and why: spans of real time that no schedule depends on.
    let spans: &[(&str, &str)] = &[
        ("outbound/", "deadlines of an attempt, how long its parts took, how long a connection was idle"),
        ("actors/supervisor.rs", "how often an actor died lately"),
        ("actors/dispatchers.rs", "how often a Dispatcher died lately"),
        ("actors/dispatcher.rs", "the pace of a rate limit, and since when there is no work"),
        ("actors/pace.rs", "the pace of a rate limit"),
        ("actors/capacity.rs", "who waits for a place still"),
        ("store/commit.rs", "how long a batch waits for more requests"),
        ("store/prune/pace.rs", "how long a step of pruning took, and so how long to leave the store alone"),
        ("store/room.rs", "how often the log says that there is no room"),
        ("http/api/stream.rs", "how often a quiet stream says that it is alive"),
        ("cli/demo/story.rs", "how long a delivery took, for the one who looks on"),
    ];
    let wall = ["SystemTime::now", "Timestamp::now", "Zoned::now", "UNIX_EPOCH.elapsed"];
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.path != "clock.rs") {
        let may_measure = spans.iter().any(|(path, _)| source.path.starts_with(path));
        for (number, line) in &source.lines {
            let asks_wall = wall.iter().any(|call| code(line).contains(call));
            let asks_span = code(line).contains("Instant::now") && !may_measure;
            if asks_wall || asks_span {
                broken.push(format!("src/{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    hold(
        "the time is read from the clock that was handed in",
        "a test moves that clock; a call past it makes tests sleep, and the schedule wrong under one that jumps",
        &broken,
    );
}

#[test]
fn lints_are_silenced_with_a_reason() {
    let mut broken = Vec::new();
    for source in sources() {
        let mut before = String::new();
        for (number, line) in &source.lines {
            let silences = line.trim_start().starts_with("#[allow") || line.trim_start().starts_with("#![allow");
            if silences && !line.contains("//") && !line.contains("reason") && !before.trim_start().starts_with("//") {
                broken.push(format!("src/{}:{number}: {}", source.path, line.trim()));
            }
            before.clone_from(line);
        }
    }
    hold(
        "no #[allow] without a reason in a comment",
        "a silenced lint is a decision, and decisions are written down",
        &broken,
    );
}
