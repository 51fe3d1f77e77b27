//! How soon an endpoint answers: a moving average that believes bad news at once and good news by and by (peak EWMA).

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// After so long an old answer counts for a third.
const DECAY: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Speed(Mutex<Option<(Instant, f64)>>);

impl Speed {
    /// An answer took so long.
    pub(super) fn note(&self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let mut known = self.0.lock();
        *known = Some(match *known {
            Some((since, average)) if took < average => {
                let weight = fade(now.saturating_duration_since(since));
                (now, average * weight + took * (1.0 - weight))
            }
            _ => (now, took),
        });
    }

    /// In seconds, for an endpoint with so many requests under way. One that nobody knows yet is worth a try, and not for
    /// everybody at once.
    pub(super) fn cost(&self, active: usize, now: Instant) -> f64 {
        let load = f64::from(u32::try_from(active).unwrap_or(u32::MAX)) + 1.0;
        match *self.0.lock() {
            Some((since, average)) => average * fade(now.saturating_duration_since(since)) * load,
            None if active == 0 => 0.0,
            None => load,
        }
    }
}

fn fade(age: Duration) -> f64 {
    (-age.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::clock::now;

    #[test]
    fn bad_news_counts_at_once_and_fades() {
        let (start, speed) = (now(), Speed::default());
        speed.note(Duration::from_millis(10), start);
        speed.note(Duration::from_millis(500), start);
        assert!((speed.cost(0, start) - 0.5).abs() < 1e-9);
        speed.note(Duration::from_millis(10), start + Duration::from_secs(1));
        let after = speed.cost(0, start + Duration::from_secs(1));
        assert!(after > 0.4 && after < 0.5, "{after}");
        assert!(speed.cost(0, start + Duration::from_secs(60)) < 0.01, "who is not asked is forgiven");
        assert!(speed.cost(3, start) > speed.cost(1, start));
    }
}
