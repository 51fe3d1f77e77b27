//! A connection of TCP whose little writes go out together with others'.
//!
//! Who is at the other end of a connection over loopback, and sleeps, is woken by what is sent, and the sender pays for it:
//! see decision record 0033. A worker that sends whenever it has something to send leaves its peers the time to go to sleep again; one
//! that does what is to be done for all that have come, and then sends one after the other, wakes each of them once.

mod out;
mod outbox;

use out::Out;
use outbox::LITTLE;
pub(crate) use outbox::{send_overdue, send_together};
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// While it has joined others, `Ok` of a write or a flush may only mean that the thread's outbox has the bytes. If the kernel does not take
/// them then, the task that wrote is woken. Whenever it is polled it has to flush or to write: that waits for the rest, or tells the error. Of
/// a connection that is dropped the outbox still sends what the kernel takes.
pub(crate) struct Wire {
    read: OwnedReadHalf,
    out: Arc<Out>,
    has_joined: bool,
    stays: bool,
}

impl Wire {
    pub(crate) fn new(tcp: TcpStream) -> Self {
        let (read, half) = tcp.into_split();
        Self { read, out: Arc::new(Out::new(half)), has_joined: false, stays: false }
    }

    /// From now on little that is written goes out with others'.
    pub(crate) fn join(&mut self) {
        self.has_joined = true;
    }

    /// It is the task's that writes to it first, for as long as that runs: it wakes no other, and need not be told again.
    pub(crate) fn stay(&mut self) {
        self.stays = true;
    }

    /// From now on what is written or flushed is with the kernel.
    pub(crate) fn leave(&mut self) {
        self.has_joined = false;
    }

    /// To be written to only once it is clear: bytes would change places.
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.read.as_ref()
    }

    /// Whether something has come, as far as the reactor knows: it costs a look at a word, and nobody is woken where nothing has.
    pub(crate) fn seems_readable(&self) -> bool {
        self.tcp().try_io(Interest::READABLE, || Ok(())).is_ok()
    }

    /// Whether all that was written is with the kernel.
    pub(crate) fn is_clear(&self) -> bool {
        !self.out.is_held() && !self.out.is_stuck()
    }

    /// Whether the kernel has not taken all that the outbox held.
    pub(crate) fn is_stuck(&self) -> bool {
        self.out.is_stuck()
    }

    /// Gives the kernel all that was written.
    pub(crate) fn poll_clear(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.is_held() {
            outbox::send();
            if self.out.is_held() {
                return soon(context);
            }
        }
        self.out.poll_rest(context)
    }

    /// The half that is written to, clear.
    fn poll_half(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Pin<&mut OwnedWriteHalf>>> {
        ready!(self.poll_clear(context))?;
        match Arc::get_mut(&mut self.out) {
            Some(out) => Poll::Ready(out.half_mut().map(Pin::new)),
            None => soon(context),
        }
    }
}

/// Another thread's outbox has something of it: the connection has moved.
#[cold]
fn soon<T>(context: &Context<'_>) -> Poll<T> {
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Takes what has come, as far as there is room, and says how much. Past the C library, as what is sent.
fn receive(tcp: &TcpStream, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    #[expect(unsafe_code, reason = "room that nothing was written to is not lent otherwise")]
    // SAFETY: nothing but what was received is written there, and that stays initialized.
    let room = unsafe { buffer.unfilled_mut() };
    let came = retry_on_intr(|| recv(tcp, &mut *room, RecvFlags::empty()).map(|((came, _), _)| came.len()))?;
    #[expect(unsafe_code, reason = "as above")]
    // SAFETY: so many bytes were written to the beginning of the room.
    unsafe {
        buffer.assume_init(came);
    }
    buffer.advance(came);
    Ok(came)
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tcp = self.tcp();
        loop {
            ready!(tcp.poll_read_ready(context))?;
            let mut has_come = false;
            let tried = tcp.try_io(Interest::READABLE, || {
                let room = buffer.remaining();
                let count = receive(tcp, buffer)?;
                has_come = true;
                // Less than there was room for is all that is there, and the socket says when there is more.
                if (1..room).contains(&count) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match tried {
                _ if has_come => return Poll::Ready(Ok(())),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                _ => {}
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    /// All of it, where it is little.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if length <= LITTLE && self.has_joined {
            ready!(self.poll_clear(context))?;
            if outbox::hold(&self.out, slices, context.waker(), self.stays) {
                return Poll::Ready(Ok(length));
            }
        }
        let half = ready!(self.poll_half(context))?;
        match slices {
            [slice] => half.poll_write(context, slice),
            _ => half.poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.has_joined {
            true => self.out.poll_rest(context),
            false => self.poll_clear(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_half(context))?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
