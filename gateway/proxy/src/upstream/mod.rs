//! A named service: its endpoints, their pooled connections, its bounds.

mod admission;
mod balance;
mod bridged;
mod budget;
mod connect;
mod connection;
mod discovery;
mod endpoint;
mod endpoints;
mod head;
mod health;
pub(crate) mod key;
mod moment;
mod pool;
mod sent;
mod socket;
mod speed;
mod switched;
mod tls;

pub use admission::{Admission, Refused};
pub use bridged::Crossing;
pub use connect::Destination;
pub use connection::{Answered, Connection};
pub use discovery::DiscoveryStatus;
pub use endpoint::{Endpoint, EndpointStatus, Lease};
pub use pool::Connected;
pub use switched::{Duplex, Switched};
pub use tls::{Authorities, authorities};

use arc_swap::ArcSwap;
use budget::Budget;
use connection::Dialer;
use discovery::{Found, Origins};
use endpoints::{Choice, Endpoints, Member};
use gateway_config::{Balance, Discover};
use gateway_core::breaker::{Breaker, Terms};
use gateway_core::bridge::{Bridge, Transcoder};
use gateway_core::clock::now;
use gateway_core::instruments::{Meters, Sum, meters};
use gateway_core::{Error, Kind};
use pool::Pool;
use rustls::ClientConfig;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// A service. Kept over a reload that does not change it.
pub struct Upstream {
    settings: gateway_config::Upstream,
    /// Where any endpoint may want it.
    tls: Option<Arc<ClientConfig>>,
    endpoints: ArcSwap<Endpoints>,
    origins: Origins,
    admission: Admission,
    /// Those that are sent once more.
    retries: Admission,
    budget: Budget,
    breaker: Option<Breaker>,
    /// Tries so far, of all requests.
    tries: Sum,
    retried: AtomicU64,
    /// How often the breaker opened.
    opened: AtomicU64,
    started: AtomicBool,
    metered: Option<(Meters, Arc<meters::Upstream>)>,
    /// What answers in the place of endpoints.
    bridge: Option<Arc<dyn Bridge>>,
    /// What makes calls of requests, in front of the endpoints.
    transcoder: Option<Arc<dyn Transcoder>>,
    /// Requests that the bridge has.
    crossing: Arc<bridged::Counted>,
}

/// What is known of a service, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpstreamStatus {
    /// Where the endpoints come from.
    pub discovery: DiscoveryStatus,
    /// In the order of priority.
    pub endpoints: Vec<EndpointStatus>,
    /// Requests sent, those sent once more included.
    pub tries: u64,
    /// Requests sent once more.
    pub retries: u64,
    /// Nothing or only a little is asked of it for a while: most of it failed.
    pub breaker_open: bool,
    /// How often that began.
    pub breaker_opened: u64,
}

/// Why an endpoint was not taken out or back in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undrained {
    /// The service has none of this name.
    Unknown,
    /// It is the last one that requests may go to.
    Last,
}

impl Upstream {
    /// A service as it was configured; connects on first use. Endpoints that `previous` had as well keep their connections, load
    /// and health.
    ///
    /// # Errors
    /// TLS cannot be spoken as it says.
    pub fn new(settings: gateway_config::Upstream, previous: Option<&Self>) -> Result<Self, rustls::Error> {
        let limits = &settings.limits;
        let breaker = settings.breaker.as_ref().map(|breaker| {
            Breaker::new(Terms {
                window: breaker.window,
                percent: breaker.failures,
                calls: breaker.requests.into(),
                rest: breaker.open,
                probes: breaker.probes,
            })
        });
        let origins = Origins::new(&settings, previous.map(|previous| (&previous.settings, &previous.origins)));
        // A connection is made by these: with another bound it is another endpoint.
        let made_by = |settings: &gateway_config::Upstream| {
            let gateway_config::Upstream { timeouts, limits, protocol, tls, .. } = settings;
            (*timeouts, limits.header, limits.headers, *protocol, tls.clone())
        };
        let alike = previous.filter(|previous| made_by(&previous.settings) == made_by(&settings));
        let known = alike.map(|previous| previous.endpoints.load_full());
        let wants_tls = settings.found_over_tls
            || settings.endpoints.iter().any(|endpoint| endpoint.tls)
            || matches!(settings.discover, Some(Discover::File(_)));
        let tls = wants_tls.then(|| tls::config(&settings.tls, settings.protocol)).transpose()?;
        let endpoints = set(&settings, tls.as_ref(), &origins.found(), known.as_deref());
        if let Some(previous) = previous {
            // Also where connections are made in another way now: somebody wanted it out.
            let before = previous.endpoints.load();
            let out: Vec<_> =
                before.all().filter(|endpoint| endpoint.is_drained()).map(|endpoint| endpoint.name()).collect();
            let same = endpoints.all().filter(|endpoint| out.contains(&endpoint.name()));
            same.for_each(|endpoint| endpoint.set_drained(true));
        }
        if endpoints.all().next().is_none()
            || endpoints.all().any(|endpoint| endpoint.pool().destination().is_unasked())
        {
            origins.set_awaited();
        }
        Ok(Self {
            tls,
            endpoints: ArcSwap::new(endpoints),
            origins,
            // One connection carries one request.
            admission: Admission::new(limits.connections.min(limits.requests), limits.pending),
            retries: Admission::new(limits.retries, limits.pending),
            budget: Budget::default(),
            breaker,
            tries: Sum::default(),
            retried: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            started: AtomicBool::new(false),
            metered: None,
            bridge: None,
            transcoder: None,
            crossing: Arc::default(),
            settings,
        })
    }

    /// The same, counted among these meters.
    #[must_use]
    pub fn metered(mut self, meters: &Meters) -> Self {
        self.metered = Some((meters.clone(), meters.upstream(&self.settings.name)));
        self
    }

    /// What is counted of it, where anything is.
    #[must_use]
    pub fn meter(&self) -> Option<&meters::Upstream> {
        self.metered.as_ref().filter(|(meters, _)| meters.are_on()).map(|(_, meter)| &**meter)
    }

    /// Begins to look for its endpoints and to ask them how they are. It ends when nobody has the service any more.
    pub fn start(self: &Arc<Self>) {
        if self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(bridge) = &self.bridge {
            bridge.start();
        } else {
            discovery::start(self);
            // The generation before may have taken in an answer since this one was made.
            let set = self.endpoints.load_full();
            set.all().for_each(|endpoint| endpoint.stands_in(&set));
            health::watch(self);
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn settings(&self) -> &gateway_config::Upstream {
        &self.settings
    }

    /// What the same client is known by, where that decides who answers it.
    #[must_use]
    pub fn key_by(&self) -> Option<&gateway_config::KeyBy> {
        match &self.settings.balance {
            Balance::Hash(by) => Some(by),
            _ => None,
        }
    }

    /// The endpoint that a request goes to, and the permit for it.
    ///
    /// # Errors
    /// The service is full, or nothing is asked of it for a while.
    pub async fn admit(
        &self,
        key: Option<u64>,
        tried: &[Arc<Endpoint>],
        deadline: Instant,
    ) -> Result<(Arc<Endpoint>, OwnedSemaphorePermit), Error> {
        if self.breaker.as_ref().is_some_and(|breaker| !breaker.admits(now)) {
            let detail =
                format!("upstream `{}` failed too often lately and is not asked for a while", self.settings.name);
            return Err(Error::new(Kind::DestinationUnavailable, detail));
        }
        let permit = self.admission.enter(deadline).await.map_err(|refused| self.full(refused))?;
        if self.origins.is_awaited() {
            self.origins.first(deadline).await;
        }
        self.tries.add(1);
        // Whoever is known by a key stays with its endpoint, new or not.
        let slow_start = if key.is_some() { Duration::ZERO } else { self.settings.slow_start };
        let choice = Choice { balance: &self.settings.balance, slow_start, key, tried };
        let endpoint = self.endpoints.load().choose(&choice).cloned().ok_or_else(|| {
            Error::new(Kind::DestinationUnavailable, format!("upstream `{}` has no endpoint", self.settings.name))
        })?;
        Ok((endpoint, permit))
    }

    /// A permit to send a request once more, held until that was answered. None where too much is sent so already.
    pub async fn admit_retry(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        if !self.budget.take(self.tries.value(), now()) {
            return None;
        }
        let permit = self.retries.enter(deadline.min(now() + PATIENCE)).await.ok()?;
        self.retried.fetch_add(1, Ordering::Relaxed);
        Some(permit)
    }

    /// Whether it counts how long an endpoint takes.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.settings.balance == Balance::PeakEwma
    }

    /// An endpoint has begun to answer as it should. That it did so to the end is told to itself.
    pub fn answered(&self, endpoint: &Arc<Endpoint>, asked: Option<Instant>) {
        if let Some(asked) = asked {
            let now = now();
            endpoint.speed.note(now.saturating_duration_since(asked), now);
        }
        if let Some(breaker) = &self.breaker {
            breaker.succeeded();
        }
    }

    /// An endpoint failed a request, by its own fault.
    pub fn failed(&self, endpoint: &Arc<Endpoint>) {
        endpoint.failed();
        if self.is_timed() {
            // As slow as can be: who fails fast must not draw everybody.
            endpoint.speed.note(self.settings.timeouts.first_byte, now());
        }
        if let Some(breaker) = &self.breaker
            && breaker.failed(self.tries.value(), now())
        {
            self.opened.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(upstream = %self.settings.name, "fails too often and is not asked for a while");
        }
    }

    /// Throws away connections that nobody used for long. Called from outside the request path.
    pub fn sweep(&self) {
        let now = now();
        self.endpoints.load().all().for_each(|endpoint| endpoint.pool().sweep(now));
    }

    /// Takes an endpoint out, so that no request goes to it any more, or back in. It stays out over reloads, for as long as its set has it.
    ///
    /// # Errors
    /// There is none of this name, or no other one would be left.
    pub fn set_drained(&self, name: &str, drained: bool) -> Result<(), Undrained> {
        let endpoints = self.endpoints.load();
        let named: Vec<_> = endpoints.all().filter(|endpoint| endpoint.name() == name).collect();
        if named.is_empty() {
            return Err(Undrained::Unknown);
        }
        let is_other = |endpoint: &&Arc<Endpoint>| endpoint.name() != name && !endpoint.is_drained();
        if drained && endpoints.all().filter(is_other).count() == 0 {
            return Err(Undrained::Last);
        }
        named.into_iter().for_each(|endpoint| endpoint.set_drained(drained));
        Ok(())
    }

    /// What is known of it.
    #[must_use]
    pub fn status(&self) -> UpstreamStatus {
        UpstreamStatus {
            discovery: self.origins.status(&self.settings),
            endpoints: match &self.bridge {
                Some(bridge) => self.servers(&**bridge),
                None => self.endpoints.load().all().map(|endpoint| endpoint.status()).collect(),
            },
            tries: self.tries.value(),
            retries: self.retried.load(Ordering::Relaxed),
            breaker_open: self.breaker.as_ref().is_some_and(Breaker::is_tripped),
            breaker_opened: self.opened.load(Ordering::Relaxed),
        }
    }

    /// At most `limits.connections` requests are under way and `limits.pending` wait; the next one is refused at once.
    fn full(&self, refused: Refused) -> Error {
        let detail = match refused {
            Refused::Full => "is full",
            Refused::Late => "had no free connection in time",
        };
        Error::new(Kind::ConnectionLimitReached, format!("upstream `{}` {detail}", self.settings.name))
    }
}

/// How long a request waits until others that are sent once more are done.
const PATIENCE: Duration = Duration::from_secs(1);

/// These endpoints as a set; those that are `known` stay the same.
fn set(
    settings: &gateway_config::Upstream,
    tls: Option<&Arc<ClientConfig>>,
    found: &[Found],
    known: Option<&Endpoints>,
) -> Arc<Endpoints> {
    let member = |found: &Found| {
        let scheme = if found.tls { "https" } else { "http" };
        let is_same = |endpoint: &&Arc<Endpoint>| {
            let (pool, destination) = (endpoint.pool(), endpoint.pool().destination());
            (destination.host_and_port(), destination.fixed()) == ((&found.host, found.port), found.address)
                && pool.scheme() == scheme
        };
        let endpoint = match known.and_then(|known| known.all().find(is_same)) {
            Some(kept) => Arc::clone(kept),
            None => {
                let name = settings.tls.server_name.as_deref().unwrap_or(&found.host);
                let connector = tls.filter(|_| found.tls).map(|tls| tls::Connector::new(Arc::clone(tls), name));
                let dialer = Dialer::new(settings.protocol, &settings.limits, connector);
                let destination = Destination::at(&found.host, found.port, found.address);
                Arc::new(Endpoint::new(Pool::new(destination, dialer, &settings.timeouts)))
            }
        };
        if settings.health.is_none() {
            endpoint.unchecked();
        }
        Member { endpoint, weight: found.weight, priority: found.priority }
    };
    let members = found.iter().map(member).collect();
    Endpoints::new(Arc::clone(&settings.name), members, settings.outliers.clone())
}
