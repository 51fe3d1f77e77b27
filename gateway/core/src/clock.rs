//! Time comes in by this trait, so that rules can be tested without sleeping.

use std::time::{Duration, Instant, SystemTime};

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Never goes back.
    fn now(&self) -> Instant;
    /// The calendar's time; may step.
    fn wall(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Now, by the machine's clock: for code that has no rule to test.
#[must_use]
pub fn now() -> Instant {
    SystemClock.now()
}

/// The calendar's time, by the machine's clock.
#[must_use]
pub fn wall() -> SystemTime {
    SystemClock.wall()
}

/// Time since 1970, by the machine's clock.
#[must_use]
pub fn since_epoch() -> Duration {
    SystemClock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
