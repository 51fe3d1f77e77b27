//! The tick by which guests are looked at, as long as there are guests to look at.
//!
//! A thread that wakes a thousand times a second costs a hundredth of a core. So it ticks that fast only while a guest runs
//! long enough to be looked at, more slowly while guests come and go, and parks when none has run for a while; the next
//! call wakes it. Calls that come close together pay one load each for that.

use gateway_core::clock;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How often guests are looked at while one of them runs on.
const FAST: Duration = Duration::from_millis(1);

/// How often they are looked at while all of them are done soon. A guest that is not is found so late, and its first
/// tick, which is not measured, is so long.
const SLOW: Duration = Duration::from_millis(4);

/// Ticks without a guest before it parks.
const PATIENCE: u32 = 16;

/// How long it parks before it ticks once to see: a guest whose thread stood still between its beat and its first
/// instruction, until the tick rested, is found by that.
const PARK: Duration = Duration::from_secs(1);

pub(crate) struct Pulse {
    /// A guest has begun, gone on, or been looked at since this was last cleared.
    beating: AtomicBool,
    /// A guest has run across a tick.
    looked_at: AtomicBool,
    parked: AtomicBool,
    thread: OnceLock<Thread>,
    begun: Instant,
    /// Since it was made, as of the last tick: a clock that costs nothing to read.
    milliseconds: AtomicU64,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            beating: AtomicBool::new(false),
            looked_at: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            thread: OnceLock::new(),
            begun: clock::now(),
            milliseconds: AtomicU64::new(0),
        }
    }

    /// A guest runs.
    pub(crate) fn beat(&self) {
        // The common case writes nothing: the line stays in every core's cache. One that is cleared just after this look is
        // set again at the guest's first tick.
        if self.beating.load(Ordering::Relaxed) {
            return;
        }
        self.beating.store(true, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// A guest runs across a tick: it may be one that never ends.
    pub(crate) fn look(&self) {
        self.looked_at.store(true, Ordering::Relaxed);
        self.beat();
    }

    /// Ends a park.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// In milliseconds since it was made; stands still while nothing runs.
    pub(crate) fn now(&self) -> u64 {
        self.milliseconds.load(Ordering::Relaxed)
    }

    /// Brings the coarse clock up to date.
    pub(crate) fn set_clock(&self) {
        let since = u64::try_from(clock::now().duration_since(self.begun).as_millis()).unwrap_or(u64::MAX);
        self.milliseconds.store(since, Ordering::Relaxed);
    }

    /// Ticks on this thread until it is stopped.
    pub(crate) fn run(&self, tick: impl Fn(), stopped: impl Fn() -> bool) {
        // Only the first thread that runs it is ever woken; there is just one.
        let _ = self.thread.set(thread::current());
        let mut quiet = 0;
        while !stopped() {
            thread::sleep(if self.looked_at.swap(false, Ordering::Relaxed) { FAST } else { SLOW });
            tick();
            self.set_clock();
            quiet += 1;
            if quiet < PATIENCE {
                continue;
            }
            if self.beating.swap(false, Ordering::SeqCst) {
                quiet = 0;
                continue;
            }
            self.parked.store(true, Ordering::SeqCst);
            // A guest that began between the two either sees that it must wake us, or is seen here.
            if !self.beating.load(Ordering::SeqCst) && !stopped() {
                // Still quiet after that: it parks again when one more tick has found nobody.
                thread::park_timeout(PARK);
                self.set_clock();
            }
            self.parked.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    fn until(what: &str, holds: impl Fn() -> bool) {
        let end = clock::now() + Duration::from_secs(20);
        while !holds() {
            assert!(clock::now() < end, "{what}");
            thread::yield_now();
        }
    }

    #[test]
    fn it_rests_without_guests_and_comes_back_with_the_next() {
        let (pulse, ticks, stopped) =
            (Arc::new(Pulse::new()), Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let running = {
            let (pulse, ticks, stopped) = (Arc::clone(&pulse), Arc::clone(&ticks), Arc::clone(&stopped));
            thread::spawn(move || {
                let tick = || {
                    ticks.fetch_add(1, Ordering::Relaxed);
                };
                pulse.run(tick, || stopped.load(Ordering::Relaxed));
            })
        };
        for _ in 0..3 {
            until("it parks", || pulse.parked.load(Ordering::SeqCst));
            let before = ticks.load(Ordering::Relaxed);
            pulse.beat();
            until("it ticks again", || ticks.load(Ordering::Relaxed) > before);
        }
        stopped.store(true, Ordering::Relaxed);
        pulse.wake();
        running.join().unwrap();
    }
}
