//! Budgets that requests take from: rate limits, quotas, places. `plugin.toml` asks for `limit`; the configuration grants it and
//! says where budgets are counted: in the memory of this gateway, or in a store that several gateways share.
//!
//! ```no_run
//! use plugin_sdk::limit::{self, Algorithm, Budget};
//! use std::time::Duration;
//! # fn phase() -> plugin_sdk::Result<()> {
//! let budget = Budget::new("everybody", Algorithm::TokenBucket, 100, Duration::from_secs(1)).burst(200);
//! let standing = budget.take(1)?;
//! if !standing.allowed {
//!     let wait = standing.retry_after();
//! }
//! # Ok(()) }
//! ```

use crate::Result;
use crate::sys::limit as sys;
use std::time::Duration;

/// How what was taken comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Token by token, evenly.
    TokenBucket,
    /// With the time: at most the limit in any stretch as long as the window, estimated.
    SlidingWindow,
    /// All at once when a window ends. Windows begin at multiples of their length since 1970.
    FixedWindow,
    /// When the exchange ends.
    Concurrency,
}

/// Something that can be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Who or what is counted, in 1 to 512 bytes.
    pub key: String,
    /// How it fills.
    pub algorithm: Algorithm,
    /// How much there is in a window, or at once.
    pub limit: u64,
    /// In milliseconds.
    pub window: u64,
    /// What a token bucket holds; 0 stands for `limit`.
    pub burst: u64,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it had enough.
    pub allowed: bool,
    /// What can still be taken now.
    pub remaining: u64,
    /// Milliseconds until it is whole again, or its window ends.
    pub reset: u64,
    /// Milliseconds until what was asked for will be there.
    pub retry_after: u64,
}

impl Budget {
    /// A budget of so much in a window.
    #[must_use]
    pub fn new(key: impl Into<String>, algorithm: Algorithm, limit: u64, window: Duration) -> Self {
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        Self { key: key.into(), algorithm, limit, window, burst: 0 }
    }

    /// So much can be taken at once.
    #[must_use]
    pub fn burst(mut self, burst: u64) -> Self {
        self.burst = burst;
        self
    }

    /// Takes from it, if it has so much. A cost of 0 takes nothing and tells whether anything is left.
    ///
    /// # Errors
    /// `limit` is not granted, the budget passes a bound, or its store does not answer and the configuration says to deny.
    pub fn take(&self, cost: u64) -> Result<Standing> {
        let standings = take(std::slice::from_ref(self), cost)?;
        standings.first().copied().ok_or(crate::Error::WrongPhase)
    }

    /// Takes from it, whether it has so much or not: for what is known only afterwards.
    ///
    /// # Errors
    /// As for [`Budget::take`].
    pub fn charge(&self, cost: u64) -> Result<()> {
        sys::charge(self, cost)
    }
}

impl Standing {
    /// Until what was asked for will be there.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        Duration::from_millis(self.retry_after)
    }
}

/// Takes from every budget, or from none if one has not enough; atomically. At most 16.
///
/// # Errors
/// As for [`Budget::take`].
pub fn take(budgets: &[Budget], cost: u64) -> Result<Vec<Standing>> {
    sys::take(budgets, cost)
}
