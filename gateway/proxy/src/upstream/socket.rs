//! An upstream's socket, read in pieces of a bounded size.
//!
//! hyper doubles what it reads at once for as long as that is filled, up to the largest head it may read. A piece of an answer is
//! what is held for a client that takes nothing (HARDENING P11), so it has a bound of its own.

use super::head::HeadBound;
use super::sent::Sent;
use crate::pipe::splice;
use crate::wire::Wire;
use socket2::SockRef;
use std::cell::Cell;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf, Take};
use tokio_rustls::client::TlsStream;

/// One less than what hyper would have to be given to ask for twice as much the next time.
const PIECE: u64 = 32 * 1024 - 1;

/// The same where the kernel has more room.
const WIDE_PIECE: u64 = 8 * 1024 - 1;

/// A receive buffer of 144 KiB (the kernel doubles it): with that, an upstream that has much to say hardly waits for us.
const WIDE: usize = 72 * 1024;

/// Of a tunnel, for a service that takes nothing (HARDENING P11).
const UNSENT: u32 = 16 * 1024;

pub(super) struct UpstreamSocket {
    stream: Stream,
    head: HeadBound,
    sent: Sent,
    /// Whether all that was to be sent was given to the socket.
    flushed: bool,
    /// Bytes that are read of it at once, at most.
    piece: u64,
}

enum Stream {
    Plain(Take<Wire>),
    /// On the heap, so that plain connections do not carry its size.
    Tls(Box<Take<TlsStream<Wire>>>),
}

/// Whatever it is, as a stream to be polled.
macro_rules! pass {
    ($socket:expr, $poll:ident($context:expr $(, $argument:expr)*)) => {
        for_task($context, |context| match &mut $socket.stream {
            Stream::Plain(socket) => Pin::new(socket.get_mut()).$poll(context $(, $argument)*),
            Stream::Tls(socket) => Pin::new(socket.get_mut()).$poll(context $(, $argument)*),
        })
    };
}

/// Whether a socket that nothing has come on wakes the task once something has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wakes {
    /// Told of the task once: hyper looks several times while it is polled, and each time a socket is told costs a lock and, where another
    /// task had it, a count of each of both.
    Task,
    /// It need not, or does already.
    Nobody,
}

scoped_tls::scoped_thread_local!(static TASK: Waker);
thread_local!(static WAKES: Cell<Wakes> = const { Cell::new(Wakes::Task) });

/// Polls what is given nobody to wake, while the sockets in it wake the task, where they do.
pub(super) fn woken_by<T>(context: &Context<'_>, wakes: Wakes, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
    WAKES.set(wakes);
    TASK.set(context.waker(), || poll(&mut Context::from_waker(Waker::noop())))
}

/// Polls a socket for the task that it is to wake.
fn for_task<T>(context: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
    match TASK.is_set() {
        true => TASK.with(|task| poll(&mut Context::from_waker(task))),
        false => poll(context),
    }
}

impl UpstreamSocket {
    pub(super) fn plain(wire: Wire) -> Self {
        Self::new(Stream::Plain(wire.take(PIECE)))
    }

    pub(super) fn tls(stream: TlsStream<Wire>) -> Self {
        Self::new(Stream::Tls(Box::new(stream.take(PIECE))))
    }

    fn new(stream: Stream) -> Self {
        let mut socket = Self { stream, head: HeadBound::new(), sent: Sent::default(), flushed: true, piece: PIECE };
        socket.wire_mut().join();
        socket
    }

    /// Whether what comes on it can be moved into a pipe.
    pub(super) fn is_pipeable(&self) -> bool {
        matches!(self.stream, Stream::Plain(_))
    }

    /// Whether all that was to be sent is with the kernel.
    pub(super) fn is_flushed(&self) -> bool {
        self.flushed && self.wire().is_clear()
    }

    /// Gives the kernel more room for what comes, for an answer of which we hold nothing. That cannot be undone: its peer may send as much
    /// as it was told. So what is read of later answers is less at once.
    pub(super) fn widen(&mut self) -> io::Result<()> {
        if self.piece != PIECE {
            return Ok(());
        }
        self.piece = WIDE_PIECE;
        SockRef::from(self.wire().tcp()).set_recv_buffer_size(WIDE)
    }

    /// Moves some of what comes into an empty pipe, `limit` bytes at most; 0: the upstream has closed the connection.
    pub(super) fn poll_pipe(
        &self,
        context: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        let Stream::Plain(socket) = &self.stream else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
        let tcp = socket.get_ref().tcp();
        loop {
            ready!(tcp.poll_read_ready(context))?;
            match tcp.try_io(Interest::READABLE, || splice(tcp, pipe, limit)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                moved => return Poll::Ready(moved),
            }
        }
    }

    /// What bounds the bytes before a head.
    pub(super) fn head(&self) -> HeadBound {
        self.head.clone()
    }

    /// Where the head of a request is kept as it passes.
    pub(super) fn sent(&self) -> Sent {
        self.sent.clone()
    }

    /// What is said on it from now on is another protocol's.
    pub(super) fn pass_as_it_is(&mut self) {
        self.wire_mut().leave();
    }

    /// Bytes that the kernel takes before it has sent what it has. An answer waits for its request, a tunnel's service for nothing.
    pub(super) fn bound_unsent(&self) -> io::Result<()> {
        SockRef::from(self.wire().tcp()).set_tcp_notsent_lowat(UNSENT)
    }

    fn wire_mut(&mut self) -> &mut Wire {
        match &mut self.stream {
            Stream::Plain(socket) => socket.get_mut(),
            Stream::Tls(socket) => socket.get_mut().get_mut().0,
        }
    }

    fn wire(&self) -> &Wire {
        match &self.stream {
            Stream::Plain(socket) => socket.get_ref(),
            Stream::Tls(socket) => socket.get_ref().get_ref().0,
        }
    }
}

impl AsyncRead for UpstreamSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, piece) = (buffer.filled().len(), self.piece);
        let read = for_task(context, |context| match &mut self.stream {
            Stream::Plain(socket) => {
                if TASK.is_set() && WAKES.get() == Wakes::Nobody && !socket.get_ref().seems_readable() {
                    return Poll::Pending;
                }
                socket.set_limit(piece);
                let read = Pin::new(socket).poll_read(context, buffer);
                if read.is_pending() {
                    WAKES.set(Wakes::Nobody);
                }
                read
            }
            Stream::Tls(socket) => {
                socket.set_limit(piece);
                Pin::new(&mut **socket).poll_read(context, buffer)
            }
        });
        if !self.head.note(buffer.filled().len() - before) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "more than a head before the answer")));
        }
        read
    }
}

impl AsyncWrite for UpstreamSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sent.note([bytes]);
        self.flushed = false;
        pass!(self, poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.sent.note_vectored(slices);
        self.flushed = false;
        pass!(self, poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(socket) => socket.get_ref().is_write_vectored(),
            Stream::Tls(socket) => socket.get_ref().is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = pass!(self, poll_flush(context));
        // hyper flushes when it has written all that it has.
        self.flushed = matches!(flushed, Poll::Ready(Ok(())));
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass!(self, poll_shutdown(context))
    }
}
