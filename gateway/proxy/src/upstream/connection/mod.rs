//! A connection to an endpoint: how it is made, and what is the same whatever is spoken on it.

mod http1;
mod http2;

pub(super) use http2::Http2;

use super::socket::UpstreamSocket;
use super::tls;
use crate::ROOM_FOR_FIELDS;
use crate::heap::boxed;
use crate::wire::Wire;
use bytes::Bytes;
use gateway_config::{Protocol, UpstreamLimits};
use gateway_core::{Body, Error, Kind, Origin, Retry};
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body::Frame;
use http1::Http1;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use socket2::SockRef;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;

/// A receive buffer of 80 KiB (the kernel doubles it): a good part of what a stalled reader pins (HARDENING P11), and about as
/// much as its bound allows. The smaller it is, the more often an upstream waits for us.
const RECEIVE_BUFFER: usize = 40 * 1024;

type Came = Result<Response<Incoming>, TrySendError<Request<Body>>>;

/// The head of an answer, or hyper's error, with the request where none of it was sent. On the heap: both pass through many hands.
pub type Answered = Result<Box<Response<Body>>, Box<TrySendError<Request<Body>>>>;

/// A connection, idle or with a request.
pub struct Connection(Spoken);

enum Spoken {
    /// On the heap: idle ones are moved from shelf to request and back.
    Http1(Box<Http1>),
    Http2(Http2),
}

/// How connections of an endpoint are made.
pub(super) struct Dialer {
    protocol: Protocol,
    http1: hyper::client::conn::http1::Builder,
    limits: UpstreamLimits,
    tls: Option<tls::Connector>,
}

impl Dialer {
    pub(super) fn new(protocol: Protocol, limits: &UpstreamLimits, tls: Option<tls::Connector>) -> Self {
        let mut http1 = hyper::client::conn::http1::Builder::new();
        http1.max_header_size(limits.header).max_buf_size(limits.header.max(8192));
        if limits.headers != ROOM_FOR_FIELDS {
            http1.max_headers(limits.headers);
        }
        Self { protocol, http1, limits: *limits, tls }
    }

    /// Connects to an address.
    pub(super) async fn dial(&self, address: SocketAddr) -> Result<Connection, Error> {
        let refused = |cause: io::Error| {
            Error::new(Kind::ConnectionRefused, format!("{address} took no connection"))
                .retry(Retry::Yes)
                .because(cause)
        };
        let socket = TcpStream::connect(address).await.map_err(refused)?;
        socket.set_nodelay(true).map_err(refused)?;
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER).map_err(refused)?;
        let socket = Wire::new(socket);
        let socket = match &self.tls {
            None => UpstreamSocket::plain(socket),
            Some(tls) => UpstreamSocket::tls(tls.connect(socket, address).await?),
        };
        let spoken = match self.protocol {
            Protocol::Http1 => {
                Spoken::Http1(Box::new(Http1::open(socket, address, &self.http1, self.limits.header).await?))
            }
            Protocol::Http2 => Spoken::Http2(Http2::open(socket, address, &self.limits).await?),
        };
        Ok(Connection(spoken))
    }

    /// Makes one fit for the next request whose last answer went past hyper.
    pub(super) fn resume(&self, connection: &mut Connection) {
        if let Spoken::Http1(connection) = &mut connection.0 {
            connection.resume(&self.http1);
        }
    }

    /// Whether a connection takes several requests at once.
    pub(super) fn is_shared(&self) -> bool {
        self.protocol == Protocol::Http2
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

impl Connection {
    pub(super) fn shared(connection: Http2) -> Self {
        Self(Spoken::Http2(connection))
    }

    /// Gives a request the form that it has on this connection; `host` is whom it asks.
    pub fn address(&self, request: &mut Request<Body>, scheme: &'static str, host: HeaderValue) {
        match &self.0 {
            Spoken::Http1(_) => {
                request.headers_mut().insert(HOST, host);
            }
            Spoken::Http2(_) => http2::adapt(request, scheme, &host),
        }
    }

    /// Keeps the head of the next request, which has no body, as it is written, and says whether it does. Not on HTTP/2: there it is packed.
    pub(crate) fn keep(&self) -> bool {
        match &self.0 {
            Spoken::Http1(connection) => connection.keep(),
            Spoken::Http2(_) => return false,
        }
        true
    }

    /// The request whose head it keeps; none where not all of that was written.
    pub(crate) fn kept(&self) -> Option<Request<Body>> {
        match &self.0 {
            Spoken::Http1(connection) => connection.kept(),
            Spoken::Http2(_) => None,
        }
    }

    /// Sends a request and waits for the head of its answer. None where `overdue` comes first.
    pub async fn ask(&mut self, request: Box<Request<Body>>, overdue: impl Future<Output = ()>) -> Option<Answered> {
        let mut overdue = pin!(overdue);
        let mut first = |answered: Poll<Answered>, context: &mut Context<'_>| match answered {
            Poll::Ready(answered) => Poll::Ready(Some(answered)),
            Poll::Pending => overdue.as_mut().poll(context).map(|()| None),
        };
        match &mut self.0 {
            Spoken::Http1(connection) => {
                let mut answer = pin!(connection.begin(request));
                poll_fn(|context| first(connection.poll_answer(answer.as_mut(), context), context)).await
            }
            Spoken::Http2(connection) => {
                // On the heap, and nothing for requests on HTTP/1.1.
                let mut answer = Box::pin(connection.begin(*request));
                poll_fn(|context| first(answered(answer.as_mut().poll(context)), context)).await
            }
        }
    }

    /// The next part of the answer's body: what has come already, else what comes when the connection is driven on.
    pub fn poll_body(
        &mut self,
        body: &mut Body,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        use http_body::Body as _;
        let connection = match &mut self.0 {
            Spoken::Http1(connection) => connection,
            Spoken::Http2(_) => return Pin::new(body).poll_frame(context),
        };
        let nobody = &mut Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(nobody) {
            return Poll::Ready(frame);
        }
        connection.drive(context);
        Pin::new(body).poll_frame(nobody)
    }

    /// Whether what comes of an answer can be moved into a pipe.
    pub fn is_pipeable(&self) -> bool {
        match &self.0 {
            Spoken::Http1(connection) => connection.is_pipeable(),
            Spoken::Http2(_) => false,
        }
    }

    /// Has the rest of an answer whose length is known go past hyper: what was read of that and not yet passed on.
    pub fn bypass(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Spoken::Http1(connection) => connection.bypass(),
            Spoken::Http2(_) => None,
        }
    }

    /// Moves some of that rest into an empty pipe, `limit` bytes at most; 0: the upstream has closed the connection.
    pub fn poll_pipe(
        &mut self,
        context: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Spoken::Http1(connection) => connection.poll_pipe(context, pipe, limit),
            Spoken::Http2(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// The next request asks to switch protocols.
    pub fn may_switch(&mut self) {
        if let Spoken::Http1(connection) = &mut self.0 {
            connection.may_switch();
        }
    }

    /// The socket and what was read of it, once an answer has switched protocols. None where it has not, as on HTTP/2.
    pub(super) fn switch(self) -> Option<(UpstreamSocket, Bytes)> {
        match self.0 {
            Spoken::Http1(connection) => connection.switch(),
            Spoken::Http2(_) => None,
        }
    }

    /// Whether it can take a request, by a look at it. Nobody is woken afterwards for what was waited for before.
    pub(super) fn is_ready(&mut self) -> bool {
        match &mut self.0 {
            Spoken::Http1(connection) => connection.is_ready(),
            Spoken::Http2(connection) => !connection.is_closed(),
        }
    }

    /// The same as far as is known: a look costs more.
    pub(super) fn seems_ready(&self) -> bool {
        match &self.0 {
            Spoken::Http1(connection) => connection.seems_ready(),
            Spoken::Http2(connection) => !connection.is_closed(),
        }
    }

    /// For the next requests as well, where it takes several at once.
    pub(super) fn share(&self) -> Option<Http2> {
        match &self.0 {
            Spoken::Http1(_) => None,
            Spoken::Http2(connection) => connection.share(),
        }
    }
}

#[inline]
fn answered(came: Poll<Came>) -> Poll<Answered> {
    match came {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(response)) => {
            Poll::Ready(Ok(boxed(|| response.map(|body| Body::incoming(body, Origin::Upstream)))))
        }
        Poll::Ready(Err(failure)) => Poll::Ready(Err(boxed(|| failure))),
    }
}

fn closed_at_once(address: SocketAddr, cause: hyper::Error) -> Error {
    Error::new(Kind::ConnectionTerminated, format!("{address} closed at once")).retry(Retry::Yes).because(cause)
}
