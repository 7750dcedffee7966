//! One copy at a time, for engines whose snapshots would allow more: each holds on to the room of what is removed
//! while it is read.

use std::sync::atomic::{AtomicBool, Ordering};

use super::CopyError;

/// Whether a copy is under way.
#[derive(Debug, Default)]
pub struct OneCopy(AtomicBool);

/// The copy under way; it is over when this is dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a OneCopy);

impl OneCopy {
    /// A copy begins.
    ///
    /// # Errors
    /// [`CopyError::Busy`].
    pub fn begin(&self) -> Result<Turn<'_>, CopyError> {
        if self.0.swap(true, Ordering::AcqRel) { Err(CopyError::Busy) } else { Ok(Turn(self)) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}
