//! Budgets that requests take from, and where they are counted.

use crate::dispatch::BoxFuture;
use std::fmt;
use std::time::Duration;

/// How what was taken comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Token by token, evenly; as many as `burst` can be there at once.
    TokenBucket,
    /// With the time: at most `limit` in any stretch as long as `window`, estimated from the present window and the one before.
    SlidingWindow,
    /// All at once, when a window ends. Windows begin at multiples of their length since 1970.
    FixedWindow,
    /// When the exchange that took it ends.
    Concurrency,
}

/// Something that can be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Who or what is counted. The same key with another algorithm or window is another budget.
    pub key: String,
    /// How it fills.
    pub algorithm: Algorithm,
    /// How much there is in a window, or at once; at least 1.
    pub limit: u64,
    /// In which time; for [`Algorithm::Concurrency`], how long something taken counts where its gateway died. At least 1 ms.
    pub window: Duration,
    /// How much a token bucket holds; at least 1.
    pub burst: u64,
}

impl Budget {
    /// How much can be taken at most, when nothing was.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.algorithm {
            Algorithm::TokenBucket => self.burst,
            _ => self.limit,
        }
    }
}

/// How a budget stands after something was taken from it, or was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether this budget had enough.
    pub allowed: bool,
    /// What can still be taken now.
    pub remaining: u64,
    /// Until it is whole again, or its window ends.
    pub reset: Duration,
    /// Until what was asked for will be there, where it was not.
    pub retry_after: Duration,
}

/// What came of taking: all was taken, or nothing.
#[derive(Debug, Default)]
pub struct Taken {
    /// One for each budget, in order.
    pub standings: Vec<Standing>,
    /// What is given back when the exchange ends.
    pub slots: Vec<Slot>,
}

/// A place taken from a budget of [`Algorithm::Concurrency`]; dropping it gives it back.
pub struct Slot(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Slot {
    /// A place that is given back like this.
    #[must_use]
    pub fn new(give_back: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(give_back)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(give_back) = self.0.take() {
            give_back();
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Slot")
    }
}

/// Why a shared store did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or did not answer in time.
    #[error("the store `{0}` does not answer")]
    Away(String),
    /// It answered that it will not.
    #[error("the store `{0}` refused: {1}")]
    Refused(String, String),
    /// A value is no number, or a sum has no place in 64 bits.
    #[error("the value of this key is not a number, or the sum has no place in 64 bits")]
    NotANumber,
}

/// An answer that is there already, or one that has to be waited for.
pub enum Answer<'a, T> {
    /// It was known here.
    Now(Result<T, StoreError>),
    /// A store is asked.
    Later(BoxFuture<'a, Result<T, StoreError>>),
}

/// Where budgets are counted. `owner` keeps the budgets of one plugin apart from those of others.
pub trait Limiter: Send + Sync {
    /// Takes `cost` from every budget, or from none if one has not enough. A cost of 0 takes nothing and tells whether there is
    /// anything left.
    fn take<'a>(&'a self, owner: &'a str, budgets: &'a [Budget], cost: u64) -> Answer<'a, Taken>;

    /// Takes `cost` from a budget, which may then be short of what it had. [`Algorithm::Concurrency`] cannot be charged.
    fn charge<'a>(&'a self, owner: &'a str, budget: &'a Budget, cost: u64) -> Answer<'a, ()>;
}

/// Values that several gateways share. `owner` keeps the keys of one plugin apart from those of others. A time to live is none
/// where the value stays.
pub trait Values: Send + Sync {
    /// The value of a key.
    fn get<'a>(&'a self, owner: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Sets it.
    fn set<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets it; none is no error.
    fn delete<'a>(&'a self, owner: &'a str, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Adds to a number, from 0 where there is none, and gives the sum. A time to live counts from the first.
    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>>;

    /// Sets it if the present value is the expected one (none: absent), and gives whether it did.
    fn compare_and_swap<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}
