//! The end of an exchange: when its answer was sent, or given up. Counters, the access log and `on-complete` hang on the
//! answer's body, because that is what ends last.

use crate::chain::{Chain, Participants};
use crate::forward::Upload;
use crate::heap::boxed;
use crate::listener::{Open, Stream};
use crate::measure::Measure;
use crate::pipe::Piece;
use crate::pipeline::{self, CLIENT_CLOSED};
use crate::route::Route;
use crate::snapshot::Table;
use crate::tunnel::Tunnel;
use bytes::Buf;
use gateway_core::body::Part;
use gateway_core::clock::lately_after;
use gateway_core::exchange::Exchange;
use gateway_core::plugin::Summary;
use gateway_core::{Body, Error, Phase};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::OwnedSemaphorePermit;

/// What the pipeline leaves for the end.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The links that take part in the response phases.
    pub participants: Participants,
    /// The token of a failure.
    pub error: Option<&'static str>,
    /// The exchange's place among those that its route has at once.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// What the end of an exchange needs.
pub struct Completion {
    measure: Measure,
    upload: Upload,
}

/// Whose chain an exchange runs through.
pub(crate) enum Chained {
    Route(Arc<Route>),
    /// No route's: that of its listener.
    Unmatched(Arc<Table>),
}

impl Chained {
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        match self {
            Self::Route(route) => Some(route),
            Self::Unmatched(_) => None,
        }
    }

    fn chain(&self) -> &Chain {
        match self {
            Self::Route(route) => &route.chain,
            Self::Unmatched(table) => &table.unmatched,
        }
    }
}

/// An answer's body as the listener sends it.
pub struct ResponseBody {
    body: Body,
    ending: Option<Box<Ending>>,
    open: Option<Open>,
    /// Where HTTP/2 sees whether the peer takes what is sent; HTTP/1.1 sees it in `open`.
    stream: Option<Arc<Stream>>,
    /// What follows the head of an answer that switches protocols.
    tunnel: Option<Box<Tunnel>>,
    /// What was handed over last came with the head, is little, and goes out with the next.
    joins: bool,
    /// How it broke off, once what was handed over is written.
    late: Option<Box<Error>>,
}

/// What is left to do when the body ends, or the tunnel in its place.
pub(crate) struct Ending {
    completion: Completion,
    exchange: Box<Exchange>,
    status: u16,
    outcome: Outcome,
    /// By a tunnel; what came as a body is the upload's.
    received: u64,
    sent: u64,
    whole: bool,
}

impl Completion {
    pub(crate) fn new(measure: Measure, upload: Upload) -> Self {
        Self { measure, upload }
    }

    /// Ties the end of the exchange to the end of its answer's body.
    pub(crate) fn wrap(self, exchange: Box<Exchange>, status: u16, body: Body, outcome: Outcome) -> ResponseBody {
        let whole = body.is_end_stream();
        let ending =
            Some(boxed(|| Ending { completion: self, exchange, status, outcome, received: 0, sent: 0, whole }));
        ResponseBody { body, ending, open: None, stream: Stream::current(), tunnel: None, joins: false, late: None }
    }
}

impl ResponseBody {
    /// A body without an exchange: of an answer to what is no request.
    #[must_use]
    pub fn plain(body: Body) -> Self {
        Self { body, ending: None, open: None, stream: Stream::current(), tunnel: None, joins: false, late: None }
    }

    /// The connection counts the request as under way for as long as this body lives.
    pub(crate) fn hold(&mut self, open: Open) {
        self.open = Some(open);
    }

    /// The end of the exchange is the tunnel's.
    pub(crate) fn switch(mut self, tunnel: impl FnOnce(Box<Ending>, Option<Arc<Stream>>) -> Tunnel) -> Self {
        let stream = self.stream.clone();
        self.tunnel = self.ending.take().map(|ending| Box::new(tunnel(ending, stream)));
        self
    }

    /// The next part of it, once what was handed over is written: where nobody wants to see it, and the socket takes it as it is, its
    /// bytes are in the connection's pipe.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Error>>> {
        let Some(open) = self.open.as_ref().filter(|_| self.stream.is_none()) else {
            return Pin::new(&mut self.body).poll_frame(context).map_ok(|frame| frame.map_data(Piece::Bytes));
        };
        if !self.joins {
            ready!(open.poll_written(context));
        }
        if let Some(error) = self.late.take() {
            return Poll::Ready(Some(Err(*error)));
        }
        let part = self.body.as_pipeable().and_then(|body| open.passage().fill(|pipe| body.poll_part(context, pipe)));
        let Some(part) = part else {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            if let Some(Ok(_)) = frame {
                open.handed_over();
            }
            return Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(Piece::Bytes))));
        };
        let part = ready!(part);
        let joined = std::mem::replace(&mut self.joins, matches!(part, Some(Ok(Part::Frame(_)))));
        Poll::Ready(match part {
            Some(Ok(part)) => {
                open.handed_over();
                Some(Ok(match part {
                    Part::Frame(frame) => frame.map_data(Piece::Bytes),
                    Part::Piped(count) => Frame::data(Piece::Piped(count)),
                }))
            }
            // What came before it is still the client's.
            Some(Err(error)) if joined => {
                self.late = Some(Box::new(error));
                return self.poll_piece(context);
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }

    /// What is to be run once the head is sent.
    pub(crate) fn tunnel(&mut self) -> Option<Box<Tunnel>> {
        self.tunnel.take()
    }
}

impl HttpBody for ResponseBody {
    type Data = Piece;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Error>>> {
        let this = &mut *self;
        if let Some(stream) = &this.stream {
            stream.taken();
        }
        let frame = this.poll_piece(context);
        if let Poll::Ready(frame) = &frame {
            if let Some(Ok(_)) = frame
                && let Some(stream) = &this.stream
            {
                stream.offered();
            }
            if let Some(ending) = &mut this.ending {
                ending.note(frame.as_ref(), this.body.is_end_stream());
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Ending {
    fn note(&mut self, frame: Option<&Result<Frame<Piece>, Error>>, last: bool) {
        match frame {
            None => self.whole = true,
            Some(Ok(frame)) => {
                self.sent += frame.data_ref().map_or(0, Buf::remaining) as u64;
                self.whole = last;
            }
            Some(Err(error)) => {
                self.outcome.error = Some(error.kind().token());
                tracing::debug!(route = %self.exchange.route, "{}", gateway_core::error::chain(error));
            }
        }
    }

    /// How a tunnel went, which may never have begun.
    pub(crate) fn tunnelled(&mut self, begun: bool, received: u64, sent: u64, error: Option<&'static str>) {
        (self.whole, self.received, self.sent) = (begun, received, sent);
        self.outcome.error = self.outcome.error.or(error);
    }

    pub(crate) fn end(mut self: Box<Self>) {
        let Self { completion: Completion { measure, upload }, exchange, status, outcome, received, sent, whole } =
            &mut *self;
        let (status, sent, whole) = (*status, *sent, *whole);
        let error = outcome.error.or((!whole).then_some("client_gone"));
        let summary = Summary {
            status: if whole || sent > 0 { status } else { CLIENT_CLOSED },
            duration: lately_after(measure.account.started).saturating_duration_since(measure.account.started),
            request_bytes: upload.received() + *received,
            response_bytes: sent,
            error,
        };
        measure.snapshot.counters.note(status);
        measure.ended(&summary, exchange);
        tracing::debug!(
            request = exchange.id.to_str().unwrap_or_default(),
            client = %exchange.client,
            consumer = exchange.attributes.consumer(),
            method = %exchange.request.method,
            path = %exchange.request.path,
            route = %exchange.route,
            status,
            milliseconds = summary.duration.as_secs_f64() * 1000.0,
            sent,
            error,
            "served"
        );
        let chained =
            measure.account.chained().filter(|chained| pipeline::completes(chained.chain(), outcome.participants));
        if chained.is_some() {
            (*self).complete(summary);
        }
    }

    /// The client has its answer; what plugins still have to do with it holds nobody up.
    #[cold]
    fn complete(self, summary: Summary) {
        let Self { completion: Completion { measure, .. }, mut exchange, outcome, .. } = self;
        let Some(chained) = measure.into_chained() else { return };
        tokio::spawn(async move {
            for (position, plugin) in chained.chain().links().rev() {
                if plugin.phases().has(Phase::OnComplete) && outcome.participants.has(position) {
                    let (returned, done) = plugin.on_complete(exchange, summary.clone()).await;
                    exchange = returned;
                    if let Err(fault) = done {
                        tracing::warn!(request = exchange.id.to_str().unwrap_or_default(), plugin = %fault.plugin, phase = fault.phase.name(), kind = fault.kind.word(), "{}", fault.message);
                    }
                }
            }
        });
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.taken();
        }
        if let Some(ending) = self.ending.take() {
            ending.end();
        }
    }
}
