//! Findings, and what they are about.

use std::fmt;

use crate::store::{keys::Row, scan::Gap};

/// What is wrong, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub group: Group,
    /// What it is: ids only, never content.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What findings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The store as a whole.
    Store,
    /// Events: their records, bodies and ids.
    Events,
    /// Deliveries and their attempts.
    Deliveries,
    /// Endpoints: their settings and their progress.
    Endpoints,
    /// What leads to events and deliveries: queues, due times, lists.
    Indexes,
    /// Event types, tokens, sessions, audit entries.
    Settings,
    /// Totals, and counts by the minute and the hour.
    Counts,
}

impl Group {
    /// All of them, the gravest first.
    pub const ALL: [Self; 7] =
        [Self::Store, Self::Events, Self::Deliveries, Self::Endpoints, Self::Indexes, Self::Settings, Self::Counts];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Events => "events",
            Self::Deliveries => "deliveries",
            Self::Endpoints => "endpoints",
            Self::Indexes => "indexes",
            Self::Settings => "settings",
            Self::Counts => "counts",
        }
    }

    /// What a row belongs to.
    pub fn of(row: &Row) -> Self {
        match row {
            Row::Event(_) | Row::Body(_) | Row::Recipients(_) => Self::Events,
            Row::Delivery(_) | Row::Attempt(..) => Self::Deliveries,
            Row::Queue(..)
            | Row::Due(..)
            | Row::Retrying(..)
            | Row::Status(..)
            | Row::Code(..)
            | Row::Extra(..)
            | Row::Unplaced(_)
            | Row::OfAccount(..)
            | Row::OfType(..)
            | Row::Block(_)
            | Row::ProducerId(_)
            | Row::Idempotency(_) => Self::Indexes,
            Row::Endpoint(_) | Row::Progress(_) | Row::Journal(_) => Self::Endpoints,
            Row::EventType(_) | Row::Token(_) | Row::Session(_) | Row::Audit(_) => Self::Settings,
            Row::Minute(_) | Row::Traffic(_) | Row::Meta => Self::Counts,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = crate::store::keys::describe_place(&self.from);
        let to = crate::store::keys::describe_place(&self.to);
        write!(f, "the engine cannot read its rows from {from} to {to}: {}", self.error)
    }
}
