//! From what came to an exchange on its route.

use super::admit::{Admitted, admit};
use super::grpc_web::Web;
use super::leave::{Dialect, refusal, unmade};
use super::{Arrived, Connection, Leaving, identity, redirect};
use crate::completion::Chained;
use crate::forward::{Bounds, ClientBody, Upload, client_address};
use crate::heap::boxed;
use crate::measure::Account;
use crate::route::Route;
use crate::router::{Captured, Matched};
use crate::snapshot::{Snapshot, Table};
use crate::tunnel::{Handshake, Wish};
use gateway_core::attributes::Attributes;
use gateway_core::exchange::{Answer, Exchange, Stage};
use gateway_core::{Body, Error, Kind, Origin, problem};
use http::header::{ALLOW, HeaderValue};
use http::{Method, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request that has entered.
pub(super) struct Entered {
    pub(super) exchange: Box<Exchange>,
    pub(super) body: Body,
    /// The client's, whatever the chain makes of it.
    pub(super) method: Method,
    pub(super) dialect: Dialect,
    pub(super) upload: Upload,
    pub(super) captured: Captured,
    /// Where the client asks for a WebSocket and the route has them.
    pub(super) handshake: Option<Box<Handshake>>,
    /// What is answered where no route matched.
    pub(super) unmatched: Option<Box<Answer>>,
}

/// Brings a request to its normal form, finds its route and makes an exchange of it. Nothing is waited for.
///
/// # Errors
/// What it is answered where there is no exchange, and no chain to see it.
pub(super) fn enter(
    snapshot: &Arc<Snapshot>,
    connection: &Connection,
    mut arrived: Arrived,
    account: &mut Account,
) -> Result<Entered, Leaving> {
    let Some(table) = snapshot.tables.get(&connection.listener) else {
        return Err(refusal(&Error::new(Kind::Overloaded, "the listener is being removed")));
    };
    if snapshot.pressure.is_high() {
        return Err(refusal(&Error::new(Kind::Overloaded, "the gateway has hardly any memory left")));
    }
    let (scheme, memory, started) = (connection.scheme(), &connection.authority, account.started);
    let mut admitted = match admit(&mut arrived.0, scheme, table.target_limit, connection.fields, memory) {
        Ok(admitted) => admitted,
        Err(error) => return Err(refusal(&error)),
    };
    let body = arrived.1;
    let wish = admitted.wish.take();
    let trusted = || snapshot.trusts(connection.peer.address.ip());
    let is_traced = admitted.is_traced;
    let trace = account.admitted(&snapshot.telemetry, &mut admitted.request.headers, is_traced, trusted);
    if let Some(port) = table.redirect_https
        && !redirect::came_by_https(&connection.peer, snapshot, &admitted.request.headers)
    {
        return Err(redirect::to_https(&admitted.request, port, &snapshot.counters));
    }
    let nothing = || Chained::Unmatched(Arc::clone(table));
    let (chained, captured, unmatched) = match matched(table, &admitted).map_err(|error| refusal(&error))? {
        Matched::Route(route, captured) => (Chained::Route(route), captured, None),
        Matched::MethodNotAllowed(methods) => (nothing(), Captured::default(), Some(not_allowed(&methods))),
        Matched::NotFound => (nothing(), Captured::default(), Some(not_found())),
    };
    let route = account.routed(chained).route().map(Arc::as_ref);
    let handshake = match wish.map(|wish| handshake(wish, route, &admitted, &body)).transpose() {
        Ok(handshake) => handshake.flatten(),
        Err(answer) => return Err(unmade(*answer)),
    };
    let dialect = match route {
        Some(route) if route.takes_grpc_web() => Web::take(&mut admitted.request).map(Dialect::GrpcWeb),
        _ => None,
    };
    let dialect = dialect.unwrap_or(if admitted.is_grpc { Dialect::Grpc } else { Dialect::Http });
    let limit = route.and_then(|route| route.body_limit).or(table.body_limit);
    let bounds = Bounds { stall: connection.body_stall, total: connection.body_total, size: limit };
    let body = Body::incoming(body, Origin::Client);
    let body = if let Dialect::GrpcWeb(web) = dialect { web.request_body(body) } else { body };
    let (body, upload) = ClientBody::watch(body, bounds).map_err(|error| refusal(&error))?;
    let method = admitted.request.method.clone();
    let mut exchange = exchange(snapshot, connection, admitted, route, captured.decoded(), started);
    exchange.trace = trace;
    account.begun(&snapshot.telemetry, &exchange);
    Ok(Entered { exchange, body, method, dialect, upload, captured, handshake, unmatched })
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
fn matched(table: &Table, admitted: &Admitted) -> Result<Matched, Error> {
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
    let deadline = route.map_or(Duration::from_secs(10), |route| route.deadline);
    boxed(|| Exchange {
        id: identity::of(&admitted.request.headers),
        route: route.map_or_else(|| "".into(), |route| Arc::clone(&route.name)),
        parameters,
        client: client_address(&connection.peer, snapshot, &admitted.request.headers),
        certificate: connection.tls.as_ref().and_then(|tls| tls.certificate.clone()),
        request: admitted.request,
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

#[cold]
fn not_found() -> Box<Answer> {
    Box::new(problem::answer(StatusCode::NOT_FOUND, Some("no route matches this request")))
}

#[cold]
fn not_allowed(methods: &[Method]) -> Box<Answer> {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let mut answer = problem::answer(StatusCode::METHOD_NOT_ALLOWED, Some("the path is known with other methods"));
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        answer.headers.insert(ALLOW, value);
    }
    Box::new(answer)
}
