//! An upstream's socket, read in pieces of a bounded size.
//!
//! hyper doubles what it reads at once for as long as that is filled, up to the largest head it may read. A piece of an answer is
//! what is held for a client that takes nothing (HARDENING P11), so it has a bound of its own.

use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::net::TcpStream;

/// One less than what hyper would have to be given to ask for twice as much the next time.
const PIECE: u64 = 32 * 1024 - 1;

/// Of a tunnel, for a service that takes nothing (HARDENING P11).
const UNSENT: u32 = 16 * 1024;

pub(super) struct UpstreamSocket(Take<TcpStream>);

impl UpstreamSocket {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self(tcp.take(PIECE))
    }

    /// Bytes that the kernel takes before it has sent what it has. An answer waits for its request, a tunnel's service for nothing.
    pub(super) fn bound_unsent(&self) -> io::Result<()> {
        SockRef::from(self.0.get_ref()).set_tcp_notsent_lowat(UNSENT)
    }

    fn tcp(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.0.get_mut())
    }
}

impl AsyncRead for UpstreamSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.set_limit(PIECE);
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for UpstreamSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.tcp().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tcp().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_shutdown(context)
    }
}
