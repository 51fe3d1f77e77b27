//! What keeps failing is not called for a while: its failures cost time and room, and soon everybody's.
//!
//! A call that goes well touches nothing here but one load: the number of calls is asked of whoever counts them when one
//! fails.

use crate::sync::{AtomicBool, Mutex, Ordering};
use std::time::{Duration, Instant};

/// When a breaker opens, and closes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Failures are counted over this time from the first of them.
    pub window: Duration,
    /// It opens at this share of failures, in per cent,
    pub percent: u8,
    /// of at least so many calls.
    pub calls: u64,
    /// How long nothing is called.
    pub rest: Duration,
    /// Then so many calls must go well.
    pub probes: u32,
}

/// The breaker of one thing that is called.
pub struct Breaker {
    terms: Terms,
    /// Whether calls must ask at all.
    tripped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// Calls are made; none has failed lately.
    #[default]
    Closed,
    /// Calls are made; some failed since.
    Failing { since: Instant, calls_before: u64, failed: u64 },
    /// No call is made until then.
    Open { until: Instant },
    /// A few calls are made to see. One whose caller went away never reports, so they are waited for only so long.
    Probing { begun: u32, good: u32, until: Instant },
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, tripped: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Whether a call may be made. `now` is asked for only while it is tripped.
    #[must_use]
    pub fn admits(&self, now: impl FnOnce() -> Instant) -> bool {
        if !self.tripped.load(Ordering::Relaxed) {
            return true;
        }
        let now = now();
        let mut state = self.state.lock();
        match &mut *state {
            State::Closed | State::Failing { .. } => true,
            State::Open { until } | State::Probing { until, .. } if now >= *until => {
                *state = State::Probing { begun: 1, good: 0, until: now + self.terms.rest };
                true
            }
            State::Open { .. } => false,
            State::Probing { begun, .. } => {
                *begun += 1;
                *begun <= self.terms.probes
            }
        }
    }

    /// A call went well.
    pub fn succeeded(&self) {
        if !self.tripped.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state.lock();
        if let State::Probing { good, .. } = &mut *state {
            *good += 1;
            if *good >= self.terms.probes {
                *state = State::Closed;
                self.tripped.store(false, Ordering::Relaxed);
            }
        }
    }

    /// A call failed; `calls` have been made in all, this one included. Whether it opened by this.
    pub fn failed(&self, calls: u64, now: Instant) -> bool {
        let mut state = self.state.lock();
        match &mut *state {
            State::Open { .. } => return false,
            State::Failing { since, calls_before, failed }
                if now.saturating_duration_since(*since) < self.terms.window =>
            {
                *failed += 1;
                let calls = calls.saturating_sub(*calls_before);
                if calls < self.terms.calls || *failed * 100 < calls * u64::from(self.terms.percent) {
                    return false;
                }
            }
            State::Closed | State::Failing { .. } => {
                *state = State::Failing { since: now, calls_before: calls.saturating_sub(1), failed: 1 };
                return false;
            }
            State::Probing { .. } => {}
        }
        *state = State::Open { until: now + self.terms.rest };
        self.tripped.store(true, Ordering::Relaxed);
        true
    }

    /// Whether calls are refused or only probed at present.
    #[must_use]
    pub fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const WINDOW: Duration = Duration::from_secs(10);
    const REST: Duration = Duration::from_secs(5);
    const TERMS: Terms = Terms { window: WINDOW, percent: 50, calls: 20, rest: REST, probes: 3 };

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::new(TERMS);
        let opened = (1..=20).map(|calls| breaker.failed(calls, now)).filter(|opened| *opened).count();
        assert_eq!(opened, 1);
        breaker
    }

    #[test]
    fn half_of_twenty_calls_within_the_window_open_it() {
        let now = clock::now();
        let breaker = Breaker::new(TERMS);
        for calls in (2..60).step_by(3) {
            assert!(!breaker.failed(calls, now), "a third fails");
        }
        for calls in 1..=19 {
            assert!(!breaker.failed(100 + calls, now + WINDOW * 2 * u32::try_from(calls).unwrap()), "one a window");
        }
        assert!(breaker.admits(|| now));
        assert!(!opened(now).admits(|| now));
    }

    #[test]
    fn a_few_probes_close_it() {
        let now = clock::now();
        let breaker = opened(now);
        let later = now + REST;
        assert_eq!((0..10).filter(|_| breaker.admits(|| later)).count(), 3);
        for _ in 0..3 {
            breaker.succeeded();
        }
        assert!(!breaker.is_tripped());
        assert!(breaker.admits(|| later));
    }

    #[test]
    fn a_failing_probe_opens_it_again_and_lost_probes_are_made_anew() {
        let now = clock::now();
        let breaker = opened(now);
        let later = now + REST;
        assert!(breaker.admits(|| later));
        assert!(breaker.failed(21, later));
        assert!(!breaker.admits(|| later));
        let latest = later + REST;
        assert_eq!((0..10).filter(|_| breaker.admits(|| latest)).count(), 3);
        assert!(breaker.admits(|| latest + REST), "the three callers went away");
    }
}
