//! Sends a request to an upstream and gives the head of its answer; both bodies stream.

mod attempt;
mod bridged;
mod client_body;
mod forwarded;
mod request;
mod response;
mod spare;
mod stall;
mod subrequest;
mod template;
mod upstream_body;
mod watch;

pub(crate) use bridged::told;
pub use client_body::{Bounds, ClientBody, Upload};
pub(crate) use forwarded::client_behind;
pub use forwarded::{Peer, client_address};
pub(crate) use request::REQUEST_ID;
pub use request::{outgoing, rewritten};
pub use response::Framing;
pub use template::expand;

use crate::route::Targets;
use crate::snapshot::Snapshot;
use crate::tunnel::Handshake;
use crate::upstream::{Lease, Upstream};
use attempt::Failed;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use gateway_config::Retry as Policy;
use gateway_core::bridge::Onward;
use gateway_core::clock::now;
use gateway_core::dispatch::BoxFuture;
use gateway_core::trace::Trace;
use gateway_core::{Body, Error, Exchange, Kind};
use http::{HeaderValue, Request, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};
use upstream_body::UpstreamBody;

/// Which `host` field the upstream gets.
#[derive(Clone)]
pub enum HostField {
    /// The chosen endpoint's.
    Endpoint,
    /// This one.
    Given(HeaderValue),
}

/// How a request is sent.
pub struct Sending<'a> {
    /// Where to.
    pub upstream: &'a Upstream,
    /// Which `host` field it gets.
    pub host: HostField,
    /// When it is sent once more.
    pub policy: &'a Policy,
    /// What the client is known by to the upstream's balance.
    pub key: Option<u64>,
    /// Its upload.
    pub upload: &'a Upload,
    /// Where it asks to switch protocols.
    pub handshake: Option<&'a Handshake>,
    /// When the head of the answer must be there.
    pub deadline: Instant,
    /// Its trace, at the span that it is sent in.
    pub trace: Option<&'a Trace>,
}

/// Sends a request, once more where the policy, the upstream's limits and the budget say so, and waits for the head of the answer.
/// Request and answer are on the heap: they pass through many hands.
///
/// # Errors
/// By RFC 9209's kinds; a fault of the client's body is told as the client's.
pub async fn send(sending: &Sending<'_>, request: Box<Request<Body>>) -> Result<Box<Response<Body>>, Error> {
    match sending.upstream.transcoder() {
        Some(transcoder) if transcoder.takes(request.headers()) => {
            transcoder.call(request, sending.deadline, sending).await.map(Box::new)
        }
        _ => as_it_is(sending, request).await,
    }
}

/// The way on from a transcoder, whose requests have a deadline of their own: it may have awaited the client's body.
impl Onward for Sending<'_> {
    fn send(&self, request: Box<Request<Body>>, deadline: Instant) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        let sending = Sending { deadline, host: self.host.clone(), ..*self };
        Box::pin(async move { as_it_is(&sending, request).await.map(|answer| *answer) })
    }
}

async fn as_it_is(sending: &Sending<'_>, request: Box<Request<Body>>) -> Result<Box<Response<Body>>, Error> {
    match sending.attempt(request, &[], 0).await {
        Ok(response) => Ok(response),
        Err(failed) => on_the_heap(sending, failed).await,
    }
}

/// [`once_more`], on the heap: hardly any request comes here, and neither its stack nor its future has room for it.
#[cold]
#[inline(never)]
fn on_the_heap<'a>(sending: &'a Sending<'_>, failed: Box<Failed>) -> BoxFuture<'a, Result<Box<Response<Body>>, Error>> {
    Box::pin(once_more(sending, failed))
}

async fn once_more(sending: &Sending<'_>, failed: Box<Failed>) -> Result<Box<Response<Body>>, Error> {
    let (mut failed, mut tried) = (failed, Vec::new());
    let policy = sending.policy;
    let pauses = ExponentialBuilder::default()
        .with_min_delay(policy.back_off)
        .with_jitter()
        .with_max_times(policy.times as usize)
        .build();
    for (number, pause) in (1..).zip(pauses) {
        let Failed { answer, again, endpoint } = *failed;
        let Some(request) = again else { return answer };
        let Some(_permit) = sending.upstream.admit_retry(sending.deadline).await else { return answer };
        // An answer that is not taken may have a connection, which goes with it.
        drop(answer);
        tried.extend(endpoint);
        tokio::time::sleep_until(sending.deadline.min(now() + pause).into()).await;
        match sending.attempt(request, &tried, number).await {
            Ok(response) => return Ok(response),
            Err(again) => failed = again,
        }
    }
    failed.answer
}

/// The answer's body, which gives the connection back when it ends. `stays`: hyper would not close that then.
fn answer_body(mut body: Body, lease: Lease, upload: &Upload, stall: Duration, good: bool, stays: bool) -> Body {
    use http_body::Body as _;
    if body.is_end_stream() {
        upstream_body::give_back(lease, upload, good);
        return Body::empty();
    }
    // Not while the rest of the upload comes, which the connection is needed for.
    let mut first = if upload.is_over() { upstream_body::first(&mut body) } else { None };
    if body.is_end_stream()
        && let Some(Ok(frame)) = &mut first
        && let Some(whole) = frame.data_mut()
    {
        upstream_body::give_back(lease, upload, good);
        return Body::from(std::mem::take(whole));
    }
    let mut body = UpstreamBody::new(first, body, lease, upload.clone(), stall, good);
    if stays && body.is_pipeable() { Body::pipeable(body) } else { Body::stream(body) }
}

/// Resolves which upstream takes an exchange: the plugin's choice, else the route's.
///
/// # Errors
/// The plugin chose one that this generation does not have.
pub fn chosen<'a>(
    snapshot: &'a Snapshot,
    exchange: &Exchange,
    targets: &'a Targets,
) -> Result<&'a Arc<Upstream>, Error> {
    let (upstream, name) = match &exchange.upstream {
        None => (targets.choose(exchange), "of this route"),
        Some(name) => (snapshot.upstreams.get(name), &**name),
    };
    upstream.ok_or_else(|| Error::new(Kind::DestinationUnavailable, format!("there is no upstream `{name}`")))
}
