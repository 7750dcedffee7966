//! The limit of open files: raised as far as it may be, and shared out, so that neither clients that hold connections to
//! the API nor receivers that hang take what the other, or the store, needs.

use rustix::process::{Resource, getrlimit, setrlimit};

/// For the store, the log and the look-up of names.
const FOR_ALL_ELSE: usize = 64;
/// For each thread's event queue and timer.
const FOR_A_THREAD: usize = 4;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// To the API.
    pub(super) api: usize,
    /// Of attempts under way.
    pub(super) attempts: usize,
    /// The same with the one attempt that every endpoint may have.
    pub(super) attempts_in_all: usize,
}

impl Shares {
    /// Of this many open files, for so many threads.
    fn of(limit: usize, threads: usize) -> Self {
        let left = limit.saturating_sub(FOR_ALL_ELSE + threads * FOR_A_THREAD);
        Self { api: (left / 4).max(1), attempts: (left / 2).max(1), attempts_in_all: (left - left / 4).max(1) }
    }
}

/// Raises the soft limit to the hard one: that of many systems is for programs that use `select`.
pub(super) fn share_out(threads: usize) -> Shares {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
        limit.current = before;
    }
    // None: there is no limit.
    let files = limit.current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    Shares::of(files, threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_leave_something_for_all_else() {
        assert_eq!(Shares::of(1_024, 4), Shares { api: 236, attempts: 472, attempts_in_all: 708 });
        assert_eq!(Shares::of(usize::MAX, 4).attempts, (usize::MAX - 80) / 2);
        assert_eq!(Shares::of(20, 512), Shares { api: 1, attempts: 1, attempts_in_all: 1 });
    }
}
