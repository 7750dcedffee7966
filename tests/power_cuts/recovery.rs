//! A cut in the middle of a recovery: an image is opened by a process under the recorder and used a little, and that
//! record is cut in turn.

use std::sync::Arc;

use crate::campaign::{self, Cut, Job, PromiseFile, Tally, length_at};
use crate::checker::{Task, Verdict};
use crate::disk::{Disk, read_image, write_image};
use crate::promises::Promise;
use crate::record::Record;
use crate::recorder::{self, FileRangeSync};
use crate::rng::Rng;
use crate::scratch;
use crate::workers::Worker;

/// Cuts of each recovery.
pub const CUTS_EACH: usize = 12;
/// Events that are accepted after the recovery, under the recorder.
const EVENTS: usize = 3;

/// Records the recoveries of the images of `cuts`, and looks at images of those records.
pub fn run(
    name: &str,
    record: &Record,
    promises: &[Promise],
    cuts: &[Cut],
    file_range: FileRangeSync,
    rng: &mut Rng,
) -> Tally {
    let produce = |submit: &dyn Fn(Job)| {
        let mut disk = Disk::empty(true);
        for cut in cuts {
            disk.advance(record, cut.position);
            let image = cut.image(&disk, record);
            let scratch = scratch::directory();
            let (directory, recovery) = (scratch.path().join("image"), scratch.path().join("record"));
            write_image(&image, &directory);
            let mut worker = Worker::with(recorder::environment(&directory, &recovery, file_range));
            let task = Task::Use { directory: directory.clone(), record: recovery.clone(), events: EVENTS };
            let own = match worker.ask(&task) {
                Verdict::Used { promises } => promises,
                // The image itself fails: that is told where it is looked at.
                _ => Vec::new(),
            };
            drop(worker);

            let recovery = Record::read(&recovery);
            let mut after = Disk::of(&image);
            after.advance(&recovery, recovery.entries.len());
            assert_eq!(after.now(), read_image(&directory), "the recorder missed a change in the recovery of {cut}");

            let length = length_at(record, cut.position);
            let kept: Vec<Promise> = promises.iter().filter_map(|p| p.after_cut(length)).chain(own).collect();
            let kept: Arc<PromiseFile> = PromiseFile::new(&kept);
            let inner = campaign::choose(&recovery, CUTS_EACH, rng);
            let name = format!("{name}-{cut}-recovery");
            campaign::of_record(&name, Disk::of(&image), &recovery, &kept, &inner, submit);
        }
    };
    campaign::run(produce, true)
}
