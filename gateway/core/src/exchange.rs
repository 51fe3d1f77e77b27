//! One request and its answer on their way through the gateway.

use crate::attributes::Attributes;
use crate::dispatch::Dispatch;
use crate::limit::Slot;
use crate::peer::{ClientCertificate, FACTS};
use crate::trace::Trace;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Everything that is known of one exchange but its bodies. Owned by one task; lent to a guest by moving it.
pub struct Exchange {
    /// As in the log and in `x-request-id`.
    pub id: HeaderValue,
    /// The matched route's name; empty where none matched.
    pub route: Arc<str>,
    /// What the route's path captured, percent-decoded.
    pub parameters: Vec<(Arc<str>, String)>,
    /// The client's address, behind trusted proxies the one they name.
    pub client: IpAddr,
    /// Whose certificate the peer of the connection has shown; only over TLS, where the listener asks for one.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// What was asked.
    pub request: Request,
    /// What is answered; none before the response phases.
    pub response: Option<Response>,
    /// How far it is.
    pub stage: Stage,
    /// What plugins left for each other.
    pub attributes: Attributes,
    /// The upstream that a plugin chose in place of the route's.
    pub upstream: Option<Arc<str>>,
    /// The upstream that was asked, where somebody is told of it afterwards.
    pub asked: Option<Arc<str>>,
    /// Places that plugins took for it; given back when it ends.
    pub slots: Vec<Slot>,
    /// When the whole exchange must be done.
    pub deadline: Instant,
    /// Sub-requests above this one.
    pub depth: u8,
    /// What it is known by in traces; none where there are no traces.
    pub trace: Option<Trace>,
    /// Where sub-requests of this exchange go: the forwarder of the snapshot that the exchange is pinned to.
    pub dispatch: Arc<dyn Dispatch>,
}

impl Exchange {
    /// An attribute as the plugin `reader` sees it: a fact of the connection, or what a plugin wrote.
    #[must_use]
    pub fn attribute(&self, reader: &str, name: &str) -> Option<&Bytes> {
        match name.starts_with(FACTS) {
            true => self.certificate.as_ref()?.fact(name),
            false => self.attributes.read(reader, name),
        }
    }

    /// The same exchange with another request, as before anything was sent. Places stay with the first.
    #[must_use]
    pub fn fork(&self, request: Request) -> Box<Self> {
        Box::new(Self {
            id: self.id.clone(),
            route: Arc::clone(&self.route),
            parameters: self.parameters.clone(),
            client: self.client,
            certificate: self.certificate.clone(),
            request,
            response: None,
            stage: Stage::Request,
            attributes: Attributes::clone(&self.attributes),
            upstream: self.upstream.clone(),
            asked: None,
            slots: Vec::new(),
            deadline: self.deadline,
            depth: self.depth,
            trace: self.trace.clone(),
            dispatch: Arc::clone(&self.dispatch),
        })
    }
}

/// The head of a request in its one normal form.
#[derive(Debug, Clone)]
pub struct Request {
    /// In capitals.
    pub method: Method,
    /// `http` or `https`, as the client asked.
    pub scheme: &'static str,
    /// Host and port as the client asked; the only authority there is (the `host` field is not among the headers).
    pub authority: Arc<str>,
    /// Begins with a slash; RFC 3986 6.2.2.
    pub path: String,
    /// Without its `?`.
    pub query: Option<String>,
    /// Without hop-by-hop and framing fields.
    pub headers: HeaderMap,
}

/// The head of an answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// 200 to 599, or 101 where the service has taken a WebSocket handshake.
    pub status: StatusCode,
    /// Without hop-by-hop and framing fields.
    pub headers: HeaderMap,
}

/// A whole answer, made by a plugin or by the gateway.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// 200 to 599.
    pub status: StatusCode,
    /// Without hop-by-hop and framing fields.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
}

/// How far an exchange is; decides what a guest may read and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The request may still be changed.
    Request,
    /// The request was sent; the response may still be changed.
    Response,
    /// All was said.
    Complete,
}
