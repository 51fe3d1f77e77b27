//! How long a guest runs: its own CPU time, and the time of the clock.
//!
//! Nothing is measured until a call has lasted a tick (4 ms, then 1 ms). From then on each tick adds up the thread's CPU time since
//! the guest last resumed, so what other tasks use between two polls, and what the guest waits for, does not count. The
//! error is less than the first tick.

use crate::pulse::Pulse;
use gateway_core::clock::{self, thread_time};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmtime::UpdateDeadline;

/// Why a guest was stopped by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("it used more than {0:?} of CPU time (`limits.cpu`)")]
    Cpu(Duration),
    #[error("it was not done in time (`limits.wall`, or the deadline of the exchange)")]
    Wall,
    #[error("it asked for more than {0} bytes of memory (`limits.memory`)")]
    Memory(usize),
    #[error("a table would pass {0} entries")]
    Table(usize),
    #[error("the fuel for host calls is used up: it handed over more than {0} bytes in one")]
    Transfer(usize),
}

/// A guest that cannot stand aside keeps its thread from others for no more CPU time than this, and cannot be cancelled so long.
const SHORT: Duration = Duration::from_millis(10);

/// Calls of a plugin, after one that lasted a tick, that have a stack of their own.
const WARY: u32 = 1000;

/// Whether a plugin's calls are so short that nobody needs a turn meanwhile: then the guest runs on the stack of who calls it, which
/// costs less than one of its own, and cannot stand aside.
#[derive(Default)]
pub(crate) struct Promptness(AtomicU32);

impl Promptness {
    /// Whether the next call, which may use so much CPU time, may be without a stack of its own.
    pub(crate) fn is_given(&self, limit: Duration) -> bool {
        if limit > SHORT {
            return false;
        }
        let wary = self.0.load(Ordering::Relaxed);
        if wary > 0 {
            // Of two at once one may not count: it is as good with one call more.
            self.0.store(wary - 1, Ordering::Relaxed);
        }
        wary == 0
    }

    /// A call lasts longer.
    pub(crate) fn is_lost(&self) {
        self.0.store(WARY, Ordering::Relaxed);
    }
}

/// The meter of one call at a time.
pub(crate) struct Meter {
    used: Duration,
    limit: Duration,
    deadline: Instant,
    /// The thread's CPU clock when the guest last resumed, in nanoseconds; 0 before the first tick of a call. Shared with
    /// the future of a yield, which outlives the borrow of the store.
    resumed: Arc<AtomicU64>,
    pulse: Arc<Pulse>,
    /// When the guest began to wait for the host.
    waits_since: Option<Instant>,
    waited: Duration,
    /// Whether the guest can stand aside.
    may_yield: bool,
}

impl Meter {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Self {
        Self {
            used: Duration::ZERO,
            limit: Duration::ZERO,
            deadline: clock::now(),
            resumed: Arc::default(),
            pulse,
            waits_since: None,
            waited: Duration::ZERO,
            may_yield: true,
        }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self, limit: Duration, deadline: Instant) {
        self.used = Duration::ZERO;
        self.limit = limit;
        self.deadline = deadline;
        (self.waits_since, self.waited, self.may_yield) = (None, Duration::ZERO, true);
        self.resumed.store(0, Ordering::Relaxed);
        self.pulse.beat();
    }

    /// The call that has begun is without a stack of its own.
    pub(crate) fn hold(&mut self) {
        self.may_yield = false;
    }

    /// When the call must be done.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// A tick has passed while the guest runs: stop it, or let the runtime do its I/O and go on, where the guest can stand aside.
    pub(crate) fn tick(&mut self, promptness: &Promptness) -> wasmtime::Result<UpdateDeadline> {
        self.pulse.look();
        self.note();
        if self.used > self.limit {
            return Err(Stop::Cpu(self.limit).into());
        }
        if clock::now() >= self.deadline {
            return Err(Stop::Wall.into());
        }
        if !self.may_yield {
            // The first tick says little: it may come at once.
            if self.resumed.swap(thread_time(), Ordering::Relaxed) != 0 {
                promptness.is_lost();
            }
            return Ok(UpdateDeadline::Continue(1));
        }
        let (resumed, pulse) = (Arc::clone(&self.resumed), Arc::clone(&self.pulse));
        let yielded = async move {
            tokio::task::yield_now().await;
            resumed.store(thread_time(), Ordering::Relaxed);
            // A runtime with much to do may have come back so late that the tick rests.
            pulse.beat();
        };
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(yielded)))
    }

    /// How long the guest waited for the host in this call.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// The guest begins to wait for the host.
    pub(crate) fn pause(&mut self) {
        self.note();
        self.waits_since = Some(clock::now());
    }

    fn note(&mut self) {
        let resumed = self.resumed.load(Ordering::Relaxed);
        if resumed != 0 {
            self.used += Duration::from_nanos(thread_time().saturating_sub(resumed));
        }
    }

    /// The guest goes on, perhaps on another thread.
    pub(crate) fn resume(&mut self) {
        if let Some(since) = self.waits_since.take() {
            self.waited += clock::now().saturating_duration_since(since);
        }
        self.resumed.store(thread_time(), Ordering::Relaxed);
        self.pulse.beat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_cannot_stand_aside_is_told_on_and_the_next_ones_can() {
        let promptness = Promptness::default();
        let mut meter = Meter::new(Arc::new(Pulse::new()));
        meter.begin(Duration::from_secs(1), clock::now() + Duration::from_secs(60));
        assert!(promptness.is_given(SHORT) && !promptness.is_given(2 * SHORT));
        meter.hold();
        assert!(matches!(meter.tick(&promptness), Ok(UpdateDeadline::Continue(1))));
        assert!(promptness.is_given(SHORT), "a call of a microsecond may meet one tick");
        assert!(matches!(meter.tick(&promptness), Ok(UpdateDeadline::Continue(1))));
        for _ in 0..WARY {
            assert!(!promptness.is_given(SHORT));
        }
        assert!(promptness.is_given(SHORT), "none of them lasted");
        meter.begin(Duration::from_secs(1), clock::now() + Duration::from_secs(60));
        assert!(matches!(meter.tick(&promptness), Ok(UpdateDeadline::YieldCustom(1, _))));
    }

    #[test]
    fn a_guest_that_cannot_stand_aside_is_stopped_as_any_other() {
        let promptness = Promptness::default();
        let mut meter = Meter::new(Arc::new(Pulse::new()));
        meter.begin(Duration::ZERO, clock::now() + Duration::from_secs(60));
        meter.hold();
        meter.tick(&promptness).unwrap();
        let began = thread_time();
        while thread_time() == began {}
        assert!(meter.tick(&promptness).is_err(), "its CPU time is used up");
        meter.begin(Duration::from_secs(1), clock::now());
        meter.hold();
        assert!(meter.tick(&promptness).is_err(), "its time is over");
    }
}
