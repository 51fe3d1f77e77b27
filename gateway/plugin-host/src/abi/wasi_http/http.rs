//! The instances of one plugin by `wasi:http`: a pool a thread, and a bounded number of requests before them.

use super::body::{Answer, Lent, Taken, Untouched};
use super::call::Call;
use super::loan::Loan;
use super::state::HttpState;
use super::worker::{AT_ONCE, Full, Maker};
use crate::abi::Abi;
use crate::host::Host;
use crate::instance::Failure;
use crate::kept::Kept;
use crate::limits::PATIENCE;
use crate::load::{LoadError, Loaded};
use crate::meter::Stop;
use crate::plugin::{Books, Instances, PluginSettings};
use crate::pool::LOOK;
use crate::state::State;
use gateway_core::exchange::Request;
use gateway_core::headers::strip_hop_by_hop;
use gateway_core::joint::Joint;
use gateway_core::plugin::{FaultKind, Next};
use gateway_core::trace::Trace;
use gateway_core::{Body, Exchange, Phase, clock};
use http::{HeaderMap, Uri};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use thread_local::ThreadLocal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::handler::{
    ExpirationError, HandlerState as _, InstantiationError, ProxyHandler, ProxyPre, TrapOrPanicError,
};
use wasmtime_wasi_http::{WasiBody, p2, p3};

/// A plugin whose component is of `wasi:http`.
pub(crate) struct Http {
    host: Arc<Host>,
    linked: Arc<ProxyPre<HttpState>>,
    abi: Abi,
    slots: u32,
    /// Whether its guests call what `gateway:plugin` offers.
    lends: bool,
    settings: Arc<PluginSettings>,
    kept: Arc<Kept>,
    /// Instances stay on the thread that serves their requests, as connections do.
    handlers: ThreadLocal<ProxyHandler<Maker>>,
    instances: Arc<Semaphore>,
    capacity: usize,
    /// The pool's queue has no bound, so one stands before it.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A request for a guest.
pub(crate) struct Prepared {
    call: Arc<Call>,
    request: Result<http::Request<Lent>, Failure>,
    untouched: Option<Untouched>,
    books: Arc<Books>,
    phase: Phase,
}

/// Why there is no answer, and the request's body where the guest has not read it.
pub(crate) type Unserved = (Failure, Option<Body>);

impl Http {
    /// Makes an instance, to see whether one can be made.
    pub(crate) async fn start(
        host: &Arc<Host>,
        linked: Arc<ProxyPre<HttpState>>,
        loaded: &Loaded,
        settings: Arc<PluginSettings>,
        kept: Arc<Kept>,
    ) -> Result<Self, LoadError> {
        let (abi, slots) = (loaded.abi, loaded.slots);
        let capacity = host.threads.saturating_add(settings.limits.waiting).clamp(1, Semaphore::MAX_PERMITS / AT_ONCE);
        let at_once = if abi == Abi::WasiHttp03 && !settings.isolate { AT_ONCE } else { 1 };
        let http = Self {
            host: Arc::clone(host),
            linked,
            abi,
            slots,
            lends: !loaded.capabilities.is_empty(),
            settings,
            kept,
            handlers: ThreadLocal::new(),
            instances: Arc::new(Semaphore::new(capacity)),
            capacity,
            places: Arc::new(Semaphore::new(capacity * at_once)),
            waiting: AtomicUsize::new(0),
        };
        match http.maker().instantiate().await {
            Ok(_) => Ok(http),
            Err(error) => Err(match Failure::from(&error) {
                _ if error.is::<Full>() => LoadError::Full(error.to_string()),
                Failure::Stopped(FaultKind::Full, text) => LoadError::Full(text),
                Failure::Stopped(_, text) | Failure::Refused(text) => LoadError::Start(text),
            }),
        }
    }

    fn maker(&self) -> Maker {
        Maker {
            host: Arc::clone(&self.host),
            linked: Arc::clone(&self.linked),
            abi: self.abi,
            slots: self.slots,
            settings: Arc::clone(&self.settings),
            kept: Arc::clone(&self.kept),
            permits: Arc::clone(&self.instances),
        }
    }

    /// Its instances. Which of them stand idle is the pool's own affair.
    pub(crate) fn instances(&self) -> Instances {
        let live = self.capacity.saturating_sub(self.instances.available_permits());
        Instances { live, idle: 0, memory: 0 }
    }

    /// Takes what a guest needs of an exchange.
    pub(crate) fn prepare(
        &self,
        exchange: &Exchange,
        joint: &Arc<Joint>,
        trace: Option<Trace>,
        body: Body,
        next: Option<Arc<dyn Next>>,
        (books, phase): (&Arc<Books>, Phase),
    ) -> Prepared {
        let deadline = self.settings.limits.wall.map(|wall| clock::now() + wall);
        let deadline = deadline.map_or(exchange.deadline, |wall| wall.min(exchange.deadline));
        let lent = self.lends.then(|| self.lend(exchange, trace.clone(), joint, deadline));
        let call = Arc::new(Call::new(exchange, deadline, trace, next, lent, &self.settings, &self.kept));
        let lent = Lent::new(body, Arc::clone(&call));
        let untouched = Some(lent.untouched());
        Prepared { request: request(&exchange.request, lent), call, untouched, books: Arc::clone(books), phase }
    }

    /// The exchange, for what its guest calls of `gateway:plugin`.
    fn lend(&self, exchange: &Exchange, trace: Option<Trace>, joint: &Arc<Joint>, deadline: Instant) -> Loan {
        let pulse = Arc::clone(&self.host.shared.pulse);
        let mut state = State::new(Arc::clone(&self.settings), Arc::clone(&self.kept), pulse);
        let mut copy = exchange.fork(exchange.request.clone());
        copy.trace = trace;
        // The CPU time is the store's: the meter is asked for the deadline only.
        state.begin(copy, self.settings.limits.cpu, deadline);
        Loan::new(state, Some(Arc::clone(joint)))
    }

    /// Has a guest answer.
    pub(crate) async fn serve(&self, prepared: Prepared) -> Result<http::Response<Body>, Unserved> {
        let Prepared { call, request, untouched, books, phase } = prepared;
        let waiting = Waits(Some(&call));
        let failed = |failure| (failure, untouched.as_ref().and_then(|untouched| untouched.lock().take()));
        let request = request.map_err(&failed)?;
        call.seat(self.place().await.map_err(&failed)?);
        let request = request.map(|body| body.boxed_unsync());
        match self.answer(&call, request).await {
            Ok(response) => {
                waiting.answered();
                Ok(response.map(|body| answer_body(Answer::new(Taken::new(body, Arc::clone(&call)), books, phase))))
            }
            Err(failure) => Err(failed(failure)),
        }
    }

    /// The answer of a guest. When many come at once, instances seem to be missing that are only about to take more: that is waited for.
    async fn answer(
        &self,
        call: &Arc<Call>,
        mut request: http::Request<WasiBody>,
    ) -> Result<http::Response<WasiBody>, Failure> {
        let handler = self.handlers.get_or(|| ProxyHandler::new(self.maker()));
        let patience = clock::now() + PATIENCE;
        loop {
            let answered = handler.handle(Arc::clone(call), request);
            let error = match tokio::time::timeout_at(call.deadline.into(), answered).await {
                Ok(Ok(response)) => return accept(response),
                Ok(Err(error)) => error,
                Err(_) => return Err(late()),
            };
            match error.downcast::<InstantiationError<Arc<Call>>>() {
                Ok(InstantiationError { error, request: again, .. })
                    if error.is::<Full>() && clock::now() < patience =>
                {
                    request = again.into_inner().unwrap_or_else(PoisonError::into_inner);
                    tokio::time::sleep(LOOK).await;
                }
                Ok(InstantiationError { error, .. }) => {
                    return Err(match error.downcast_ref::<Full>() {
                        Some(full) => Failure::Stopped(FaultKind::Full, full.to_string()),
                        None => Failure::from(&*error),
                    });
                }
                Err(error) => return Err(failure(&error, call)),
            }
        }
    }

    /// A place for one more request, after waiting not long and not with many others.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(permit);
        }
        let full = |text: &str| Failure::Stopped(FaultKind::Full, text.to_owned());
        let _waiting = Waiting::join(&self.waiting, self.capacity)
            .ok_or_else(|| full("too many requests wait for an instance"))?;
        match tokio::time::timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(full("no instance came free in time")),
        }
    }
}

/// An answer that is whole already ends its call at once.
fn answer_body(answer: Answer) -> Body {
    if answer.is_end_stream() { Body::empty() } else { Body::stream(answer) }
}

fn request(head: &Request, body: Lent) -> Result<http::Request<Lent>, Failure> {
    let target = match &head.query {
        Some(query) => format!("{}?{query}", head.path),
        None => head.path.clone(),
    };
    let uri = Uri::builder().scheme(head.scheme).authority(&*head.authority).path_and_query(target).build();
    let uri = uri.map_err(|error| Failure::Stopped(FaultKind::Output, format!("the request has no URI: {error}")))?;
    let mut request = http::Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = HeaderMap::clone(&head.headers);
    Ok(request)
}

/// What a guest answered, checked.
fn accept<B>(response: http::Response<B>) -> Result<http::Response<B>, Failure> {
    let (mut head, body) = response.into_parts();
    if !(200..=599).contains(&head.status.as_u16()) {
        let text = format!("it answered with the status {}; 200 to 599 are allowed", head.status.as_u16());
        return Err(Failure::Stopped(FaultKind::Output, text));
    }
    strip_hop_by_hop(&mut head.headers);
    Ok(http::Response::from_parts(head, body))
}

fn late() -> Failure {
    Failure::Stopped(FaultKind::Wall, Stop::Wall.to_string())
}

/// Why a guest has not answered.
fn failure(error: &wasmtime::Error, call: &Call) -> Failure {
    if error.is::<ExpirationError>() {
        return late();
    }
    let word = error.downcast_ref::<p3::bindings::http::types::ErrorCode>().map(ToString::to_string);
    let word = word.or_else(|| error.downcast_ref::<p2::bindings::http::types::ErrorCode>().map(ToString::to_string));
    if let Some(word) = word {
        return Failure::Stopped(FaultKind::Output, format!("it answered with an error: {word}"));
    }
    match call.failure() {
        Some(failure) => failure,
        None if error.is::<TrapOrPanicError>() => {
            Failure::Stopped(FaultKind::Trap, "its instance was stopped".to_owned())
        }
        None => Failure::from(error),
    }
}

/// Somebody waits for the head of an answer; the instance is told when nobody does any more.
struct Waits<'a>(Option<&'a Arc<Call>>);

impl Waits<'_> {
    fn answered(mut self) {
        if let Some(call) = self.0.take() {
            call.answered();
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.0 {
            call.abandon();
        }
    }
}

/// A place in the queue, left when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(queue: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let waiting = Self(queue);
        (queue.fetch_add(1, Ordering::Relaxed) < limit).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
