//! What is counted, in one place: `/metrics`, `/status` and whoever else shows figures read the same ones.
//!
//! Counters by name are for what is rare or has no words of its own; what every request counts are [`meters`].

mod histogram;
mod lanes;
pub mod meters;
mod series;
mod words;

pub use histogram::{Histogram, Reading};
pub use lanes::Sum;
pub use meters::Meters;
pub use series::{MOST, Series, Words};
pub use words::{Protocol, Status, Verb};

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default, Clone)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// The sum so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters and meters of the process. Look one up when something is built, not while a request runs.
#[derive(Default, Clone)]
pub struct Instruments {
    counters: Arc<RwLock<BTreeMap<String, Counter>>>,
    meters: Meters,
}

impl fmt::Debug for Instruments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Instruments").field(&self.read()).finish()
    }
}

impl Instruments {
    /// What is counted of routes, upstreams and plugins.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The counter of this name, made when there is none.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        if let Some(counter) = self.counters.read().get(name) {
            return counter.clone();
        }
        self.counters.write().entry(name.to_owned()).or_default().clone()
    }

    /// Every counter and its sum.
    #[must_use]
    pub fn read(&self) -> BTreeMap<String, u64> {
        self.counters.read().iter().map(|(name, counter)| (name.clone(), counter.value())).collect()
    }
}
