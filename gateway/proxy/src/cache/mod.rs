//! Answers are kept and given again (RFC 9111), at the fixed place between the request phases and what answers.
//!
//! `serve.rs` is the order of events for one request, `fetch.rs` what is done when the service is asked; the rules are in `policy.rs` with
//! `control.rs`, `vary.rs` and `conditions.rs`, pure and without a store. A route without a cache does not come here.
//!
//! Not here: compression, which comes later, so that what a service sent is what is stored.

mod conditions;
mod control;
mod epochs;
mod fetch;
mod fill;
mod flights;
pub(crate) mod fuzz;
mod invalidate;
mod key;
mod policy;
mod serve;
mod status;
mod store;
mod stored;
mod vary;

#[cfg(test)]
mod fill_tests;
#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;

pub(crate) use invalidate::pass;
pub(crate) use serve::serve;
pub use store::Store;
pub use stored::{Purge, Resource};

use epochs::Epochs;
use fill::Budget;
use flights::Flights;
use gateway_config::{CacheStore, QueryKey};
use gateway_core::instruments::{Counter, Instruments};
use policy::{Policy, Rfc9111};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::Memory;
use tokio::sync::Semaphore;

/// Validations in the background at once, of all routes.
const BACKGROUND: usize = 64;

/// What is stored, for all routes and over reloads.
pub struct Cache {
    settings: CacheStore,
    store: Box<dyn Store>,
    flights: Flights,
    epochs: Epochs,
    /// How often something was purged: what was under way then is not stored.
    purges: AtomicU64,
    budget: Budget,
    background: Arc<Semaphore>,
    counters: Counters,
}

struct Counters {
    hits: Counter,
    stale: Counter,
    misses: Counter,
    validated: Counter,
    bypassed: Counter,
    collapsed: Counter,
    stored: Counter,
    purged: Counter,
}

/// The cache of a generation, where any of its routes has one.
pub struct Caching {
    /// What is stored.
    pub cache: Arc<Cache>,
    /// How much of a query counts, each way once: an address is as many as there are ways to look at it.
    pub queries: Vec<QueryKey>,
}

/// How a route caches.
pub struct RouteCache {
    settings: gateway_config::Cache,
    policy: Box<dyn Policy>,
    digest: [u8; key::DIGEST],
}

impl Cache {
    /// An empty one, in memory.
    #[must_use]
    pub fn new(settings: CacheStore, instruments: &Instruments) -> Self {
        let counter = |name| instruments.counter(&format!("cache.{name}"));
        let store = Memory::new(settings.size, resource_limit(&settings), counter("evicted"));
        Self {
            settings,
            store: Box::new(store),
            flights: Flights::default(),
            epochs: Epochs::default(),
            purges: AtomicU64::new(0),
            budget: Budget::new(settings.size),
            background: Arc::new(Semaphore::new(BACKGROUND)),
            counters: Counters {
                hits: counter("hits"),
                stale: counter("stale"),
                misses: counter("misses"),
                validated: counter("validated"),
                bypassed: counter("bypassed"),
                collapsed: counter("collapsed"),
                stored: counter("stored"),
                purged: counter("purged"),
            },
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> CacheStore {
        self.settings
    }

    /// Removes what is meant, and tells of how many keys. What is under way at this moment is not stored.
    pub fn purge(&self, purge: &Purge) -> usize {
        self.purges.fetch_add(1, Ordering::AcqRel);
        let removed = self.store.purge(purge);
        self.counters.purged.add(removed as u64);
        removed
    }

    /// How many keys there are, and how many bytes they take, about.
    #[must_use]
    pub fn load(&self) -> (usize, u64) {
        self.store.load()
    }
}

impl RouteCache {
    /// The digest tells the route, and what answers it, from all others: nothing that one has stored is given by another.
    #[must_use]
    pub fn new(settings: gateway_config::Cache, digest: [u8; 32]) -> Self {
        Self { policy: Box::new(Rfc9111(settings.clone())), settings, digest }
    }
}

/// Bytes of all answers under one key: two of the largest, with their heads.
fn resource_limit(settings: &CacheStore) -> u64 {
    settings.largest * 2 + 64 * 1024
}
