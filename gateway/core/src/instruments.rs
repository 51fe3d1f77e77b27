//! Counters that anybody may add to and that `/status` prints.

use parking_lot::RwLock;
use std::collections::BTreeMap;
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

/// All counters of the process by name. Look one up when something is built, not while a request runs.
#[derive(Debug, Default, Clone)]
pub struct Instruments(Arc<RwLock<BTreeMap<String, Counter>>>);

impl Instruments {
    /// The counter of this name, made when there is none.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        if let Some(counter) = self.0.read().get(name) {
            return counter.clone();
        }
        self.0.write().entry(name.to_owned()).or_default().clone()
    }

    /// Every counter and its sum.
    #[must_use]
    pub fn read(&self) -> BTreeMap<String, u64> {
        self.0.read().iter().map(|(name, counter)| (name.clone(), counter.value())).collect()
    }
}
