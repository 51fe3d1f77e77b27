//! The pipe of one client's connection, for as long as answers pass through it.

use super::Pipe;
use gateway_core::Error;
use gateway_core::body::Part;
use parking_lot::Mutex;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// Filled by the answer's body, drained by the connection's socket.
pub(crate) struct Passage {
    /// Whether the socket takes bytes as they are.
    is_plain: bool,
    pipe: Mutex<Option<Pipe>>,
    /// Whether there is one, for those who do not want the lock.
    is_used: AtomicBool,
}

impl Passage {
    pub(crate) fn new(is_plain: bool) -> Self {
        Self { is_plain, pipe: Mutex::new(None), is_used: AtomicBool::new(false) }
    }

    /// The next part of a body that may go through the pipe, which is empty. None where there is no way from a pipe into the socket, or no
    /// pipe to be had.
    pub(crate) fn fill(
        &self,
        next: impl FnOnce(BorrowedFd<'_>) -> Poll<Option<Result<Part, Error>>>,
    ) -> Option<Poll<Option<Result<Part, Error>>>> {
        if !self.is_plain {
            return None;
        }
        let mut pipe = self.pipe.lock();
        if pipe.is_none() {
            let taken = Pipe::take();
            *pipe = taken.inspect_err(|error| tracing::debug!(%error, "an answer is copied: there is no pipe")).ok();
            self.is_used.store(pipe.is_some(), Ordering::Relaxed);
        }
        let pipe = pipe.as_mut()?;
        let part = next(pipe.entrance()?);
        if let Poll::Ready(Some(Ok(Part::Piped(count)))) = &part {
            pipe.filled(*count);
        }
        Some(part)
    }

    /// Moves what is in the pipe into the socket, as far as that takes it.
    pub(crate) fn drain(&self, socket: impl AsFd) -> io::Result<usize> {
        match &mut *self.pipe.lock() {
            Some(pipe) => pipe.drain(socket),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Whether there is a pipe.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    /// The answer has ended: its pipe is another's, once all of it is with the socket.
    pub(crate) fn leave(&self) {
        if self.is_used() {
            let mut pipe = self.pipe.lock();
            if let Some(empty) = pipe.take_if(|pipe| pipe.is_empty()) {
                self.is_used.store(false, Ordering::Relaxed);
                empty.put();
            }
        }
    }
}
