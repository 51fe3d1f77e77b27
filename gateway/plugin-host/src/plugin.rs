//! A loaded and configured plugin, as the pipeline calls it.

use crate::abi::gateway::convert::{self, Terms};
use crate::abi::gateway::{Asked, Said};
use crate::abi::wasi_http::Http;
use crate::capabilities::metrics::Readings;
use crate::grant::Grants;
use crate::instance::{Called, Failure, Instance};
use crate::kept::Kept;
use crate::limits::Limits;
use crate::load::Loaded;
use crate::pool::Pool;
use crate::statistics::{Statistics, Tally};
use crate::watch::Watch;
use bytes::Bytes;
use futures_util::future::Either;
use gateway_core::breaker::{Breaker, Terms as BreakerTerms};
use gateway_core::dispatch::BoxFuture;
use gateway_core::exchange::Answer;
use gateway_core::joint::Joint;
use gateway_core::plugin::{
    BodyFlow, Call, Fault, FaultKind, Flow, Next, OnError, Plugin, Returned, Streamed, Summary, Unanswered, over,
};
use gateway_core::{Body, Exchange, Phase, Phases, clock};
use parking_lot::Mutex;
use serde::Serialize;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A plugin that keeps failing is not called for a while: its failures cost instances, and soon everybody's time.
const BREAKER: BreakerTerms =
    BreakerTerms { window: Duration::from_secs(10), percent: 50, calls: 20, rest: Duration::from_secs(5), probes: 3 };

/// What the configuration says of a plugin.
#[derive(Clone)]
pub struct PluginSettings {
    /// Its word in the configuration; its attributes, metrics and stored values stand under it.
    pub name: Arc<str>,
    /// Its configuration as JSON, secrets resolved.
    pub config: String,
    /// What it may do.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
    /// What a failed call does to an exchange.
    pub on_error: OnError,
    /// Bodies are decoded before it reads them.
    pub decode: bool,
    /// A fresh instance for every call.
    pub isolate: bool,
}

/// What an answer is checked by.
type Accept<T> = fn(Said, &Terms<'_>) -> Result<T, String>;

/// A plugin in WebAssembly with its configuration.
pub struct WasmPlugin {
    loaded: Arc<Loaded>,
    settings: Arc<PluginSettings>,
    kept: Arc<Kept>,
    guest: Guest,
    books: Arc<Books>,
}

/// What its calls reach.
pub(crate) enum Guest {
    /// A phase each.
    Phases(Arc<Pool>),
    /// A request each, its bodies streaming.
    Http(Box<Http>),
}

/// How its calls ended, and whether it is called at all.
pub(crate) struct Books {
    plugin: Arc<str>,
    tally: Tally,
    breaker: Breaker,
    /// How a call failed, the last one that did.
    last: Mutex<Option<LastFault>>,
}

/// The instances of a plugin at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Instances {
    /// All of them.
    pub live: usize,
    /// Those that wait for a call.
    pub idle: usize,
    /// Linear memory of the idle ones, in bytes.
    pub memory: usize,
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFault {
    /// When.
    pub at: SystemTime,
    /// In which phase.
    pub phase: &'static str,
    /// `trap`, `cpu`, `wall`, …, as in metrics.
    pub kind: &'static str,
    /// What the engine or the host said.
    pub message: String,
}

impl WasmPlugin {
    pub(crate) fn new(loaded: Arc<Loaded>, settings: Arc<PluginSettings>, kept: Arc<Kept>, guest: Guest) -> Self {
        let plugin = Arc::clone(&settings.name);
        let books =
            Arc::new(Books { plugin, tally: Tally::default(), breaker: Breaker::new(BREAKER), last: Mutex::default() });
        Self { loaded, settings, kept, guest, books }
    }

    /// The component behind it.
    #[must_use]
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// How its calls ended so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.books.tally.read()
    }

    /// Its instances.
    #[must_use]
    pub fn instances(&self) -> Instances {
        match &self.guest {
            Guest::Phases(pool) => Instances { live: pool.live(), idle: pool.idle(), memory: pool.memory() },
            Guest::Http(http) => http.instances(),
        }
    }

    /// Whether it failed so often that calls are refused or only tried.
    #[must_use]
    pub fn is_tripped(&self) -> bool {
        self.books.breaker.is_tripped()
    }

    /// How the last call failed that did; none where all went well.
    #[must_use]
    pub fn last_fault(&self) -> Option<LastFault> {
        self.books.last.lock().clone()
    }

    /// Its gauges and distributions.
    #[must_use]
    pub fn readings(&self) -> Readings {
        self.kept.metrics.read()
    }

    /// One call of one phase. Where an instance is idle and its guest prompt, it is over with this; else the rest of it is a future.
    fn call<T: 'static>(
        &self,
        phase: Phase,
        mut exchange: Box<Exchange>,
        asked: Asked,
        accept: Accept<T>,
    ) -> Call<'_, T> {
        let watch = Watch::begin(self.kept.meter(), exchange.trace.as_mut());
        let order = Order { plugin: self, phase, accept, watch };
        let pool = match self.admit(phase) {
            Ok(pool) => pool,
            Err(fault) => return over(order.end(exchange, Err(fault), Duration::ZERO)),
        };
        match pool.take(phase) {
            Some(mut instance) if instance.is_prompt() => {
                let called = instance.call_here(exchange, asked);
                over(order.returned(pool, instance, called))
            }
            idle => Either::Right(order.rest(pool, idle, exchange, asked)),
        }
    }

    /// Where its instances are, if it is called at all.
    fn admit(&self, phase: Phase) -> Result<&Pool, Fault> {
        let Guest::Phases(pool) = &self.guest else {
            return Err(self.books.fault(phase, FaultKind::Trap, "it has no phases".to_owned()));
        };
        self.books.admit(phase).map(|()| &**pool)
    }

    fn terms(&self, phase: Phase) -> Terms<'_> {
        let body = if phase == Phase::OnRequest { Phase::OnRequestBody } else { Phase::OnResponseBody };
        Terms { limits: &self.settings.limits, may_await: self.phases().has(body) }
    }
}

/// A call that was asked for: what its answer is checked by, and who wants to know of it.
struct Order<'a, T> {
    plugin: &'a WasmPlugin,
    phase: Phase,
    accept: Accept<T>,
    watch: Option<Watch<'a>>,
}

impl<'a, T: 'static> Order<'a, T> {
    /// What of a call may have to wait: for an instance, or in the guest. Apart, so that the stack of the others has no room for it.
    #[inline(never)]
    fn rest(
        self,
        pool: &'a Pool,
        idle: Option<Box<Instance>>,
        exchange: Box<Exchange>,
        asked: Asked,
    ) -> BoxFuture<'a, Returned<T>> {
        Box::pin(async move {
            let (instance, called) = match idle {
                Some(mut instance) => {
                    let called = instance.call(exchange, asked).await;
                    (instance, called)
                }
                None => match pool.obtain(self.phase).await {
                    Ok(mut instance) if instance.is_prompt() => {
                        let called = instance.call_here(exchange, asked);
                        (instance, called)
                    }
                    Ok(mut instance) => {
                        let called = instance.call(exchange, asked).await;
                        (instance, called)
                    }
                    Err(failure) => {
                        let fault = self.plugin.books.failure(self.phase, failure);
                        return self.end(exchange, Err(fault), Duration::ZERO);
                    }
                },
            };
            self.returned(pool, instance, called)
        })
    }

    /// The guest has returned: its instance serves others, what it said is checked, and all is in the books.
    fn returned(self, pool: &Pool, instance: Box<Instance>, (exchange, said): Called) -> Returned<T> {
        let Self { plugin, phase, accept, .. } = self;
        let waited = instance.waited();
        let result = match said {
            Ok(said) => {
                pool.put(instance);
                accept(said, &plugin.terms(phase)).map_err(|text| plugin.books.fault(phase, FaultKind::Output, text))
            }
            Err(failure) => Err(plugin.books.failure(phase, failure)),
        };
        if result.is_ok() {
            plugin.books.succeeded();
        }
        self.end(exchange, result, waited)
    }

    /// It is over, and is told to whoever wants to know.
    fn end(self, mut exchange: Box<Exchange>, result: Result<T, Fault>, waited: Duration) -> Returned<T> {
        match self.watch {
            Some(watch) => {
                let (fault, trace) = (result.as_ref().err(), exchange.trace.as_mut());
                watch.end(&self.plugin.settings.name, self.phase, trace, fault, waited);
            }
            None => clock::forget(),
        }
        (exchange, result)
    }
}

impl Books {
    /// Whether the plugin is called at all.
    pub(crate) fn admit(&self, phase: Phase) -> Result<(), Fault> {
        match self.breaker.admits(clock::now) {
            true => Ok(()),
            false => Err(self.fault(phase, FaultKind::Open, "it failed too often lately".to_owned())),
        }
    }

    /// A call went well.
    pub(crate) fn succeeded(&self) {
        self.tally.ended(None);
        self.breaker.succeeded();
    }

    pub(crate) fn failure(&self, phase: Phase, failure: Failure) -> Fault {
        match failure {
            Failure::Stopped(kind, message) => self.fault(phase, kind, message),
            Failure::Refused(message) => {
                self.fault(phase, FaultKind::Trap, format!("a new instance refuses its configuration: {message}"))
            }
        }
    }

    /// A fault, in the books. One that did not reach the guest says nothing about it.
    pub(crate) fn fault(&self, phase: Phase, kind: FaultKind, message: String) -> Fault {
        let plugin = Arc::clone(&self.plugin);
        if matches!(kind, FaultKind::Full | FaultKind::Open) {
            self.tally.refused(kind);
        } else {
            self.tally.ended(Some(kind));
            if self.breaker.failed(self.tally.calls(), clock::now()) {
                tracing::warn!(target: "gateway::plugin", plugin = &*plugin, "a plugin fails too often and is not called for a while");
            }
            // Whoever finds another one writing has nothing to add.
            if let Some(mut last) = self.last.try_lock() {
                *last = Some(LastFault {
                    at: clock::wall(),
                    phase: phase.name(),
                    kind: kind.word(),
                    message: message.clone(),
                });
            }
        }
        Fault { plugin, phase, kind, message }
    }
}

impl Plugin for WasmPlugin {
    fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    fn phases(&self) -> Phases {
        self.loaded.phases
    }

    fn body_limit(&self) -> usize {
        self.settings.limits.body
    }

    fn decodes(&self) -> bool {
        self.settings.decode
    }

    fn on_error(&self) -> OnError {
        self.settings.on_error
    }

    fn on_request(&self, exchange: Box<Exchange>) -> Call<'_, Flow> {
        self.call(Phase::OnRequest, exchange, Asked::Request, convert::flow)
    }

    fn on_request_body(&self, exchange: Box<Exchange>, body: Bytes) -> Call<'_, BodyFlow> {
        self.call(Phase::OnRequestBody, exchange, Asked::RequestBody(body), convert::body_flow)
    }

    fn handle(&self, exchange: Box<Exchange>, body: Bytes) -> Call<'_, Answer> {
        self.call(Phase::Handle, exchange, Asked::Handle(body), convert::answer)
    }

    fn on_response(&self, exchange: Box<Exchange>) -> Call<'_, Flow> {
        self.call(Phase::OnResponse, exchange, Asked::Response, convert::flow)
    }

    fn on_response_body(&self, exchange: Box<Exchange>, body: Bytes) -> Call<'_, BodyFlow> {
        self.call(Phase::OnResponseBody, exchange, Asked::ResponseBody(body), convert::body_flow)
    }

    fn serve(
        &self,
        exchange: &Exchange,
        joint: &Arc<Joint>,
        body: Body,
        next: Option<Arc<dyn Next>>,
    ) -> BoxFuture<'_, Streamed> {
        let phase = if next.is_some() { Phase::Middleware } else { Phase::Service };
        let unanswered = move |fault, body| Err(Unanswered { fault, body });
        let Guest::Http(http) = &self.guest else {
            let fault = self.books.fault(phase, FaultKind::Trap, "it answers with no stream".to_owned());
            return Box::pin(ready(unanswered(fault, Some(body))));
        };
        if let Err(fault) = self.books.admit(phase) {
            return Box::pin(ready(unanswered(fault, Some(body))));
        }
        let mut trace = exchange.trace.clone();
        let watch = Watch::begin(self.kept.meter(), trace.as_mut());
        let call = http.prepare(exchange, joint, trace.clone(), body, next, (&self.books, phase));
        Box::pin(async move {
            let served = http.serve(call).await;
            let served = served.map_err(|(failure, body)| (self.books.failure(phase, failure), body));
            match watch {
                Some(watch) => {
                    let fault = served.as_ref().err().map(|(fault, _)| fault);
                    // How long it was busy is not known: several share an instance, and most of it is waiting.
                    watch.end(self.name(), phase, trace.as_mut(), fault, Duration::MAX);
                }
                None => clock::forget(),
            }
            served.or_else(|(fault, body)| unanswered(fault, body))
        })
    }

    fn on_complete(&self, exchange: Box<Exchange>, summary: Summary) -> Call<'_, ()> {
        self.call(Phase::OnComplete, exchange, Asked::Complete(summary), |_, _| Ok(()))
    }
}
