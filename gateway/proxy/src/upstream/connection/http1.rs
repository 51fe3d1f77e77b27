//! One HTTP/1.1 connection to an endpoint, driven by the task of the request that has it.
//!
//! hyper would have it driven by a task of its own: then every request crosses from one task to another and back, and what the
//! upstream sends is read ahead of whoever takes it. Here the two are one task. What the connection passes to its request by
//! hyper's channels is looked at right after the connection was driven, so nobody needs to be woken for it.

use super::super::head::HeadBound;
use super::super::sent::Sent;
use super::{Answer, Came, UpstreamSocket, closed_at_once};
use bytes::Bytes;
use gateway_core::{Body, Error};
use http::Request;
use hyper::client::conn::http1::{Builder, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
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
    /// Whether the socket is to be kept when HTTP has ended on it.
    may_switch: bool,
    left: Option<Box<Parts<TokioIo<UpstreamSocket>>>>,
}

impl Http1 {
    pub(super) async fn open(
        socket: UpstreamSocket,
        address: SocketAddr,
        builder: &Builder,
        limit: usize,
    ) -> Result<Self, Error> {
        let (bound, sent) = (socket.head(), socket.sent());
        let opened = builder.handshake(TokioIo::new(socket)).await;
        let (sender, driver) = opened.map_err(|cause| closed_at_once(address, cause))?;
        Ok(Self { sender, driver: Some(driver), bound, sent, limit, may_switch: false, left: None })
    }

    /// Sends what is to be sent and reads what has come. Its errors reach the request that is on it.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(ended) = Pin::new(driver).poll(context)
        {
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
        let socket = io.into_inner();
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
    pub(super) fn keep(&self) -> Sent {
        self.sent.begin();
        self.sent.clone()
    }

    pub(super) fn begin(&mut self, request: Request<Body>) -> Answer {
        self.bound.begin(self.limit);
        Box::pin(unconstrained(self.sender.try_send_request(request)))
    }

    /// Drives it on and looks for the head of the answer. Nothing wakes us for that but the connection, and no budget is spent on
    /// looking.
    pub(super) fn poll_answer(&mut self, answer: &mut Answer, context: &mut Context<'_>) -> Poll<Came> {
        self.drive(context);
        let answered = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if answered.is_ready() {
            self.bound.end();
        }
        answered
    }

    pub(super) fn seems_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }
}
