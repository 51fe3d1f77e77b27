//! The pipe of one client's connection, for as long as answers pass through it.

use super::{LARGEST, Pipe};
use crate::tcp::Outgoing;
use gateway_core::Error;
use gateway_core::body::{Entrance, Part};
use parking_lot::Mutex;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// Filled by the answer's body, drained by the connection's socket.
pub(crate) struct Passage {
    /// Whether the socket takes bytes as they are.
    is_plain: bool,
    inside: Mutex<Inside>,
    /// Whether there is a pipe, for those who do not want the lock.
    is_used: AtomicBool,
}

#[derive(Default)]
struct Inside {
    pipe: Option<Pipe>,
    /// How the client stood when the pipe was empty last, and nothing was written since.
    client: Outgoing,
}

impl Passage {
    pub(crate) fn new(is_plain: bool) -> Self {
        Self { is_plain, inside: Mutex::default(), is_used: AtomicBool::new(false) }
    }

    /// The next part of a body that may go through the pipe, which is empty. None where there is no way from a pipe into the socket, or no
    /// pipe to be had.
    pub(crate) fn fill(
        &self,
        next: impl FnOnce(Entrance<'_>) -> Poll<Option<Result<Part, Error>>>,
    ) -> Option<Poll<Option<Result<Part, Error>>>> {
        if !self.is_plain {
            return None;
        }
        let Inside { pipe, client } = &mut *self.inside.lock();
        if pipe.is_none() {
            let taken = Pipe::take();
            *pipe = taken.inspect_err(|error| tracing::debug!(%error, "an answer is copied: there is no pipe")).ok();
            self.is_used.store(pipe.is_some(), Ordering::Relaxed);
        }
        let pipe = pipe.as_mut()?;
        let part = next(Entrance { pipe: pipe.entrance()?, limit: limit(client.segment), promised: client.promised });
        if part.is_ready() {
            *client = Outgoing::default();
        }
        if let Poll::Ready(Some(Ok(Part::Piped(count)))) = &part {
            pipe.filled(*count);
        }
        Some(part)
    }

    /// How the client stands: all that was handed over is with the socket.
    pub(crate) fn note(&self, client: Outgoing) {
        self.inside.lock().client = client;
    }

    /// Moves what is in the pipe into the socket, as far as that takes it.
    pub(crate) fn drain(&self, socket: impl AsFd) -> io::Result<usize> {
        match &mut self.inside.lock().pipe {
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
            let Inside { pipe, client } = &mut *self.inside.lock();
            *client = Outgoing::default();
            if let Some(empty) = pipe.take_if(|pipe| pipe.is_empty()) {
                self.is_used.store(false, Ordering::Relaxed);
                empty.put();
            }
        }
    }
}

/// Bytes that may be in the pipe at once, for a client to whom so many go in a segment: whole segments, else the rest of each piece would go
/// out in a packet of its own.
fn limit(segment: usize) -> usize {
    match LARGEST.checked_rem(segment) {
        Some(rest) if rest < LARGEST => LARGEST - rest,
        _ => LARGEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_whole_segments() {
        assert_eq!(limit(0), LARGEST, "nothing is known of the client");
        assert_eq!(limit(1448), 45 * 1448);
        assert_eq!(limit(65_483), 65_483);
        assert_eq!(limit(LARGEST + 1), LARGEST, "no segment fits");
        assert_eq!(limit(1), LARGEST);
    }
}
