//! A named service: its endpoints, their pooled connections, its bounds.

mod balance;
mod connect;
mod connection;
mod pool;
mod socket;

pub use connect::Destination;
pub use connection::{Answer, Answered, Connection};
pub use pool::Lease;

use balance::RoundRobin;
use gateway_core::clock::now;
use gateway_core::{Error, Kind};
use pool::Pool;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A service. Kept over a reload that does not change it, with its connections.
pub struct Upstream {
    settings: gateway_config::Upstream,
    pools: Vec<Arc<Pool>>,
    balance: RoundRobin,
    connections: Arc<Semaphore>,
    pending: AtomicUsize,
}

impl Upstream {
    /// A service as it was configured; connects on first use.
    #[must_use]
    pub fn new(settings: gateway_config::Upstream) -> Self {
        let pool = |endpoint: &gateway_config::Endpoint| {
            Arc::new(Pool::new(Destination::new(&endpoint.host, endpoint.port), &settings.timeouts, &settings.limits))
        };
        Self {
            pools: settings.endpoints.iter().map(pool).collect(),
            balance: RoundRobin::default(),
            connections: Arc::new(Semaphore::new(settings.limits.connections.min(Semaphore::MAX_PERMITS))),
            pending: AtomicUsize::new(0),
            settings,
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn settings(&self) -> &gateway_config::Upstream {
        &self.settings
    }

    /// A connection to the next endpoint, an idle one where there is one.
    ///
    /// # Errors
    /// The upstream is full, or the endpoint takes no connection in time.
    pub async fn lease(&self, deadline: Instant) -> Result<Lease, Error> {
        let permit = self.admit(deadline).await?;
        let pool = self.balance.next(&self.pools).ok_or_else(|| {
            Error::new(Kind::DestinationUnavailable, format!("upstream `{}` has no endpoint", self.settings.name))
        })?;
        pool.lease(permit, deadline).await
    }

    /// Another connection to the same endpoint, never an idle one: for a request whose idle connection was found closed
    /// before anything was sent.
    ///
    /// # Errors
    /// As [`Self::lease`].
    pub async fn fresh(&self, lease: Lease, deadline: Instant) -> Result<Lease, Error> {
        lease.renew(deadline).await
    }

    /// Throws away connections that nobody used for long. Called from outside the request path.
    pub fn sweep(&self) {
        let now = now();
        for pool in &self.pools {
            pool.sweep(now);
        }
    }

    /// At most `limits.connections` requests are under way and `limits.pending` wait; the next one is refused at once.
    async fn admit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() {
            return Ok(permit);
        }
        let full = |detail: &str| {
            Error::new(Kind::ConnectionLimitReached, format!("upstream `{}` {detail}", self.settings.name))
        };
        let waiting = Waiting::enter(&self.pending, self.settings.limits.pending).ok_or_else(|| full("is full"))?;
        let permit = tokio::time::timeout_at(deadline.into(), Arc::clone(&self.connections).acquire_owned()).await;
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(full("had no free connection in time")),
        }
    }
}

/// One place in the queue, given back when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(count);
        (before < limit).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
