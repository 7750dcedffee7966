//! The server's two clocks. `wall` is what people and receivers see. `steady` is what schedules are kept by: it was
//! set by the wall clock at the start and then goes on by itself, so a clock that is set neither hastens nor stalls.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

use crate::domain::time::Timestamp;

/// Nanoseconds in a millisecond. As nanoseconds an `i64` holds times up to the year 2262.
const NANOS: i64 = 1_000_000;

/// A look at both clocks that takes less nanoseconds than this is exact enough.
const SHORT_LOOK: i64 = 20_000;
const MOST_LOOKS: u32 = 20;

/// Both clocks; cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    /// Wall time less boot time at the start, in nanoseconds; later writes only move it forward.
    anchor: AtomicI64,
    #[cfg(feature = "testing")]
    test_offset: Option<std::path::PathBuf>,
}

impl Clock {
    /// The clocks of this machine.
    #[must_use]
    pub fn start() -> Self {
        Self(Arc::new(Inner {
            anchor: AtomicI64::new(wall_less_boot_nanos()),
            #[cfg(feature = "testing")]
            test_offset: std::env::var_os("MYTHICHOOKS_TEST_CLOCK").map(Into::into),
        }))
    }

    /// The time of day, as set on this machine.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        Timestamp::from_millis(
            (wall_nanos() / NANOS).saturating_add(self.test_offset()).saturating_add(self.test_error()),
        )
    }

    /// The time that due rows are kept by. It goes on while the machine sleeps, and is never set.
    #[must_use]
    pub fn steady(&self) -> Timestamp {
        Timestamp::from_millis((self.steady_nanos() / NANOS).saturating_add(self.test_offset()))
    }

    /// The earlier of both: what is old by this time is old whatever was done to the clock since the start. What is
    /// deleted for its age goes by it, so that a clock that is set ahead does not empty the store.
    #[must_use]
    pub fn earlier(&self) -> Timestamp {
        self.wall().min(self.steady())
    }

    /// The time of day at which the steady clock will show this time, if nobody sets the clock until then.
    #[must_use]
    pub fn wall_at(&self, steady: Timestamp) -> Timestamp {
        // Rounded, so that the moment between two looks does not show: it is zero until somebody sets the clock.
        let ahead = wall_less_boot_nanos().saturating_sub(self.0.anchor.load(Ordering::Relaxed));
        let ahead = ahead.saturating_add(NANOS / 2).div_euclid(NANOS);
        Timestamp::from_millis(steady.as_millis().saturating_add(ahead))
    }

    /// Starts the steady clock no earlier than this: a store that was written under a later clock stays in order.
    pub fn not_before(&self, time: Timestamp) {
        let untested = time.as_millis().saturating_sub(self.test_offset()).saturating_mul(NANOS);
        self.0.anchor.fetch_max(untested.saturating_sub(boot_nanos()), Ordering::Relaxed);
    }

    fn steady_nanos(&self) -> i64 {
        boot_nanos().saturating_add(self.0.anchor.load(Ordering::Relaxed))
    }

    #[cfg(not(feature = "testing"))]
    #[expect(clippy::unused_self, reason = "the tests' build reads a file named in it")]
    fn test_offset(&self) -> i64 {
        0
    }

    /// By how much the wall clock alone is wrong.
    #[cfg(not(feature = "testing"))]
    #[expect(clippy::unused_self, reason = "the tests' build reads a file named in it")]
    fn test_error(&self) -> i64 {
        0
    }

    #[cfg(feature = "testing")]
    fn test_offset(&self) -> i64 {
        self.test_number(0)
    }

    #[cfg(feature = "testing")]
    fn test_error(&self) -> i64 {
        self.test_number(1)
    }

    #[cfg(feature = "testing")]
    fn test_number(&self, at: usize) -> i64 {
        let text = self.0.test_offset.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| text.split_whitespace().nth(at)?.parse().ok()).unwrap_or(0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.steady())
    }
}

/// How far the two clocks are apart. A look at both takes a moment, and a thread may be held up in it, so of several
/// looks the shortest counts.
fn wall_less_boot_nanos() -> i64 {
    let mut best = (i64::MAX, 0);
    for _ in 0..MOST_LOOKS {
        let (before, wall, after) = (boot_nanos(), wall_nanos(), boot_nanos());
        let took = after.saturating_sub(before);
        if took < best.0 {
            best = (took, wall.saturating_sub(before));
        }
        if took < SHORT_LOOK {
            break;
        }
    }
    best.1
}

fn wall_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn boot_nanos() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000 * NANOS).saturating_add(now.tv_nsec)
}
