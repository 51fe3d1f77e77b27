//! One request as it is counted and traced: from its first byte to the last of its answer, or to where its client went away.
//!
//! Everything it needs was looked up when its route was built. When nothing is counted and nothing traced, it is a moment in time.

use crate::completion::Chained;
use crate::pipeline::CLIENT_CLOSED;
use crate::snapshot::{Snapshot, Telemetry};
use gateway_core::Exchange;
use gateway_core::clock::{now, wall};
use gateway_core::instruments::{Protocol, Status, Sum, Verb, Words};
use gateway_core::observe::Record;
use gateway_core::plugin::Summary;
use gateway_core::trace::{Side, Span, Trace, Value};
use http::{HeaderMap, HeaderValue, Method, Version};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A request under way. Dropped without an end, its client went away before there was an answer.
pub(crate) struct Measure {
    /// The generation that it is pinned to.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Apart, so that it can be written to while the generation is looked at.
    pub(crate) account: Account,
    over: bool,
}

/// What is known of a request, to be counted and told once it is over.
pub(crate) struct Account {
    pub(crate) started: Instant,
    verb: Verb,
    protocol: Protocol,
    secure: bool,
    /// Where somebody is told of it: a count that all threads share is not touched for nothing.
    listener: Option<Arc<str>>,
    /// Whether it is counted at all.
    counted: bool,
    /// Whose chain it runs through, once that is known.
    chained: Option<Chained>,
    trace: Option<Trace>,
    /// The parent of the trace's first span; 0: none.
    parent: u64,
    /// Fields that the observer asked for.
    fields: Vec<Option<HeaderValue>>,
    /// What is told of it, from when it is an exchange.
    record: Option<Box<Record>>,
}

impl Measure {
    /// A request has come.
    pub(crate) fn begin(
        snapshot: Arc<Snapshot>,
        listener: &Arc<str>,
        (method, version): (&Method, Version),
        secure: bool,
        started: Instant,
    ) -> Self {
        let telemetry = &snapshot.telemetry;
        let account = Account {
            started,
            verb: Verb::of(method),
            protocol: Protocol::of(version),
            secure,
            listener: (telemetry.tracing.is_some() || telemetry.watcher().is_some()).then(|| Arc::clone(listener)),
            counted: telemetry.meters.are_on(),
            chained: None,
            trace: None,
            parent: 0,
            fields: Vec::new(),
            record: None,
        };
        if let Some(active) = account.active(telemetry) {
            active.add(1);
        }
        Self { snapshot, account, over: false }
    }

    /// Whose chain it runs through, of one that has ended.
    pub(crate) fn into_chained(mut self) -> Option<Chained> {
        self.account.chained.take()
    }

    /// It was answered without an exchange.
    pub(crate) fn refused(mut self, status: u16) {
        let duration = now().saturating_duration_since(self.account.started);
        self.over(&Summary { status, duration, ..Summary::default() });
    }

    /// Its answer was sent, or given up.
    pub(crate) fn ended(&mut self, summary: &Summary, exchange: &Exchange) {
        let Self { snapshot, account, over } = self;
        *over = true;
        account.count(&snapshot.telemetry, summary);
        account.finish_trace(summary, Some(exchange));
        account.tell(&snapshot.telemetry, summary, Some(exchange));
    }

    fn over(&mut self, summary: &Summary) {
        self.over = true;
        self.account.count(&self.snapshot.telemetry, summary);
        self.account.finish_trace(summary, None);
    }
}

impl Account {
    fn active<'a>(&self, telemetry: &'a Telemetry) -> Option<&'a Sum> {
        self.counted.then(|| telemetry.meters.active().of(self.verb, self.secure)).flatten()
    }

    /// It is in its normal form: begins its trace, and keeps what is told of its fields.
    pub(crate) fn admitted(
        &mut self,
        telemetry: &Telemetry,
        headers: &mut HeaderMap,
        is_traced: bool,
        trusted: impl FnOnce() -> bool,
    ) -> Option<Trace> {
        if let Some(observer) = telemetry.watcher() {
            self.fields = observer.fields().iter().map(|name| headers.get(name).cloned()).collect();
        }
        if let Some(tracing) = &telemetry.tracing {
            let (parent, carried) = match is_traced {
                true => tracing.take(headers, trusted),
                false => Default::default(),
            };
            let trace = tracing.begin(parent, carried, self.started);
            self.parent = parent.map_or(0, |parent| parent.span);
            self.trace = Some(trace);
        }
        self.trace.clone()
    }

    /// Its route is known, or that it has none.
    pub(crate) fn routed(&mut self, chained: Chained) -> &Chained {
        self.chained.insert(chained)
    }

    /// Whose chain it runs through.
    pub(crate) fn chained(&self) -> Option<&Chained> {
        self.chained.as_ref()
    }

    /// It is an exchange from now on: keeps what is told of it when it is over, or given up.
    pub(crate) fn begun(&mut self, telemetry: &Telemetry, exchange: &Exchange) {
        if telemetry.watcher().is_some() {
            self.record = Some(self.recorded(exchange));
        }
    }

    /// What is known of a request by now.
    fn recorded(&mut self, exchange: &Exchange) -> Box<Record> {
        let request = &exchange.request;
        let trace = exchange.trace.as_ref().filter(|trace| trace.is_recorded());
        Box::new(Record {
            at: SystemTime::UNIX_EPOCH,
            request: exchange.id.clone(),
            trace: trace.map(|trace| (trace.id(), trace.span())),
            listener: self.listener.clone().unwrap_or_default(),
            client: exchange.client,
            consumer: None,
            method: request.method.clone(),
            scheme: request.scheme,
            authority: Arc::clone(&request.authority),
            path: request.path.clone(),
            query: request.query.clone(),
            protocol: self.protocol.word(),
            route: Arc::clone(&exchange.route),
            upstream: None,
            summary: Summary::default(),
            fields: std::mem::take(&mut self.fields),
        })
    }

    fn count(&self, telemetry: &Telemetry, summary: &Summary) {
        if !self.counted {
            return;
        }
        if let Some(active) = self.active(telemetry) {
            active.subtract(1);
        }
        let route = self.chained.as_ref().and_then(Chained::route);
        let meter = route.map_or(&*telemetry.unmatched, |route| &route.meter);
        let Self { verb, protocol, secure, .. } = *self;
        let words = Words { verb, protocol, secure, status: Some(Status::of(summary.status)) };
        meter.duration.record(words, nanoseconds(summary.duration));
        meter.request_size.record(summary.request_bytes);
        meter.response_size.record(summary.response_bytes);
        if let Some(token) = summary.error {
            meter.errors.note(token);
        }
    }

    /// The span of the request as a whole, by the conventions for HTTP servers.
    fn finish_trace(&mut self, summary: &Summary, exchange: Option<&Exchange>) {
        let Some(trace) = self.trace.take().filter(Trace::is_recorded) else { return };
        let route = self.chained.as_ref().and_then(Chained::route).map(|route| &route.meter);
        let verb = if self.verb.word() == "_OTHER" { "HTTP" } else { self.verb.word() };
        let name = match route {
            Some(route) => format!("{verb} {}", route.pattern).into(),
            None => verb.into(),
        };
        let mut attributes: Vec<(&'static str, Value)> = vec![
            ("http.request.method", self.verb.word().into()),
            ("http.response.status_code", summary.status.into()),
            ("network.protocol.version", self.protocol.word().into()),
            ("url.scheme", if self.secure { "https" } else { "http" }.into()),
        ];
        attributes.extend(self.listener.as_ref().map(|listener| ("gateway.listener", Value::from(listener))));
        if let Some(route) = route {
            attributes
                .extend([("http.route", Value::from(&route.pattern)), ("gateway.route", Value::from(&route.name))]);
        }
        if let Some(exchange) = exchange {
            attributes.extend([
                ("url.path", exchange.request.path.clone().into()),
                ("server.address", Value::from(&exchange.request.authority)),
                ("client.address", exchange.client.to_string().into()),
                ("gateway.request.id", exchange.id.to_str().unwrap_or_default().to_owned().into()),
            ]);
        }
        let failure = summary.error.map(Into::into);
        let failure = failure.or_else(|| (summary.status >= 500).then(|| summary.status.to_string().into()));
        let (id, parent) = (trace.span(), self.parent);
        let (began, ended) = (self.started, self.started + summary.duration);
        trace.record(Span { id, parent, name, side: Side::Server, began, ended, attributes, failure });
    }

    /// Tells the observer, where it wants to hear of it.
    fn tell(&mut self, telemetry: &Telemetry, summary: &Summary, exchange: Option<&Exchange>) {
        let Some(observer) = &telemetry.observer else { return };
        let audience = observer.wants(summary.status);
        if audience == 0 {
            return;
        }
        let kept = self.record.take().or_else(|| exchange.map(|exchange| self.recorded(exchange)));
        let Some(mut record) = kept else { return };
        record.at = wall();
        record.summary = summary.clone();
        if let Some(exchange) = exchange {
            record.consumer = exchange.attributes.consumer().map(str::to_owned);
            record.upstream.clone_from(&exchange.asked);
        }
        observer.ended(record, audience);
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let panicked = std::thread::panicking();
        let status = if panicked { 500 } else { CLIENT_CLOSED };
        let error = Some(if panicked { "proxy_internal_error" } else { "client_gone" });
        let duration = now().saturating_duration_since(self.account.started);
        let summary = Summary { status, duration, error, ..Summary::default() };
        self.over(&summary);
        self.account.tell(&self.snapshot.telemetry, &summary, None);
    }
}

/// As meters count.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
