//! The arithmetic of one budget: what is available, what is taken, when more will be there. `redis/take.lua` is the same in Redis.

use gateway_core::limit::{Algorithm, Budget, Standing};
use std::time::Duration;

/// When something happens, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since some moment; never goes back.
    pub(crate) steady: u64,
    /// Since 1970; may step.
    pub(crate) calendar: u64,
}

/// What is known of one budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Count {
    /// What a bucket held at a time.
    Bucket { tokens: f64, at: u64 },
    /// What was taken in the window of this number and in the one before.
    Windows { number: u64, present: u64, last: u64 },
    /// What is taken at the moment.
    Slots { taken: u64 },
}

/// A sum of fractions that were rounded may lack this much of a whole.
const ROUNDING: f64 = 1e-6;

impl Count {
    /// Of a budget that nothing was taken from.
    pub(crate) fn whole(budget: &Budget, now: Moment) -> Self {
        match budget.algorithm {
            Algorithm::TokenBucket => Self::Bucket { tokens: float(budget.burst), at: now.steady },
            Algorithm::SlidingWindow | Algorithm::FixedWindow => {
                Self::Windows { number: number(budget, now), present: 0, last: 0 }
            }
            Algorithm::Concurrency => Self::Slots { taken: 0 },
        }
    }

    /// Lets time pass up to now. What another algorithm left is nothing to go by.
    pub(crate) fn advance(&mut self, budget: &Budget, now: Moment) {
        match self {
            Self::Bucket { tokens, at } => {
                let back = float(now.steady.saturating_sub(*at)) * rate(budget);
                *tokens = (*tokens + back).min(float(budget.burst));
                *at = now.steady;
            }
            Self::Windows { number: known, present, last } => {
                let number = number(budget, now);
                match number.checked_sub(*known) {
                    Some(0) => return,
                    Some(1) => *last = *present,
                    // Long ago, or the calendar was set back.
                    _ => *last = 0,
                }
                (*known, *present) = (number, 0);
            }
            Self::Slots { .. } => {}
        }
    }

    /// What can be taken now; less than nothing where more was charged than there was.
    fn available(&self, budget: &Budget, now: Moment) -> f64 {
        let limit = float(budget.limit);
        match *self {
            Self::Bucket { tokens, .. } => tokens,
            Self::Windows { present, last, .. } => match budget.algorithm {
                Algorithm::SlidingWindow => limit - float(present) - float(last) * (1.0 - passed(budget, now)),
                _ => limit - float(present),
            },
            Self::Slots { taken } => limit - float(taken),
        }
    }

    /// How it stands towards this cost. A cost of 0 needs that there is something left.
    pub(crate) fn standing(&self, budget: &Budget, cost: u64, now: Moment) -> Standing {
        let available = self.available(budget, now) + ROUNDING;
        let needed = float(cost.max(1));
        let allowed = available >= needed;
        Standing {
            allowed,
            remaining: floor(if allowed { available - float(cost) } else { available }),
            reset: self.reset(budget, if allowed { cost } else { 0 }, now),
            retry_after: if allowed { Duration::ZERO } else { self.wait(budget, needed, now) },
        }
    }

    /// Takes, whether it is there or not.
    pub(crate) fn take(&mut self, cost: u64) {
        match self {
            Self::Bucket { tokens, .. } => *tokens -= float(cost),
            Self::Windows { present, .. } => *present = present.saturating_add(cost),
            Self::Slots { taken } => *taken = taken.saturating_add(cost),
        }
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&mut self, cost: u64) {
        if let Self::Slots { taken } = self {
            *taken = taken.saturating_sub(cost);
        }
    }

    /// Until it is whole again or its window ends, when this much more was taken.
    pub(crate) fn reset(&self, budget: &Budget, cost: u64, now: Moment) -> Duration {
        match *self {
            Self::Bucket { tokens, .. } => micros((float(budget.burst) - tokens + float(cost)).max(0.0) / rate(budget)),
            Self::Windows { .. } => micros((1.0 - passed(budget, now)) * length(budget)),
            Self::Slots { .. } => Duration::ZERO,
        }
    }

    /// Until this much is available, if nothing else is taken meanwhile.
    fn wait(&self, budget: &Budget, needed: f64, now: Moment) -> Duration {
        let (limit, rest) = (float(budget.limit), 1.0 - passed(budget, now));
        match *self {
            Self::Bucket { tokens, .. } => micros((needed - tokens) / rate(budget)),
            Self::Windows { present, last, .. } if budget.algorithm == Algorithm::SlidingWindow => {
                let (present, last, free) = (float(present), float(last), limit - needed);
                // The last window's share has to shrink to what is free beside the present one; or, in the next window, the
                // present one's share.
                let share = if last > 0.0 { (free - present) / last } else { free - present };
                let windows = match share >= 0.0 {
                    true => rest - share.min(rest),
                    false if present > 0.0 => rest + 1.0 - (free / present).clamp(0.0, 1.0),
                    false => rest,
                };
                micros(windows * length(budget))
            }
            Self::Windows { .. } => micros(rest * length(budget)),
            // Nobody knows when somebody else is done.
            Self::Slots { .. } => Duration::from_secs(1),
        }
    }

    /// Whether it says no more than an absent one.
    pub(crate) fn is_whole(&self) -> bool {
        match *self {
            Self::Bucket { .. } => false,
            Self::Windows { present, last, .. } => present == 0 && last == 0,
            Self::Slots { taken } => taken == 0,
        }
    }
}

/// The number of the present window.
fn number(budget: &Budget, now: Moment) -> u64 {
    clock(budget, now) / length_in_full(budget)
}

/// The part of the present window that has passed, from 0 to 1.
fn passed(budget: &Budget, now: Moment) -> f64 {
    float(clock(budget, now) % length_in_full(budget)) / length(budget)
}

/// Fixed windows end when people expect it, the others whatever the calendar does.
fn clock(budget: &Budget, now: Moment) -> u64 {
    if budget.algorithm == Algorithm::FixedWindow { now.calendar } else { now.steady }
}

fn length_in_full(budget: &Budget) -> u64 {
    u64::try_from(budget.window.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn length(budget: &Budget) -> f64 {
    float(length_in_full(budget))
}

/// Tokens per microsecond.
fn rate(budget: &Budget) -> f64 {
    float(budget.limit.max(1)) / length(budget)
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds of this century have a place in 53 bits")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is cut to what has a place")]
fn floor(number: f64) -> u64 {
    number.max(0.0) as u64
}

fn micros(number: f64) -> Duration {
    Duration::from_micros(floor(number.ceil()))
}

#[cfg(test)]
mod tests;
