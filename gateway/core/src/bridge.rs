//! What answers in the place of an upstream's endpoints: services that speak another protocol than HTTP.

use crate::body::Body;
use crate::dispatch::BoxFuture;
use crate::error::Error;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use std::sync::Arc;
use std::time::Instant;

/// Services behind another protocol. The upstream around it has the bounds, the breaker and the figures.
pub trait Bridge: Send + Sync {
    /// Begins to connect; once, when it is going to serve.
    fn start(&self);

    /// The attributes that its messages are made of, by full name: put into the request as [`Told`].
    fn attributes(&self) -> &[Arc<str>];

    /// Sends a request and gives the head of the answer; its body may stream.
    fn call(&self, request: Request<Body>, deadline: Instant) -> BoxFuture<'_, Result<Response<Body>, Error>>;

    /// Where it is connected to, for people.
    fn servers(&self) -> Vec<Server>;
}

/// What makes calls of another protocol of requests, in front of an upstream's endpoints, and answers of HTTP of theirs.
pub trait Transcoder: Send + Sync {
    /// Whether a request with this head is one to be transcoded; any other is sent as it is.
    fn takes(&self, headers: &HeaderMap) -> bool;

    /// Has the endpoints answer a request, and gives the head of the answer; its body may stream.
    fn call<'a>(
        &'a self,
        request: Box<Request<Body>>,
        deadline: Instant,
        endpoints: &'a dyn Onward,
    ) -> BoxFuture<'a, Result<Response<Body>, Error>>;

    /// Which call a request becomes, for people.
    fn explain(&self, method: &Method, path: &str) -> String;
}

/// The endpoints behind a [`Transcoder`], with balance, tries and bounds.
pub trait Onward: Send + Sync {
    /// Sends a request, and waits for the head of the answer until the deadline.
    fn send(&self, request: Box<Request<Body>>, deadline: Instant) -> BoxFuture<'_, Result<Response<Body>, Error>>;
}

/// A request whose body is at hand and that does no more when it is sent twice, whatever its method says; an extension of the request.
#[derive(Debug, Clone, Copy)]
pub struct Repeatable;

/// One server of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `host:port`.
    pub name: String,
    /// Whether there is a connection, to it or to another of the same broker.
    pub is_up: bool,
}

/// Attributes of the exchange that a request belongs to; an extension of the request.
#[derive(Debug, Clone, Default)]
pub struct Told(pub Vec<(Arc<str>, Bytes)>);
