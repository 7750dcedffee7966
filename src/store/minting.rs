//! Where new ids come from: ULIDs that only ever grow, whatever the clock does and across restarts.

use std::sync::{Mutex, PoisonError};

use crate::domain::time::Timestamp;

/// Random bits of a new millisecond's first id. One fewer than there are, so that counting on from it stays within
/// the millisecond.
const RANDOM_BITS: u32 = 79;

/// Mints ids; shared by the writer and by those who need an id for a thing before it is stored.
#[derive(Debug)]
pub struct Minter(Mutex<u128>);

impl Minter {
    /// Goes on after this id.
    pub fn after(last: u128) -> Self {
        Self(Mutex::new(last))
    }

    /// The first of `count` consecutive new ids. While the clock stands or goes back, they follow the last one.
    pub fn mint(&self, now: Timestamp, count: u32) -> u128 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = u128::from(now.as_millis().cast_unsigned());
        let first = if millis > *last >> 80 { (millis << 80) | random() } else { last.saturating_add(1) };
        *last = first.saturating_add(u128::from(count.saturating_sub(1)));
        first
    }

    /// The greatest id so far.
    pub fn last(&self) -> u128 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So that two stores do not mint the same ids; nothing depends on nobody guessing them.
fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without randomness ids are still unique within the store.
    let _ = getrandom::fill(&mut bytes);
    u128::from_be_bytes(bytes) >> (u128::BITS - RANDOM_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let minter = Minter::after(5 << 80);
        let at = Timestamp::from_millis;
        let mut last = minter.last();
        for (now, count) in [(3, 1), (5, 4), (6, 1), (6, 1_000), (2, 1), (7, 1)] {
            let first = minter.mint(at(now), count);
            assert!(first > last);
            last = minter.last();
            assert_eq!(last, first + u128::from(count) - 1);
        }
        assert_eq!(last >> 80, 7);
    }
}
