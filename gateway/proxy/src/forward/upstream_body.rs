//! The answer's body on its way down: timed, and its connection given back at its end.
//!
//! Where nobody wants to see a large body, what has not come with its head goes past hyper and past our memory.

use super::Upload;
use super::stall::Stall;
use crate::pipe::LARGEST;
use crate::upstream::Lease;
use bytes::Bytes;
use gateway_core::body::{Part, Pipeable};
use gateway_core::{Body, Error, Kind};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Bytes from which on a body goes past hyper. It pays at 64 KiB (docs/decisions/0027); where it begins to was not measured.
const LARGE: u64 = 32 * 1024;

/// Bytes of a body that may have come with its head, all of them. A larger one hardly has.
const LITTLE: u64 = 8 * 1024;

pub(super) struct UpstreamBody {
    /// What has come of it with its head, or how it broke off.
    first: Option<Result<Frame<Bytes>, Error>>,
    body: Body,
    /// None once it was given back; dropped with the body, the connection is closed.
    lease: Option<Lease>,
    upload: Upload,
    stall: Stall,
    /// Whether its head was what an endpoint should say.
    good: bool,
    /// Bytes that are still to come past hyper; none where it has the connection.
    bypass: Option<u64>,
}

impl UpstreamBody {
    pub(super) fn new(
        first: Option<Result<Frame<Bytes>, Error>>,
        body: Body,
        lease: Lease,
        upload: Upload,
        stall: Duration,
        good: bool,
    ) -> Self {
        Self { first, body, lease: Some(lease), upload, stall: Stall::new(stall), good, bypass: None }
    }

    /// Whether it may go past hyper: it is large, its length is known, and the connection is its own. Nothing of a request is lost
    /// that hyper has not sent yet.
    pub(super) fn is_pipeable(&mut self) -> bool {
        self.body.size_hint().exact().is_some_and(|length| length >= LARGE)
            && self.upload.is_none()
            && self.lease.as_mut().is_some_and(|lease| lease.connected().connection.is_pipeable())
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        match &mut self.lease {
            _ if self.bypass.is_some() => Poll::Ready(Some(Err(misread()))),
            Some(lease) => lease.connected().connection.poll_body(&mut self.body, context),
            None => Pin::new(&mut self.body).poll_frame(context),
        }
    }

    /// What hyper has of it already comes first; then it gives the connection away.
    fn poll_first(&mut self, context: &mut Context<'_>, pipe: BorrowedFd<'_>) -> Poll<Option<Result<Part, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            return Poll::Ready(frame.map(|frame| frame.map(Part::Frame)));
        }
        let (Some(length), Some(lease)) = (self.body.size_hint().exact(), &mut self.lease) else {
            return Poll::Ready(Some(Err(misread())));
        };
        let Some(mut read) = lease.connected().connection.bypass() else {
            return Poll::Ready(Some(Err(misread())));
        };
        self.body = Body::empty();
        if length < read.len() as u64 {
            // More than it has announced: what follows is no answer of ours, and nothing more is asked there.
            read.truncate(usize::try_from(length).unwrap_or_default());
            self.lease = None;
        }
        self.bypass = Some(length - read.len() as u64);
        if read.is_empty() {
            return self.poll_piped(context, pipe);
        }
        Poll::Ready(Some(Ok(Part::Frame(Frame::data(read)))))
    }

    fn poll_piped(&mut self, context: &mut Context<'_>, pipe: BorrowedFd<'_>) -> Poll<Option<Result<Part, Error>>> {
        let (Some(left), Some(lease)) = (&mut self.bypass, &mut self.lease) else { return Poll::Ready(None) };
        let limit = usize::try_from(*left).map_or(LARGEST, |left| left.min(LARGEST));
        let moved = ready!(lease.connected().connection.poll_pipe(context, pipe, limit));
        Poll::Ready(Some(match moved {
            Ok(0) => Err(broken_off(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                *left = left.saturating_sub(count as u64);
                Ok(Part::Piped(count))
            }
            Err(error) => Err(broken_off(error)),
        }))
    }

    /// What has come, or that nothing has come for too long: the connection is given back with the last of it.
    fn settle<T>(
        &mut self,
        came: Poll<Option<Result<T, Error>>>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, Error>>> {
        let Poll::Ready(came) = came else {
            ready!(self.stall.poll_waiting(context));
            self.fail();
            return Poll::Ready(Some(Err(Error::new(Kind::ConnectionReadTimeout, "the answer's body stalled"))));
        };
        self.stall.progress();
        match &came {
            Some(Ok(_)) if !self.is_end_stream() => {}
            Some(Ok(_)) | None => self.give_back(),
            Some(Err(_)) => self.fail(),
        }
        Poll::Ready(came)
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

/// What has come with the head of a body that is little and says how long it is.
pub(super) fn first(body: &mut Body) -> Option<Result<Frame<Bytes>, Error>> {
    if body.size_hint().exact().is_none_or(|length| length > LITTLE) {
        return None;
    }
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => None,
        Poll::Ready(Some(came)) => Some(came),
        Poll::Ready(None) => Some(Err(broken_off(io::ErrorKind::UnexpectedEof.into()))),
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

/// A fault of ours: whoever has read parts reads on by parts.
fn misread() -> Error {
    Error::new(Kind::Internal, "an answer's body was not read on as it was begun")
}

fn broken_off(cause: io::Error) -> Error {
    Error::new(Kind::ConnectionTerminated, "the answer's body broke off").because(cause)
}

impl HttpBody for UpstreamBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let came = self.poll_body(context);
        self.settle(came, context)
    }

    fn is_end_stream(&self) -> bool {
        match self.bypass {
            Some(left) => left == 0,
            None => self.first.is_none() && self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = match self.bypass {
            Some(left) => SizeHint::with_exact(left),
            None => self.body.size_hint(),
        };
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref()).map_or(0, Bytes::len) as u64;
        // Only of a body whose length is known.
        rest.exact().map_or(rest, |rest| SizeHint::with_exact(first + rest))
    }
}

impl Pipeable for UpstreamBody {
    fn poll_part(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
    ) -> Poll<Option<Result<Part, Error>>> {
        let came = match self.bypass {
            None => self.poll_first(context, pipe),
            Some(_) => self.poll_piped(context, pipe),
        };
        self.settle(came, context)
    }
}
