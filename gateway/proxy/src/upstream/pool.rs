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
use std::time::{Duration, Instant};
use thread_local::ThreadLocal;

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

/// A connection that somebody uses.
pub struct Connected {
    /// To send with, and to drive while the answer's body is read.
    pub connection: Box<Connection>,
    /// For the waits of whatever request has the connection.
    pub alarm: Alarm,
    /// Whether it had been idle, and so may turn out to be closed.
    pub reused: bool,
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

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// A new one.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Connected, Error> {
        // On the heap: most requests have a connection already, and would carry the room for this around.
        let connection = Box::pin(self.destination.connect(&self.builder, deadline.min(now() + self.connect))).await?;
        Ok(Connected { connection, alarm: Alarm::default(), reused: false })
    }

    /// One of this thread's that its upstream has not closed.
    pub(super) fn idle(&self) -> Option<Connected> {
        let shelf = self.shelves.get()?;
        loop {
            let Idle { mut connection, alarm, .. } = shelf.lock().pop()?;
            if connection.is_ready() {
                return Some(Connected { connection, alarm, reused: true });
            }
        }
    }

    /// Another request may use it.
    pub(super) fn put(&self, connected: Connected) {
        let Connected { mut connection, alarm, .. } = connected;
        if connection.seems_ready() || connection.is_ready() {
            self.shelves.get_or_default().lock().push(Idle { connection, alarm, since: now() });
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
