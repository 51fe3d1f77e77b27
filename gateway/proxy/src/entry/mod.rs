//! Where a request enters: one normal form, its route, an exchange; and where its answer leaves.
//!
//! A panic anywhere behind this point costs one request.

mod admit;
mod authority;
mod grpc;
mod identity;
mod redirect;

#[cfg(test)]
mod tests;

use crate::completion::{Completion, Outcome, ResponseBody};
use crate::forward::{Bounds, ClientBody, Peer, client_address};
use crate::pipeline::{self, Work};
use crate::route::Route;
use crate::router::{Captured, Matched};
use crate::snapshot::{Snapshot, Table};
use admit::Admitted;
use authority::Memory;
use futures_util::FutureExt as _;
use gateway_config::ListenerTimeouts;
use gateway_core::attributes::Attributes;
use gateway_core::clock::now;
use gateway_core::exchange::{Answer, Exchange, Stage};
use gateway_core::peer::ClientCertificate;
use gateway_core::{Body, Error, Kind, Origin, problem};
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, HeaderValue, STRICT_TRANSPORT_SECURITY};
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Fields of a head: HTTP/2 bounds bytes only.
    pub fields: usize,
    /// None: plain HTTP.
    pub tls: Option<Secure>,
    authority: Memory,
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
    ) -> Self {
        let (body_stall, body_total) = (timeouts.body, timeouts.body_total);
        Self { listener, peer, body_stall, body_total, fields, tls, authority: Memory::default() }
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Answers one request. Never fails: what goes wrong becomes a response.
pub async fn serve(
    snapshot: Arc<Snapshot>,
    connection: &Connection,
    request: http::Request<Incoming>,
) -> Response<ResponseBody> {
    let started = now();
    let panicked = snapshot.counters.panicked.clone();
    let answered = AssertUnwindSafe(answer(snapshot, connection, request, started)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        panicked.increment();
        refusal(&Error::new(Kind::Internal, "the request met a fault of the gateway"))
    });
    if let Some(hsts) = connection.tls.as_ref().and_then(|tls| tls.hsts.as_ref()) {
        // The service's own word for it would be a second one, of which a browser takes the first (RFC 6797 8.1).
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    response
}

async fn answer(
    snapshot: Arc<Snapshot>,
    connection: &Connection,
    request: http::Request<Incoming>,
    started: Instant,
) -> Response<ResponseBody> {
    let Some(table) = snapshot.tables.get(&connection.listener).cloned() else {
        return refusal(&Error::new(Kind::Overloaded, "the listener is being removed"));
    };
    if snapshot.pressure.is_high() {
        return refusal(&Error::new(Kind::Overloaded, "the gateway has hardly any memory left"));
    }
    let (head, body) = request.into_parts();
    let scheme = connection.scheme();
    let admitted = match admit::admit(head, scheme, table.target_limit, connection.fields, &connection.authority) {
        Ok(admitted) => admitted,
        Err(error) => return refusal(&error),
    };
    if let Some(port) = table.redirect_https
        && !redirect::came_by_https(&connection.peer, &snapshot, &admitted.request.headers)
    {
        return redirect::to_https(&admitted.request, port, &snapshot.counters);
    }
    let matched = match route(&table, &admitted) {
        Ok(matched) => matched,
        Err(error) => return refusal(&error),
    };
    let (route, captured, unmatched) = match matched {
        Matched::Route(route, captured) => (Some(route), captured, None),
        Matched::MethodNotAllowed(methods) => (None, Captured::default(), Some(not_allowed(&methods))),
        Matched::NotFound => (
            None,
            Captured::default(),
            Some(problem::answer(StatusCode::NOT_FOUND, Some("no route matches this request"))),
        ),
    };
    let limit = route.as_ref().and_then(|route| route.body_limit).or(table.body_limit);
    let bounds = Bounds { stall: connection.body_stall, total: connection.body_total, size: limit };
    let (body, upload) = match ClientBody::watch(Body::incoming(body, Origin::Client), bounds) {
        Ok(watched) => watched,
        Err(error) => return refusal(&error),
    };
    let (method, is_grpc) = (admitted.request.method.clone(), admitted.is_grpc);
    let exchange = exchange(&snapshot, connection, admitted, route.as_deref(), captured.decoded(), started);
    let work = Work { snapshot: &snapshot, peer: &connection.peer, upload: &upload, captured: &captured };
    let chain = route.as_ref().map_or(&table.unmatched, |route| &route.chain);
    let (exchange, body, outcome) = match (&route, unmatched) {
        (Some(route), _) => pipeline::run(&work, exchange, body, route).await,
        (None, answer) => pipeline::refuse(exchange, body, chain, answer.unwrap_or_default()).await,
    };
    leave(exchange, body, outcome, &method, is_grpc, Completion::new(started, upload, route, table, snapshot))
}

/// Finds the route and holds its lenience against what the request needed.
fn route(table: &Table, admitted: &Admitted) -> Result<Matched, Error> {
    let matched = table.router.find(&admitted.request);
    let allow = match &matched {
        Matched::Route(route, _) => route.allow,
        _ => gateway_config::Allow::default(),
    };
    admitted.leniency.check(allow)?;
    Ok(matched)
}

fn exchange(
    snapshot: &Arc<Snapshot>,
    connection: &Connection,
    admitted: Admitted,
    route: Option<&Route>,
    parameters: Vec<(Arc<str>, String)>,
    started: Instant,
) -> Box<Exchange> {
    let Admitted { request, .. } = admitted;
    let deadline = route.map_or(Duration::from_secs(10), |route| route.deadline);
    Box::new(Exchange {
        id: identity::of(&request.headers),
        route: route.map_or_else(|| "".into(), |route| Arc::clone(&route.name)),
        parameters,
        client: client_address(&connection.peer, snapshot, &request.headers),
        certificate: connection.tls.as_ref().and_then(|tls| tls.certificate.clone()),
        request,
        response: None,
        stage: Stage::Request,
        attributes: Attributes::default(),
        upstream: None,
        deadline: started + deadline,
        depth: 0,
        dispatch: Arc::clone(snapshot) as _,
    })
}

/// Puts head and body together, and ties what happens at the end to the body.
fn leave(
    mut exchange: Box<Exchange>,
    mut body: Body,
    outcome: Outcome,
    method: &Method,
    is_grpc: bool,
    completion: Completion,
) -> Response<ResponseBody> {
    let mut head = exchange.response.take().unwrap_or_default();
    // What is counted and logged is what happened, in whatever form it is told.
    let said = head.status;
    if is_grpc && let Some(refusal) = grpc::refusal(&head, outcome.error) {
        (head, body) = (refusal, Body::empty());
    }
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    let status = response.status();
    let headers = response.headers_mut();
    if *method == Method::HEAD {
        // The answer tells the length of what is not sent: the upstream's word for its own body, ours for one that we made.
        if let Some(length @ 1..) = body.size_hint().exact() {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    } else if status != StatusCode::NOT_MODIFIED {
        // The length of what is sent is hyper's to say.
        headers.remove(CONTENT_LENGTH);
    }
    // HTTP/1.1 sends no body with these whatever there is, HTTP/2 would (RFC 9110 6.4.1).
    let has_body = *method != Method::HEAD && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if has_body { body } else { Body::empty() };
    response.map(|()| completion.wrap(exchange, said.as_u16(), body, outcome))
}

/// An answer to a request that is not a request: there is no exchange, so no chain sees it.
fn refusal(error: &Error) -> Response<ResponseBody> {
    tracing::debug!(kind = ?error.kind(), detail = error.detail(), "request refused");
    let Answer { status, headers, body } = problem::of(error);
    let mut response = Response::new(ResponseBody::plain(Body::from(body)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if status == StatusCode::BAD_REQUEST {
        // What follows a malformed request on the connection cannot be trusted either. HTTP/2 has no such field: hyper drops it.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn not_allowed(methods: &[Method]) -> Answer {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let mut answer = problem::answer(StatusCode::METHOD_NOT_ALLOWED, Some("the path is known with other methods"));
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        answer.headers.insert(ALLOW, value);
    }
    answer
}
