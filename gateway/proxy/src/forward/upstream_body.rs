//! The answer's body on its way down: timed, and its connection given back at its end.

use super::Upload;
use super::stall::Stall;
use crate::upstream::Lease;
use bytes::Bytes;
use gateway_core::{Body, Error, Kind};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pub(super) struct UpstreamBody {
    body: Body,
    /// None once it was given back; dropped with the body, the connection is closed.
    lease: Option<Lease>,
    upload: Upload,
    stall: Stall,
    /// Whether its head was what an endpoint should say.
    good: bool,
}

impl UpstreamBody {
    pub(super) fn new(body: Body, lease: Lease, upload: Upload, stall: Duration, good: bool) -> Self {
        Self { body, lease: Some(lease), upload, stall: Stall::new(stall), good }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.lease {
            Some(lease) => lease.connected().connection.poll_body(&mut self.body, context),
            None => Pin::new(&mut self.body).poll_frame(context),
        }
    }

    /// An answer that breaks off is its endpoint's failure, unless its client's upload took the connection with it (HARDENING P6).
    fn fail(&mut self) {
        if let Some(lease) = self.lease.take()
            && !self.upload.is_faulty()
        {
            lease.endpoint().failed();
        }
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            give_back(lease, &self.upload, self.good);
        }
    }
}

/// The answer is whole. The next request does not wait for the rest of an upload that was answered early.
pub(super) fn give_back(lease: Lease, upload: &Upload, good: bool) {
    if good {
        lease.endpoint().succeeded();
    }
    if upload.is_over() {
        lease.give_back();
    }
}

impl HttpBody for UpstreamBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = this.poll_body(context) else {
            ready!(this.stall.poll_waiting(context));
            this.fail();
            return Poll::Ready(Some(Err(Error::new(Kind::ConnectionReadTimeout, "the answer's body stalled"))));
        };
        this.stall.progress();
        match &frame {
            Some(Ok(_)) if !this.body.is_end_stream() => {}
            Some(Ok(_)) | None => this.give_back(),
            Some(Err(_)) => this.fail(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
