//! The idle connections of one endpoint.
//!
//! They are kept on a shelf of the thread that opened them, whose reactor knows their sockets, and no other thread uses them. A
//! lease takes the one used last, so that the others grow old and are closed. A connection comes back when the answer's body has
//! ended; one whose answer was not read to its end, or whose request was not sent to its end, is closed.

use super::connect::Destination;
use super::connection::{Connection, Dialer, Http2};
use crate::alarm::Alarm;
use gateway_config::UpstreamTimeouts;
use gateway_core::Error;
use gateway_core::clock::{moment, now, ticks};
use gateway_core::dispatch::BoxFuture;
use http::HeaderValue;
use parking_lot::Mutex;
use std::time::{Duration, Instant};
use thread_local::ThreadLocal;

/// Milliseconds after which what has come on an idle connection is asked for before it is used again.
const FRESH: u64 = 10;

pub(super) struct Pool {
    destination: Destination,
    authority: HeaderValue,
    dialer: Dialer,
    connect: Duration,
    expiry: Duration,
    /// Locked by another thread only to sweep.
    shelves: ThreadLocal<Mutex<Shelf>>,
}

/// The connections of a thread.
#[derive(Default)]
struct Shelf {
    /// Those that nobody uses.
    idle: Vec<Idle>,
    /// Those that take several requests at once, and when each last got one.
    shared: Vec<(Http2, Instant)>,
}

struct Idle {
    connection: Connection,
    alarm: Alarm,
    /// In [`ticks`].
    since: u64,
}

/// A connection that somebody uses.
pub struct Connected {
    /// To send with, and to drive while the answer's body is read.
    pub connection: Connection,
    /// For the waits of whatever request has the connection.
    pub alarm: Alarm,
    /// Whether it had been idle, and so may turn out to be closed.
    pub reused: bool,
}

impl Pool {
    pub(super) fn new(destination: Destination, dialer: Dialer, timeouts: &UpstreamTimeouts) -> Self {
        let authority = destination.authority(dialer.scheme());
        Self {
            authority: HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("")),
            destination,
            dialer,
            connect: timeouts.connect,
            expiry: timeouts.idle,
            shelves: ThreadLocal::new(),
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        self.dialer.scheme()
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// A new one.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Connected, Error> {
        let connection = self.dial(deadline.min(now() + self.connect)).await?;
        if let Some(shared) = connection.share() {
            self.shelves.get_or_default().lock().shared.push((shared, now()));
        }
        Ok(Connected { connection, alarm: Alarm::default(), reused: false })
    }

    /// On the heap: most requests have a connection already, and neither their future nor their stack has room for this.
    #[inline(never)]
    fn dial(&self, deadline: Instant) -> BoxFuture<'_, Result<Connection, Error>> {
        Box::pin(self.destination.connect(&self.dialer, deadline))
    }

    /// One of this thread's that its upstream has not closed, as far as is known. What was used a moment ago is not looked at: hyper looks
    /// before it sends anything, and gives the request back where the connection is closed.
    pub(super) fn idle(&self) -> Option<Connected> {
        let shelf = self.shelves.get()?;
        if self.dialer.is_shared() {
            let mut shelf = shelf.lock();
            let shared = shelf.shared.iter_mut().find_map(|(connection, used)| {
                let connection = connection.share()?;
                *used = now();
                Some(connection)
            });
            let connection = Connection::shared(shared?);
            return Some(Connected { connection, alarm: Alarm::default(), reused: true });
        }
        loop {
            let Idle { mut connection, alarm, since } = shelf.lock().idle.pop()?;
            let is_fresh = ticks().saturating_sub(since) <= FRESH && connection.seems_ready();
            if is_fresh || connection.is_ready() {
                return Some(Connected { connection, alarm, reused: true });
            }
        }
    }

    /// Connections that nobody uses.
    pub(super) fn idle_count(&self) -> usize {
        self.shelves
            .iter()
            .map(|shelf| {
                let mut shelf = shelf.lock();
                let unused = shelf.shared.iter_mut().filter(|(connection, _)| connection.requests() == 0).count();
                shelf.idle.len() + unused
            })
            .sum()
    }

    /// Another request may use it.
    pub(super) fn put(&self, connected: Connected) {
        if self.dialer.is_shared() {
            return;
        }
        let Connected { mut connection, alarm, .. } = connected;
        self.dialer.resume(&mut connection);
        if connection.seems_ready() || connection.is_ready() {
            self.shelves.get_or_default().lock().idle.push(Idle { connection, alarm, since: ticks() });
        }
    }

    /// Also finds connections that the upstream closed: their descriptors are ours until they are dropped.
    pub(super) fn sweep(&self, now: Instant) {
        for shelf in &self.shelves {
            let is_old = |since: &Instant| now.saturating_duration_since(*since) >= self.expiry;
            // Sockets are closed after the lock, which a request may want meanwhile.
            let mut shelf = shelf.lock();
            let idle: Vec<_> =
                shelf.idle.extract_if(.., |idle| is_old(&moment(idle.since)) || !idle.connection.is_ready()).collect();
            let is_over = |(connection, used): &mut (Http2, Instant)| {
                connection.is_closed() || (connection.requests() == 0 && is_old(used))
            };
            let shared: Vec<_> = shelf.shared.extract_if(.., is_over).collect();
            drop(shelf);
            drop((idle, shared));
        }
    }
}
