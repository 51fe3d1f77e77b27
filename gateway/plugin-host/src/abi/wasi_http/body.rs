//! Bodies on their way into a guest and out of it. Each piece that moves is the same bytes, and gives the guest time to work on it.

use super::call::Call;
use crate::plugin::Books;
use bytes::Bytes;
use gateway_core::headers::strip_trailers;
use gateway_core::{Body, Error, Kind, Phase};
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

/// Where a body waits until the guest reads it: a call that failed before that still has it.
pub(crate) type Untouched = Arc<Mutex<Option<Body>>>;

/// A body that a guest reads.
pub(crate) struct Lent {
    untouched: Untouched,
    body: Option<Body>,
    call: Arc<Call>,
}

impl Lent {
    pub(crate) fn new(body: Body, call: Arc<Call>) -> Self {
        Self { untouched: Arc::new(Mutex::new(Some(body))), body: None, call }
    }

    pub(crate) fn untouched(&self) -> Untouched {
        Arc::clone(&self.untouched)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
        let this = &mut *self;
        let body = match &mut this.body {
            Some(body) => body,
            // Nothing is there where the call has failed meanwhile.
            None => match this.untouched.lock().take() {
                Some(body) => this.body.insert(body),
                None => return Poll::Ready(None),
            },
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => {
                this.call.moved(&frame);
                Ok(frame)
            }
            Err(error) => Err(this.call.lend(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Some(body) => body.is_end_stream(),
            None => self.untouched.lock().as_ref().is_none_or(HttpBody::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => self.untouched.lock().as_ref().map(HttpBody::size_hint).unwrap_or_default(),
        }
    }
}

/// A body that a guest gives: one that it writes, or one that it hands on.
pub(crate) struct Taken {
    body: WasiBody,
    call: Arc<Call>,
    /// What came of the first look at it.
    first: Option<Option<Result<Frame<Bytes>, WasiError>>>,
    is_over: bool,
}

impl Taken {
    pub(crate) fn new(body: WasiBody, call: Arc<Call>) -> Self {
        Self { body, call, first: None, is_over: false }
    }

    /// Looks whether anything is in it, for as long as a guest takes that says so at once: what has no body is not to be framed as if.
    pub(crate) async fn look(mut self) -> Body {
        for _ in 0..LOOKS {
            let looked =
                std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut self.body).poll_frame(context))).await;
            match looked {
                Poll::Ready(None) if self.call.failure().is_none() => return Body::empty(),
                Poll::Ready(frame) => {
                    self.first = Some(frame);
                    break;
                }
                Poll::Pending => tokio::task::yield_now().await,
            }
        }
        Body::stream(self)
    }
}

/// Turns of the runtime that a guest has to say that it sends no body.
const LOOKS: u32 = 8;

impl HttpBody for Taken {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let frame = match this.first.take() {
            Some(frame) => frame,
            None => ready!(Pin::new(&mut this.body).poll_frame(context)),
        };
        Poll::Ready(match frame {
            Some(Ok(mut frame)) => {
                this.call.moved(&frame);
                if let Some(trailers) = frame.trailers_mut() {
                    strip_trailers(trailers);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                this.is_over = true;
                Some(Err(this.call.take_back(&error)))
            }
            // What a guest that was stopped has left looks whole and is not.
            None => {
                this.is_over = true;
                let cut =
                    |failure| Error::new(Kind::PluginFailed, format!("the guest was stopped in the body: {failure}"));
                this.call.failure().map(|failure| Err(cut(failure)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && (self.is_over || self.body.is_end_stream() && self.call.failure().is_none())
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}

/// The body of a guest's answer: while it lives, its request has its place in the instance.
pub(crate) struct Answer {
    taken: Taken,
    /// None when its end is in them.
    books: Option<Arc<Books>>,
    phase: Phase,
}

impl Answer {
    pub(crate) fn new(taken: Taken, books: Arc<Books>, phase: Phase) -> Self {
        Self { taken, books: Some(books), phase }
    }

    /// The call has ended, and goes into the books.
    fn end(&mut self) {
        let Some(books) = self.books.take() else { return };
        let phase = self.phase;
        match self.taken.call.failure() {
            Some(failure) => {
                let fault = books.failure(phase, failure);
                tracing::warn!(plugin = %fault.plugin, phase = phase.name(), kind = fault.kind.word(), detail = fault.message, "plugin failed after the head of its answer");
            }
            None => books.succeeded(),
        }
        self.taken.call.end();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.taken).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.taken.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.taken.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.end();
    }
}
