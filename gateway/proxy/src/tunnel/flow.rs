//! One direction of a tunnel. A flow at rest has no buffer, and one whose sink takes nothing holds no more than a piece.

use bytes::Bytes;
use gateway_core::clock::now;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;

/// What goes from a source to a sink.
#[derive(Default)]
pub(super) struct Flow {
    /// Read and not yet taken.
    held: Bytes,
    /// Something was written that may still be in a buffer of the sink's.
    unflushed: bool,
    side: Side,
    moved: u64,
    /// Since when the sink takes nothing.
    blocked_since: Option<Instant>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Side {
    #[default]
    Open,
    /// The source has ended, and the sink is to be told.
    Ended,
    /// It was.
    Closed,
}

/// Which side has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Source,
    Sink,
}

impl Flow {
    /// With bytes of the source's that were read before. What was written to the sink before may not all be sent.
    pub(super) fn beginning_with(held: Bytes) -> Self {
        Self { held, unflushed: true, ..Self::default() }
    }

    /// Bytes that the sink has taken.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Since when the sink takes nothing, where there is something for it.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// Moves what there is; ready once the source has ended and the sink knows. What the sink does not take is not read.
    pub(super) fn poll(
        &mut self,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            while !self.held.is_empty() {
                let written = Pin::new(&mut *sink).poll_write(context, &self.held);
                let count = ready!(self.note(written))?;
                drop(self.held.split_to(count));
            }
            match self.side {
                Side::Closed => return Poll::Ready(Ok(())),
                Side::Ended => {
                    let closed = Pin::new(&mut *sink).poll_shutdown(context);
                    ready!(self.progress(closed))?;
                    self.side = Side::Closed;
                }
                Side::Open => {
                    let polled = self.pass(source, sink, context);
                    if polled.is_pending() && self.unflushed {
                        let flushed = Pin::new(&mut *sink).poll_flush(context);
                        ready!(self.progress(flushed))?;
                        self.unflushed = false;
                    }
                    ready!(polled)?;
                }
            }
        }
    }

    /// Reads once, and writes that at once: mostly all of it is taken.
    fn pass(
        &mut self,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let mut room = [const { MaybeUninit::uninit() }; PIECE];
        let mut buffer = ReadBuf::uninit(&mut room);
        ready!(Pin::new(source).poll_read(context, &mut buffer)).map_err(|_| Broken::Source)?;
        let read = buffer.filled();
        if read.is_empty() {
            self.side = Side::Ended;
            return Poll::Ready(Ok(()));
        }
        let written = Pin::new(sink).poll_write(context, read);
        let count = match self.note(written) {
            Poll::Ready(count) => count?,
            Poll::Pending => 0,
        };
        self.held = Bytes::copy_from_slice(read.get(count..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    fn note(&mut self, written: Poll<std::io::Result<usize>>) -> Poll<Result<usize, Broken>> {
        let count = ready!(self.progress(written))?;
        if count == 0 {
            return Poll::Ready(Err(Broken::Sink));
        }
        self.moved += count as u64;
        self.unflushed = true;
        Poll::Ready(Ok(count))
    }

    /// The sink has done what it was asked, or takes nothing for now.
    fn progress<T>(&mut self, polled: Poll<std::io::Result<T>>) -> Poll<Result<T, Broken>> {
        match polled {
            Poll::Ready(done) => {
                self.blocked_since = None;
                Poll::Ready(done.map_err(|_| Broken::Sink))
            }
            Poll::Pending => {
                self.blocked_since.get_or_insert_with(now);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn what_was_read_before_comes_first_and_an_end_is_passed_on() {
        let (mut source, mut near) = duplex(64);
        let (mut sink, mut far) = duplex(64);
        source.write_all(b" and this").await.unwrap();
        source.shutdown().await.unwrap();
        let mut flow = Flow::beginning_with(Bytes::from_static(b"this"));
        assert_eq!(poll_fn(|context| flow.poll(&mut near, &mut sink, context)).await, Ok(()));
        let mut taken = String::new();
        far.read_to_string(&mut taken).await.unwrap();
        assert_eq!((taken.as_str(), flow.moved()), ("this and this", 13));
    }

    #[tokio::test]
    async fn a_sink_that_takes_nothing_stops_the_source() {
        let (mut source, mut near) = duplex(1 << 20);
        let (mut sink, mut far) = duplex(1000);
        source.write_all(&[7; 100_000]).await.unwrap();
        let mut flow = Flow::default();
        let mut poll = || {
            let mut context = Context::from_waker(std::task::Waker::noop());
            flow.poll(&mut near, &mut sink, &mut context).is_pending().then_some((flow.moved(), flow.blocked_since()))
        };
        let (moved, since) = poll().unwrap();
        assert_eq!((moved, since.is_some()), (1000, true));
        assert_eq!(poll(), Some((1000, since)), "it counts from when it began");
        far.read_exact(&mut [0; 500]).await.unwrap();
        assert_eq!(poll().unwrap().0, 1500);
        drop(far);
        let broken = poll_fn(|context| flow.poll(&mut near, &mut sink, context)).await;
        assert_eq!(broken, Err(Broken::Sink));
    }
}
