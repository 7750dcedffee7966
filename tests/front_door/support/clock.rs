//! The server's clock in a `testing` build: real time plus the milliseconds in a file, read anew at every look; a second
//! number there is an error of the wall clock alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub struct TestClock {
    file: PathBuf,
    offset_ms: i64,
    wall_error_ms: i64,
}

impl TestClock {
    /// A clock that starts at real time.
    pub fn new(dir: &Path) -> Self {
        let clock = TestClock { file: dir.join("clock"), offset_ms: 0, wall_error_ms: 0 };
        clock.write();
        clock
    }

    /// The file to name in `MYTHICHOOKS_TEST_CLOCK`.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn advance(&mut self, by: Duration) {
        self.offset_ms += i64::try_from(by.as_millis()).unwrap();
        self.write();
    }

    pub fn go_back(&mut self, by: Duration) {
        self.offset_ms -= i64::try_from(by.as_millis()).unwrap();
        self.write();
    }

    /// Somebody sets the server's wall clock ahead.
    pub fn set_wall_ahead(&mut self, by: Duration) {
        self.wall_error_ms += i64::try_from(by.as_millis()).unwrap();
        self.write();
    }

    /// Puts the server's time at `ms` (Unix milliseconds).
    pub fn set_ms(&mut self, ms: i64) {
        self.offset_ms = ms - real_now_ms();
        self.write();
    }

    /// Beside and renamed, so that the server never reads half a number.
    fn write(&self) {
        let beside = self.file.with_extension("new");
        fs::write(&beside, format!("{} {}", self.offset_ms, self.wall_error_ms)).unwrap();
        fs::rename(&beside, &self.file).unwrap();
    }
}

fn real_now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Unix milliseconds of an RFC 3339 time in a resource; panics unless it is UTC with milliseconds, as the contract says.
pub fn ms(time: &serde_json::Value) -> i64 {
    let text = time.as_str().unwrap_or_else(|| panic!("not a time: {time}"));
    let bytes = text.as_bytes();
    assert!(
        bytes.len() == 24 && bytes[10] == b'T' && bytes[19] == b'.' && bytes[23] == b'Z',
        "not RFC 3339 in UTC with milliseconds: {text}"
    );
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}
