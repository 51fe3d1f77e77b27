//! How much may be sent once more: a share of what is asked, and a little beside it (HARDENING F2).

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Over this time,
const WINDOW: Duration = Duration::from_secs(10);

/// a fifth of the requests,
const SHARE: u64 = 5;

/// and 10 a second.
const FREE: u64 = 100;

/// Asked only when something is to be sent once more: requests cost it nothing, somebody else counts them.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Option<Window>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    requests_before: u64,
    retries: u64,
}

impl Budget {
    /// Whether one more fits; `requests` is how many there have been in all.
    pub(super) fn take(&self, requests: u64, now: Instant) -> bool {
        let mut window = self.0.lock();
        let current = match *window {
            Some(window) if now.saturating_duration_since(window.since) < WINDOW => window,
            _ => Window { since: now, requests_before: requests, retries: 0 },
        };
        let allowed = FREE + requests.saturating_sub(current.requests_before) / SHARE;
        let fits = current.retries < allowed;
        *window = Some(Window { retries: current.retries + u64::from(fits), ..current });
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::clock::now;

    #[test]
    fn f2_a_fifth_of_the_requests_and_ten_a_second() {
        let (budget, start) = (Budget::default(), now());
        let taken = (0..1000).filter(|_| budget.take(50, start)).count();
        assert_eq!(taken, 100);
        let taken = (0..1000).filter(|_| budget.take(50 + 500, start + WINDOW / 2)).count();
        assert_eq!(taken, 100, "a fifth of 500 more");
        let taken = (0..1000).filter(|_| budget.take(550, start + WINDOW)).count();
        assert_eq!(taken, 100, "a new window");
    }
}
