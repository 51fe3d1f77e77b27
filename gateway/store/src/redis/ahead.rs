//! What this gateway has taken from shared budgets ahead of its requests, so that Redis is not asked for each: shares that grow
//! with the demand and are given up soon.
//!
//! What is taken ahead has left the budget, so all gateways together never give out more than it has. A share is kept for at most a
//! second or a tenth of the window. What is not used by then is given back with the next fill, and is missing to others until there
//! is one; where a window of Redis ends meanwhile, what is left of a share is used beyond it. Both are bounded by the share's size.

use gateway_core::limit::{Algorithm, Budget, Standing, StoreError, Taken};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Shares that are known at once.
const SHARES: usize = 100_000;

/// How long a share is kept, and a refusal believed.
const KEPT: Duration = Duration::from_secs(1);

/// The shares of one store, by the key of their budget in Redis.
#[derive(Default)]
pub(super) struct Ahead(Mutex<Shares>);

#[derive(Default)]
struct Shares {
    map: HashMap<String, Share>,
    swept: Option<Instant>,
}

/// What is known of one budget here.
#[derive(Default)]
struct Share {
    /// Taken ahead and not used.
    tokens: u64,
    /// When they are given up.
    until: Option<Instant>,
    /// What was used since the last fill.
    used: u64,
    /// Takes that wait for a fill.
    waiting: u64,
    /// Of the window that the tokens were taken in.
    number: u64,
    /// To be given back: how much, and the number of its window.
    back: (u64, u64),
    /// How the budget stood at the last answer, the share apart.
    standing: Option<(Standing, Instant)>,
    /// Nothing like this cost will be there before.
    closed: Option<(u64, Instant)>,
    /// Set while Redis is asked.
    filling: Option<Filled>,
}

/// Tells how a fill went, once it did.
pub(super) type Filled = watch::Receiver<Option<Result<(), StoreError>>>;

/// What comes of an attempt to take.
pub(super) enum Attempt {
    /// It is decided: all was there, or some budget has not enough.
    Decided(Taken),
    /// Redis has to be asked for some; others ask already.
    Fill(Vec<Fill>, Vec<Filled>),
}

/// One budget that Redis is to be asked for.
pub(super) struct Fill {
    /// Its place among the budgets.
    pub(super) position: usize,
    /// What is needed.
    pub(super) least: u64,
    /// What is useful.
    pub(super) most: u64,
    /// What is given back: how much, and the number of its window.
    pub(super) back: (u64, u64),
    /// To be told how it went.
    pub(super) done: watch::Sender<Option<Result<(), StoreError>>>,
}

impl Ahead {
    /// Takes from all shares, if each has enough. `percent` of a budget is what a share has at most.
    pub(super) fn take(&self, keys: &[String], budgets: &[Budget], cost: u64, percent: u64, now: Instant) -> Attempt {
        let mut shares = self.0.lock();
        let mut taken = Taken::default();
        let mut lacking = Vec::new();
        for (position, (key, budget)) in keys.iter().zip(budgets).enumerate() {
            let share = shares.share(key, now);
            share.expire(now);
            let standing = share.standing(budget, cost, now);
            if !share.decides(cost, now) && standing.allowed {
                lacking.push(position);
            }
            taken.standings.push(standing);
        }
        let refused = taken.standings.iter().any(|standing| !standing.allowed);
        if !refused && !lacking.is_empty() {
            let (mut mine, mut others) = (Vec::new(), Vec::new());
            for position in lacking {
                let (Some(key), Some(budget)) = (keys.get(position), budgets.get(position)) else { continue };
                let share = shares.share(key, now);
                // One that ended without a word is none.
                match share.filling.as_ref().filter(|filling| filling.has_changed().is_ok()) {
                    Some(filling) => others.push(filling.clone()),
                    None => {
                        let (done, filling) = watch::channel(None);
                        share.filling = Some(filling.clone());
                        let most = match cost {
                            // A question takes nothing.
                            0 => 0,
                            _ => share.useful(budget, percent).max(share.waiting.saturating_mul(cost)).max(cost),
                        };
                        let back = std::mem::take(&mut share.back);
                        share.used = 0;
                        mine.push(Fill { position, least: cost, most, back, done });
                        others.push(filling);
                    }
                }
            }
            return Attempt::Fill(mine, others);
        }
        if !refused && cost > 0 {
            for key in keys {
                shares.share(key, now).spend(cost);
            }
        }
        Attempt::Decided(taken)
    }

    /// Takes from a share if it has so much.
    pub(super) fn charge(&self, key: &str, cost: u64, now: Instant) -> bool {
        let mut shares = self.0.lock();
        let Some(share) = shares.map.get_mut(key) else { return false };
        share.expire(now);
        let has = share.tokens >= cost;
        if has {
            share.spend(cost);
        } else {
            // This charge is made in Redis; what is known of it there is less by so much.
            if let Some((standing, _)) = &mut share.standing {
                standing.remaining = standing.remaining.saturating_sub(cost);
            }
        }
        has
    }

    /// Takes in what Redis answered: what was taken (none: not enough) in which window, and how the budget stands.
    pub(super) fn fill(
        &self,
        key: &str,
        budget: &Budget,
        least: u64,
        (taken, number): (Option<u64>, u64),
        standing: Standing,
        now: Instant,
    ) {
        let mut shares = self.0.lock();
        let share = shares.share(key, now);
        share.filling = None;
        share.standing = Some((standing, now));
        match taken {
            Some(tokens) => {
                share.tokens = share.tokens.saturating_add(tokens);
                share.number = number;
                let mut kept = KEPT.min(budget.window / 10);
                if budget.algorithm == Algorithm::FixedWindow {
                    kept = kept.min(standing.reset);
                }
                share.until = Some(now + kept);
                share.closed = None;
            }
            None => share.closed = Some((least.max(1), now + standing.retry_after.min(KEPT))),
        }
    }

    /// Somebody waits for these, until this is dropped.
    pub(super) fn wait<'a>(&'a self, keys: &'a [String]) -> Waiting<'a> {
        let mut shares = self.0.lock();
        for key in keys {
            if let Some(share) = shares.map.get_mut(key) {
                share.waiting += 1;
            }
        }
        Waiting { ahead: self, keys }
    }

    /// A fill came to nothing.
    pub(super) fn unfilled(&self, key: &str) {
        if let Some(share) = self.0.lock().map.get_mut(key) {
            share.filling = None;
        }
    }
}

/// A take that waits for fills.
pub(super) struct Waiting<'a> {
    ahead: &'a Ahead,
    keys: &'a [String],
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut shares = self.ahead.0.lock();
        for key in self.keys {
            if let Some(share) = shares.map.get_mut(key) {
                share.waiting = share.waiting.saturating_sub(1);
            }
        }
    }
}

impl Shares {
    fn share(&mut self, key: &str, now: Instant) -> &mut Share {
        if self.map.len() >= SHARES && !self.map.contains_key(key) && self.swept.is_none_or(|swept| now > swept + KEPT)
        {
            self.swept = Some(now);
            self.map.retain(|_, share| share.waiting > 0 || share.until.is_some_and(|until| now < until));
        }
        match self.map.entry(key.to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Share::default()),
        }
    }
}

impl Share {
    fn expire(&mut self, now: Instant) {
        if let Some(until) = self.until.filter(|until| now >= *until) {
            // What is left of several windows is that of the last one.
            let before = if self.back.1 == self.number { self.back.0 } else { 0 };
            self.back = (before.saturating_add(self.tokens), self.number);
            (self.tokens, self.until) = (0, None);
            // What was used some time ago says nothing of now.
            if now.saturating_duration_since(until) > KEPT {
                self.used = 0;
            }
        }
        if self.closed.is_some_and(|(_, until)| now >= until) {
            self.closed = None;
        }
    }

    /// Whether it can be told here what comes of a cost.
    fn decides(&self, cost: u64, now: Instant) -> bool {
        match cost {
            // What was there a moment ago still is, as far as is known.
            0 => {
                let fresh = |(standing, at): (Standing, Instant)| {
                    standing.remaining > 0 && now.saturating_duration_since(at) < KEPT
                };
                self.tokens > 0 || self.standing.is_some_and(fresh)
            }
            _ => self.tokens >= cost,
        }
    }

    fn spend(&mut self, cost: u64) {
        self.tokens = self.tokens.saturating_sub(cost);
        self.used = self.used.saturating_add(cost);
    }

    /// How the budget stands as far as is known here.
    fn standing(&self, budget: &Budget, cost: u64, now: Instant) -> Standing {
        let whole =
            Standing { allowed: true, remaining: budget.size(), reset: Duration::ZERO, retry_after: Duration::ZERO };
        let (known, at) = self.standing.unwrap_or((whole, now));
        let passed = now.saturating_duration_since(at);
        let closed = self.closed.filter(|(least, _)| cost.max(1) >= *least && self.tokens < cost.max(1));
        Standing {
            allowed: closed.is_none(),
            remaining: match closed {
                Some(_) => 0,
                None => known.remaining.saturating_add(self.tokens).saturating_sub(cost).min(budget.size()),
            },
            reset: known.reset.saturating_sub(passed),
            retry_after: match closed {
                Some(_) => known.retry_after.saturating_sub(passed),
                None => Duration::ZERO,
            },
        }
    }

    /// As much as was used since the last fill, and as much again where that was gone before its time.
    fn useful(&self, budget: &Budget, percent: u64) -> u64 {
        let bound = (u128::from(budget.limit.min(budget.size())) * u128::from(percent) / 100).max(1);
        let grown = if self.until.is_some() { self.used.saturating_mul(2) } else { self.used };
        grown.min(u64::try_from(bound).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
