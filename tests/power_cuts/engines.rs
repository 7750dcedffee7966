//! The engines that are put to the test.

/// An engine, as flags and results name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    pub name: &'static str,
    /// What `serve` is told.
    pub flags: &'static [&'static str],
}

pub const SLED: Engine = Engine { name: "sled", flags: &[] };
pub const REDB: Engine = Engine { name: "redb", flags: &["--engine", "redb"] };
