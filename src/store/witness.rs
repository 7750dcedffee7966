//! The witness: a small file beside the manifest that says how far the store had come. An engine whose file was cut
//! short or replaced by an older copy comes up in an earlier state, whole by all that it can tell itself; the witness
//! tells.
//!
//! It says only what was synced before it was written, so a store is never behind it unless something took from the
//! store. It is made with the store, and from then on written over in place: after commits, at most about once a
//! second and without a sync, and at the end. Two slots are written in turn, each with a checksum and within one sector
//! of a disk: whatever a power cut leaves of one, the other is whole. So nothing that may happen to a store in use
//! makes this file go, or leaves no slot of it whole; where that is found, somebody took from the directory, and the
//! store is not taken for its newest state.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use ulid::Ulid;

use super::{OpenError, manifest::StoreId, stored::Meta};

const NAME: &str = "witness";
const TITLE: &str = "mythichooks witness";
/// A slot lies at the start of a block of this length.
const BLOCK: u64 = 4_096;
const SLOTS: u64 = 2;
/// A sector at the least: a disk writes one whole or not at all.
const SLOT: usize = 512;

/// How far a store had come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Which store.
    pub store: StoreId,
    /// How many batches it had committed.
    pub commits: u64,
    /// Its greatest id.
    pub last_id: u128,
}

impl Seen {
    /// What a committed batch says.
    pub fn of(meta: &Meta) -> Self {
        Self { store: meta.store, commits: meta.commits, last_id: meta.last_id }
    }

    fn to_slot(self) -> Vec<u8> {
        let Self { store, commits, last_id } = self;
        let text = format!("{TITLE}\nstore {store}\ncommits {commits}\nlast {}\n", Ulid(last_id));
        let sum = crc32c::crc32c(text.as_bytes());
        let mut slot = format!("{text}sum {sum:08x}\n").into_bytes();
        // Line breaks to the end: the file is text.
        slot.resize(SLOT, b'\n');
        slot
    }

    fn of_slot(slot: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(slot).ok()?.trim_end_matches('\n');
        let (text, sum) = text.split_at(text.rfind("sum ")?);
        if u32::from_str_radix(sum.strip_prefix("sum ")?, 16).ok()? != crc32c::crc32c(text.as_bytes()) {
            return None;
        }
        let mut lines = text.strip_prefix(TITLE)?.strip_prefix('\n')?.lines();
        let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name));
        let store = field("store ")?.parse().ok()?;
        let commits = field("commits ")?.parse().ok()?;
        let last_id = Ulid::from_string(field("last ")?).ok()?.0;
        Some(Self { store, commits, last_id })
    }
}

/// Makes the witness of a new store, unless there is one, and has it on stable storage. The directory is synced by the
/// caller.
pub fn create(store: &Path, id: StoreId) -> io::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(store.join(NAME));
    let file = match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    };
    let seen = Seen { store: id, ..Seen::default() };
    for slot in 0..SLOTS {
        file.write_all_at(&vec![b'\n'; usize::try_from(BLOCK).unwrap_or(SLOT)], slot * BLOCK)?;
        file.write_all_at(&seen.to_slot(), slot * BLOCK)?;
    }
    file.sync_all()
}

/// How far the store had come at least.
///
/// # Errors
/// The witness is missing, or no slot of it is whole.
pub fn read(store: &Path) -> Result<Seen, OpenError> {
    let path = store.join(NAME);
    match File::open(&path) {
        Ok(file) => newest(&file, &path).map(|(_, seen)| seen),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Damaged(format!(
            "{} is missing, so that nobody can say whether this is the store's newest state; {WHAT_TO_DO}",
            path.display()
        ))),
        Err(source) => Err(OpenError::Io { path, source }),
    }
}

const WHAT_TO_DO: &str = "`mythichooks verify` says what is whole of it. Restore a backup, or have `mythichooks repair` \
    make a new store of what is there";

fn newest(file: &File, path: &Path) -> Result<(u64, Seen), OpenError> {
    let mut found: Option<(u64, Seen)> = None;
    for slot in 0..SLOTS {
        let mut bytes = [0; SLOT];
        match file.read_exact_at(&mut bytes, slot * BLOCK) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(source) => return Err(OpenError::Io { path: path.to_owned(), source }),
        }
        if let Some(seen) = Seen::of_slot(&bytes)
            && found.is_none_or(|(_, other)| other.commits <= seen.commits)
        {
            found = Some((slot, seen));
        }
    }
    found.ok_or_else(|| {
        OpenError::Damaged(format!(
            "{} is damaged, so that nobody can say whether this is the store's newest state; {WHAT_TO_DO}",
            path.display()
        ))
    })
}

/// Compares a store that was opened with its witness.
///
/// # Errors
/// It is another store's, or the store is older than it was.
pub fn compare(store: &Path, seen: &Seen, meta: &Meta) -> Result<(), OpenError> {
    let path = store.display();
    if seen.store != meta.store {
        return Err(OpenError::Damaged(format!(
            "{path}: the witness is of store {}, but the engine's files are of store {}",
            seen.store, meta.store
        )));
    }
    if seen.commits <= meta.commits {
        return Ok(());
    }
    let lost = seen.commits - meta.commits;
    Err(OpenError::Damaged(format!(
        "{path} is older than it was: its last {lost} commits are missing (there are {} of {}; the newest id is {}, and \
         was {}). A file of the engine was cut short, damaged, or replaced by an older copy; {WHAT_TO_DO}",
        meta.commits,
        seen.commits,
        Ulid(meta.last_id),
        Ulid(seen.last_id),
    )))
}

/// The witness of a store in use.
#[derive(Debug)]
pub struct Witness {
    file: File,
    path: PathBuf,
    /// The slot that is written next.
    next: u64,
    /// What was written last.
    written: Seen,
}

impl Witness {
    /// Opens it to be written.
    pub fn open(store: &Path) -> Result<Self, OpenError> {
        let path = store.join(NAME);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let (slot, written) = newest(&file, &path)?;
        Ok(Self { file, path, next: (slot + 1) % SLOTS, written })
    }

    /// Whether there is news for it.
    pub fn is_behind(&self, seen: &Seen) -> bool {
        seen.commits > self.written.commits
    }

    /// Writes what was committed and synced; not synced itself. A failure leaves it behind, which is no harm but less
    /// of a witness.
    pub fn write(&mut self, seen: Seen) {
        match self.file.write_all_at(&seen.to_slot(), self.next * BLOCK) {
            Ok(()) => {
                self.next = (self.next + 1) % SLOTS;
                self.written = seen;
            }
            Err(error) => tracing::warn!(file = %self.path.display(), %error, "the witness could not be written"),
        }
    }

    /// Has it on stable storage.
    pub fn sync(&self) {
        if let Err(error) = self.file.sync_data() {
            tracing::warn!(file = %self.path.display(), %error, "the witness could not be synced");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(commits: u64) -> Seen {
        Seen { store: StoreId::default(), commits, last_id: u128::from(commits) << 80 }
    }

    #[test]
    fn whatever_happens_to_one_slot_the_other_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        create(directory.path(), StoreId::default()).unwrap();
        assert_eq!(read(directory.path()).unwrap(), seen(0));
        let path = directory.path().join(NAME);
        for commits in 1..3 {
            Witness::open(directory.path()).unwrap().write(seen(commits));
            assert_eq!(read(directory.path()).unwrap(), seen(commits));
            let whole = std::fs::read(&path).unwrap();
            for at in (0..SLOTS * 1_600).step_by(13) {
                let (slot, bit) = (at / 1_600, at % 1_600);
                let mut damaged = whole.clone();
                damaged[usize::try_from(slot * BLOCK + bit / 8).unwrap()] ^= 1 << (bit % 8);
                std::fs::write(&path, &damaged).unwrap();
                let found = read(directory.path()).unwrap();
                assert!(found == seen(commits) || found == seen(commits - 1), "{found:?}");
            }
            std::fs::write(&path, &whole).unwrap();
        }
        create(directory.path(), StoreId::default()).unwrap();
        assert_eq!(read(directory.path()).unwrap(), seen(2), "one that is there is left");
        std::fs::write(&path, vec![0; 8_192]).unwrap();
        assert!(matches!(read(directory.path()), Err(OpenError::Damaged(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read(directory.path()), Err(OpenError::Damaged(_))));
    }

    #[test]
    fn an_older_store_is_refused_and_a_newer_one_is_not() {
        let meta = |commits| Meta { commits, ..Meta::default() };
        let compared = |commits| compare(Path::new("store"), &seen(10), &meta(commits));
        assert!(compared(10).is_ok() && compared(11).is_ok());
        let told = compared(7).unwrap_err().to_string();
        assert!(told.contains("its last 3 commits are missing"), "{told}");
        let other = Seen { store: StoreId::random().unwrap(), ..seen(0) };
        assert!(compare(Path::new("store"), &other, &meta(3)).is_err());
    }
}
