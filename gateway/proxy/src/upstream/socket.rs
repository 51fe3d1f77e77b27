//! An upstream's socket, read in pieces of a bounded size.
//!
//! hyper doubles what it reads at once for as long as that is filled, up to the largest head it may read. A piece of an answer is
//! what is held for a client that takes nothing (HARDENING P11), so it has a bound of its own.

use super::head::HeadBound;
use super::sent::Sent;
use crate::joined;
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// One less than what hyper would have to be given to ask for twice as much the next time.
const PIECE: u64 = 32 * 1024 - 1;

/// Of a tunnel, for a service that takes nothing (HARDENING P11).
const UNSENT: u32 = 16 * 1024;

pub(super) struct UpstreamSocket {
    stream: Stream,
    head: HeadBound,
    sent: Sent,
}

enum Stream {
    Plain(Take<TcpStream>),
    /// On the heap, so that plain connections do not carry its size.
    Tls(Box<Take<TlsStream<TcpStream>>>),
}

/// Whatever it is, as a stream to be polled.
macro_rules! pass {
    ($socket:expr, $poll:ident($($argument:expr),*)) => {
        match &mut $socket.stream {
            Stream::Plain(socket) => Pin::new(socket.get_mut()).$poll($($argument),*),
            Stream::Tls(socket) => Pin::new(socket.get_mut()).$poll($($argument),*),
        }
    };
}

impl UpstreamSocket {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Self { stream: Stream::Plain(tcp.take(PIECE)), head: HeadBound::new(), sent: Sent::default() }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self { stream: Stream::Tls(Box::new(stream.take(PIECE))), head: HeadBound::new(), sent: Sent::default() }
    }

    /// What bounds the bytes before a head.
    pub(super) fn head(&self) -> HeadBound {
        self.head.clone()
    }

    /// Where the head of a request is kept as it passes.
    pub(super) fn sent(&self) -> Sent {
        self.sent.clone()
    }

    /// Bytes that the kernel takes before it has sent what it has. An answer waits for its request, a tunnel's service for nothing.
    pub(super) fn bound_unsent(&self) -> io::Result<()> {
        let tcp = match &self.stream {
            Stream::Plain(socket) => socket.get_ref(),
            Stream::Tls(socket) => socket.get_ref().get_ref().0,
        };
        SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT)
    }
}

impl AsyncRead for UpstreamSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.stream {
            Stream::Plain(socket) => {
                socket.set_limit(PIECE);
                Pin::new(socket).poll_read(context, buffer)
            }
            Stream::Tls(socket) => {
                socket.set_limit(PIECE);
                Pin::new(&mut **socket).poll_read(context, buffer)
            }
        };
        if !self.head.note(buffer.filled().len() - before) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "more than a head before the answer")));
        }
        read
    }
}

impl AsyncWrite for UpstreamSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sent.note([bytes]);
        pass!(self, poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.sent.note_vectored(slices);
        match &mut self.stream {
            Stream::Plain(socket) => joined::poll_write(socket.get_mut(), context, slices),
            Stream::Tls(socket) => Pin::new(socket.get_mut()).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(socket) => socket.get_ref().is_write_vectored(),
            Stream::Tls(socket) => socket.get_ref().is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass!(self, poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass!(self, poll_shutdown(context))
    }
}
