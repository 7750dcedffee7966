//! Which events came before: delivery is at least once, so a receiver has to know.

use std::collections::{HashMap, VecDeque};

/// So many ids are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 10_000;

/// Counts how often each of the latest ids was seen.
#[derive(Debug, Default)]
pub struct RecentIds {
    order: VecDeque<String>,
    counts: HashMap<String, u32>,
}

impl RecentIds {
    /// Counts `id` once more and gives its count.
    pub fn count(&mut self, id: &str) -> u32 {
        if let Some(count) = self.counts.get_mut(id) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        self.counts.insert(id.to_owned(), 1);
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_latest_and_forgets_the_oldest() {
        let mut ids = RecentIds::default();
        assert_eq!([ids.count("a"), ids.count("b"), ids.count("a")], [1, 1, 2]);
        for number in 0..REMEMBERED {
            ids.count(&number.to_string());
        }
        assert_eq!(ids.count("a"), 1);
        assert_eq!(ids.order.len(), REMEMBERED);
        assert_eq!(ids.counts.len(), REMEMBERED);
    }
}
