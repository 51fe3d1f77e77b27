//! The order of events for one exchange, as one function that reads top to bottom.

use crate::around;
use crate::cache;
use crate::chain::{Chain, Participants};
use crate::completion::Outcome;
use crate::compress::{self, Offer};
use crate::forward::{self, Framing, Peer, Sending, Upload};
use crate::route::{Dispatch, Forward, Route};
use crate::router::Captured;
use crate::snapshot::Snapshot;
use crate::tunnel::Handshake;
use crate::upstream::{Refused, key};
use bytes::Bytes;
use gateway_core::clock::now;
use gateway_core::dispatch::BoxFuture;
use gateway_core::exchange::{Answer, Exchange, Response, Stage};
use gateway_core::joint::Joint;
use gateway_core::plugin::{BodyFlow, Fault, Flow, OnError};
use gateway_core::{Body, Error, Kind, Origin, Phase, Plugin, problem};
use http::header::{CONTENT_LENGTH, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use std::ops::Range;
use std::sync::Arc;

/// What the events of an exchange need beside it.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// The generation that the exchange is pinned to.
    pub snapshot: &'a Arc<Snapshot>,
    /// Whose connection it came on.
    pub peer: &'a Peer,
    /// Its upload.
    pub upload: &'a Upload,
    /// What its path captured.
    pub captured: &'a Captured,
    /// Where the client asks for a WebSocket and the route has them.
    pub handshake: Option<&'a Handshake>,
}

/// An answer under way: its head is in the exchange.
pub(crate) type Answered = (Box<Exchange>, Body);

/// The same, or why there is none.
pub(crate) type Attempted = Result<Answered, (Box<Exchange>, Error)>;

/// A chain, and what stands at its end.
pub(crate) struct Way<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) end: End<'a>,
}

/// What answers behind a chain.
pub(crate) enum End<'a> {
    /// What the route says, its cache before it.
    Route(&'a Work<'a>, &'a Arc<Route>),
    /// This.
    Answer(Box<Answer>),
}

/// Runs an exchange on its route: the request phases in order, what answers, the response phases in reverse order, compression.
/// The head of the answer is left in the exchange.
pub async fn run(
    work: &Work<'_>,
    exchange: Box<Exchange>,
    body: Body,
    route: &Arc<Route>,
) -> (Box<Exchange>, Body, Outcome) {
    let mut outcome = Outcome::default();
    // What the client takes, whatever the chain makes of its request.
    let offer = route.compress.as_ref().map(|compress| Offer::of(compress, &exchange.request));
    if let Some(admission) = &route.admission {
        match admission.enter(exchange.deadline).await {
            Ok(permit) => outcome.permit = Some(permit),
            Err(refused) => {
                let (exchange, body) = fail(exchange, &overloaded(route, refused), &mut outcome);
                return complete((exchange, body), outcome);
            }
        }
    }
    let way = Way { chain: &route.chain, end: End::Route(work, route) };
    let (mut exchange, mut body) = through(&way, 0, exchange, body, &mut outcome).await;
    if let (Some(offer), Some(head)) = (offer, &mut exchange.response) {
        body = offer.apply(head, body);
    }
    complete((exchange, body), outcome)
}

/// Runs the chain for a request that no route matched. On the heap: every request would have room for it.
#[cold]
pub fn refuse(
    exchange: Box<Exchange>,
    body: Body,
    chain: &Chain,
    answer: Box<Answer>,
) -> BoxFuture<'_, (Box<Exchange>, Body, Outcome)> {
    Box::pin(async move {
        let mut outcome = Outcome::default();
        let way = Way { chain, end: End::Answer(answer) };
        let answered = through(&way, 0, exchange, body, &mut outcome).await;
        complete(answered, outcome)
    })
}

fn complete((mut exchange, body): Answered, outcome: Outcome) -> (Box<Exchange>, Body, Outcome) {
    exchange.stage = Stage::Complete;
    (exchange, body, outcome)
}

/// The chain from the link at `first` on: request phases as far as the next middleware, that around all that follows it, else what answers;
/// then the response phases of the same links. Errors become responses here, before the response phases see them.
pub(crate) async fn through(
    way: &Way<'_>,
    first: usize,
    exchange: Box<Exchange>,
    body: Body,
    outcome: &mut Outcome,
) -> Answered {
    let mut end = way.chain.length();
    let (exchange, asked) = on_request(exchange, body, way.chain, first, outcome).await;
    let answered = match asked {
        Asked::Answered(answer) => Ok(place(exchange, *answer)),
        Asked::Around(position, plugin, body) => {
            end = position;
            around::serve(way, position, plugin, exchange, body, outcome).await
        }
        Asked::Next(body) => match &way.end {
            End::Route(work, route) => match cached(work, exchange, body, route) {
                Ok(answered) => answered.await,
                Err((exchange, body)) => {
                    dispatch(work, exchange, body, route).await.map(|(exchange, body, _)| (exchange, body))
                }
            },
            End::Answer(answer) => Ok(place(exchange, (**answer).clone())),
        },
        Asked::Failed(error) => Err((exchange, error)),
    };
    let (exchange, body) = answered.unwrap_or_else(|(exchange, error)| fail(exchange, &error, outcome));
    on_response(exchange, body, way.chain, first..end, outcome).await
}

#[cold]
fn overloaded(route: &Route, refused: Refused) -> Error {
    let detail = match refused {
        Refused::Full => "has as many requests under way and waiting as it may",
        Refused::Late => "had no room in time",
    };
    Error::new(Kind::Overloaded, format!("route `{}` {detail}", route.name))
}

/// What came of the request phases.
enum Asked<'a> {
    Next(Body),
    /// The link at this position stands around the rest.
    Around(usize, &'a Arc<dyn Plugin>, Body),
    Answered(Box<Answer>),
    Failed(Error),
}

async fn on_request<'a>(
    mut exchange: Box<Exchange>,
    mut body: Body,
    chain: &'a Chain,
    first: usize,
    outcome: &mut Outcome,
) -> (Box<Exchange>, Asked<'a>) {
    for (position, plugin) in chain.part(first, chain.length()) {
        if !plugin.phases().has(Phase::OnRequest) {
            if plugin.phases().has(Phase::Middleware) {
                return (exchange, Asked::Around(position, plugin, body));
            }
            outcome.participants.add(position);
            continue;
        }
        let (returned, flow) = plugin.on_request(exchange).await;
        exchange = returned;
        let flow = match flow {
            Ok(Flow::AwaitBody) => {
                let gathered = match gather(&mut exchange, body, plugin).await {
                    Ok(gathered) => gathered,
                    Err(error) => {
                        outcome.participants.add(position);
                        return (exchange, Asked::Failed(error));
                    }
                };
                body = Body::from(gathered.clone());
                let (returned, flow) = plugin.on_request_body(exchange, gathered).await;
                exchange = returned;
                flow
            }
            Ok(Flow::Next) => Ok(BodyFlow::Next),
            Ok(Flow::Respond(answer)) => Ok(BodyFlow::Respond(answer)),
            Err(fault) => Err(fault),
        };
        match flow {
            Ok(BodyFlow::Next) => {}
            Ok(BodyFlow::Replace(replaced)) => body = Body::from(replaced),
            Ok(BodyFlow::Respond(answer)) => {
                outcome.participants.add(position);
                return (exchange, Asked::Answered(answer));
            }
            Err(fault) => match denied(plugin, &fault, &exchange) {
                Some(error) => return (exchange, Asked::Failed(error)),
                None => continue,
            },
        }
        outcome.participants.add(position);
    }
    (exchange, Asked::Next(body))
}

/// What is stored of the answer stands before it, where the route has a cache; and a route without one may change what another has
/// stored. On the heap, and nothing for other routes: hyper keeps room for the whole future of a request in each connection (HARDENING P11).
#[inline(never)]
fn cached<'a>(
    work: &'a Work<'_>,
    exchange: Box<Exchange>,
    body: Body,
    route: &'a Arc<Route>,
) -> Result<BoxFuture<'a, Attempted>, (Box<Exchange>, Body)> {
    match (&work.snapshot.cache, &route.cache) {
        (Some(caching), Some(rules)) => Ok(Box::pin(cache::serve(work, caching, rules, exchange, body, route))),
        (Some(caching), None) if !exchange.request.method.is_safe() => {
            Ok(Box::pin(cache::pass(work, caching, exchange, body, route)))
        }
        _ => Err((exchange, body)),
    }
}

/// What answers: a service, a plugin, a redirect, a fixed response.
pub(crate) async fn dispatch(
    work: &Work<'_>,
    exchange: Box<Exchange>,
    body: Body,
    route: &Route,
) -> Result<(Box<Exchange>, Body, Framing), (Box<Exchange>, Error)> {
    let answered = match &route.dispatch {
        Dispatch::Upstream(to) => {
            let mut exchange = exchange;
            // In this future rather than in one of its own, which would be moved here whole.
            let answered = match sending(work, &mut exchange, body, to, route.chain.reads_after_dispatch()) {
                Ok((sending, request)) => forward::send(&sending, request).await,
                Err(error) => Err(error),
            };
            return match answered {
                Ok(answer) => {
                    let framing = answer.extensions().get::<Framing>().copied().unwrap_or_default();
                    let (head, body) = answer.into_parts();
                    exchange.response = Some(Response { status: head.status, headers: head.headers });
                    Ok((exchange, body, framing))
                }
                Err(error) => Err((exchange, error)),
            };
        }
        Dispatch::Answer(plugin) => handle(exchange, body, plugin).await,
        Dispatch::Respond(answer) => Ok(place(exchange, answer.clone())),
        Dispatch::Redirect { status, location } => {
            let mut headers = HeaderMap::new();
            match HeaderValue::try_from(forward::expand(location, work.captured)) {
                Ok(location) => headers.insert(LOCATION, location),
                Err(cause) => {
                    let error = Error::new(Kind::HttpRequestError, "the redirect's location cannot be a field");
                    return Err((exchange, error.because(cause)));
                }
            };
            Ok(place(exchange, Answer { status: *status, headers, ..Answer::default() }))
        }
    };
    answered.map(|(exchange, body)| (exchange, body, Framing::Own))
}

/// The request as its upstream gets it, and how it is sent.
fn sending<'a>(
    work: &'a Work<'_>,
    exchange: &'a mut Exchange,
    body: Body,
    to: &'a Forward,
    keep_head: bool,
) -> Result<(Sending<'a>, Box<Request<Body>>), Error> {
    let upstream = forward::chosen(work.snapshot, exchange, &to.targets)?;
    if work.snapshot.telemetry.observer.is_some() {
        exchange.asked = Some(Arc::clone(&upstream.settings().name));
    }
    let key = upstream.key_by().and_then(|by| key::of(by, exchange));
    let trusted = work.snapshot.trusts(work.peer.address.ip());
    let (host, mut request) = forward::outgoing(exchange, work.captured, to, work.peer, trusted, keep_head, body)?;
    if let Some(told) = upstream.bridge().and_then(|bridge| forward::told(&**bridge, exchange)) {
        request.extensions_mut().insert(told);
    }
    // A plugin may have made another request of it (RFC 6455 4.1: a handshake is a GET).
    let is_one = request.method() == Method::GET && request.body().is_end_stream();
    let handshake = work.handshake.filter(|_| is_one);
    if let Some(handshake) = handshake {
        handshake.ask(request.headers_mut());
    }
    let (policy, upload, deadline, trace) = (&to.retry, work.upload, exchange.deadline, exchange.trace.as_ref());
    Ok((Sending { upstream, host, policy, key, upload, handshake, deadline, trace }, request))
}

/// A plugin in the place of a service. On the heap, as the gathering of a body is.
#[inline(never)]
fn handle(mut exchange: Box<Exchange>, body: Body, plugin: &Arc<dyn Plugin>) -> BoxFuture<'_, Attempted> {
    Box::pin(async move {
        if plugin.phases().has(Phase::Service) {
            let joint = Joint::new(&exchange);
            let answered = plugin.serve(&exchange, &joint, body, None).await;
            joint.end(&mut exchange);
            return match answered {
                Ok(answer) => Ok(around::place(exchange, answer)),
                Err(unanswered) => {
                    let error = unserved(&unanswered.fault, &exchange);
                    Err((exchange, error))
                }
            };
        }
        let body = match gather(&mut exchange, body, plugin).await {
            Ok(body) => body,
            Err(error) => return Err((exchange, error)),
        };
        let (exchange, answer) = plugin.handle(exchange, body).await;
        match answer {
            Ok(answer) => Ok(place(exchange, answer)),
            Err(fault) => {
                let error = unserved(&fault, &exchange);
                Err((exchange, error))
            }
        }
    })
}

/// There is nothing to skip to: without its answer the route has none.
#[cold]
pub(crate) fn unserved(fault: &Fault, exchange: &Exchange) -> Error {
    tracing::warn!(request = id_of(exchange), plugin = %fault.plugin, phase = fault.phase.name(), kind = fault.kind.word(), detail = fault.message, "plugin failed");
    failed(fault)
}

/// Gathers the request's body. It is the client's time that runs meanwhile, and `ClientBody` bounds it: the deadline waits, as
/// it does for a body that is streamed. On the heap: requests whose body nobody asks for have no room for it.
#[inline(never)]
fn gather<'a>(
    exchange: &'a mut Exchange,
    body: Body,
    plugin: &'a Arc<dyn Plugin>,
) -> BoxFuture<'a, Result<Bytes, Error>> {
    Box::pin(async move {
        let began = now();
        let gathered = compress::gather(body, &mut exchange.request.headers, &**plugin, Origin::Client).await;
        exchange.deadline += now().saturating_duration_since(began);
        gathered
    })
}

async fn on_response(
    mut exchange: Box<Exchange>,
    mut body: Body,
    chain: &Chain,
    part: Range<usize>,
    outcome: &mut Outcome,
) -> Answered {
    exchange.stage = Stage::Response;
    if !chain.phases().has(Phase::OnResponse) {
        return (exchange, body);
    }
    for (position, plugin) in chain.part(part.start, part.end).rev() {
        if !plugin.phases().has(Phase::OnResponse) || !outcome.participants.has(position) {
            continue;
        }
        let (returned, flow) = plugin.on_response(exchange).await;
        exchange = returned;
        let flow = match flow {
            Ok(Flow::AwaitBody) => match gather_answer(&mut exchange, body, plugin).await {
                Ok(gathered) => {
                    body = Body::from(gathered.clone());
                    let (returned, flow) = plugin.on_response_body(exchange, gathered).await;
                    exchange = returned;
                    flow
                }
                Err(error) => {
                    (exchange, body) = fail(exchange, &answer_fault(error), outcome);
                    continue;
                }
            },
            Ok(Flow::Next) => Ok(BodyFlow::Next),
            Ok(Flow::Respond(answer)) => Ok(BodyFlow::Respond(answer)),
            Err(fault) => Err(fault),
        };
        match flow {
            Ok(BodyFlow::Next) => {}
            Ok(BodyFlow::Replace(replaced)) => {
                body = Body::from(replaced);
                if let Some(head) = &mut exchange.response {
                    head.headers.remove(CONTENT_LENGTH);
                }
            }
            Ok(BodyFlow::Respond(answer)) => (exchange, body) = place(exchange, *answer),
            Err(fault) => {
                if let Some(error) = denied(plugin, &fault, &exchange) {
                    (exchange, body) = fail(exchange, &error, outcome);
                }
            }
        }
    }
    (exchange, body)
}

/// The same for an answer's.
#[inline(never)]
fn gather_answer<'a>(
    exchange: &'a mut Exchange,
    body: Body,
    plugin: &'a Arc<dyn Plugin>,
) -> BoxFuture<'a, Result<Bytes, Error>> {
    Box::pin(async move {
        match &mut exchange.response {
            // A part of what is encoded cannot be decoded.
            Some(head) if head.status != StatusCode::PARTIAL_CONTENT => {
                compress::gather(body, &mut head.headers, &**plugin, Origin::Upstream).await
            }
            _ => body.gather(plugin.body_limit()).await,
        }
    })
}

/// A body that a plugin asked for and that could not be had: too long, it is the upstream's that is too long.
#[cold]
fn answer_fault(error: Error) -> Error {
    match error.kind() {
        Kind::BodyTooLarge => {
            Error::new(Kind::HttpResponseTooLarge, "the answer's body is larger than its plugin may read")
        }
        _ => error,
    }
}

/// Makes an answer the exchange's.
fn place(mut exchange: Box<Exchange>, answer: Answer) -> Answered {
    exchange.response = Some(Response { status: answer.status, headers: answer.headers });
    (exchange, Body::from(answer.body))
}

#[cold]
fn fail(exchange: Box<Exchange>, error: &Error, outcome: &mut Outcome) -> Answered {
    let log = gateway_core::error::chain(error);
    let id = id_of(&exchange);
    match error.kind().status() {
        status if status.is_server_error() => {
            tracing::warn!(request = id, route = %exchange.route, status = status.as_u16(), error = error.kind().token(), "{log}");
        }
        status => tracing::debug!(request = id, route = %exchange.route, status = status.as_u16(), "{log}"),
    }
    outcome.error = Some(error.kind().token());
    place(exchange, problem::of(error))
}

/// What a failed call means for the exchange: an error, or nothing where the configuration says to skip.
#[cold]
pub(crate) fn denied(plugin: &Arc<dyn Plugin>, fault: &Fault, exchange: &Exchange) -> Option<Error> {
    let skipped = plugin.on_error() == OnError::Skip;
    tracing::warn!(
        request = id_of(exchange), plugin = %fault.plugin, phase = fault.phase.name(), kind = fault.kind.word(),
        detail = fault.message, skipped, "plugin failed"
    );
    (!skipped).then(|| failed(fault))
}

/// As in every entry about the exchange.
fn id_of(exchange: &Exchange) -> &str {
    exchange.id.to_str().unwrap_or_default()
}

fn failed(fault: &Fault) -> Error {
    Error::new(Kind::PluginFailed, fault.to_string())
}

/// Whether anybody in this chain takes part after the answer.
#[must_use]
pub fn completes(chain: &Chain, participants: Participants) -> bool {
    chain.phases().has(Phase::OnComplete)
        && chain.links().any(|(position, plugin)| participants.has(position) && plugin.phases().has(Phase::OnComplete))
}

/// The status of an exchange whose client went away.
pub const CLIENT_CLOSED: u16 = 499;
