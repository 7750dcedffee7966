//! The tests themselves: an engine's record is cut many times, and what came of it is asserted and told.

use crate::campaign::{self, Cut, PromiseFile, Tally};
use crate::disk::{Disk, Image, Node};
use crate::engines::{Engine, REDB, SLED};
use crate::recorder::FileRangeSync;
use crate::recovery;
use crate::rng::Rng;
use crate::workload::{self, Load, Recorded};

/// Images of an engine unless `POWER_CUTS_IMAGES` says otherwise; a quarter of them are of recoveries.
const IMAGES: usize = 200;
/// From so many images on the traffic is heavier too.
const MANY: usize = 500;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn images() -> usize {
    number("POWER_CUTS_IMAGES", IMAGES)
}

fn seed() -> u64 {
    u64::try_from(number("POWER_CUTS_SEED", 1)).unwrap()
}

fn load() -> Load {
    if std::env::var_os("POWER_CUTS_HEAVY").is_some() {
        // A batch of the store is larger than a segment of sled's log then, and goes over several.
        Load { rounds: 4, requests: 18, batch: 998 }
    } else if images() < MANY {
        Load { rounds: 3, requests: 18, batch: 40 }
    } else {
        Load { rounds: 6, requests: 60, batch: 40 }
    }
}

/// Records the traffic on an engine; the record replayed must be what lies in the directory, byte for byte.
fn recorded(engine: Engine, file_range: FileRangeSync) -> Recorded {
    let recorded = workload::run(engine, load(), file_range, seed());
    let record = &recorded.record;
    let mut disk = Disk::empty(true);
    disk.advance(record, record.entries.len());
    let (replayed, real) = (disk.now(), &recorded.end);
    let names = |image: &Image| image.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&replayed), names(real), "the recorder missed a change of a name");
    for (path, node) in real {
        assert!(replayed[path] == *node, "the recorder missed a change of {path}");
    }
    let stored: usize = real.values().map(Node::length).sum();
    println!(
        "{}: {} changes, {} KiB recorded, {} KiB of them over durable bytes, {} KiB in files at the end, {} promises",
        engine.name,
        record.entries.len(),
        record.bytes.len() / 1024,
        disk.overwritten / 1024,
        stored / 1024,
        recorded.promises.len()
    );
    assert!(disk.overwritten > 1 << 20, "too little was overwritten to say anything of reused space");
    recorded
}

/// Looks at images of a record, of the recoveries of some of them too.
fn cut(name: &str, recorded: &Recorded, images: usize, file_range: FileRangeSync) -> Tally {
    let mut rng = Rng::new(seed());
    let recovered = images / 4;
    let cuts = campaign::choose(&recorded.record, images - recovered, &mut rng);
    let promises = PromiseFile::new(&recorded.promises);
    let mut tally = campaign::run(
        |submit| campaign::of_record(name, Disk::empty(true), &recorded.record, &promises, &cuts, submit),
        true,
    );
    let again: Vec<Cut> = campaign::choose(&recorded.record, recovered.div_ceil(recovery::CUTS_EACH), &mut rng);
    tally.add(recovery::run(name, &recorded.record, &recorded.promises, &again, file_range, &mut rng));
    tell(name, &tally);
    tally
}

/// The same for what the engine does for itself, without our own sync of each batch.
fn cut_without_our_sync(name: &str, recorded: &Recorded) -> Tally {
    let mut rng = Rng::new(seed());
    let cuts = campaign::choose(&recorded.record, images() / 3, &mut rng);
    let promises = PromiseFile::new(&recorded.promises);
    let tally = campaign::run(
        |submit| campaign::of_record(name, Disk::empty(false), &recorded.record, &promises, &cuts, submit),
        false,
    );
    tell(name, &tally);
    tally
}

/// A line of the table.
fn tell(name: &str, tally: &Tally) {
    let columns: Vec<String> = ["I1", "I2", "I3", "I4", "I5"].map(|i| format!("{i} {}", tally.of(i))).to_vec();
    println!("{name}, seed {}: {} images, broken: {}", seed(), tally.images, columns.join(", "));
}

fn assert_nothing_lost(tally: &Tally) {
    assert_eq!(tally.failed(), 0, "of {} images:\n  {}", tally.images, tally.failures.join("\n  "));
}

#[test]
fn sled_keeps_what_it_acknowledged_and_would_not_without_our_sync() {
    let recorded = recorded(SLED, FileRangeSync::Usual);
    let without = cut_without_our_sync("sled-without-our-sync", &recorded);
    assert!(without.failed() * 4 > without.images, "this test cannot fail: {without:?}");
    assert!(without.of("I1") + without.of("I3") > 0 && without.of("I2") > 0, "nor in the ways known: {without:?}");
    assert_nothing_lost(&cut("sled", &recorded, images(), FileRangeSync::Usual));
}

#[test]
fn sled_keeps_what_it_acknowledged_with_each_write_of_its_log_synced() {
    let recorded = recorded(SLED, FileRangeSync::Missing);
    // In the short form it is not what we ship, so a look will do.
    let images = if images() < MANY { images() / 4 } else { images() };
    assert_nothing_lost(&cut("sled-each-write-synced", &recorded, images, FileRangeSync::Missing));
}

#[test]
fn redb_keeps_what_it_acknowledged_and_would_not_without_its_syncs() {
    let recorded = recorded(REDB, FileRangeSync::Usual);
    let without = cut_without_our_sync("redb-without-its-syncs", &recorded);
    assert!(without.failed() * 4 > without.images, "this test cannot fail: {without:?}");
    assert_nothing_lost(&cut("redb", &recorded, images(), FileRangeSync::Usual));
}
