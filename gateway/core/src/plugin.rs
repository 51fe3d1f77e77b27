//! What the pipeline knows of a plugin: its phases, and a call of each.

use crate::body::Body;
use crate::dispatch::BoxFuture;
use crate::error::Error;
use crate::exchange::{Answer, Exchange};
use crate::joint::Joint;
use bytes::Bytes;
use futures_util::future::Either;
use std::future::{Ready, ready};
use std::sync::Arc;

/// A loaded and configured plugin. The only implementation outside tests is the Wasm host's.
///
/// A call takes the exchange and hands it back, also when the guest failed. It may be over when it has been made, see [`Call`]. Dropping it ends
/// the guest; the exchange is lost with it.
pub trait Plugin: Send + Sync {
    /// The name in the configuration.
    fn name(&self) -> &Arc<str>;
    /// What it exports; nothing else is called.
    fn phases(&self) -> Phases;
    /// Bytes of a body that it may gather.
    fn body_limit(&self) -> usize;
    /// Whether it reads bodies decoded.
    fn decodes(&self) -> bool;
    /// What a failed call does to the exchange.
    fn on_error(&self) -> OnError;

    /// The request's head is known.
    fn on_request(&self, exchange: Box<Exchange>) -> Call<'_, Flow>;
    /// The request's body was gathered.
    fn on_request_body(&self, exchange: Box<Exchange>, body: Bytes) -> Call<'_, BodyFlow>;
    /// Stands in the upstream's place.
    fn handle(&self, exchange: Box<Exchange>, body: Bytes) -> Call<'_, Answer>;
    /// The response's head is known.
    fn on_response(&self, exchange: Box<Exchange>) -> Call<'_, Flow>;
    /// The response's body was gathered.
    fn on_response_body(&self, exchange: Box<Exchange>, body: Bytes) -> Call<'_, BodyFlow>;
    /// All was sent.
    fn on_complete(&self, exchange: Box<Exchange>, summary: Summary) -> Call<'_, ()>;
    /// Answers with a stream, as a service or around the rest of a chain: `next` is that rest. What it needs of the exchange is
    /// taken before the future is polled; what it changes of it stands in `joint`.
    fn serve(
        &self,
        exchange: &Exchange,
        joint: &Arc<Joint>,
        body: Body,
        next: Option<Arc<dyn Next>>,
    ) -> BoxFuture<'_, Streamed>;
}

/// The head of an answer whose body streams, or why there is none.
pub type Streamed = Result<http::Response<Body>, Unanswered>;

/// The rest of a chain, as a middleware calls it: as often as it likes, several times at once, until it has answered.
pub trait Next: Send + Sync {
    /// Sends a request through the rest. Its failures are answers already; an error says that the request was not taken.
    fn call(&self, request: http::Request<Body>) -> BoxFuture<'static, Result<http::Response<Body>, Error>>;
}

/// A failed call that was given a body to stream.
#[derive(Debug)]
pub struct Unanswered {
    /// Why.
    pub fault: Fault,
    /// The body, where the guest has not begun to read it.
    pub body: Option<Body>,
}

/// A call: most are over when they have been made, and only for the others there is something on the heap.
pub type Call<'a, T> = Either<Ready<Returned<T>>, BoxFuture<'a, Returned<T>>>;

/// A call that is over.
pub fn over<'a, T>(returned: Returned<T>) -> Call<'a, T> {
    Either::Left(ready(returned))
}

/// What came of a call.
pub type Returned<T> = (Box<Exchange>, Result<T, Fault>);

/// One phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Phase {
    /// `on-request`
    OnRequest,
    /// `on-request-body`
    OnRequestBody,
    /// `handle`
    Handle,
    /// `on-response`
    OnResponse,
    /// `on-response-body`
    OnResponseBody,
    /// `on-complete`
    OnComplete,
    /// Answers with a stream, around the rest of the chain: `middleware` of `wasi:http`.
    Middleware,
    /// Answers with a stream, in an upstream's place: `service` of `wasi:http`.
    Service,
}

impl Phase {
    /// Those of `gateway:plugin`, in the order of events.
    pub const INTERFACES: [Self; 6] =
        [Self::OnRequest, Self::OnRequestBody, Self::Handle, Self::OnResponse, Self::OnResponseBody, Self::OnComplete];

    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OnRequest,
        Self::OnRequestBody,
        Self::Handle,
        Self::OnResponse,
        Self::OnResponseBody,
        Self::OnComplete,
        Self::Middleware,
        Self::Service,
    ];

    /// The name of its interface in the WIT, or of its world.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OnRequest => "on-request",
            Self::OnRequestBody => "on-request-body",
            Self::Handle => "handle",
            Self::OnResponse => "on-response",
            Self::OnResponseBody => "on-response-body",
            Self::OnComplete => "on-complete",
            Self::Middleware => "middleware",
            Self::Service => "service",
        }
    }
}

/// A set of phases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// The set with one more.
    #[must_use]
    pub const fn with(self, phase: Phase) -> Self {
        Self(self.0 | 1 << phase as u8)
    }

    /// Whether the phase is in it.
    #[must_use]
    pub const fn has(self, phase: Phase) -> bool {
        self.0 & 1 << phase as u8 != 0
    }

    /// All phases of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The phases in the order of [`Phase::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Phase> {
        Phase::ALL.into_iter().filter(move |phase| self.has(*phase))
    }
}

impl FromIterator<Phase> for Phases {
    fn from_iter<T: IntoIterator<Item = Phase>>(phases: T) -> Self {
        phases.into_iter().fold(Self::default(), Self::with)
    }
}

/// What a head phase decided.
#[derive(Debug)]
pub enum Flow {
    /// Go on.
    Next,
    /// Answer with this; on the heap, for hardly any call does.
    Respond(Box<Answer>),
    /// Gather the body and call the body phase.
    AwaitBody,
}

/// What a body phase decided.
#[derive(Debug)]
pub enum BodyFlow {
    /// The body stays.
    Next,
    /// The body is replaced.
    Replace(Bytes),
    /// Answer with this; on the heap, for hardly any call does.
    Respond(Box<Answer>),
}

/// How an exchange ended.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// What was sent; 499 when the client went away before.
    pub status: u16,
    /// From the first byte of the request to the last of the response.
    pub duration: std::time::Duration,
    /// Body bytes from the client.
    pub request_bytes: u64,
    /// Body bytes to the client.
    pub response_bytes: u64,
    /// The token of a failure.
    pub error: Option<&'static str>,
}

/// What a failed call does to the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// 503.
    #[default]
    Deny,
    /// Nothing, as if the plugin were not there.
    Skip,
}

/// Why a call ended without an answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("plugin `{plugin}` failed in {phase}: {message}", phase = phase.name())]
pub struct Fault {
    /// Whose.
    pub plugin: Arc<str>,
    /// Where.
    pub phase: Phase,
    /// What happened.
    pub kind: FaultKind,
    /// In words, for the log.
    pub message: String,
}

/// What happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The guest trapped: a panic, an unreachable, an access out of bounds, a stack or table overflow.
    Trap,
    /// `limits.cpu` was used up.
    Cpu,
    /// `limits.wall` or the deadline of the exchange passed.
    Wall,
    /// What it answered breaks a rule: a bad field, a status out of range, a body over the limit.
    Output,
    /// No instance was free in time.
    Full,
    /// It failed too often lately and is not called for a while.
    Open,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Trap, Self::Cpu, Self::Wall, Self::Output, Self::Full, Self::Open];

    /// A word for metrics and the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::Output => "output",
            Self::Full => "full",
            Self::Open => "open",
        }
    }
}
