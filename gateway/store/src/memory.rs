//! Budgets in the memory of this gateway: all its workers see the same ones.

use crate::rule::{Count, Moment};
use gateway_core::clock::{self, Clock as _, SystemClock};
use gateway_core::limit::{Algorithm, Answer, Budget, Limiter, Slot, Taken};
use indexmap::IndexMap;
use parking_lot::{Mutex, MutexGuard};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Apart, so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// Budgets that are known at once, in all: some 20 MB.
const BUDGETS: usize = 200_000;

/// Of so many that are looked at, the one that is whole again first makes room.
const SAMPLE: usize = 8;

/// Budgets counted in memory.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    shards: [Shard; SHARDS],
    /// Two draws of the same hash: together they are 128 bits that nobody outside can aim at, and stand for a key.
    hashers: (RandomState, RandomState),
    since: Instant,
}

type Shard = Mutex<IndexMap<Key, Entry>>;

/// Stands for a plugin, an algorithm, a window and a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key(u64, u64);

struct Entry {
    count: Count,
    /// When it says nothing more, in steady microseconds.
    whole: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Inner {
            shards: std::array::from_fn(|_| Mutex::default()),
            hashers: (RandomState::new(), RandomState::new()),
            since: clock::now(),
        }))
    }
}

impl Memory {
    /// Takes from every budget or from none, now.
    #[must_use]
    pub fn take_now(&self, owner: &str, budgets: &[Budget], cost: u64) -> Taken {
        self.take_at(owner, budgets, cost, self.moment())
    }

    /// Takes from a budget whether it is there or not, now.
    pub fn charge_now(&self, owner: &str, budget: &Budget, cost: u64) {
        self.charge_at(owner, budget, cost, self.moment());
    }

    fn moment(&self) -> Moment {
        let steady = clock::now().saturating_duration_since(self.0.since);
        let calendar = SystemClock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Moment { steady: micros(steady), calendar: micros(calendar) }
    }

    fn take_at(&self, owner: &str, budgets: &[Budget], cost: u64, now: Moment) -> Taken {
        let keys: Vec<Key> = budgets.iter().map(|budget| self.key(owner, budget)).collect();
        let mut shards = Locked::new(self, &keys);
        let mut taken = Taken { standings: Vec::with_capacity(budgets.len()), slots: Vec::new() };
        for (budget, key) in budgets.iter().zip(&keys) {
            let count = shards.of(*key).map(|shard| look(shard, *key, budget, now));
            let count = count.unwrap_or_else(|| Count::whole(budget, now));
            taken.standings.push(count.standing(budget, cost, now));
        }
        if cost > 0 && taken.standings.iter().all(|standing| standing.allowed) {
            for (budget, key) in budgets.iter().zip(&keys) {
                if let Some(shard) = shards.of(*key) {
                    enter(shard, *key, budget, now, |count| count.take(cost));
                }
                if budget.algorithm == Algorithm::Concurrency {
                    taken.slots.push(self.slot(*key, cost));
                }
            }
        }
        taken
    }

    fn charge_at(&self, owner: &str, budget: &Budget, cost: u64, now: Moment) {
        let key = self.key(owner, budget);
        enter(&mut self.shard(key).lock(), key, budget, now, |count| count.take(cost));
    }

    fn key(&self, owner: &str, budget: &Budget) -> Key {
        let named = (owner, budget.algorithm, budget.window, &*budget.key);
        Key(self.0.hashers.0.hash_one(named), self.0.hashers.1.hash_one(named))
    }

    fn shard(&self, key: Key) -> &Shard {
        let [first, ..] = &self.0.shards;
        self.0.shards.get(key.shard()).unwrap_or(first)
    }

    fn slot(&self, key: Key, cost: u64) -> Slot {
        let memory = self.clone();
        Slot::new(move || {
            let mut shard = memory.shard(key).lock();
            if let Some(entry) = shard.get_mut(&key) {
                entry.count.give_back(cost);
                if entry.count.is_whole() {
                    shard.swap_remove(&key);
                }
            }
        })
    }
}

impl Key {
    #[expect(clippy::cast_possible_truncation, reason = "any of its bits do")]
    fn shard(self) -> usize {
        self.1 as usize % SHARDS
    }
}

/// The shards of some keys, locked in the one order that cannot lock up.
struct Locked<'a>(Vec<(usize, MutexGuard<'a, IndexMap<Key, Entry>>)>);

impl<'a> Locked<'a> {
    fn new(memory: &'a Memory, keys: &[Key]) -> Self {
        let mut numbers: Vec<usize> = keys.iter().map(|key| key.shard()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let lock = |number: usize| Some((number, memory.0.shards.get(number)?.lock()));
        Self(numbers.into_iter().filter_map(lock).collect())
    }

    fn of(&mut self, key: Key) -> Option<&mut IndexMap<Key, Entry>> {
        self.0.iter_mut().find(|(number, _)| *number == key.shard()).map(|(_, shard)| &mut **shard)
    }
}

/// What is known of a budget, as of now.
fn look(shard: &IndexMap<Key, Entry>, key: Key, budget: &Budget, now: Moment) -> Count {
    let Some(entry) = shard.get(&key) else { return Count::whole(budget, now) };
    let mut count = entry.count;
    count.advance(budget, now);
    count
}

fn enter(shard: &mut IndexMap<Key, Entry>, key: Key, budget: &Budget, now: Moment, change: impl FnOnce(&mut Count)) {
    let mut count = look(shard, key, budget, now);
    change(&mut count);
    // A window is remembered for as long again; a place that is taken, until it is given back.
    let windows = match budget.algorithm {
        Algorithm::Concurrency => u64::MAX / 4,
        _ => u64::try_from(budget.window.as_micros()).unwrap_or(u64::MAX / 4),
    };
    let reset = u64::try_from(count.reset(budget, 0, now).as_micros()).unwrap_or(u64::MAX / 4);
    let entry = Entry { count, whole: now.steady.saturating_add(reset).saturating_add(windows) };
    if !shard.contains_key(&key) {
        make_room(shard, now);
    }
    shard.insert(key, entry);
}

/// Forgets one of a few, once there are too many: one that says nothing any more, or else the one that will first.
fn make_room(shard: &mut IndexMap<Key, Entry>, now: Moment) {
    // Also while there is room, so that what is over does not stay.
    let full = shard.len() >= BUDGETS / SHARDS;
    if shard.is_empty() {
        return;
    }
    let drawn = (0..SAMPLE).map(|_| fastrand::usize(..shard.len()));
    let of = |index: usize| shard.get_index(index).map_or(u64::MAX, |(_, entry)| entry.whole);
    if let Some(first) = drawn.min_by_key(|index| of(*index))
        && (full || of(first) <= now.steady)
    {
        shard.swap_remove_index(first);
    }
}

impl Limiter for Memory {
    fn take<'a>(&'a self, owner: &'a str, budgets: &'a [Budget], cost: u64) -> Answer<'a, Taken> {
        Answer::Now(Ok(self.take_now(owner, budgets, cost)))
    }

    fn charge<'a>(&'a self, owner: &'a str, budget: &'a Budget, cost: u64) -> Answer<'a, ()> {
        self.charge_now(owner, budget, cost);
        Answer::Now(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn budget(key: &str, algorithm: Algorithm, limit: u64) -> Budget {
        Budget { key: key.to_owned(), algorithm, limit, window: Duration::from_secs(60), burst: limit }
    }

    const NOW: Moment = Moment { steady: 0, calendar: 0 };

    fn allowed(memory: &Memory, budgets: &[Budget], cost: u64) -> bool {
        memory.take_at("plugin", budgets, cost, NOW).standings.iter().all(|standing| standing.allowed)
    }

    #[test]
    fn all_or_nothing() {
        let memory = Memory::default();
        let both = [budget("a", Algorithm::FixedWindow, 3), budget("b", Algorithm::TokenBucket, 2)];
        assert!(allowed(&memory, &both, 1));
        assert!(allowed(&memory, &both, 1));
        let refused = memory.take_at("plugin", &both, 1, NOW);
        let [first, second] = refused.standings[..] else { panic!() };
        assert_eq!((first.allowed, first.remaining), (true, 0));
        assert_eq!((second.allowed, second.remaining), (false, 0));
        // What the first would have given is still there.
        assert!(allowed(&memory, &both[..1], 1));
        assert!(!allowed(&memory, &both[..1], 1));
    }

    #[test]
    fn owners_algorithms_and_windows_are_apart() {
        let memory = Memory::default();
        let fixed = budget("a", Algorithm::FixedWindow, 1);
        let longer = Budget { window: Duration::from_secs(61), ..fixed.clone() };
        let sliding = budget("a", Algorithm::SlidingWindow, 1);
        for one in [fixed, longer, sliding] {
            assert!(allowed(&memory, std::slice::from_ref(&one), 1));
            assert!(!allowed(&memory, std::slice::from_ref(&one), 1));
            assert!(memory.take_at("other", &[one], 1, NOW).standings[0].allowed);
        }
    }

    #[test]
    fn a_slot_is_given_back_when_it_is_dropped() {
        let memory = Memory::default();
        let one = [budget("a", Algorithm::Concurrency, 1)];
        let first = memory.take_now("plugin", &one, 1);
        assert!(first.standings[0].allowed);
        let second = memory.take_now("plugin", &one, 1);
        assert!(!second.standings[0].allowed && second.slots.is_empty());
        drop(first);
        assert!(memory.take_now("plugin", &one, 1).standings[0].allowed);
        assert_eq!(memory.0.shards.iter().map(|shard| shard.lock().len()).sum::<usize>(), 0);
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        let memory = Memory::default();
        let budgets = [budget("a", Algorithm::FixedWindow, 1000), budget("b", Algorithm::FixedWindow, 5000)];
        let took = std::thread::scope(|scope| {
            let run = || (0..500).filter(|_| allowed(&memory, &budgets, 1)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(took, 1000);
    }

    #[test]
    fn many_keys_are_bounded_and_a_spent_budget_outlives_them() {
        let memory = Memory::default();
        let spent = Budget { window: Duration::from_secs(3600), ..budget("spent", Algorithm::FixedWindow, 1) };
        assert!(memory.take_at("plugin", std::slice::from_ref(&spent), 1, NOW).standings[0].allowed);
        for key in 0..BUDGETS + BUDGETS / 2 {
            allowed(&memory, &[budget(&key.to_string(), Algorithm::TokenBucket, 10)], 1);
        }
        assert!(memory.0.shards.iter().map(|shard| shard.lock().len()).sum::<usize>() <= BUDGETS);
        assert!(!memory.take_at("plugin", &[spent], 1, NOW).standings[0].allowed);
    }

    #[test]
    fn what_is_over_goes() {
        let memory = Memory::default();
        for key in 0..1000 {
            allowed(&memory, &[budget(&key.to_string(), Algorithm::TokenBucket, 10)], 1);
        }
        let later = Moment { steady: 3_600_000_000, calendar: 3_600_000_000 };
        for key in 0..1000 {
            memory.take_at("plugin", &[budget(&format!("later {key}"), Algorithm::TokenBucket, 10)], 1, later);
        }
        assert!(memory.0.shards.iter().map(|shard| shard.lock().len()).sum::<usize>() <= 1500);
    }
}
