//! Rows that a thread of their own reads before they are asked for, so that reading and checking go on side by side.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread::Scope,
    vec,
};

use super::{Found, Scan};
use crate::store::engine::Engine;

/// Rows are handed over so many at a time,
const BATCH: usize = 256;
/// and no more than so many batches lie ready.
const READY: usize = 4;

/// The rows of a range of keys.
pub struct Ahead {
    batches: Receiver<Vec<Found>>,
    batch: vec::IntoIter<Found>,
}

impl Ahead {
    /// Begins to read. The thread also has `look` see each batch.
    pub fn begin<'scope>(
        scope: &'scope Scope<'scope, '_>,
        engine: &'scope dyn Engine,
        (from, to): (&[u8], &[u8]),
        look: impl Fn(&[Found]) + Send + 'scope,
    ) -> Self {
        let (sender, batches) = sync_channel(READY);
        let (from, to) = (from.to_vec(), to.to_vec());
        scope.spawn(move || {
            let mut scan = Scan::new(engine, &from, &to);
            loop {
                let batch: Vec<Found> = scan.by_ref().take(BATCH).collect();
                look(&batch);
                // Whoever wanted them may have ended early.
                if batch.is_empty() || sender.send(batch).is_err() {
                    return;
                }
            }
        });
        Self { batches, batch: Vec::new().into_iter() }
    }
}

impl Iterator for Ahead {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if let Some(found) = self.batch.next() {
            return Some(found);
        }
        self.batch = self.batches.recv().ok()?.into_iter();
        self.batch.next()
    }
}
