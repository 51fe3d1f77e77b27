//! The trace of a request: what it is known by to services, and what happened on its way, where it is recorded.
//!
//! Spans are kept with the request and leave as a whole when the last one who has its trace is done. A request that is not recorded
//! has two numbers, and no span is ever made.

mod context;

pub use context::Remote;

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime};

/// The field of W3C Trace Context that names trace and span.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The field with what tracing systems keep of their own.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The field of W3C Baggage.
pub const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Whether a field of this name goes with a trace.
#[must_use]
pub fn is_field(name: &str) -> bool {
    matches!(name, "traceparent" | "tracestate" | "baggage")
}

/// Spans of one request; what comes beyond is counted.
const MOST: usize = 512;

/// A request's trace, at one of its spans.
#[derive(Clone)]
pub struct Trace {
    journey: Arc<Journey>,
    span: u64,
}

/// What all spans of a request share.
struct Journey {
    id: u128,
    carried: Carried,
    record: Option<Record>,
}

/// Fields that go along with the trace.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// `tracestate`, as it came.
    pub state: Option<HeaderValue>,
    /// `baggage`, as it came.
    pub baggage: Option<HeaderValue>,
}

struct Record {
    began: Instant,
    wall: SystemTime,
    spans: Mutex<Vec<Span>>,
    lost: AtomicU32,
    sink: Arc<dyn Sink>,
}

/// Where finished traces go. Never waits.
pub trait Sink: Send + Sync {
    /// Takes one, or loses it.
    fn take(&self, finished: Finished);
}

/// All spans of a request.
#[derive(Debug)]
pub struct Finished {
    /// Of the trace.
    pub id: u128,
    /// `tracestate`.
    pub state: Option<HeaderValue>,
    /// A moment by both clocks: spans have the steady one.
    pub began: (Instant, SystemTime),
    /// In the order of their ends.
    pub spans: Vec<Span>,
    /// Spans that were too many.
    pub lost: u32,
}

/// Something that took time.
#[derive(Debug, Clone)]
pub struct Span {
    /// Unique in its trace.
    pub id: u64,
    /// 0: none.
    pub parent: u64,
    /// What happened, one of few.
    pub name: Cow<'static, str>,
    /// Whose side of a request it is.
    pub side: Side,
    /// When it began.
    pub began: Instant,
    /// When it was over.
    pub ended: Instant,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong.
    pub failure: Option<Cow<'static, str>>,
}

/// Whose side of a request a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The gateway was asked.
    Server,
    /// The gateway asks.
    Client,
    /// Neither.
    Internal,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A name that others have as well.
    Name(Arc<str>),
    /// A number.
    Number(i64),
}

/// A span that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// Its own.
    pub id: u64,
    parent: u64,
    began: Instant,
}

impl Trace {
    /// The trace of a request that came at `now`: somebody's that goes on, or a new one. Recorded where there is a sink for it.
    #[must_use]
    pub fn begin(
        parent: Option<Remote>,
        id: u128,
        carried: Carried,
        sink: Option<(Arc<dyn Sink>, Instant, SystemTime)>,
    ) -> Self {
        let id = parent.map_or(id, |parent| parent.id);
        let record = sink.map(|(sink, began, wall)| Record {
            began,
            wall,
            spans: Mutex::default(),
            lost: AtomicU32::new(0),
            sink,
        });
        Self { journey: Arc::new(Journey { id, carried, record }), span: fresh() }
    }

    /// Of the trace.
    #[must_use]
    pub fn id(&self) -> u128 {
        self.journey.id
    }

    /// The span that this stands at.
    #[must_use]
    pub fn span(&self) -> u64 {
        self.span
    }

    /// Whether spans are recorded.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.journey.record.is_some()
    }

    /// What goes along with it.
    #[must_use]
    pub fn carried(&self) -> &Carried {
        &self.journey.carried
    }

    /// A span within the one that this stands at; none where nothing is recorded.
    #[must_use]
    pub fn start(&self, now: Instant) -> Option<Begun> {
        self.is_recorded().then(|| Begun { id: fresh(), parent: self.span, began: now })
    }

    /// `traceparent` for whoever is asked within this span, or within the one that has begun.
    #[must_use]
    pub fn field(&self, within: Option<&Begun>) -> HeaderValue {
        let span = within.map_or(self.span, |begun| begun.id);
        Remote { id: self.journey.id, span, sampled: self.is_recorded() }.field()
    }

    /// The same trace at another span.
    #[must_use]
    pub fn at(&self, span: u64) -> Self {
        Self { journey: Arc::clone(&self.journey), span }
    }

    /// Moves to another span, and gives the one before.
    pub fn move_to(&mut self, span: u64) -> u64 {
        std::mem::replace(&mut self.span, span)
    }

    /// A span is over.
    pub fn record(&self, span: Span) {
        let Some(record) = &self.journey.record else { return };
        let mut spans = record.spans.lock();
        match spans.len() < MOST {
            true => spans.push(span),
            false => drop(record.lost.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl Begun {
    /// It is over.
    #[must_use]
    pub fn end(self, name: impl Into<Cow<'static, str>>, side: Side, now: Instant) -> Span {
        let Self { id, parent, began } = self;
        Span { id, parent, name: name.into(), side, began, ended: now, attributes: Vec::new(), failure: None }
    }
}

impl Drop for Journey {
    fn drop(&mut self) {
        if let Some(Record { began, wall, spans, lost, sink }) = self.record.take() {
            let spans = spans.into_inner();
            if !spans.is_empty() {
                let state = self.carried.state.take();
                sink.take(Finished { id: self.id, state, began: (began, wall), spans, lost: lost.into_inner() });
            }
        }
    }
}

/// Never 0.
fn fresh() -> u64 {
    fastrand::u64(1..)
}

impl From<&Arc<str>> for Value {
    fn from(name: &Arc<str>) -> Self {
        Self::Name(Arc::clone(name))
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[derive(Default)]
    struct Kept(Mutex<Vec<Finished>>);

    impl Sink for Kept {
        fn take(&self, finished: Finished) {
            self.0.lock().push(finished);
        }
    }

    fn recorded(sink: &Arc<Kept>) -> Trace {
        let sink = (Arc::clone(sink) as Arc<dyn Sink>, SystemClock.now(), SystemClock.wall());
        Trace::begin(None, 7, Carried::default(), Some(sink))
    }

    #[test]
    fn spans_leave_together_when_the_last_one_is_done() {
        let sink = Arc::new(Kept::default());
        let trace = recorded(&sink);
        let now = SystemClock.now();
        let begun = trace.start(now).unwrap();
        let within = trace.at(begun.id);
        let inner = within.start(now).unwrap();
        within.record(inner.end("inner", Side::Client, now));
        drop(within);
        trace.record(begun.end("outer", Side::Internal, now));
        assert!(sink.0.lock().is_empty());
        let root = trace.span();
        drop(trace);
        let finished = sink.0.lock().pop().unwrap();
        let parents: Vec<_> = finished.spans.iter().map(|span| (span.id, span.parent)).collect();
        assert_eq!(parents, [(inner.id, begun.id), (begun.id, root)]);
    }

    #[test]
    fn there_are_no_more_spans_than_so_many() {
        let sink = Arc::new(Kept::default());
        let trace = recorded(&sink);
        let now = SystemClock.now();
        (0..MOST + 3).for_each(|_| trace.record(trace.start(now).unwrap().end("one", Side::Internal, now)));
        drop(trace);
        let finished = sink.0.lock().pop().unwrap();
        assert_eq!((finished.spans.len(), finished.lost), (MOST, 3));
    }

    #[test]
    fn what_is_not_recorded_goes_on_all_the_same() {
        let remote = Remote { id: 9, span: 3, sampled: false };
        let trace = Trace::begin(Some(remote), 7, Carried::default(), None);
        assert!(trace.start(SystemClock.now()).is_none());
        assert_eq!(trace.field(None), Remote { id: 9, span: trace.span(), sampled: false }.field());
    }
}
