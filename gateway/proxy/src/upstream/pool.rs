//! The idle connections of one endpoint.
//!
//! A lease takes the one used last, so that the others grow old and are closed. A connection comes back when the answer's
//! body has ended; one whose answer was not read to its end, or whose request was not sent to its end, is closed.

use super::connect::Destination;
use gateway_config::{UpstreamLimits, UpstreamTimeouts};
use gateway_core::clock::now;
use gateway_core::{Body, Error};
use http::HeaderValue;
use hyper::client::conn::http1::{Builder, SendRequest};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// An answer's end may reach us before its connection has noticed; it is ready as soon as it ran. One that is not still sends
/// its last request, and is closed instead.
const NOTICE: Duration = Duration::from_millis(10);

pub(super) struct Pool {
    destination: Destination,
    authority: HeaderValue,
    builder: Builder,
    connect: Duration,
    expiry: Duration,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection for one request.
pub struct Lease {
    /// None only while it is being given back.
    sender: Option<SendRequest<Body>>,
    pool: Arc<Pool>,
    permit: OwnedSemaphorePermit,
    reused: bool,
}

impl Pool {
    pub(super) fn new(destination: Destination, timeouts: &UpstreamTimeouts, limits: &UpstreamLimits) -> Self {
        let mut builder = Builder::new();
        builder.max_headers(limits.headers).max_header_size(limits.header).max_buf_size(limits.header.max(8192));
        Self {
            authority: HeaderValue::try_from(destination.authority()).unwrap_or(HeaderValue::from_static("")),
            destination,
            builder,
            connect: timeouts.connect,
            expiry: timeouts.idle,
            idle: Mutex::default(),
        }
    }

    pub(super) async fn lease(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> Result<Lease, Error> {
        while let Some(mut sender) = self.take_idle() {
            if sender.is_ready() || matches!(tokio::time::timeout(NOTICE, sender.ready()).await, Ok(Ok(()))) {
                return Ok(Lease { sender: Some(sender), pool: Arc::clone(self), permit, reused: true });
            }
        }
        self.connect(permit, deadline).await
    }

    async fn connect(self: &Arc<Self>, permit: OwnedSemaphorePermit, deadline: Instant) -> Result<Lease, Error> {
        let sender = self.destination.connect(&self.builder, deadline.min(now() + self.connect)).await?;
        Ok(Lease { sender: Some(sender), pool: Arc::clone(self), permit, reused: false })
    }

    fn take_idle(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock();
        std::iter::from_fn(|| idle.pop()).find(|idle| !idle.sender.is_closed()).map(|idle| idle.sender)
    }

    /// Also finds connections that the upstream closed: their descriptors are ours until they are dropped.
    pub(super) fn sweep(&self, now: Instant) {
        let keep = |idle: &Idle| !idle.sender.is_closed() && now.duration_since(idle.since) < self.expiry;
        self.idle.lock().retain(keep);
    }
}

impl Lease {
    /// To send with; none after [`Self::give_back`].
    pub fn sender(&mut self) -> Option<&mut SendRequest<Body>> {
        self.sender.as_mut()
    }

    /// Whether it had been idle, and so may turn out to be closed.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// The endpoint as a `host` field has it.
    #[must_use]
    pub fn authority(&self) -> &HeaderValue {
        &self.pool.authority
    }

    /// A new connection in place of this one.
    pub(super) async fn renew(self, deadline: Instant) -> Result<Self, Error> {
        let Self { pool, permit, .. } = self;
        pool.connect(permit, deadline).await
    }

    /// The request was sent and the answer read to its end: another request may use the connection.
    pub fn give_back(mut self) {
        if let Some(sender) = self.sender.take().filter(|sender| !sender.is_closed()) {
            self.pool.idle.lock().push(Idle { sender, since: now() });
        }
    }
}
