//! How the calls of one plugin with one configuration ended. Read by `/status`, and by whoever decides on a rollback.

use gateway_core::plugin::FaultKind;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// Outcomes that are remembered one by one.
const REMEMBERED: u64 = 1_000;

/// Running sums. Written by calls without a lock, so a reader may see a call counted whose outcome is not.
#[derive(Default)]
pub(crate) struct Tally {
    calls: AtomicU64,
    faults: [AtomicU64; 6],
    /// A bit for each of the last thousand calls: whether it trapped or ran out of time.
    recent: [AtomicU64; 16],
}

/// The sums at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Calls that reached the guest.
    pub calls: u64,
    /// Of them, those that trapped.
    pub traps: u64,
    /// Those that used up `limits.cpu`.
    pub cpu: u64,
    /// Those that were not done in time.
    pub wall: u64,
    /// Those that answered something that is not allowed.
    pub output: u64,
    /// Calls that found no instance.
    pub full: u64,
    /// Calls that were not made because the breaker was open.
    pub open: u64,
    /// The last thousand calls that reached the guest.
    pub recent: Outcomes,
}

/// Outcomes of the last calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// How many there are, at most 1,000.
    pub calls: u64,
    /// How many of them trapped or ran out of time.
    pub failed: u64,
}

impl Outcomes {
    /// The rule of DESIGN.md section 4: at least ten of the new version's calls failed, and a share over five times
    /// that of the version before it. A client that makes both versions fail does not bring the old one back.
    #[must_use]
    pub fn justify_rollback(self, before: Self) -> bool {
        // failed / calls > 5 * before.failed / before.calls, without dividing by none.
        self.failed >= 10 && self.failed * before.calls.max(1) > 5 * before.failed * self.calls
    }
}

impl Tally {
    /// A call that reached the guest has ended.
    pub(crate) fn ended(&self, fault: Option<FaultKind>) {
        let position = self.calls.fetch_add(1, Ordering::Relaxed) % REMEMBERED;
        let failed = matches!(fault, Some(FaultKind::Trap | FaultKind::Cpu | FaultKind::Wall));
        let bit = 1 << (position % 64);
        if let Some(word) = self.recent.get(usize::try_from(position / 64).unwrap_or(0)) {
            // Nearly always the bit is right already, and a load leaves the cache line shared.
            if (word.load(Ordering::Relaxed) & bit != 0) != failed {
                word.fetch_xor(bit, Ordering::Relaxed);
            }
        }
        if let Some(fault) = fault {
            self.count(fault);
        }
    }

    /// A call was not made.
    pub(crate) fn refused(&self, fault: FaultKind) {
        self.count(fault);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn count(&self, fault: FaultKind) {
        if let Some(count) = self.faults.get(fault as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Statistics {
        let calls = self.calls();
        let [traps, cpu, wall, output, full, open] =
            [FaultKind::Trap, FaultKind::Cpu, FaultKind::Wall, FaultKind::Output, FaultKind::Full, FaultKind::Open]
                .map(|kind| self.faults.get(kind as usize).map_or(0, |count| count.load(Ordering::Relaxed)));
        let failed = self.recent.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum();
        Statistics {
            calls,
            traps,
            cpu,
            wall,
            output,
            full,
            open,
            recent: Outcomes { calls: calls.min(REMEMBERED), failed },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_are_remembered() {
        let tally = Tally::default();
        for _ in 0..30 {
            tally.ended(Some(FaultKind::Trap));
        }
        tally.ended(Some(FaultKind::Output));
        tally.refused(FaultKind::Full);
        let read = tally.read();
        assert_eq!((read.calls, read.traps, read.output, read.full), (31, 30, 1, 1));
        assert_eq!(read.recent, Outcomes { calls: 31, failed: 30 });
        for _ in 0..980 {
            tally.ended(None);
        }
        assert_eq!(tally.read().recent, Outcomes { calls: 1000, failed: 19 });
    }

    #[test]
    fn a_rollback_needs_ten_failures_and_five_times_the_share() {
        let outcomes = |calls, failed| Outcomes { calls, failed };
        for (new, old, expected) in [
            (outcomes(10, 10), outcomes(1000, 0), true),
            (outcomes(9, 9), outcomes(1000, 0), false),
            (outcomes(1000, 10), outcomes(0, 0), true),
            (outcomes(1000, 50), outcomes(1000, 10), false),
            (outcomes(1000, 51), outcomes(1000, 10), true),
            (outcomes(100, 100), outcomes(1000, 200), false),
        ] {
            assert_eq!(new.justify_rollback(old), expected, "{new:?} after {old:?}");
        }
    }
}
