//! How a guest's fetch leaves the gateway: through the same forwarding as a client's request.

use crate::body::Body;
use crate::error::Error;
use crate::trace::Trace;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

/// A future on the heap that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sub-requests that call each other are cut at this depth.
pub const DEPTH: u8 = 3;

/// Where a sub-request goes. The host has checked the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A named upstream.
    Upstream(Arc<str>),
    /// An origin outside the configuration, `http://host:port` or `https://host:port`.
    Origin {
        /// A name or an address, without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// Over TLS: its certificate must have the host's name and be signed by an authority that the system knows.
        tls: bool,
        /// The grant names this very address, so it may be a private one.
        private: bool,
    },
}

/// A sub-request of a plugin.
pub struct Call {
    /// Where it goes.
    pub target: Target,
    /// Path and query as its URI, fields and body. Framing and hop-by-hop fields are the forwarder's.
    pub request: http::Request<Body>,
    /// When the whole of it must be done, the answer's body included.
    pub deadline: Instant,
    /// How deep it stands: 1 for a plugin called for a client's request.
    pub depth: u8,
    /// The id of the exchange that it belongs to.
    pub request_id: http::HeaderValue,
    /// Its trace, at the span that it is made in.
    pub trace: Option<Trace>,
}

/// What forwards.
pub trait Dispatch: Send + Sync {
    /// Sends a sub-request and gives the head of the answer; its body streams.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<http::Response<Body>, Error>>;

    /// Whether an upstream of this name exists.
    fn has_upstream(&self, name: &str) -> bool;
}
