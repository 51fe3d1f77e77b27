//! Counting by several threads at once without one waiting for another's cache line.
//!
//! Each thread adds to a lane of its own, as long as there are no more than [`LANES`] of them; the others share as many. Whoever reads adds
//! the lanes up. Nobody else writes to a thread's own lane: an addition there is a load and a store on a line that is nearly always in the
//! thread's cache, and does not hold up the processor as a locked one does (decision record 0034).

use std::array;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads that have a lane of their own, at most; and lanes of those that have none.
const LANES: usize = 8;

/// The lanes that threads have, a bit for each.
static TAKEN: AtomicU64 = AtomicU64::new(0);

thread_local!(static MINE: Mine = Mine::take());

/// A thread's lane: its own, given back when the thread ends, or one that it shares.
struct Mine {
    lane: usize,
    is_own: bool,
}

impl Mine {
    fn take() -> Self {
        let take = |taken: u64| Some(taken | taken.checked_add(1)?).filter(|taken| *taken < 1 << LANES);
        // Acquired from whoever had it before: its additions are seen.
        match TAKEN.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(taken) => Self { lane: taken.trailing_ones() as usize, is_own: true },
            Err(_) => Self::share(),
        }
    }

    fn share() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self { lane: LANES + NEXT.fetch_add(1, Ordering::Relaxed) % LANES, is_own: false }
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        if self.is_own {
            TAKEN.fetch_and(!(1 << self.lane), Ordering::AcqRel);
        }
    }
}

/// One for each lane.
#[derive(Debug)]
pub(super) struct Lanes<T>([T; 2 * LANES]);

/// A count in a lane.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

/// How to add in this thread's lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adder {
    is_own: bool,
}

impl<T: Default> Default for Lanes<T> {
    fn default() -> Self {
        Self(array::from_fn(|_| T::default()))
    }
}

impl<T> Lanes<T> {
    /// Adds in this thread's lane.
    pub(super) fn add(&self, add: impl FnOnce(&T, Adder)) {
        // A thread that ends has none of its own any more.
        let (lane, is_own) = MINE.try_with(|mine| (mine.lane, mine.is_own)).unwrap_or((LANES, false));
        if let Some(lane) = self.0.get(lane) {
            add(lane, Adder { is_own });
        }
    }

    /// All lanes.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl Adder {
    /// Adds, modulo 2^64.
    pub(super) fn add(self, Cell(cell): &Cell, by: u64) {
        match self.is_own {
            true => cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed),
            false => drop(cell.fetch_add(by, Ordering::Relaxed)),
        }
    }
}

impl Cell {
    /// What was added.
    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A cache line of its own, and the one that the processor fetches with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane(Cell);

/// A sum of many threads. What is added on one may be taken away on another.
#[derive(Debug, Default)]
pub struct Sum(Lanes<Lane>);

impl Sum {
    /// Adds.
    pub fn add(&self, by: u64) {
        self.0.add(|Lane(cell), adder| adder.add(cell, by));
    }

    /// Takes away.
    pub fn subtract(&self, by: u64) {
        self.add(by.wrapping_neg());
    }

    /// The sum at present. Never below zero as a whole, whatever the lanes are.
    #[must_use]
    pub fn value(&self) -> u64 {
        let sum = self.0.all().fold(0_u64, |sum, Lane(cell)| sum.wrapping_add(cell.value()));
        // A reader between an addition on one lane and its end on another sees a little less than nothing.
        if sum > u64::MAX / 2 { 0 } else { sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Barrier;

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

    /// Other tests' threads may have some meanwhile.
    #[test]
    fn no_two_threads_have_a_lane_at_once_and_who_ends_gives_it_back() {
        let count = LANES * 3;
        for _ in 0..20 {
            let all_have = Barrier::new(count);
            let mine = || {
                let lane = MINE.with(|mine| mine.is_own.then_some(mine.lane));
                all_have.wait();
                lane
            };
            let lanes: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..count).map(|_| scope.spawn(mine)).collect();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            assert!(lanes.len() <= LANES && lanes.iter().all(|lane| *lane < LANES));
            assert_eq!(lanes.iter().collect::<BTreeSet<_>>().len(), lanes.len());
        }
        let has_own = || std::thread::spawn(|| MINE.with(|mine| mine.is_own)).join().unwrap();
        assert!((0..1000).any(|_| has_own()), "none was given back");
    }
}
