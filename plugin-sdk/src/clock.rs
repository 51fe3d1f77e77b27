//! Time. A component has no other: `std::time` does not work in it.

use std::time::Duration;

/// Since 1970-01-01T00:00:00Z; may step.
#[must_use]
pub fn now() -> Duration {
    Duration::from_nanos(crate::sys::clock::now())
}

/// Nanoseconds since some fixed moment; never goes back.
#[must_use]
pub fn monotonic() -> u64 {
    crate::sys::clock::monotonic()
}

/// Waits, at most a second at once and not past the deadline of the exchange: for what another exchange is about to bring.
pub fn wait(time: Duration) {
    crate::sys::clock::wait(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
}
