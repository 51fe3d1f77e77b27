//! The idle connections of one endpoint.
//!
//! They are kept on a shelf of the thread that opened them, whose reactor knows their sockets, and no other thread uses them. A
//! lease takes the one used last, so that the others grow old and are closed. A connection comes back when the answer's body has
//! ended; one whose answer was not read to its end, or whose request was not sent to its end, is closed.

use super::connect::Destination;
use super::connection::Connection;
use crate::alarm::Alarm;
use gateway_config::{UpstreamLimits, UpstreamTimeouts};
use gateway_core::Error;
use gateway_core::clock::now;
use http::HeaderValue;
use hyper::client::conn::http1::Builder;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thread_local::ThreadLocal;
use tokio::sync::OwnedSemaphorePermit;

pub(super) struct Pool {
    destination: Destination,
    authority: HeaderValue,
    builder: Builder,
    connect: Duration,
    expiry: Duration,
    /// Locked by another thread only to sweep.
    shelves: ThreadLocal<Mutex<Vec<Idle>>>,
}

struct Idle {
    connection: Box<Connection>,
    alarm: Alarm,
    since: Instant,
}

/// A connection for one request.
pub struct Lease {
    connection: Box<Connection>,
    /// For the waits of whatever request has the connection.
    alarm: Alarm,
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
            shelves: ThreadLocal::new(),
        }
    }

    pub(super) async fn lease(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> Result<Lease, Error> {
        match self.idle() {
            Some((connection, alarm)) => Ok(Lease { connection, alarm, pool: Arc::clone(self), permit, reused: true }),
            None => self.connect(permit, deadline).await,
        }
    }

    async fn connect(self: &Arc<Self>, permit: OwnedSemaphorePermit, deadline: Instant) -> Result<Lease, Error> {
        // On the heap: most requests have a connection already, and would carry the room for this around.
        let connection = Box::pin(self.destination.connect(&self.builder, deadline.min(now() + self.connect))).await?;
        Ok(Lease { connection, alarm: Alarm::default(), pool: Arc::clone(self), permit, reused: false })
    }

    /// One of this thread's that its upstream has not closed.
    fn idle(&self) -> Option<(Box<Connection>, Alarm)> {
        let shelf = self.shelves.get()?;
        loop {
            let Idle { mut connection, alarm, .. } = shelf.lock().pop()?;
            if connection.is_ready() {
                return Some((connection, alarm));
            }
        }
    }

    /// Also finds connections that the upstream closed: their descriptors are ours until they are dropped.
    pub(super) fn sweep(&self, now: Instant) {
        for shelf in &self.shelves {
            let is_over = |idle: &mut Idle| {
                now.saturating_duration_since(idle.since) >= self.expiry || !idle.connection.is_ready()
            };
            // Sockets are closed after the lock, which a request may want meanwhile.
            let over: Vec<_> = shelf.lock().extract_if(.., is_over).collect();
            drop(over);
        }
    }
}

impl Lease {
    /// To drive while the answer's body is read.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The connection to send with, and the alarm for what is waited for meanwhile.
    pub fn parts(&mut self) -> (&mut Connection, &mut Alarm) {
        (&mut self.connection, &mut self.alarm)
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
        if self.connection.seems_ready() || self.connection.is_ready() {
            let idle = Idle { connection: self.connection, alarm: self.alarm, since: now() };
            self.pool.shelves.get_or_default().lock().push(idle);
        }
    }
}
