//! Pauses between tries to connect.

use std::time::Duration;

/// The longest one.
pub(crate) const LONGEST: Duration = Duration::from_secs(4);

/// Longer and longer, and drawn, so that not everybody comes back at once. The first try goes out at once.
pub(crate) fn before(attempt: usize) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    let longest = Duration::from_millis(50).saturating_mul(1 << attempt.min(8)).min(LONGEST);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_are_drawn_and_bounded() {
        assert_eq!(before(1), Duration::ZERO);
        for attempt in 2..100 {
            let pause = before(attempt);
            assert!(pause >= Duration::from_millis(100) && pause <= LONGEST, "{attempt}: {pause:?}");
        }
    }
}
