//! What was found: endpoints, since when, and what is wrong with a newer answer.

use gateway_config::{Endpoint, Upstream};
use gateway_core::Error;
use gateway_core::clock::{now, since_epoch};
use gateway_core::dispatch::BoxFuture;
use gateway_core::repeats::Repeats;
use parking_lot::Mutex;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// An endpoint that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) priority: u32,
    /// What its `host` field says, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// None: the host is a name, whose addresses all stand for this endpoint.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) weight: u32,
    /// Over TLS.
    pub(crate) tls: bool,
}

impl Found {
    /// By its host alone.
    pub(super) fn new(host: &str, port: u16) -> Self {
        let address = host.parse().ok().map(|address: IpAddr| SocketAddr::new(address, port));
        Self { priority: 0, host: host.to_owned(), port, address, weight: 1, tls: false }
    }

    /// As somebody wrote it.
    pub(crate) fn written(endpoint: &Endpoint) -> Self {
        let Endpoint { weight, priority, tls, .. } = *endpoint;
        Self { weight, priority, tls, ..Self::new(&endpoint.host, endpoint.port) }
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.host, self.port, self.address, self.tls) == (&other.host, other.port, other.address, other.tls)
    }
}

/// The same endpoints in the same order, however they came; each once, and all over TLS where that is said of all.
pub(super) fn in_order(mut found: Vec<Found>, over_tls: bool) -> Vec<Found> {
    found.iter_mut().for_each(|endpoint| endpoint.tls |= over_tls);
    found.sort();
    let mut once: Vec<Found> = Vec::with_capacity(found.len());
    for endpoint in found {
        if !once.iter().any(|known| known.is_same(&endpoint)) {
            once.push(endpoint);
        }
    }
    once
}

/// Weights from 0 to 65,535, brought between 1 and 100 among those of the same priority. Where none is above 100 they stay as they
/// are; 0 means a very small share (RFC 2782) and becomes 1.
pub(super) fn scale(mut found: Vec<Found>) -> Vec<Found> {
    let highest = |found: &[Found], priority| {
        let weights = found.iter().filter(|other| other.priority == priority).map(|other| other.weight);
        weights.max().unwrap_or_default()
    };
    let highest: Vec<u32> = found.iter().map(|endpoint| highest(&found, endpoint.priority)).collect();
    for (endpoint, highest) in found.iter_mut().zip(highest) {
        if highest > 100 {
            let scaled = (u64::from(endpoint.weight) * 100 + u64::from(highest) / 2) / u64::from(highest);
            endpoint.weight = u32::try_from(scaled).unwrap_or(100);
        }
        endpoint.weight = endpoint.weight.max(1);
    }
    found
}

/// Where the endpoints of a service come from, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiscoveryStatus {
    /// `fixed`, or how and where they are found.
    pub source: String,
    /// When they last became others, in seconds since 1970; none: there never were any.
    pub since: Option<u64>,
    /// Why there is no newer answer. The last good one serves.
    pub error: Option<String>,
}

/// What a service knows of where its endpoints come from.
pub(crate) struct Origins {
    state: Mutex<State>,
    /// There are no endpoints yet, or their names were not asked for, and requests wait for that.
    is_awaited: AtomicBool,
    came: Notify,
    /// Handed on from generation to generation, so that two never look for the same service.
    task: Arc<Mutex<Option<Task>>>,
}

struct State {
    found: Vec<Found>,
    since: Option<u64>,
    discovery: Outage,
    names: Outage,
}

#[derive(Default)]
struct Outage {
    error: Option<String>,
    repeats: Repeats,
}

/// A task that ends with this value.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long a request waits for the first endpoints at most.
const PATIENCE: Duration = Duration::from_secs(5);

impl Origins {
    /// What there is to begin with: what was written, or what the last generation found in the same place.
    pub(crate) fn new(settings: &Upstream, previous: Option<(&Upstream, &Self)>) -> Self {
        let same = previous
            .filter(|(before, _)| (&before.discover, &before.resolver) == (&settings.discover, &settings.resolver));
        let (found, since) = match (&settings.discover, same) {
            (None, _) => (settings.endpoints.iter().map(Found::written).collect(), Some(since_epoch().as_secs())),
            (Some(_), Some((_, before))) => {
                let state = before.state.lock();
                (state.found.clone(), state.since)
            }
            (Some(_), None) => (Vec::new(), None),
        };
        Self {
            state: Mutex::new(State { found, since, discovery: Outage::default(), names: Outage::default() }),
            is_awaited: AtomicBool::new(false),
            came: Notify::new(),
            task: previous.map(|(_, before)| Arc::clone(&before.task)).unwrap_or_default(),
        }
    }

    pub(crate) fn found(&self) -> Vec<Found> {
        self.state.lock().found.clone()
    }

    /// Returns when there was a first answer, good or bad, or nobody can wait any longer. On the heap: hardly any request comes here.
    #[cold]
    #[inline(never)]
    pub(crate) fn first(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut came = std::pin::pin!(self.came.notified());
            came.as_mut().enable();
            if self.is_awaited() {
                let _ = tokio::time::timeout_at(deadline.min(now() + PATIENCE).into(), came).await;
            }
        })
    }

    /// Requests wait until there was a first answer.
    pub(crate) fn set_awaited(&self) {
        self.is_awaited.store(true, Ordering::Release);
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Acquire)
    }

    /// This task looks from now on, instead of the one before.
    pub(super) fn replace(&self, task: Option<JoinHandle<()>>) {
        *self.task.lock() = task.map(Task);
    }

    pub(super) fn differ(&self, found: &[Found]) -> bool {
        self.state.lock().found != found
    }

    pub(super) fn replaced(&self, found: Vec<Found>) {
        let mut state = self.state.lock();
        state.found = found;
        state.since = Some(since_epoch().as_secs());
    }

    /// An answer came, or none that is one.
    pub(super) fn note(&self, upstream: &str, taken: Result<(), Error>) {
        self.state.lock().discovery.note(upstream, taken);
        self.is_awaited.store(false, Ordering::Release);
        self.came.notify_waiters();
    }

    /// The same for the names of endpoints.
    pub(super) fn note_names(&self, upstream: &str, taken: Result<(), Error>) {
        self.state.lock().names.note(upstream, taken);
    }

    pub(crate) fn status(&self, settings: &Upstream) -> DiscoveryStatus {
        let state = self.state.lock();
        DiscoveryStatus {
            source: settings.discover.as_ref().map_or_else(|| "fixed".to_owned(), ToString::to_string),
            since: state.since,
            error: state.discovery.error.clone().or_else(|| state.names.error.clone()),
        }
    }
}

impl Outage {
    /// Told when it begins, when it is another one, and when it is over; not each time.
    fn note(&mut self, upstream: &str, taken: Result<(), Error>) {
        let error = taken.err().map(|error| gateway_core::error::chain(&error));
        match &error {
            Some(error) if self.error.as_ref() != Some(error) => {
                if let Some(times) = self.repeats.note(now()) {
                    tracing::warn!(upstream, times, "its endpoints are not found, those found last serve: {error}");
                }
            }
            None if self.error.is_some() => tracing::info!(upstream, "its endpoints are found again"),
            _ => {}
        }
        self.error = error;
    }
}
