//! How pruning leaves others their time: a step at a time, with a pause after each.

use std::time::{Duration, Instant};

use super::super::StoreError;

/// The pause between two steps is so many times what the step took, so that pruning has a third of the store's time at
/// the most …
const PAUSE_FACTOR: u32 = 2;
/// … within these bounds.
const PAUSE_BOUNDS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// Takes step after step while there are more, with time for others in between.
///
/// # Errors
/// That of the step which failed; it was the last.
pub async fn in_steps<F: Future<Output = Result<bool, StoreError>>>(step: impl Fn() -> F) -> Result<(), StoreError> {
    loop {
        let start = Instant::now();
        if !step().await? {
            return Ok(());
        }
        let (least, most) = PAUSE_BOUNDS;
        tokio::time::sleep((start.elapsed() * PAUSE_FACTOR).clamp(least, most)).await;
    }
}
