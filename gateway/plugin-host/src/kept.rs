//! What belongs to a plugin's name, not to one version of it: it outlives instances, configurations and reloads.

use crate::capabilities::{crypto, kv, log, metrics};
use crate::meter::Promptness;
use gateway_core::clock;
use gateway_core::instruments::{Counter, Instruments, Meters, meters};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tokio::sync::Semaphore;

/// The lasting things of one plugin.
pub(crate) struct Kept {
    pub(crate) store: kv::Store,
    pub(crate) metrics: metrics::Metrics,
    pub(crate) log: log::Rate,
    pub(crate) crypto: crypto::Crypto,
    /// What is counted of its calls.
    pub(crate) calls: Arc<meters::Plugin>,
    meters: Meters,
    /// Requests that its budgets had room for, and those that they had none for.
    pub(crate) limits: [Counter; 2],
    /// Calls of host functions that were not granted.
    pub(crate) denied: Counter,
    pub(crate) denial_logged: AtomicBool,
    /// Where its monotonic clock begins.
    pub(crate) since: Instant,
    pub(crate) promptness: Promptness,
}

impl Kept {
    pub(crate) fn new(plugin: &Arc<str>, instruments: &Instruments, hashing: &Arc<Semaphore>) -> Self {
        let counter = |name: &str| instruments.counter(&format!("plugin.{plugin}.{name}"));
        Self {
            store: kv::Store::default(),
            metrics: metrics::Metrics::new(plugin, instruments),
            log: log::Rate::new(counter("log-lost")),
            crypto: crypto::Crypto::new(Arc::clone(hashing)),
            calls: instruments.meters().plugin(plugin),
            meters: instruments.meters().clone(),
            limits: ["limit-allowed", "limit-refused"].map(counter),
            denied: counter("denied"),
            denial_logged: AtomicBool::new(false),
            since: clock::now(),
            promptness: Promptness::default(),
        }
    }

    /// What is counted of its calls, where anything is.
    pub(crate) fn meter(&self) -> Option<&meters::Plugin> {
        self.meters.are_on().then_some(&*self.calls)
    }
}
