//! A client's socket, watched: what comes and what is taken is noted for the connection's timer and flood guard.
//!
//! What the socket takes is noted below TLS, what the client says above it.

use super::activity::Activity;
use super::flood::Guard;
use super::lines::Lines;
use super::tls;
use crate::pipe::stands_in;
use crate::wire::Wire;
use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The kernel doubles it. A client with a round trip of 100 ms sends some 600 KiB a second through it.
const RECEIVED: usize = 40 * 1024;

/// What an HTTP/2 client sends first (RFC 9113 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket that notes whether its peer takes what is written.
pub(super) struct Socket {
    wire: Wire,
    activity: Arc<Activity>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, activity: Arc<Activity>) -> Self {
        Self { wire: Wire::new(tcp), activity }
    }

    /// The first byte that comes, left to be read.
    pub(super) async fn peek(&self) -> io::Result<u8> {
        let mut first = [0];
        match self.wire.tcp().peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(first[0]),
        }
    }

    /// Takes what is to go out with the first of what is in the pipe.
    fn poll_write_more(&self, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        self.poll_out(context, || Ok(sendmsg(self.wire.tcp(), slices, &mut SendAncillaryBuffer::default(), flags)?))
    }

    /// Takes what is in the pipe, some of it at least.
    fn poll_drain(&self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let drained = self.poll_out(context, || self.activity.drain(self.wire.tcp()));
        if drained.is_pending() {
            // What was to go out with it does not wait for it.
            self.wire.tcp().set_nodelay(true)?;
        }
        drained
    }

    /// Writes in a way of its own, which does not wait.
    fn poll_out(&self, context: &mut Context<'_>, write: impl Fn() -> io::Result<usize>) -> Poll<io::Result<usize>> {
        ready!(self.wire.poll_clear(context))?;
        let tcp = self.wire.tcp();
        loop {
            ready!(tcp.poll_write_ready(context))?;
            match tcp.try_io(Interest::WRITABLE, &write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(_)) => self.activity.written(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.blocked(),
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.wire).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match slices.iter().position(stands_in) {
            Some(0) => self.poll_drain(context),
            Some(before) => self.poll_write_more(context, slices.get(..before).unwrap_or_default()),
            None => Pin::new(&mut self.wire).poll_write_vectored(context, slices),
        };
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.is_stuck() {
            let taken = Pin::new(&mut self.wire).poll_flush(context);
            ready!(self.note(taken.map_ok(|()| 0)))?;
        }
        if self.activity.is_piping() {
            // Nothing more is taken into the pipe for a client that takes nothing (HARDENING P11).
            let takes = self.poll_out(context, || takes_more(self.wire.tcp()));
            ready!(self.note(takes))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}

/// Whether a socket takes bytes; where it does not, it would have one wait.
fn takes_more(tcp: &TcpStream) -> io::Result<usize> {
    match retry_on_intr(|| poll(&mut [PollFd::new(tcp, PollFlags::OUT)], Some(&Timespec::default())))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        ready => Ok(ready),
    }
}

/// What the client's bytes pass.
pub(super) enum Transport {
    Plain(Socket),
    /// On the heap, so that plain connections do not carry its size.
    Tls(Box<TlsStream<Socket>>),
}

impl Transport {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.get_mut().0,
        }
    }
}

/// Polls whichever it is.
macro_rules! pass {
    ($transport:expr, $poll:ident($($argument:expr),*)) => {
        match &mut $transport {
            Transport::Plain(socket) => Pin::new(socket).$poll($($argument),*),
            Transport::Tls(stream) => Pin::new(&mut **stream).$poll($($argument),*),
        }
    };
}

pub(super) struct ClientStream {
    transport: Transport,
    /// Bytes that were read already, to be read again: they told the protocol, or a connection that was given up had them.
    prefix: Bytes,
    /// So many of them have passed `lines`.
    looked_at: usize,
    activity: Arc<Activity>,
    /// HTTP/2 only.
    guard: Option<Arc<Guard>>,
    /// HTTP/1.1 only.
    lines: Option<Lines>,
}

impl ClientStream {
    pub(super) fn new(mut transport: Transport, activity: Arc<Activity>) -> Self {
        let wire = &mut transport.socket().wire;
        wire.join();
        wire.stay();
        Self { transport, prefix: Bytes::new(), looked_at: 0, activity, guard: None, lines: None }
    }

    /// Reads until it is clear whether the client speaks HTTP/2.
    ///
    /// # Errors
    /// Also where over TLS it speaks another protocol than it has agreed to.
    pub(super) async fn is_http2(&mut self) -> io::Result<bool> {
        let speaks = self.has_preface().await?;
        match &self.transport {
            Transport::Tls(stream) if tls::wants_http2(stream) != speaks => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "another protocol than was agreed on"))
            }
            _ => Ok(speaks),
        }
    }

    async fn has_preface(&mut self) -> io::Result<bool> {
        let mut read = [0; PREFACE.len()];
        let mut length = 0;
        loop {
            let Some(free) = read.get_mut(length..) else { return Ok(true) };
            let count = match &mut self.transport {
                Transport::Plain(socket) => socket.wire.read(free).await?,
                Transport::Tls(stream) => stream.read(free).await?,
            };
            self.activity.received();
            length += count;
            let known = read.get(..length).unwrap_or_default();
            self.prefix = Bytes::copy_from_slice(known);
            match PREFACE.starts_with(known) {
                true if length == PREFACE.len() => return Ok(true),
                true if count > 0 => {}
                _ => return Ok(false),
            }
        }
    }

    /// Waits for more to come, without a buffer to read it into.
    pub(super) async fn readable(&self) -> io::Result<()> {
        if !self.prefix.is_empty() {
            return Ok(());
        }
        match &self.transport {
            Transport::Plain(socket) => socket.wire.tcp().readable().await,
            Transport::Tls(stream) => match stream.get_ref() {
                // It has decrypted something already, or its client's good-bye.
                (_, session) if !session.wants_read() => Ok(()),
                (socket, _) => socket.wire.tcp().readable().await,
            },
        }
    }

    /// From now on the kernel takes no more of the client's bytes than a tunnel may pin (HARDENING P11): by itself it makes room for
    /// megabytes where they are taken fast.
    pub(super) fn bound_received(&self) -> io::Result<()> {
        let socket = match &self.transport {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.get_ref().0,
        };
        SockRef::from(socket.wire.tcp()).set_recv_buffer_size(RECEIVED)
    }

    /// Bytes that were read of it, to be read first.
    pub(super) fn unread(&mut self, bytes: Bytes) {
        self.looked_at = bytes.len();
        self.prefix = bytes;
    }

    /// What comes from now on is HTTP/1.1.
    pub(super) fn read_lines(&mut self) {
        self.lines = Some(Lines::new());
    }

    /// What comes and goes from now on is another protocol's.
    pub(super) fn pass_as_it_is(&mut self) {
        self.lines = None;
        self.transport.socket().wire.leave();
    }

    pub(super) fn guard(&mut self, guard: Arc<Guard>) {
        self.guard = Some(guard);
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(count)), Some(guard)) = (&written, &self.guard) {
            guard.sent(*count);
        }
        written
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(guard) = &this.guard
            && guard.is_tripped()
        {
            // Nothing more is read of a connection that is being ended.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if this.prefix.is_empty() {
            ready!(pass!(this.transport, poll_read(context, buffer)))?;
        } else {
            let count = this.prefix.len().min(buffer.remaining());
            buffer.put_slice(&this.prefix.split_to(count));
        }
        if let Some(lines) = &mut this.lines {
            let new = buffer.filled_mut().get_mut(before..).unwrap_or_default();
            let again = this.looked_at.min(new.len());
            this.looked_at -= again;
            lines.pass(new.get_mut(again..).unwrap_or_default());
        }
        let new = buffer.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            // The frames of HTTP/2 tell a head from what else comes between requests; on HTTP/1.1 nothing else does.
            match &this.guard {
                None => this.activity.received(),
                Some(guard) if guard.received(new) => this.activity.head_began(),
                Some(_) => this.activity.head_ended(),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = pass!(self.transport, poll_write(context, bytes));
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = pass!(self.transport, poll_write_vectored(context, slices));
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(socket) => socket.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has written all that it has. TLS may still have some of it.
        ready!(pass!(self.transport, poll_flush(context)))?;
        self.activity.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass!(self.transport, poll_shutdown(context))
    }
}
