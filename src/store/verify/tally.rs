//! Whether two sets of rows are the same, though they come in different orders and are too many for memory: what one
//! side expects is added to the tally, what the other has is taken off, each as a keyed hash in one of many boxes. A
//! box that is not empty in the end says in which rows the difference lies, and these few are looked up.

use std::hash::{BuildHasher as _, RandomState};

const BOXES: usize = 1 << 16;

/// The boxes.
pub struct Tally {
    hasher: RandomState,
    boxes: Vec<u64>,
}

impl Tally {
    /// An empty one.
    pub fn new() -> Self {
        Self { hasher: RandomState::new(), boxes: vec![0; BOXES] }
    }

    /// A row is expected.
    pub fn add(&mut self, row: &[u8]) {
        let hash = self.hasher.hash_one(row);
        if let Some(sum) = self.boxes.get_mut(place(hash)) {
            *sum = sum.wrapping_add(hash | 1);
        }
    }

    /// A row is there.
    pub fn take_off(&mut self, row: &[u8]) {
        let hash = self.hasher.hash_one(row);
        if let Some(sum) = self.boxes.get_mut(place(hash)) {
            *sum = sum.wrapping_sub(hash | 1);
        }
    }

    /// Whether all that was expected is there, and nothing else. Wrong with a chance of less than 2 to the power of -47.
    pub fn is_even(&self) -> bool {
        self.boxes.iter().all(|sum| *sum == 0)
    }

    /// Whether this row may be one of those that make the difference.
    pub fn suspects(&self, row: &[u8]) -> bool {
        self.boxes.get(place(self.hasher.hash_one(row))).is_some_and(|sum| *sum != 0)
    }
}

fn place(hash: u64) -> usize {
    usize::from(u16::try_from(hash >> 48).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_orders_of_the_same_are_even_and_a_difference_is_suspected() {
        let mut tally = Tally::new();
        for n in 0..100_000_u32 {
            tally.add(&n.to_be_bytes());
            tally.take_off(&(99_999 - n).to_be_bytes());
        }
        assert!(tally.is_even());
        tally.add(b"missing");
        tally.take_off(b"surplus");
        assert!(!tally.is_even());
        assert!(tally.suspects(b"missing") && tally.suspects(b"surplus"));
        let suspects = (0..100_000_u32).filter(|n| tally.suspects(&n.to_be_bytes())).count();
        assert!(suspects < 50, "{suspects}");
    }
}
