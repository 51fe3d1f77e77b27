//! What a connection has still to send.

use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use rustix::net::SendFlags;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::Interest;
use tokio::net::tcp::OwnedWriteHalf;

/// The half of a connection that is written to; the outbox has it too while it holds something of it.
pub(super) struct Out {
    /// None while it is dropped.
    half: Option<OwnedWriteHalf>,
    /// Whether an outbox holds something of it.
    held: AtomicBool,
    /// Whether the kernel did not take all that an outbox held.
    stuck: AtomicBool,
    /// That, or why it never will.
    rest: Mutex<io::Result<Bytes>>,
    /// Whom the connection wakes, where one task has it for life.
    task: OnceLock<Waker>,
}

impl Out {
    pub(super) fn new(half: OwnedWriteHalf) -> Self {
        let (held, stuck) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { half: Some(half), held, stuck, rest: Mutex::new(Ok(Bytes::new())), task: OnceLock::new() }
    }

    pub(super) fn half_mut(&mut self) -> io::Result<&mut OwnedWriteHalf> {
        self.half.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn half(&self) -> io::Result<&OwnedWriteHalf> {
        self.half.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    /// An outbox holds something of it from now on.
    pub(super) fn hold(&self) {
        self.held.store(true, Ordering::Relaxed);
    }

    /// Has it wake the task that writes to it first, and says whether this is the one: nothing need be kept of whoever writes then.
    pub(super) fn is_for(&self, task: &Waker) -> bool {
        self.task.get_or_init(|| task.clone()).will_wake(task)
    }

    /// Sends what was held. Whose waker it is, or else the connection's task, takes care of what the kernel does not take.
    pub(super) fn send(&self, bytes: &[u8], waker: Option<Waker>) {
        let rest = match self.half().and_then(|half| send(half, bytes)) {
            Ok(sent) => Ok(bytes.get(sent..).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(bytes),
            Err(error) => Err(error),
        };
        if !matches!(rest, Ok([])) {
            *self.rest.lock() = rest.map(Bytes::copy_from_slice);
            self.stuck.store(true, Ordering::Relaxed);
            if let Some(task) = waker.as_ref().or(self.task.get()) {
                task.wake_by_ref();
            }
        }
        self.held.store(false, Ordering::Release);
    }

    /// Sends what the kernel did not take, if that is so.
    pub(super) fn poll_rest(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.is_stuck() {
            false => Poll::Ready(Ok(())),
            true => self.poll_stuck(context),
        }
    }

    #[cold]
    fn poll_stuck(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut rest = self.rest.lock();
        loop {
            match &mut *rest {
                Ok(bytes) if bytes.is_empty() => {
                    self.stuck.store(false, Ordering::Relaxed);
                    return Poll::Ready(Ok(()));
                }
                Ok(bytes) => {
                    let half = self.half()?;
                    ready!(half.as_ref().poll_write_ready(context))?;
                    match half.try_write(bytes) {
                        Ok(sent) => bytes.advance(sent),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => *rest = Err(error),
                    }
                }
                // The error itself is told once, and from then on that there was one.
                Err(error) => return Poll::Ready(Err(std::mem::replace(error, io::ErrorKind::BrokenPipe.into()))),
            }
        }
    }
}

/// Sends what the kernel takes. Past the C library, where a thread that can be cancelled pays for that in every call.
fn send(half: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
    let tcp = half.as_ref();
    tcp.try_io(Interest::WRITABLE, || Ok(rustix::net::send(tcp, bytes, SendFlags::NOSIGNAL)?))
}

impl Drop for Out {
    fn drop(&mut self) {
        if let Some(half) = self.half.take() {
            // It would shut the connection down first: an end as of what is whole, also where the close that follows resets it.
            half.forget();
        }
    }
}
