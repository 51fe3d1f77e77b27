//! The request's body on its way up: counted, bounded, timed, and its faults remembered as the client's.

use super::stall::Stall;
use crate::alarm::Alarm;
use bytes::Bytes;
use gateway_core::clock::{lately, now};
use gateway_core::{Body, Error, Kind};
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What is known of an upload by both the one that reads it and the one that waits for the answer. Nothing is allocated for a
/// request without a body.
#[derive(Default, Clone)]
pub struct Upload(Option<Arc<Mutex<State>>>);

#[derive(Default)]
struct State {
    received: u64,
    /// When its last byte was read.
    ended: Option<Instant>,
    /// Whether the client is the one that is waited for.
    waiting: bool,
    fault: Option<Error>,
}

/// How long an upload may take, and how big it may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Without progress.
    pub stall: Duration,
    /// In all.
    pub total: Duration,
    /// Bytes.
    pub size: Option<u64>,
}

/// A client's body.
pub struct ClientBody {
    body: Body,
    upload: Arc<Mutex<State>>,
    stall: Stall,
    over: Instant,
    left: u64,
}

impl ClientBody {
    /// Watches a body. One that is empty is passed through.
    ///
    /// # Errors
    /// The head announces more than the bound.
    pub fn watch(body: Body, bounds: Bounds) -> Result<(Body, Upload), Error> {
        if body.is_end_stream() {
            return Ok((body, Upload::default()));
        }
        let left = bounds.size.unwrap_or(u64::MAX);
        if body.size_hint().lower() > left {
            return Err(too_large());
        }
        let upload = Arc::new(Mutex::new(State::default()));
        let stall = Stall::new(bounds.stall);
        let watched = Self { body, upload: Arc::clone(&upload), stall, over: now() + bounds.total, left };
        Ok((Body::stream(watched), Upload(Some(upload))))
    }

    fn check(&mut self, frame: &Frame<Bytes>) -> Result<(), Error> {
        self.stall.progress();
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.left = self.left.checked_sub(length).ok_or_else(too_large)?;
        if now() > self.over {
            return Err(Error::new(Kind::ClientTimeout, "the request's body took too long"));
        }
        let mut upload = self.upload.lock();
        upload.received += length;
        upload.waiting = false;
        Ok(())
    }

    fn fail(&self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let told = Error::new(error.kind(), error.detail());
        self.upload.lock().fault = Some(error);
        Poll::Ready(Some(Err(told)))
    }
}

fn too_large() -> Error {
    Error::new(Kind::BodyTooLarge, "the request's body is larger than allowed")
}

impl HttpBody for ClientBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => match this.check(&frame) {
                Ok(()) => {
                    if this.body.is_end_stream() {
                        this.upload.lock().ended = Some(now());
                    }
                    Poll::Ready(Some(Ok(frame)))
                }
                Err(error) => this.fail(error),
            },
            Poll::Ready(Some(Err(error))) => this.fail(error),
            Poll::Ready(None) => {
                this.upload.lock().ended = Some(now());
                Poll::Ready(None)
            }
            Poll::Pending => match this.stall.poll_waiting(context) {
                Poll::Ready(()) => this.fail(Error::new(Kind::ClientTimeout, "the request's body stalled")),
                Poll::Pending => {
                    this.upload.lock().waiting = true;
                    Poll::Pending
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Upload {
    /// Body bytes received so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.as_ref().map_or(0, |state| state.lock().received)
    }

    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether nothing more of it is to come.
    pub(super) fn is_over(&self) -> bool {
        self.0.as_ref().is_none_or(|state| state.lock().ended.is_some())
    }

    /// Whether the client's fault has ended it.
    pub(super) fn is_faulty(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.lock().fault.is_some())
    }

    /// The client's fault that ended it, once.
    #[must_use]
    pub fn take_fault(&self) -> Option<Error> {
        self.0.as_ref()?.lock().fault.take()
    }

    /// Waits until the answer is overdue: `first_byte` after the end of the upload, and at the deadline. While the gateway
    /// waits for the client it is the client's time that runs, and [`ClientBody`] bounds it.
    pub(super) async fn answer_overdue(&self, alarm: &mut Alarm, first_byte: Duration, deadline: Instant) {
        let mut limit = deadline.min(lately() + first_byte);
        let mut received = 0;
        loop {
            poll_fn(|context| alarm.poll_until(limit, context)).await;
            let Some(state) = &self.0 else { return };
            let state = state.lock();
            limit = match state.ended {
                Some(ended) if ended < deadline => deadline.min(ended + first_byte),
                Some(ended) => ended + first_byte,
                None if state.waiting || state.received > received => now() + first_byte,
                // The client would send and the upstream does not read.
                None => return,
            };
            received = state.received;
            if limit <= now() {
                return;
            }
        }
    }
}
