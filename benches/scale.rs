//! How much is measured.

use clap::ValueEnum;
use mythichooks::store::EngineKind;

/// The sizes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scale {
    /// Proves that the benchmarks work; its figures mean nothing.
    Short,
    /// Minutes; what needs millions of rows is scaled down.
    Usual,
    /// The documented sizes.
    Full,
}

impl Scale {
    /// The size for this scale.
    pub fn pick<T>(self, short: T, usual: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Usual => usual,
            Self::Full => full,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.pick("short", "usual", "full")
    }
}

/// What a run was asked for.
pub struct Plan {
    pub scale: Scale,
    /// The engine of our store.
    pub engine: EngineKind,
    pub rounds: u32,
}

impl Plan {
    /// The size for this run's scale.
    pub fn pick<T>(&self, short: T, usual: T, full: T) -> T {
        self.scale.pick(short, usual, full)
    }
}
