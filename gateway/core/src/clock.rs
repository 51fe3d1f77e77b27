//! Time comes in by this trait, so that rules can be tested without sleeping.

use std::cell::Cell;
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

/// What a thread knows of the time without asking.
#[derive(Clone, Copy)]
enum Last {
    /// Nothing: nobody says when it sleeps.
    Unkept,
    /// Nothing: it has slept since, or done much.
    Past,
    /// When it asked, and how often it has gone on with something else since.
    Asked(Instant, u8),
}

/// A thread that has gone on with so much since it asked knows nothing any more: each takes some ten microseconds, seldom more than a hundred.
const MUCH: u8 = 4;

thread_local!(static LAST: Cell<Last> = const { Cell::new(Last::Unkept) });

/// Now, by the machine's clock: for code that has no rule to test.
#[must_use]
pub fn now() -> Instant {
    let now = SystemClock.now();
    if !matches!(LAST.get(), Last::Unkept) {
        LAST.set(Last::Asked(now, 0));
    }
    now
}

/// When this thread asked last, where that was a moment ago, else now: for what need not be exact. A thread that serves asks several times
/// in each look at a connection, and each time costs as much as finding a route.
#[must_use]
pub fn lately() -> Instant {
    match LAST.get() {
        Last::Asked(when, _) => when,
        Last::Unkept | Last::Past => now(),
    }
}

/// The same, as the end of what began at `begin`, which may be when this thread asked last: nothing takes no time at all.
#[must_use]
pub fn lately_after(begin: Instant) -> Instant {
    match LAST.get() {
        Last::Asked(when, _) if when > begin => when,
        _ => now(),
    }
}

/// This thread sleeps now. From now on it keeps when it asked: whoever calls this does so before every sleep.
pub fn sleeps() {
    LAST.set(Last::Past);
}

/// This thread goes on with another connection, or the next part of one.
pub fn goes_on() {
    if let Last::Asked(when, so_often) = LAST.get() {
        LAST.set(if so_often < MUCH { Last::Asked(when, so_often + 1) } else { Last::Past });
    }
}

/// This thread has computed for long and not asked since. To be called behind whatever may take longer than a look at a connection.
pub fn forget() {
    if matches!(LAST.get(), Last::Asked(..)) {
        LAST.set(Last::Past);
    }
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

/// The CPU time of this thread, in nanoseconds.
#[must_use]
pub fn thread_time() -> u64 {
    let [seconds, nanoseconds] = read(libc::CLOCK_THREAD_CPUTIME_ID);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// One moment by both clocks.
fn origin() -> (Instant, u64) {
    static ORIGIN: OnceLock<(Instant, u64)> = OnceLock::new();
    *ORIGIN.get_or_init(|| (now(), coarse()))
}

fn coarse() -> u64 {
    let [seconds, nanoseconds] = read(libc::CLOCK_MONOTONIC_COARSE);
    seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000)
}

/// Seconds and nanoseconds of a clock. By the C library: it knows of valgrind, under which the kernel's page of clocks is not there, and who looks
/// for it ends the process.
fn read(clock: libc::clockid_t) -> [u64; 2] {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "no safe wrapper asks the C library")]
    // SAFETY: it writes a whole `timespec` where it is told to, or nothing.
    unsafe {
        libc::clock_gettime(clock, &raw mut time);
    }
    [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_when_it_asked_until_it_sleeps_or_computes() {
        // A thread of its own: what it keeps is no other test's.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let passes = || {
                    let asked = SystemClock.now();
                    while SystemClock.now() == asked {}
                };
                let kept = |first: Instant| {
                    passes();
                    lately() == first
                };
                assert!(!kept(now()), "nobody says when it sleeps");
                forget();
                assert!(!kept(now()), "still nobody does");
                sleeps();
                let first = lately();
                assert!(kept(first) && kept(first));
                passes();
                let end = lately_after(first);
                assert!(end > first && lately_after(first) == end);
                let second = now();
                assert!(second > end && kept(second));
                forget();
                assert!(!kept(second));
                let third = lately();
                assert!(kept(third));
                (0..MUCH).for_each(|_| goes_on());
                assert!(kept(third));
                goes_on();
                assert!(!kept(third), "it has done much since");
                let fourth = lately();
                assert!(kept(fourth));
                sleeps();
                assert!(!kept(fourth));
            });
        });
    }

    #[test]
    fn a_thread_has_the_time_that_it_computed() {
        let (began, before) = (SystemClock.now(), thread_time());
        while thread_time() < before + 1_000_000 {}
        let (computed, passed) = (thread_time() - before, SystemClock.now() - began);
        assert!(u128::from(computed) <= passed.as_nanos() + 1_000_000, "{computed} {passed:?}");
    }

    #[test]
    fn both_clocks_tell_the_same_moment() {
        let (before, told, after) = (now(), moment(ticks()), now());
        let latitude = Duration::from_millis(50);
        assert!(told + latitude >= before && told <= after + latitude, "{before:?} {told:?} {after:?}");
    }
}
