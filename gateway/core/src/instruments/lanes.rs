//! Counting by several threads at once without one waiting for another's cache line.
//!
//! Each thread adds to a lane of its own, as long as there are no more than [`LANES`] of them; whoever reads adds the lanes up. An
//! addition is one relaxed atomic one, on a line that is nearly always in the thread's own cache.

use std::array;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads beyond so many share lanes.
pub(super) const LANES: usize = 8;

/// The lane of this thread.
pub(super) fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LANES);
    MINE.with(|mine| *mine)
}

/// A cache line of its own, and the one that the processor fetches with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane(AtomicU64);

/// A sum of many threads. What is added on one may be taken away on another.
#[derive(Debug)]
pub struct Sum([Lane; LANES]);

impl Default for Sum {
    fn default() -> Self {
        Self(array::from_fn(|_| Lane::default()))
    }
}

impl Sum {
    /// Adds.
    pub fn add(&self, by: u64) {
        if let Some(Lane(lane)) = self.0.get(lane()) {
            lane.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Takes away.
    pub fn subtract(&self, by: u64) {
        if let Some(Lane(lane)) = self.0.get(lane()) {
            lane.fetch_sub(by, Ordering::Relaxed);
        }
    }

    /// The sum at present. Never below zero as a whole, whatever the lanes are.
    #[must_use]
    pub fn value(&self) -> u64 {
        let sum = self.0.iter().fold(0_u64, |sum, Lane(lane)| sum.wrapping_add(lane.load(Ordering::Relaxed)));
        // A reader between an addition on one lane and its end on another sees a little less than nothing.
        if sum > u64::MAX / 2 { 0 } else { sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_add_and_take_away_is_one_sum() {
        let sum = Sum::default();
        std::thread::scope(|scope| {
            for _ in 0..LANES * 2 {
                scope.spawn(|| (0..1000).for_each(|_| sum.add(2)));
            }
        });
        assert_eq!(sum.value(), LANES as u64 * 4000);
        std::thread::scope(|scope| {
            scope.spawn(|| sum.subtract(LANES as u64 * 4000));
        });
        assert_eq!(sum.value(), 0);
    }
}
