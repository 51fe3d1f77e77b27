//! What is counted of routes, upstreams and plugins, each by its name and over reloads.
//!
//! Who counts has its meter from when it is built: nothing is looked up while a request runs. Who reads (`/metrics`, `/status`, a
//! dashboard) asks [`Meters`].

use super::histogram::{BODY_SIZE, CALL_DURATION, Histogram};
use super::lanes::Sum;
use super::series::{Places, Series};
use super::words::Verb;
use crate::error::Kind;
use crate::plugin::{FaultKind, Phase};
use parking_lot::Mutex;
use std::array;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// All meters of the process.
#[derive(Clone, Default)]
pub struct Meters(Arc<Inner>);

#[derive(Default)]
struct Inner {
    is_off: AtomicBool,
    places: Places,
    active: Active,
    routes: Family<(Arc<str>, Arc<str>), Route>,
    upstreams: Family<Arc<str>, Upstream>,
    plugins: Family<Arc<str>, Plugin>,
}

/// Those of one kind by what they are called.
struct Family<K, T>(Mutex<BTreeMap<K, Arc<T>>>);

impl<K, T> Default for Family<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, T> Family<K, T> {
    fn of(&self, key: K, make: impl FnOnce() -> T) -> Arc<T> {
        Arc::clone(self.0.lock().entry(key).or_insert_with(|| Arc::new(make())))
    }

    fn retain(&self, keys: &BTreeSet<K>) {
        self.0.lock().retain(|key, _| keys.contains(key));
    }

    fn read(&self) -> Vec<(K, Arc<T>)> {
        self.0.lock().iter().map(|(key, meter)| (key.clone(), Arc::clone(meter))).collect()
    }
}

/// What a configuration names.
#[derive(Debug, Default)]
pub struct Named {
    /// Routes, each with its path.
    pub routes: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Upstreams.
    pub upstreams: BTreeSet<Arc<str>>,
    /// Plugins.
    pub plugins: BTreeSet<Arc<str>>,
}

/// What is counted of a route. The one without a name has the requests that no route took.
pub struct Route {
    /// As in the configuration.
    pub name: Arc<str>,
    /// The path as it was written: `/orders/{id}`.
    pub pattern: Arc<str>,
    /// From a request's head to its answer's end, in nanoseconds.
    pub duration: Series,
    /// Bodies of requests, in bytes.
    pub request_size: Histogram,
    /// Bodies of answers, in bytes.
    pub response_size: Histogram,
    /// Why requests failed.
    pub errors: Errors,
}

/// What is counted of an upstream.
pub struct Upstream {
    /// Of one try, from when it was sent to the head of its answer, in nanoseconds.
    pub duration: Series,
    /// Why tries had no answer.
    pub errors: Errors,
    /// Connections that were made for requests.
    pub opened: Sum,
    /// Requests that got one that was there.
    pub reused: Sum,
}

/// What is counted of a plugin, without its help.
pub struct Plugin {
    /// Calls of each phase, in nanoseconds, waiting included.
    phases: [Histogram; Phase::ALL.len()],
    /// What of it the guests ran, in nanoseconds, waiting for the host not included.
    pub busy: Sum,
    /// How calls failed.
    faults: [AtomicU64; FaultKind::ALL.len()],
}

/// Failures by their token.
pub struct Errors([AtomicU64; Kind::TOKENS.len()]);

/// Requests under way, by method and scheme.
pub struct Active([[Sum; 2]; Verb::COUNT]);

/// The schemes, in the order of [`Active`].
pub const SCHEMES: [&str; 2] = ["http", "https"];

impl Meters {
    /// Whether anything is counted at all.
    #[must_use]
    pub fn are_on(&self) -> bool {
        !self.0.is_off.load(Ordering::Relaxed)
    }

    /// Counts from now on, or does not.
    pub fn set(&self, on: bool) {
        self.0.is_off.store(!on, Ordering::Relaxed);
    }

    /// Requests under way.
    #[must_use]
    pub fn active(&self) -> &Active {
        &self.0.active
    }

    /// The meter of a route; another one where its path is another one.
    #[must_use]
    pub fn route(&self, name: &Arc<str>, pattern: &str) -> Arc<Route> {
        let key: (Arc<str>, Arc<str>) = (Arc::clone(name), pattern.into());
        let make = || Route {
            name: Arc::clone(name),
            pattern: Arc::clone(&key.1),
            duration: Series::new(self.0.places.clone()),
            request_size: Histogram::new(BODY_SIZE),
            response_size: Histogram::new(BODY_SIZE),
            errors: Errors::default(),
        };
        self.0.routes.of(key.clone(), make)
    }

    /// The meter of an upstream.
    #[must_use]
    pub fn upstream(&self, name: &Arc<str>) -> Arc<Upstream> {
        let make = || Upstream {
            duration: Series::new(self.0.places.clone()),
            errors: Errors::default(),
            opened: Sum::default(),
            reused: Sum::default(),
        };
        self.0.upstreams.of(Arc::clone(name), make)
    }

    /// The meter of a plugin.
    #[must_use]
    pub fn plugin(&self, name: &Arc<str>) -> Arc<Plugin> {
        let make = || Plugin {
            phases: array::from_fn(|_| Histogram::new(CALL_DURATION)),
            busy: Sum::default(),
            faults: array::from_fn(|_| AtomicU64::new(0)),
        };
        self.0.plugins.of(Arc::clone(name), make)
    }

    /// Forgets what no configuration names any more.
    pub fn retain(&self, named: &Named) {
        self.0.routes.retain(&named.routes);
        self.0.upstreams.retain(&named.upstreams);
        self.0.plugins.retain(&named.plugins);
    }

    /// All routes.
    #[must_use]
    pub fn routes(&self) -> Vec<Arc<Route>> {
        self.0.routes.read().into_iter().map(|(_, route)| route).collect()
    }

    /// All upstreams.
    #[must_use]
    pub fn upstreams(&self) -> Vec<(Arc<str>, Arc<Upstream>)> {
        self.0.upstreams.read()
    }

    /// All plugins.
    #[must_use]
    pub fn plugins(&self) -> Vec<(Arc<str>, Arc<Plugin>)> {
        self.0.plugins.read()
    }
}

impl Plugin {
    /// A call of this phase has ended.
    pub fn record(&self, phase: Phase, nanoseconds: u64) {
        if let Some(histogram) = self.phases.get(phase as usize) {
            histogram.record(nanoseconds);
        }
    }

    /// A call has failed.
    pub fn fail(&self, kind: FaultKind) {
        if let Some(fault) = self.faults.get(kind as usize) {
            fault.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Calls by phase.
    pub fn phases(&self) -> impl Iterator<Item = (Phase, &Histogram)> {
        Phase::ALL.into_iter().zip(&self.phases)
    }

    /// Failures by kind.
    pub fn faults(&self) -> impl Iterator<Item = (FaultKind, u64)> {
        FaultKind::ALL.into_iter().zip(self.faults.iter().map(|fault| fault.load(Ordering::Relaxed)))
    }
}

impl Default for Errors {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Errors {
    /// One more with this token.
    pub fn note(&self, token: &str) {
        if let Some(sum) = Kind::TOKENS.iter().position(|known| *known == token).and_then(|at| self.0.get(at)) {
            sum.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that there were.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Kind::TOKENS
            .into_iter()
            .zip(self.0.iter().map(|sum| sum.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }
}

impl Default for Active {
    fn default() -> Self {
        Self(array::from_fn(|_| array::from_fn(|_| Sum::default())))
    }
}

impl Active {
    /// Those with this method, over TLS or not.
    #[must_use]
    pub fn of(&self, verb: Verb, secure: bool) -> Option<&Sum> {
        self.0.get(verb.position())?.get(usize::from(secure))
    }

    /// All of them: method, scheme, count.
    pub fn read(&self) -> impl Iterator<Item = (Verb, &'static str, u64)> {
        Verb::all().zip(&self.0).flat_map(|(verb, sums)| {
            SCHEMES.into_iter().zip(sums).map(move |(scheme, sum)| (verb, scheme, sum.value()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_stays_with_its_name_until_nobody_has_it() {
        let meters = Meters::default();
        let name: Arc<str> = "orders".into();
        let first = meters.route(&name, "/orders/{id}");
        assert!(Arc::ptr_eq(&first, &meters.route(&name, "/orders/{id}")));
        assert!(!Arc::ptr_eq(&first, &meters.route(&name, "/orders")), "it has another path");
        meters.retain(&Named::default());
        assert!(meters.routes().is_empty());
    }

    #[test]
    fn every_kind_of_failure_has_a_place() {
        let errors = Errors::default();
        Kind::TOKENS.iter().for_each(|token| errors.note(token));
        errors.note("made up");
        assert_eq!(errors.read().count(), Kind::TOKENS.len());
        assert!(errors.read().all(|(_, count)| count == 1));
    }
}
