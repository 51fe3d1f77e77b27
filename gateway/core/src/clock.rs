//! Time comes in by this trait, so that rules can be tested without sleeping.

use std::sync::OnceLock;
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

/// Milliseconds of the steady clock, never 0, as of the system's last tick, a few of them ago. For what is noted with every request and
/// looked at now and then: it costs a fifth of what [`now`] does, and fits into an atomic.
#[must_use]
pub fn ticks() -> u64 {
    coarse().saturating_sub(origin().1).saturating_add(1)
}

/// When that was, give or take a few milliseconds.
#[must_use]
pub fn moment(ticks: u64) -> Instant {
    origin().0 + Duration::from_millis(ticks)
}

/// One moment by both clocks.
fn origin() -> (Instant, u64) {
    static ORIGIN: OnceLock<(Instant, u64)> = OnceLock::new();
    *ORIGIN.get_or_init(|| (now(), coarse()))
}

/// By the C library: it knows of valgrind, under which the kernel's page of clocks is not there.
fn coarse() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "no safe wrapper asks the C library")]
    // SAFETY: it writes a whole `timespec` where it is told to, or nothing.
    unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time);
    }
    let [seconds, nanoseconds] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_tell_the_same_moment() {
        let (before, told, after) = (now(), moment(ticks()), now());
        let latitude = Duration::from_millis(50);
        assert!(told + latitude >= before && told <= after + latitude, "{before:?} {told:?} {after:?}");
    }
}
