//! Images that failed are kept, each with the promises that it broke, and can be looked at again alone.

use std::path::{Path, PathBuf};

use crate::disk::{Image, write_image};

const IMAGE: &str = "image";
const PROMISES: &str = "promises";
const CUT: &str = "cut";

/// Keeps an image; how to look at it again.
pub fn keep(name: &str, image: &Image, promises: &Path, cut: usize) -> String {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("power-cuts").join(name);
    write_image(image, &directory.join(IMAGE));
    std::fs::copy(promises, directory.join(PROMISES)).unwrap();
    std::fs::write(directory.join(CUT), cut.to_string()).unwrap();
    let directory = directory.display();
    format!("POWER_CUTS_IMAGE={directory} cargo nextest run --features testing --test power_cuts kept::")
}

mod tests {
    use super::*;
    use crate::checker::{Task, Verdict};
    use crate::disk::read_image;
    use crate::promises;
    use crate::scratch;
    use crate::workers::Worker;

    /// An image named in `POWER_CUTS_IMAGE`, or without that an empty one: nothing was promised, and a store is made.
    #[test]
    fn a_kept_image_is_looked_at_again() {
        let none = || {
            let scratch = scratch::directory();
            promises::write(&[], &scratch.path().join("none"));
            keep("an-empty-one", &Image::new(), &scratch.path().join("none"), 0);
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("power-cuts/an-empty-one")
        };
        let kept = std::env::var_os("POWER_CUTS_IMAGE").map_or_else(none, PathBuf::from);
        let scratch = scratch::directory();
        let directory = scratch.path().join("image");
        write_image(&read_image(&kept.join(IMAGE)), &directory);
        let cut = std::fs::read_to_string(kept.join(CUT)).unwrap().parse().unwrap();
        let task = Task::Check { directory, promises: kept.join(PROMISES), cut };
        let verdict = Worker::new().ask(&task);
        assert!(matches!(verdict, Verdict::Sound), "{verdict:?}");
    }
}
