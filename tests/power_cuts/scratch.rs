//! Where images are written: in memory if there is room, since thousands of them come and go.

use std::path::PathBuf;

const ROOM: u64 = 1 << 30;

/// A new directory that goes when it is dropped.
pub fn directory() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let fits = rustix::fs::statvfs(&memory).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) > ROOM);
    let root = std::env::var_os("POWER_CUTS_SCRATCH").map(PathBuf::from);
    let root = root.unwrap_or_else(|| if fits { memory } else { std::env::temp_dir() });
    tempfile::TempDir::with_prefix_in("power-cuts-", root).unwrap()
}
