//! One HTTP/1.1 connection to an endpoint, driven by the task of the request that has it.
//!
//! hyper would have it driven by a task of its own: then every request crosses from one task to another and back, and what the
//! upstream sends is read ahead of whoever takes it. Here the two are one task. What the connection passes to its request by
//! hyper's channels is looked at right after the connection was driven, so nobody needs to be woken for it: where the connection waits for its
//! socket alone, hyper is told of nobody to wake, and the socket of the task.

use super::super::head::HeadBound;
use super::super::sent::Sent;
use super::super::socket::{self, Wakes};
use super::{Answered, Came, UpstreamSocket, answered, closed_at_once};
use bytes::Bytes;
use futures_util::FutureExt as _;
use gateway_core::{Body, Error};
use http::Request;
use http_body::Body as _;
use hyper::client::conn::http1::{Builder, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::task::coop::unconstrained;

pub(super) struct Http1 {
    sender: SendRequest<Body>,
    /// None once it has ended.
    driver: Option<Connection<TokioIo<UpstreamSocket>, Body>>,
    bound: HeadBound,
    sent: Sent,
    /// Bytes of a head.
    limit: usize,
    /// Whether the request has a body to wait for, which may come by a task of its own.
    has_body: bool,
    /// Whether its answer was looked for already.
    is_awaited: bool,
    /// Whether the socket is to be kept when HTTP has ended on it.
    may_switch: bool,
    left: Option<Box<Parts<TokioIo<UpstreamSocket>>>>,
    is_pipeable: bool,
    /// The socket, while the rest of an answer goes past hyper.
    bypass: Option<TokioIo<UpstreamSocket>>,
}

impl Http1 {
    pub(super) async fn open(
        socket: UpstreamSocket,
        address: SocketAddr,
        builder: &Builder,
        limit: usize,
    ) -> Result<Self, Error> {
        let (bound, sent, is_pipeable) = (socket.head(), socket.sent(), socket.is_pipeable());
        let opened = builder.handshake(TokioIo::new(socket)).await;
        let (sender, driver) = opened.map_err(|cause| closed_at_once(address, cause))?;
        let driver = Some(driver);
        let (has_body, is_awaited, may_switch, left, bypass) = (false, false, false, None, None);
        Ok(Self { sender, driver, bound, sent, limit, has_body, is_awaited, may_switch, left, is_pipeable, bypass })
    }

    /// Sends what is to be sent and reads what has come. Its errors reach the request that is on it. The task is woken when more comes.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        self.drive_on(context, Wakes::Task);
    }

    fn drive_on(&mut self, context: &mut Context<'_>, wakes: Wakes) {
        let Some(driver) = &mut self.driver else { return };
        let driven = match self.has_body {
            true => Pin::new(driver).poll(context),
            // It would wake itself only after 16 messages in one look.
            false => socket::woken_by(context, wakes, |nobody| Pin::new(driver).poll(nobody)),
        };
        if let Poll::Ready(ended) = driven {
            self.end(ended);
        }
    }

    /// Apart, so that the stack of every request has no room for it.
    #[cold]
    #[inline(never)]
    fn end(&mut self, ended: hyper::Result<()>) {
        let driver = self.driver.take();
        match ended {
            Ok(()) if self.may_switch => self.left = driver.map(|driver| Box::new(driver.into_parts())),
            Ok(()) => {}
            Err(error) => tracing::trace!(%error, "an upstream connection ended"),
        }
    }

    /// The next request asks to switch protocols.
    pub(super) fn may_switch(&mut self) {
        self.may_switch = true;
    }

    /// The socket and what was read of it, once an answer has switched protocols: hyper ends with its head.
    pub(super) fn switch(mut self) -> Option<(UpstreamSocket, Bytes)> {
        self.drive(&mut Context::from_waker(Waker::noop()));
        let Parts { io, read_buf, .. } = *self.left?;
        let mut socket = io.into_inner();
        socket.pass_as_it_is();
        if let Err(error) = socket.bound_unsent() {
            tracing::debug!(%error, "what a tunnel may pin has no bound");
        }
        Some((socket, read_buf))
    }

    /// Drives it for nobody, and says whether it can take a request. Nobody is woken afterwards for what was waited for before.
    pub(super) fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.seems_ready()
    }

    /// The next request has no body and may be sent once more.
    pub(super) fn keep(&self) {
        self.sent.begin();
    }

    /// That request; none where not all of its head was written.
    pub(super) fn kept(&self) -> Option<Request<Body>> {
        self.sent.request()
    }

    /// Gives it a request to send; the answer comes by [`Self::poll_answer`].
    pub(super) fn begin(&mut self, request: Box<Request<Body>>) -> impl Future<Output = Came> + Send + use<> {
        self.bound.begin(self.limit);
        self.is_awaited = false;
        self.has_body = !request.body().is_end_stream();
        self.sender.try_send_request(*request)
    }

    /// Drives it on and looks for the head of the answer. Nothing wakes us for that but the connection, and no budget is spent on
    /// looking.
    pub(super) fn poll_answer(
        &mut self,
        answer: Pin<&mut impl Future<Output = Came>>,
        context: &mut Context<'_>,
    ) -> Poll<Answered> {
        let mut answer = unconstrained(answer);
        let mut look = || answered(Pin::new(&mut answer).poll(&mut Context::from_waker(Waker::noop())));
        // Whoever is woken finds the answer, mostly the whole of it: then the socket need not be told of a task once more.
        let mut answered = Poll::Pending;
        if std::mem::replace(&mut self.is_awaited, true) && !self.has_body {
            self.drive_on(context, Wakes::Nobody);
            answered = look();
        }
        if answered.is_pending() {
            self.drive(context);
            answered = look();
        }
        if answered.is_ready() {
            self.bound.end();
        }
        answered
    }

    /// Whether the rest of an answer may go past hyper.
    pub(super) fn is_pipeable(&self) -> bool {
        self.is_pipeable
    }

    /// Takes the socket out of hyper's hands, within an answer whose length is known: what was read of that and not yet passed on.
    pub(super) fn bypass(&mut self) -> Option<Bytes> {
        let Parts { mut io, read_buf, .. } = self.driver.take()?.into_parts();
        if let Err(error) = io.inner_mut().widen() {
            tracing::debug!(%error, "an upstream is not given more room");
        }
        self.bypass = Some(io);
        Some(read_buf)
    }

    /// Moves some of the rest into an empty pipe, `limit` bytes at most; 0: the upstream has closed the connection.
    pub(super) fn poll_pipe(
        &mut self,
        context: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        match &self.bypass {
            Some(io) => io.inner().poll_pipe(context, pipe, limit),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// hyper has the socket again, where it was out of it: that answer has ended. Not where a part of its request is lost.
    pub(super) fn resume(&mut self, builder: &Builder) {
        if let Some(io) = self.bypass.take()
            && io.inner().is_flushed()
            // It waits for nothing.
            && let Some(Ok((sender, driver))) = builder.handshake(io).now_or_never()
        {
            (self.sender, self.driver) = (sender, Some(driver));
        }
    }

    pub(super) fn seems_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }
}
