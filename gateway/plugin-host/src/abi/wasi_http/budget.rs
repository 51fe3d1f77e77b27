//! How much CPU time the guest of a store may still use.
//!
//! Several requests run in one store, and what one of them uses cannot be told from what another does: so the budget is the store's. Each
//! request brings `limits.cpu`, and each piece of a body that moves brings a sixteenth of it for every 64 KiB begun: a guest that streams a
//! gigabyte works longer than one that looks at a head. What is saved up is at most `limits.cpu` for each request in the store.

use crate::meter::Stop;
use crate::pulse::Pulse;
use gateway_core::clock::thread_time;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// What brings a sixteenth of the limit, in bytes.
const PIECE: usize = 64 << 10;

/// The budget of one store, shared with the bodies that move through it.
pub(crate) struct Budget {
    /// In nanoseconds.
    left: AtomicI64,
    requests: AtomicI64,
    /// What a request brings, in nanoseconds.
    cpu: i64,
    limit: Duration,
    /// The thread's CPU clock when the guest last resumed; 0 while it is not known.
    resumed: AtomicU64,
    /// The guest has let the runtime do its I/O and goes on at once.
    yields: AtomicBool,
    pulse: Arc<Pulse>,
}

impl Budget {
    /// The budget for start-up.
    pub(crate) fn new(start: Duration, limit: Duration, pulse: Arc<Pulse>) -> Self {
        pulse.beat();
        Self {
            left: AtomicI64::new(nanoseconds(start)),
            requests: AtomicI64::new(0),
            cpu: nanoseconds(limit),
            limit,
            resumed: AtomicU64::new(0),
            yields: AtomicBool::new(false),
            pulse,
        }
    }

    /// Start-up is over: nothing of its budget is left.
    pub(crate) fn started(&self) {
        self.left.store(0, Ordering::Relaxed);
        self.resumed.store(0, Ordering::Relaxed);
    }

    /// A request has come.
    pub(crate) fn begin(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.add(self.cpu);
        self.pulse.beat();
    }

    /// A request is done.
    pub(crate) fn end(&self) {
        self.requests.fetch_sub(1, Ordering::Relaxed);
        self.add(0);
    }

    /// Whether there is no request.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) <= 0
    }

    /// So many bytes of a body have moved.
    pub(crate) fn moved(&self, bytes: usize) {
        let pieces = i64::try_from(bytes / PIECE).unwrap_or(i64::MAX).saturating_add(1);
        self.add((self.cpu / 16).saturating_mul(pieces));
    }

    fn add(&self, nanoseconds: i64) {
        let most = self.cpu.saturating_mul(self.requests.load(Ordering::Relaxed).max(1));
        let add = |left: i64| Some(left.saturating_add(nanoseconds).min(most));
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// A tick has passed while the guest runs: stop it, or let the runtime do its I/O and go on.
    pub(crate) fn tick(self: &Arc<Self>) -> wasmtime::Result<UpdateDeadline> {
        self.pulse.look();
        let resumed = self.resumed.load(Ordering::Relaxed);
        if resumed != 0 {
            let used = i64::try_from(thread_time().saturating_sub(resumed)).unwrap_or(i64::MAX);
            if self.left.fetch_sub(used, Ordering::Relaxed) < used {
                return Err(Stop::Cpu(self.limit).into());
            }
        }
        let budget = Arc::clone(self);
        budget.yields.store(true, Ordering::Relaxed);
        let yielded = async move {
            tokio::task::yield_now().await;
            budget.yields.store(false, Ordering::Relaxed);
            budget.resumed.store(thread_time(), Ordering::Relaxed);
            budget.pulse.beat();
        };
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(yielded)))
    }

    /// The store's task has nothing to run: what the thread does meanwhile is not the guest's.
    pub(crate) fn rest(&self) {
        if !self.yields.load(Ordering::Relaxed) {
            self.resumed.store(0, Ordering::Relaxed);
        }
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::new(Duration::from_secs(1), Duration::from_millis(16), Arc::new(Pulse::new()))
    }

    fn left(budget: &Budget) -> i64 {
        budget.left.load(Ordering::Relaxed) / 1_000_000
    }

    #[test]
    fn a_request_brings_the_limit_and_takes_away_what_was_saved() {
        let budget = budget();
        budget.started();
        budget.begin();
        budget.begin();
        assert_eq!(left(&budget), 32);
        budget.end();
        assert_eq!(left(&budget), 16);
        for _ in 0..100 {
            budget.begin();
            budget.end();
        }
        assert_eq!(left(&budget), 16);
    }

    #[test]
    fn what_moves_brings_a_sixteenth_for_each_piece() {
        let budget = budget();
        budget.started();
        budget.requests.store(10, Ordering::Relaxed);
        budget.moved(1);
        assert_eq!(left(&budget), 1);
        budget.moved(3 * PIECE);
        assert_eq!(left(&budget), 5);
    }
}
