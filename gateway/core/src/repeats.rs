//! What happens again and again is told at once, then now and then, with how often it was.

use std::time::{Duration, Instant};

/// How long nothing more is told.
const PAUSE: Duration = Duration::from_secs(5);

/// One kind of thing that may happen often.
#[derive(Debug, Default)]
pub struct Repeats {
    told: Option<Instant>,
    untold: u64,
}

impl Repeats {
    /// It happened; how often since it was told last, this time included, if it is to be told now.
    pub fn note(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_at_once_and_then_now_and_then() {
        let (mut repeats, start) = (Repeats::default(), crate::clock::now());
        let told: Vec<_> =
            (0..=600).filter_map(|twentieth| repeats.note(start + Duration::from_millis(twentieth * 20))).collect();
        assert_eq!(told, [1, 250, 250]);
    }
}
