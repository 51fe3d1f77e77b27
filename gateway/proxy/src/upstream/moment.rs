//! Moments that fit into an atomic: milliseconds of the machine's steady clock, from 1.

use gateway_core::clock::now;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A moment, or never.
#[derive(Debug, Default)]
pub(super) struct Moment(AtomicU64);

impl Moment {
    pub(super) fn set(&self, at: Instant) {
        self.0.store(millis(at), Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether it is still to come. The clock is asked only where it was ever set.
    pub(super) fn is_ahead(&self, now: impl FnOnce() -> Instant) -> bool {
        let at = self.0.load(Ordering::Relaxed);
        at != 0 && at > millis(now())
    }

    /// How long ago it was, nothing where it is still to come; none where it never was.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        let at = self.0.load(Ordering::Relaxed);
        (at != 0).then(|| Duration::from_millis(millis(now).saturating_sub(at)))
    }
}

fn millis(at: Instant) -> u64 {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(now);
    u64::try_from(at.saturating_duration_since(origin).as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}
