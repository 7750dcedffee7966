//! What clients were promised, and from which place in the record on: what was acknowledged when the record was that
//! long must be in every image that is cut there or later.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A promise. Places are lengths of the record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Promise {
    pub made_at: usize,
    pub of: Promised,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Promised {
    /// An event was accepted.
    Event {
        id: String,
        /// SHA-256 of the body that receivers get.
        digest: String,
        deliveries: u32,
        /// From here on retention may have removed it.
        removable_at: Option<usize>,
    },
    /// An endpoint was given the description `version N`; a later version is as good.
    Endpoint { id: String, version: u64 },
}

impl Promise {
    /// The same for a record that begins with what a cut at `cut` left of this one; none if it was not made by then.
    pub fn after_cut(&self, cut: usize) -> Option<Promise> {
        let mut promise = self.clone();
        promise.made_at = 0;
        if let Promised::Event { removable_at, .. } = &mut promise.of {
            *removable_at = removable_at.filter(|at| *at <= cut).map(|_| 0);
        }
        (self.made_at <= cut).then_some(promise)
    }
}

/// The digest of an event's body.
pub fn digest(body: &[u8]) -> String {
    format!("{:x}", Sha256::digest(body))
}

pub fn write(promises: &[Promise], path: &Path) {
    let lines: Vec<String> = promises.iter().map(|promise| serde_json::to_string(promise).unwrap()).collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

pub fn read(path: &Path) -> Vec<Promise> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
