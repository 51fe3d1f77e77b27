//! One address of a service: its connections, what is under way, and how well it is.

use super::connect::Destination;
use super::connection::Connection;
use super::endpoints::Endpoints;
use super::moment::Moment;
use super::pool::{Connected, Pool};
use super::speed::Speed;
use super::switched::Switched;
use gateway_core::Error;
use gateway_core::clock::now;
use gateway_core::dispatch::BoxFuture;
use http::HeaderValue;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// An endpoint. It outlives the set that it stands in: who stays over a change keeps connections, load and health.
pub struct Endpoint {
    /// Its address, or `host:port` where that is a name; tells it from the others.
    name: String,
    /// Of the name.
    hash: u64,
    pool: Pool,
    /// Requests that have a connection.
    active: AtomicUsize,
    /// Failures in a row.
    failures: AtomicU32,
    /// How often it was ejected, the last times without much between them.
    ejections: AtomicU32,
    ejected_until: Moment,
    /// How often in all.
    ejected: AtomicU64,
    /// What was asked of it from time to time says that it is down.
    is_down: AtomicBool,
    /// Somebody has taken it out: nothing goes to it, whatever else is up.
    is_drained: AtomicBool,
    /// Good or bad answers in a row to what was asked from time to time.
    streak: AtomicU32,
    /// When it came, or was well again.
    well_since: Moment,
    pub(super) speed: Speed,
    /// The set that it stands in.
    siblings: Mutex<Weak<Endpoints>>,
}

/// What is known of an endpoint, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointStatus {
    /// `host:port`.
    pub endpoint: String,
    /// `up`, `drained` by somebody, `ejected` for its failures, or `down` by its answers to health checks.
    pub state: &'static str,
    /// Requests under way.
    pub active: usize,
    /// Failures in a row.
    pub failures: u32,
    /// How often it was ejected.
    pub ejections: u64,
    /// Connections that nobody uses.
    pub idle: usize,
}

/// A connection for one request.
pub struct Lease {
    connected: Connected,
    active: Active,
    permit: OwnedSemaphorePermit,
}

/// A request counted with its endpoint; not any more when dropped.
pub(super) struct Active(Arc<Endpoint>);

impl Endpoint {
    pub(super) fn new(pool: Pool) -> Self {
        let name = pool.destination().name();
        let endpoint = Self {
            hash: super::key::hash(name.as_bytes()),
            name,
            pool,
            active: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: Moment::default(),
            ejected: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            is_drained: AtomicBool::new(false),
            streak: AtomicU32::new(0),
            well_since: Moment::default(),
            speed: Speed::default(),
            siblings: Mutex::default(),
        };
        endpoint.well_since.set(now());
        endpoint
    }

    /// A connection, an idle one where there is one.
    ///
    /// # Errors
    /// The endpoint takes none in time.
    pub async fn lease(
        self: Arc<Self>,
        permit: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> Result<Lease, (Error, Arc<Self>)> {
        let active = Active::of(self);
        let connected = match active.0.pool.idle() {
            Some(connected) => connected,
            None => match active.0.pool.connect(deadline).await {
                Ok(connected) => connected,
                Err(error) => return Err((error, Arc::clone(&active.0))),
            },
        };
        Ok(Lease { connected, active, permit })
    }

    /// A new connection that nobody else gets.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Connected, Error> {
        self.pool.connect(deadline).await
    }

    /// Told of what the endpoint made of a request: that it did what it should.
    pub fn succeeded(&self) {
        // Mostly there is nothing to forget, and the line stays in every core's cache.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// That it did not.
    pub fn failed(self: &Arc<Self>) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let siblings = self.siblings.lock().upgrade();
        if let Some(siblings) = siblings {
            siblings.judge(self, failures);
        }
    }

    pub(super) fn eject(&self, base: Duration, now: Instant) -> Duration {
        // Who was well for long after the last time begins anew.
        let calm = self.ejected_until.age(now).is_none_or(|age| age > base * LONGEST);
        let times = if calm { 1 } else { self.ejections.load(Ordering::Relaxed) + 1 };
        self.ejections.store(times, Ordering::Relaxed);
        let rest = base * (1_u32 << (times - 1).min(4)).min(LONGEST);
        self.ejected_until.set(now + rest);
        self.ejected.fetch_add(1, Ordering::Relaxed);
        self.well_since.set(now + rest);
        self.failures.store(0, Ordering::Relaxed);
        rest
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.ejected_until.is_ahead(now)
    }

    /// Whether requests should go to it.
    pub(super) fn is_up(&self) -> bool {
        !self.is_drained() && !self.is_down.load(Ordering::Relaxed) && !self.is_ejected()
    }

    /// Whether nothing may go to it.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained.load(Ordering::Relaxed)
    }

    /// Takes it out, or back in. What is under way goes on.
    pub(super) fn set_drained(&self, drained: bool) {
        let was = self.is_drained.swap(drained, Ordering::Relaxed);
        if was && !drained {
            self.well_since.set(now());
        }
    }

    /// A health check ended well or not; so many in a row decide. Whether that changed anything.
    pub(super) fn checked(&self, good: bool, healthy: u32, unhealthy: u32) -> bool {
        let down = self.is_down.load(Ordering::Relaxed);
        if good != down {
            // As it was: what stood against it does not count any more.
            self.streak.store(0, Ordering::Relaxed);
            return false;
        }
        let streak = self.streak.fetch_add(1, Ordering::Relaxed) + 1;
        if streak < if good { healthy } else { unhealthy } {
            return false;
        }
        self.streak.store(0, Ordering::Relaxed);
        self.is_down.store(!good, Ordering::Relaxed);
        if good {
            self.well_since.set(now());
            self.ejected_until.clear();
        }
        true
    }

    /// Nobody checks it any more.
    pub(super) fn unchecked(&self) {
        self.is_down.store(false, Ordering::Relaxed);
    }

    /// How much of its share it takes so long after it came: 0 to 1.
    pub(super) fn warmth(&self, slow_start: Duration) -> f64 {
        match self.well_since.age(now()) {
            // Some must go there, or it would never be known how it does.
            Some(age) if age < slow_start => (age.as_secs_f64() / slow_start.as_secs_f64()).max(0.1),
            _ => 1.0,
        }
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn stands_in(&self, siblings: &Arc<Endpoints>) {
        *self.siblings.lock() = Arc::downgrade(siblings);
    }

    /// Where it is, as it was written or found.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        self.pool.destination().host_and_port()
    }

    /// `host:port`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known of it.
    #[must_use]
    pub fn status(&self) -> EndpointStatus {
        let state = match (self.is_drained(), self.is_down.load(Ordering::Relaxed), self.is_ejected()) {
            (true, ..) => "drained",
            (_, true, _) => "down",
            (_, _, true) => "ejected",
            _ => "up",
        };
        EndpointStatus {
            endpoint: self.name.clone(),
            state,
            active: self.active(),
            failures: self.failures.load(Ordering::Relaxed),
            ejections: self.ejected.load(Ordering::Relaxed),
            idle: self.pool.idle_count(),
        }
    }
}

/// An endpoint is ejected for so many times the base at most.
const LONGEST: u32 = 10;

impl Active {
    fn of(endpoint: Arc<Endpoint>) -> Self {
        endpoint.active.fetch_add(1, Ordering::Relaxed);
        Self(endpoint)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// The connection and what is kept with it.
    pub fn connected(&mut self) -> &mut Connected {
        &mut self.connected
    }

    /// The connection, to be looked at.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connected.connection
    }

    /// Where it leads.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.active.0
    }

    /// The endpoint as a `host` field has it.
    #[must_use]
    pub fn authority(&self) -> &HeaderValue {
        self.active.0.pool.authority()
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.active.0.pool.scheme()
    }

    /// A new connection in place of this one: for a request whose idle connection was found closed before anything was sent. On the
    /// heap: hardly any is.
    ///
    /// # Errors
    /// The endpoint takes none in time.
    #[cold]
    #[inline(never)]
    pub fn renew(self, deadline: Instant) -> BoxFuture<'static, Result<Self, (Error, Arc<Endpoint>)>> {
        Box::pin(async move {
            let Self { active, permit, .. } = self;
            match active.0.pool.connect(deadline).await {
                Ok(connected) => Ok(Self { connected, active, permit }),
                Err(error) => Err((error, Arc::clone(&active.0))),
            }
        })
    }

    /// The answer has switched protocols. None where HTTP has not ended on the connection all the same.
    #[must_use]
    pub fn switch(self) -> Option<Switched> {
        let Self { connected, active, permit } = self;
        let (socket, first) = connected.connection.switch()?;
        Some(Switched { socket: Box::new(socket), first, _active: active, _permit: permit })
    }

    /// The request was sent and the answer read to its end: another request may use the connection.
    pub fn give_back(self) {
        self.active.0.pool.put(self.connected);
    }
}

impl Destination {
    fn name(&self) -> String {
        let (host, port) = self.host_and_port();
        self.fixed().map_or_else(|| format!("{host}:{port}"), |address| address.to_string())
    }
}
