//! `kv`: a plugin's own values, in the memory of this process or in a store that the configuration names. They outlive instances
//! and reloads.

use super::invalid;
use crate::abi::gateway::wit::kv::Host;
use crate::abi::gateway::wit::types::Error;
use crate::state::State;
use gateway_core::clock;
use gateway_core::limit::{StoreError, Values};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEYS: usize = 10_000;
const SIZE: usize = 16 << 20;
const KEY: usize = 512;
const VALUE: usize = 256 << 10;

/// What an entry costs beside its bytes, so that many empty ones count.
const OVERHEAD: usize = 64;

/// A full store looks for expired entries this often, not at each write.
const PURGE: Duration = Duration::from_millis(100);

/// The values of one plugin.
#[derive(Default)]
pub(crate) struct Store(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    map: HashMap<Box<str>, Entry>,
    size: usize,
    purged: Option<Instant>,
}

struct Entry {
    value: Vec<u8>,
    expires: Option<Instant>,
}

impl Store {
    fn value(&self, key: &str, now: Instant) -> Option<Vec<u8>> {
        self.0.lock().live(key, now).map(|entry| entry.value.clone())
    }

    fn delete(&self, key: &str) {
        self.0.lock().remove(key);
    }

    fn set(&self, key: &str, value: Vec<u8>, expires: Option<Instant>, now: Instant) -> Result<(), Error> {
        self.0.lock().write(key, value, expires, now)
    }

    fn increment(&self, key: &str, by: i64, expires: Option<Instant>, now: Instant) -> Result<i64, Error> {
        let mut entries = self.0.lock();
        let (number, expires) = match entries.live(key, now) {
            Some(entry) => {
                (number(&entry.value).ok_or_else(|| invalid("the value of this key is not a number"))?, entry.expires)
            }
            None => (0, expires),
        };
        let sum = number.checked_add(by).ok_or_else(|| invalid("the sum has no place in 64 bits"))?;
        entries.write(key, sum.to_string().into_bytes(), expires, now)?;
        Ok(sum)
    }

    fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
        expires: Option<Instant>,
        now: Instant,
    ) -> Result<bool, Error> {
        let mut entries = self.0.lock();
        if entries.live(key, now).map(|entry| &*entry.value) != expected {
            return Ok(false);
        }
        entries.write(key, value, expires, now).map(|()| true)
    }
}

impl Entries {
    fn live(&self, key: &str, now: Instant) -> Option<&Entry> {
        self.map.get(key).filter(|entry| entry.is_live(now))
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.map.remove(key) {
            self.size -= cost(key, &entry.value);
        }
    }

    fn write(&mut self, key: &str, value: Vec<u8>, expires: Option<Instant>, now: Instant) -> Result<(), Error> {
        let (key, value) = (bounded(key)?, fits(value)?);
        if !self.has_room(key, &value) {
            self.purge(now);
            if !self.has_room(key, &value) {
                return Err(Error::TooLarge(format!("a plugin's store has at most {KEYS} keys and {SIZE} bytes")));
            }
        }
        self.remove(key);
        self.size += cost(key, &value);
        self.map.insert(key.into(), Entry { value, expires });
        Ok(())
    }

    fn has_room(&self, key: &str, value: &[u8]) -> bool {
        let (keys, size) = match self.map.get(key) {
            Some(entry) => (self.map.len(), self.size - cost(key, &entry.value)),
            None => (self.map.len() + 1, self.size),
        };
        keys <= KEYS && size + cost(key, value) <= SIZE
    }

    fn purge(&mut self, now: Instant) {
        if self.purged.is_some_and(|purged| now.saturating_duration_since(purged) < PURGE) {
            return;
        }
        self.purged = Some(now);
        let mut freed = 0;
        self.map.retain(|key, entry| {
            let live = entry.is_live(now);
            if !live {
                freed += cost(key, &entry.value);
            }
            live
        });
        self.size -= freed;
    }
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

fn cost(key: &str, value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD
}

fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// When something written now is gone. A time past all clocks is none.
fn expiry(now: Instant, milliseconds: Option<u64>) -> Option<Instant> {
    now.checked_add(Duration::from_millis(milliseconds?))
}

impl Host for State {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, Error> {
        match self.values() {
            Some(values) => {
                let name = Arc::clone(&self.settings.name);
                self.wait(values.get(&name, bounded(&key)?)).await
            }
            None => Ok(self.kept.store.value(&key, clock::now())),
        }
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl: Option<u64>) -> Result<(), Error> {
        match self.values() {
            Some(values) => {
                let name = Arc::clone(&self.settings.name);
                self.wait(values.set(&name, bounded(&key)?, fits(value)?, ttl.map(Duration::from_millis))).await
            }
            None => {
                let now = clock::now();
                self.kept.store.set(&key, value, expiry(now, ttl), now)
            }
        }
    }

    async fn delete(&mut self, key: String) -> Result<(), Error> {
        match self.values() {
            Some(values) => {
                let name = Arc::clone(&self.settings.name);
                self.wait(values.delete(&name, bounded(&key)?)).await
            }
            None => {
                self.kept.store.delete(&key);
                Ok(())
            }
        }
    }

    async fn increment(&mut self, key: String, by: i64, ttl: Option<u64>) -> Result<i64, Error> {
        match self.values() {
            Some(values) => {
                let name = Arc::clone(&self.settings.name);
                self.wait(values.increment(&name, bounded(&key)?, by, ttl.map(Duration::from_millis))).await
            }
            None => {
                let now = clock::now();
                self.kept.store.increment(&key, by, expiry(now, ttl), now)
            }
        }
    }

    async fn compare_and_swap(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl: Option<u64>,
    ) -> Result<bool, Error> {
        match self.values() {
            Some(values) => {
                let name = Arc::clone(&self.settings.name);
                let ttl = ttl.map(Duration::from_millis);
                self.wait(values.compare_and_swap(&name, bounded(&key)?, expected, fits(value)?, ttl)).await
            }
            None => {
                let now = clock::now();
                self.kept.store.swap(&key, expected.as_deref(), value, expiry(now, ttl), now)
            }
        }
    }
}

impl State {
    /// The store that holds its values, where one was named.
    fn values(&self) -> Option<Arc<dyn Values>> {
        self.settings.grants.kv.clone()
    }

    /// Waits for a store; that is none of the guest's CPU time.
    pub(crate) async fn wait<T>(&mut self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, Error> {
        self.meter.pause();
        let answer = answer.await;
        self.meter.resume();
        answer.map_err(refusal)
    }
}

/// What a guest is told of a store that did not do it.
pub(super) fn refusal(error: StoreError) -> Error {
    match error {
        StoreError::NotANumber => invalid(error.to_string()),
        StoreError::Away(_) | StoreError::Refused(..) => Error::Failed(error.to_string()),
    }
}

fn bounded(key: &str) -> Result<&str, Error> {
    match key.len() {
        1..=KEY => Ok(key),
        _ => Err(invalid(format!("a key has 1 to {KEY} bytes"))),
    }
}

fn fits(value: Vec<u8>) -> Result<Vec<u8>, Error> {
    match value.len() {
        0..=VALUE => Ok(value),
        _ => Err(Error::TooLarge(format!("a value has at most {VALUE} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_counter_keeps_the_expiry_of_its_first_write() {
        let (store, now) = (Store::default(), clock::now());
        assert_eq!(store.increment("a", 2, Some(now + MINUTE), now).unwrap(), 2);
        assert_eq!(store.increment("a", -5, Some(now + 9 * MINUTE), now).unwrap(), -3);
        assert_eq!(store.value("a", now).as_deref(), Some(&b"-3"[..]));
        assert_eq!(store.value("a", now + MINUTE), None);
        assert_eq!(store.increment("a", 1, None, now + MINUTE).unwrap(), 1);
        store.set("a", b"x".to_vec(), None, now).unwrap();
        assert!(matches!(store.increment("a", 1, None, now), Err(Error::Invalid(_))));
        store.set("a", i64::MAX.to_string().into_bytes(), None, now).unwrap();
        assert!(matches!(store.increment("a", 1, None, now), Err(Error::Invalid(_))));
    }

    #[test]
    fn a_swap_needs_the_present_value() {
        let (store, now) = (Store::default(), clock::now());
        assert!(!store.swap("a", Some(b"x"), b"y".to_vec(), None, now).unwrap());
        assert!(store.swap("a", None, b"x".to_vec(), Some(now + MINUTE), now).unwrap());
        assert!(!store.swap("a", None, b"y".to_vec(), None, now).unwrap());
        assert!(store.swap("a", Some(b"x"), b"y".to_vec(), None, now).unwrap());
        assert_eq!(store.value("a", now + MINUTE).as_deref(), Some(&b"y"[..]));
    }

    #[test]
    fn a_full_store_refuses_until_something_expires() {
        let (store, now) = (Store::default(), clock::now());
        for key in 0..KEYS {
            store.set(&key.to_string(), Vec::new(), (key == 7).then_some(now + MINUTE), now).unwrap();
        }
        assert!(matches!(store.set("more", Vec::new(), None, now), Err(Error::TooLarge(_))));
        store.set("8", b"in place".to_vec(), None, now).unwrap();
        store.set("more", Vec::new(), None, now + MINUTE).unwrap();
        assert!(matches!(store.set("evenmore", Vec::new(), None, now + 2 * MINUTE), Err(Error::TooLarge(_))));
        store.delete("8");
        store.set("evenmore", Vec::new(), None, now).unwrap();
    }

    #[test]
    fn bytes_are_bounded_and_given_back() {
        let (store, now) = (Store::default(), clock::now());
        assert!(matches!(store.set("a", vec![0; VALUE + 1], None, now), Err(Error::TooLarge(_))));
        assert!(matches!(store.set(&"k".repeat(KEY + 1), Vec::new(), None, now), Err(Error::Invalid(_))));
        let written = (0..100).take_while(|key| store.set(&key.to_string(), vec![0; VALUE], None, now).is_ok()).count();
        assert_eq!(written, 63);
        for key in 0..written {
            store.delete(&key.to_string());
        }
        assert_eq!(store.0.lock().size, 0);
    }
}
