//! Where a request enters: one normal form, its route, an exchange; and where its answer leaves.
//!
//! A panic anywhere behind this point costs one request.

mod admit;
mod authority;
pub(crate) mod fuzz;
mod grpc;
mod grpc_web;
mod identity;
mod redirect;

#[cfg(test)]
mod tests;

use crate::completion::{Completion, Outcome, ResponseBody};
use crate::forward::{Bounds, ClientBody, Peer, client_address};
use crate::measure::Measure;
use crate::pipeline::{self, Work};
use crate::route::Route;
use crate::router::{Captured, Matched};
use crate::snapshot::{Snapshot, Table};
use crate::tunnel::{self, Handshake, Tunnel, Wish};
use admit::Admitted;
use authority::Memory;
use futures_util::FutureExt as _;
use gateway_config::ListenerTimeouts;
use gateway_core::attributes::Attributes;
use gateway_core::clock::now;
use gateway_core::exchange::{self, Answer, Exchange, Stage};
use gateway_core::peer::ClientCertificate;
use gateway_core::{Body, Error, Kind, Origin, problem};
use grpc_web::Web;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, HeaderValue, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use parking_lot::Mutex;
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
    /// How long a tunnel's client may take nothing of what comes for it.
    pub write_stall: Duration,
    /// Fields of a head: HTTP/2 bounds bytes only.
    pub fields: usize,
    /// None: plain HTTP.
    pub tls: Option<Secure>,
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
    ) -> Self {
        let ListenerTimeouts { body: body_stall, body_total, write: write_stall, .. } = *timeouts;
        let (authority, tunnel) = (Memory::default(), Mutex::default());
        Self { listener, peer, body_stall, body_total, write_stall, fields, tls, authority, tunnel }
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

/// Answers one request. Never fails: what goes wrong becomes a response.
pub async fn serve(
    snapshot: Arc<Snapshot>,
    connection: &Connection,
    request: http::Request<Incoming>,
) -> Response<ResponseBody> {
    let method_and_version = (request.method(), request.version());
    let measure = Measure::begin(&snapshot, &connection.listener, method_and_version, connection.tls.is_some(), now());
    let panicked = snapshot.counters.panicked.clone();
    // Taken by what ends with the answer, where there is an exchange.
    let mut measure = Some(measure);
    // It stays where it is: what is handed from future to future is copied each time.
    let (mut head, body) = request.into_parts();
    let answered = AssertUnwindSafe(answer(snapshot, connection, &mut head, body, &mut measure)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        panicked.increment();
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

async fn answer(
    snapshot: Arc<Snapshot>,
    connection: &Connection,
    head: &mut Parts,
    body: Incoming,
    measure: &mut Option<Measure>,
) -> Response<ResponseBody> {
    let Some(table) = snapshot.tables.get(&connection.listener).cloned() else {
        return refusal(&Error::new(Kind::Overloaded, "the listener is being removed"));
    };
    if snapshot.pressure.is_high() {
        return refusal(&Error::new(Kind::Overloaded, "the gateway has hardly any memory left"));
    }
    let scheme = connection.scheme();
    let mut admitted = match admit::admit(head, scheme, table.target_limit, connection.fields, &connection.authority) {
        Ok(admitted) => admitted,
        Err(error) => return refusal(&error),
    };
    let wish = admitted.wish.take();
    let trusted = || snapshot.trusts(connection.peer.address.ip());
    let is_traced = admitted.is_traced;
    let trace =
        measure.as_mut().and_then(|measure| measure.admitted(&mut admitted.request.headers, is_traced, trusted));
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
        Matched::Route(route, captured) => {
            if let Some(measure) = measure {
                measure.routed(&route.meter);
            }
            (Some(route), captured, None)
        }
        Matched::MethodNotAllowed(methods) => (None, Captured::default(), Some(not_allowed(&methods))),
        Matched::NotFound => (
            None,
            Captured::default(),
            Some(problem::answer(StatusCode::NOT_FOUND, Some("no route matches this request"))),
        ),
    };
    let handshake = match wish.map(|wish| handshake(wish, route.as_deref(), &admitted, &body)).transpose() {
        Ok(handshake) => handshake.flatten(),
        Err(answer) => return unmade(*answer),
    };
    let dialect = match &route {
        Some(route) if route.takes_grpc_web() => Web::take(&mut admitted.request).map(Dialect::GrpcWeb),
        _ => None,
    };
    let dialect = dialect.unwrap_or(if admitted.is_grpc { Dialect::Grpc } else { Dialect::Http });
    let limit = route.as_ref().and_then(|route| route.body_limit).or(table.body_limit);
    let bounds = Bounds { stall: connection.body_stall, total: connection.body_total, size: limit };
    let body = Body::incoming(body, Origin::Client);
    let body = if let Dialect::GrpcWeb(web) = dialect { web.request_body(body) } else { body };
    let (body, upload) = match ClientBody::watch(body, bounds) {
        Ok(watched) => watched,
        Err(error) => return refusal(&error),
    };
    let method = admitted.request.method.clone();
    let started = measure.as_ref().map_or_else(now, |measure| measure.started);
    let mut exchange = exchange(&snapshot, connection, admitted, route.as_deref(), captured.decoded(), started);
    exchange.trace = trace;
    if let Some(measure) = measure {
        measure.begun(&exchange);
    }
    let work = Work {
        snapshot: &snapshot,
        peer: &connection.peer,
        upload: &upload,
        captured: &captured,
        handshake: handshake.as_deref(),
    };
    let chain = route.as_ref().map_or(&table.unmatched, |route| &route.chain);
    let (exchange, body, outcome) = match (&route, unmatched) {
        (Some(route), _) => pipeline::run(&work, exchange, body, route).await,
        (None, answer) => pipeline::refuse(exchange, body, chain, answer.unwrap_or_default()).await,
    };
    let Some(measure) = measure.take() else { return refusal(&Error::new(Kind::Internal, "it was counted already")) };
    let completion = Completion::new(measure, upload, route, table);
    match handshake {
        None => leave(exchange, body, outcome, &method, dialect, completion),
        Some(handshake) => conclude(*handshake, connection, exchange, body, outcome, completion),
    }
}

/// The handshake of a client that asks for a WebSocket, where its route has them; elsewhere a wish of HTTP/1.1 is ignored, one of HTTP/2
/// refused.
fn handshake(
    wish: Wish,
    route: Option<&Route>,
    admitted: &Admitted,
    body: &Incoming,
) -> Result<Option<Box<Handshake>>, Box<Answer>> {
    let Some(route) = route else { return Ok(None) };
    match (route.websocket(), wish) {
        (None, Wish::Upgrade) => Ok(None),
        (None, Wish::Connect(_)) => Err(bad("this route takes no WebSocket connections")),
        (Some(_), _) if !body.is_end_stream() => Err(bad("a WebSocket handshake has no body")),
        (Some(websocket), wish) => {
            let handshake = Handshake::new(wish, &admitted.request.headers, websocket.idle);
            handshake.map(|handshake| Some(Box::new(handshake)))
        }
    }
}

#[cold]
fn bad(detail: &str) -> Box<Answer> {
    Box::new(problem::answer(StatusCode::BAD_REQUEST, Some(detail)))
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
        asked: None,
        trace: None,
        slots: Vec::new(),
        deadline: started + deadline,
        depth: 0,
        dispatch: Arc::clone(snapshot) as _,
    })
}

/// In what a client speaks to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Http,
    /// Refusals are told as gRPC has them.
    Grpc,
    /// The same, and the answer goes back as it can be read in browsers.
    GrpcWeb(Web),
}

/// Puts head and body together, and ties what happens at the end to the body.
fn leave(
    mut exchange: Box<Exchange>,
    mut body: Body,
    outcome: Outcome,
    method: &Method,
    dialect: Dialect,
    completion: Completion,
) -> Response<ResponseBody> {
    let mut head = exchange.response.take().unwrap_or_default();
    // What is counted and logged is what happened, in whatever form it is told.
    let said = head.status;
    if dialect != Dialect::Http
        && let Some(refusal) = grpc::refusal(&head, outcome.error)
    {
        (head, body) = (refusal, Body::empty());
    }
    if let Dialect::GrpcWeb(web) = dialect {
        body = web.tell(&mut head, body);
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

/// The answer to a handshake: the head, and a tunnel behind it where the service has switched and no plugin made something else of it.
#[cold]
fn conclude(
    handshake: Handshake,
    connection: &Connection,
    mut exchange: Box<Exchange>,
    body: Body,
    outcome: Outcome,
    completion: Completion,
) -> Response<ResponseBody> {
    let (on_stream, idle) = (handshake.is_on_stream(), handshake.idle());
    let head = exchange.response.get_or_insert_default();
    let ends = handshake.into_ends().filter(|_| head.status == StatusCode::SWITCHING_PROTOCOLS);
    let Some((service, stream)) = ends else {
        if !on_stream || !head.status.is_success() {
            return leave(exchange, body, outcome, &Method::GET, Dialect::Http, completion);
        }
        // On HTTP/2 it would tell the client that it may go on (RFC 8441 5).
        let error = Error::new(Kind::HttpUpgradeFailed, "a WebSocket handshake was answered like an ordinary request");
        let Answer { status, headers, body } = problem::of(&error);
        *head = exchange::Response { status, headers };
        return leave(exchange, Body::from(body), outcome, &Method::GET, Dialect::Http, completion);
    };
    Handshake::tell(on_stream, &mut head.status, &mut head.headers);
    let bounds = tunnel::Bounds { idle, write: connection.write_stall };
    let left = leave(exchange, Body::empty(), outcome, &Method::GET, Dialect::Http, completion);
    left.map(|body| body.switch(|ending, watched| Tunnel::new(service, stream.zip(watched), bounds, ending)))
}

/// An answer to a request that is not a request: there is no exchange, so no chain sees it.
#[cold]
fn refusal(error: &Error) -> Response<ResponseBody> {
    tracing::debug!(kind = ?error.kind(), detail = error.detail(), "request refused");
    unmade(problem::of(error))
}

#[cold]
fn unmade(answer: Answer) -> Response<ResponseBody> {
    let Answer { status, headers, body } = answer;
    let mut response = Response::new(ResponseBody::plain(Body::from(body)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if status == StatusCode::BAD_REQUEST {
        // What follows a malformed request on the connection cannot be trusted either. HTTP/2 has no such field: hyper drops it.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cold]
fn not_allowed(methods: &[Method]) -> Answer {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let mut answer = problem::answer(StatusCode::METHOD_NOT_ALLOWED, Some("the path is known with other methods"));
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        answer.headers.insert(ALLOW, value);
    }
    answer
}
