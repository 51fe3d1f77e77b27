//! One HTTP/1.1 connection to an endpoint, driven by the task of the request that has it.
//!
//! hyper would have it driven by a task of its own: then every request crosses from one task to another and back, and what the
//! upstream sends is read ahead of whoever takes it. Here the two are one task. What the connection passes to its request by
//! hyper's channels is looked at right after the connection was driven, so nobody needs to be woken for it.

use super::socket::UpstreamSocket;
use bytes::Bytes;
use gateway_core::{Body, Error, Kind, Retry};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Builder, SendRequest};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;

/// A receive buffer of 80 KiB (the kernel doubles it): a good part of what a stalled reader pins (HARDENING P11), and about as
/// much as its bound allows. The smaller it is, the more often an upstream waits for us.
const RECEIVE_BUFFER: usize = 40 * 1024;

/// An answer that is waited for. On the heap: as long as it is not sent, the request is in it, and would be moved with it.
pub type Answer = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// The head of an answer, or hyper's error, with the request where none of it was sent.
pub type Answered = Result<Response<Incoming>, TrySendError<Request<Body>>>;

/// A connection, idle or with one request.
pub struct Connection {
    sender: SendRequest<Body>,
    /// None once it has ended.
    driver: Option<http1::Connection<TokioIo<UpstreamSocket>, Body>>,
    /// Whether the socket is to be kept when HTTP has ended on it.
    may_switch: bool,
    left: Option<Box<http1::Parts<TokioIo<UpstreamSocket>>>>,
}

impl Connection {
    /// Connects to an address.
    pub(super) async fn open(address: SocketAddr, builder: &Builder) -> Result<Box<Self>, Error> {
        let refused = |cause: std::io::Error| {
            Error::new(Kind::ConnectionRefused, format!("{address} took no connection"))
                .retry(Retry::Yes)
                .because(cause)
        };
        let socket = TcpStream::connect(address).await.map_err(refused)?;
        socket.set_nodelay(true).map_err(refused)?;
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER).map_err(refused)?;
        let (sender, driver) = builder.handshake(TokioIo::new(UpstreamSocket::new(socket))).await.map_err(|cause| {
            Error::new(Kind::ConnectionTerminated, format!("{address} closed at once")).retry(Retry::Yes).because(cause)
        })?;
        Ok(Box::new(Self { sender, driver: Some(driver), may_switch: false, left: None }))
    }

    /// Sends what is to be sent and reads what has come. Its errors reach the request that is on it.
    pub fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(ended) = Pin::new(driver).poll(context)
        {
            let driver = self.driver.take();
            match ended {
                Ok(()) if self.may_switch => self.left = driver.map(|driver| Box::new(driver.into_parts())),
                Ok(()) => {}
                Err(error) => tracing::trace!(%error, "an upstream connection ended"),
            }
        }
    }

    /// The next request asks to switch protocols.
    pub fn may_switch(&mut self) {
        self.may_switch = true;
    }

    /// The socket and what was read of it, once an answer has switched protocols: hyper ends with its head.
    pub(super) fn switch(mut self) -> Option<(UpstreamSocket, Bytes)> {
        self.drive(&mut Context::from_waker(Waker::noop()));
        let http1::Parts { io, read_buf, .. } = *self.left?;
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

    /// Gives it a request to send; the answer comes by [`Self::poll_answer`].
    pub fn begin(&mut self, request: Request<Body>) -> Answer {
        Box::pin(unconstrained(self.sender.try_send_request(request)))
    }

    /// Drives it until the head of the answer is there. Nothing wakes us for that but the connection, and no budget is spent on
    /// looking.
    pub fn poll_answer(&mut self, answer: &mut Answer, context: &mut Context<'_>) -> Poll<Answered> {
        self.drive(context);
        answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Whether it can take a request, as far as is known: a look at the connection costs more.
    pub(super) fn seems_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }
}
