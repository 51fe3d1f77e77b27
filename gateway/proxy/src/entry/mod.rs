//! Where a request enters: one normal form, its route, an exchange; and where its answer leaves.
//!
//! A panic anywhere behind this point costs one request.

mod admit;
mod authority;
mod enter;
pub(crate) mod fuzz;
mod grpc;
mod grpc_web;
mod identity;
mod leave;
mod redirect;

#[cfg(test)]
mod tests;

use crate::completion::{Chained, Completion, ResponseBody};
use crate::forward::Peer;
use crate::measure::Measure;
use crate::pipeline::{self, Work};
use crate::snapshot::Snapshot;
use crate::tunnel::Tunnel;
use authority::Memory;
use enter::Entered;
use futures_util::FutureExt as _;
use gateway_config::ListenerTimeouts;
use gateway_core::clock::lately;
use gateway_core::instruments::Counter;
use gateway_core::peer::ClientCertificate;
use gateway_core::{Error, Kind};
use http::Response;
use http::header::{HeaderValue, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use hyper::body::Incoming;
use leave::{conclude, leave, refusal};
use parking_lot::Mutex;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// What every request of one connection shares.
pub struct Connection {
    /// The listener's name.
    pub listener: Arc<str>,
    /// The other end.
    pub peer: Peer,
    /// How long a request's body may take without progress.
    pub body_stall: Duration,
    /// How long it may take in all.
    pub body_total: Duration,
    /// How long a tunnel's client may take nothing of what comes for it.
    pub write_stall: Duration,
    /// Fields of a head: HTTP/2 bounds bytes only.
    pub fields: usize,
    /// None: plain HTTP.
    pub tls: Option<Secure>,
    /// Requests that met a fault of ours.
    panicked: Counter,
    authority: Memory,
    /// What follows, once the last answer has switched protocols.
    tunnel: Mutex<Option<Box<Tunnel>>>,
}

/// What every request of a TLS connection shares.
#[derive(Clone)]
pub struct Secure {
    /// Whose certificate the client has shown.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// For `strict-transport-security` in every answer.
    pub hsts: Option<HeaderValue>,
}

impl Connection {
    /// A connection from `peer` to the listener of this name.
    #[must_use]
    pub fn new(
        listener: Arc<str>,
        peer: Peer,
        timeouts: &ListenerTimeouts,
        fields: usize,
        tls: Option<Secure>,
        panicked: Counter,
    ) -> Self {
        let ListenerTimeouts { body: body_stall, body_total, write: write_stall, .. } = *timeouts;
        let (authority, tunnel) = (Memory::default(), Mutex::default());
        Self { listener, peer, body_stall, body_total, write_stall, fields, tls, panicked, authority, tunnel }
    }

    /// The connection is the tunnel's from the end of this answer's head on.
    pub(crate) fn switch(&self, tunnel: Box<Tunnel>) {
        *self.tunnel.lock() = Some(tunnel);
    }

    /// The tunnel that the connection was left to.
    pub(crate) fn tunnel(&self) -> Option<Box<Tunnel>> {
        self.tunnel.lock().take()
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// A request as it came. On the heap, as its answer: both pass through many futures, each of which would have room for them.
pub type Arrived = Box<(Parts, Incoming)>;

/// An answer as it leaves.
pub type Leaving = Box<Response<ResponseBody>>;

/// Answers one request. Never fails: what goes wrong becomes a response.
pub async fn serve(snapshot: Arc<Snapshot>, connection: &Connection, arrived: Arrived) -> Leaving {
    let (head, _) = &*arrived;
    let method_and_version = (&head.method, head.version);
    let measure =
        Measure::begin(snapshot, &connection.listener, method_and_version, connection.tls.is_some(), lately());
    // Taken by what ends with the answer, where there is an exchange.
    let mut measure = Some(measure);
    let answered = AssertUnwindSafe(answer(connection, arrived, &mut measure)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        connection.panicked.increment();
        refusal(&Error::new(Kind::Internal, "the request met a fault of the gateway"))
    });
    if let Some(measure) = measure {
        measure.refused(response.status().as_u16());
    }
    if let Some(hsts) = connection.tls.as_ref().and_then(|tls| tls.hsts.as_ref()) {
        // The service's own word for it would be a second one, of which a browser takes the first (RFC 6797 8.1).
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    response
}

async fn answer(connection: &Connection, arrived: Arrived, measure: &mut Option<Measure>) -> Leaving {
    let Some(Measure { snapshot, account, .. }) = measure else { return refusal(&uncounted()) };
    let snapshot = &*snapshot;
    let entered = match enter::enter(snapshot, connection, arrived, account) {
        Ok(entered) => entered,
        Err(refused) => return refused,
    };
    let Entered { exchange, body, method, dialect, upload, captured, handshake, unmatched } = entered;
    let work = Work {
        snapshot,
        peer: &connection.peer,
        upload: &upload,
        captured: &captured,
        handshake: handshake.as_deref(),
    };
    let (exchange, body, outcome) = match account.chained() {
        Some(Chained::Route(route)) => pipeline::run(&work, exchange, body, route).await,
        Some(Chained::Unmatched(table)) => {
            pipeline::refuse(exchange, body, &table.unmatched, unmatched.unwrap_or_default()).await
        }
        None => return refusal(&uncounted()),
    };
    let Some(measure) = measure.take() else { return refusal(&uncounted()) };
    let completion = Completion::new(measure, upload);
    match handshake {
        None => leave(exchange, body, outcome, &method, dialect, completion),
        Some(handshake) => conclude(*handshake, connection, exchange, body, outcome, completion),
    }
}

/// A fault of ours: what counts a request is there until its answer leaves, and has its route from when it entered.
#[cold]
fn uncounted() -> Error {
    Error::new(Kind::Internal, "the request is not counted")
}
