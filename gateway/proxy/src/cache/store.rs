//! Where stored answers are: a trait, and the memory of this process.

use super::stored::{Purge, Resource};
use gateway_core::instruments::Counter;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Keeps what is stored under keys, within a bound. It may forget whatever it likes.
pub trait Store: Send + Sync {
    /// What is stored under a key.
    fn get(&self, key: &[u8]) -> Option<Arc<Resource>>;

    /// Replaces what is stored under a key by what is made of it; none removes it. Nobody else changes it meanwhile.
    fn update(&self, key: &[u8], change: &mut dyn FnMut(Option<&Resource>) -> Option<Resource>);

    /// Removes what is meant, and tells how many keys that were.
    fn purge(&self, purge: &Purge) -> usize;

    /// How many keys there are, and how many bytes they take, about.
    fn load(&self) -> (usize, u64);
}

/// The memory of this process.
pub(crate) struct Memory(Cache<Vec<u8>, Arc<Resource>, Size, DefaultHashBuilder, Evicted>);

#[derive(Clone)]
pub(crate) struct Size;

#[derive(Clone)]
pub(crate) struct Evicted(Counter);

/// A shard has room for so many of the largest keys, so that none is refused for its size.
const ROOM: u64 = 2;

/// Bytes of an answer, about; what the tables are laid out for.
const TYPICAL: u64 = 16 * 1024;

/// A change takes no time; whoever waits longer than that for another one gives up.
const PATIENCE: Duration = Duration::from_millis(10);

impl Memory {
    /// At most `size` bytes, of which one key takes at most `largest`.
    pub(crate) fn new(size: u64, largest: u64, evicted: Counter) -> Self {
        let shards = (size / (largest.max(1) * ROOM)).clamp(1, 64);
        let shards = usize::try_from(1_u64 << shards.ilog2()).unwrap_or(1);
        let keys = usize::try_from(size / TYPICAL).unwrap_or(usize::MAX).max(16);
        let options = OptionsBuilder::new().shards(shards).estimated_items_capacity(keys).weight_capacity(size).build();
        let (hash, evicted) = (DefaultHashBuilder::default(), Evicted(evicted));
        Self(match options {
            Ok(options) => Cache::with_options(options, Size, hash, evicted),
            // It fails for a value that is missing, and none is.
            Err(_) => Cache::with(keys, size, Size, hash, evicted),
        })
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Option<Arc<Resource>> {
        self.0.get(key)
    }

    fn update(&self, key: &[u8], change: &mut dyn FnMut(Option<&Resource>) -> Option<Resource>) {
        let entry = self.0.entry(key, Some(PATIENCE), |_, resource| match change(Some(resource)) {
            Some(changed) => {
                *resource = Arc::new(changed);
                EntryAction::Retain(())
            }
            None => EntryAction::Remove,
        });
        if let EntryResult::Vacant(place) = entry
            && let Some(made) = change(None)
        {
            // A purge may have taken the place: nobody was promised anything.
            let _ = place.insert(Arc::new(made));
        }
    }

    fn purge(&self, purge: &Purge) -> usize {
        let removed = AtomicUsize::new(0);
        self.0.retain(|_, resource| {
            let is_meant = resource.is_meant(purge);
            if is_meant && resource.count() > 0 {
                removed.fetch_add(1, Ordering::Relaxed);
            }
            !is_meant
        });
        removed.into_inner()
    }

    fn load(&self) -> (usize, u64) {
        (self.0.len(), self.0.weight())
    }
}

impl Weighter<Vec<u8>, Arc<Resource>> for Size {
    fn weight(&self, key: &Vec<u8>, resource: &Arc<Resource>) -> u64 {
        (key.len() + resource.size()) as u64
    }
}

impl Lifecycle<Vec<u8>, Arc<Resource>> for Evicted {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Vec<u8>, _: Arc<Resource>) {
        self.0.increment();
    }
}
