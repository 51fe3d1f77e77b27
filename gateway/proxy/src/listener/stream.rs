//! One HTTP/2 stream: whether its client takes what is sent on it (HARDENING H6).
//!
//! The socket cannot tell: the other streams of the connection may flow. So each stream's task is wrapped, and dropped,
//! which resets the stream, when the client's window stays closed. A tunnel looks after that itself, and gives the stream up.

use super::flood::Guard;
use crate::alarm::Alarm;
use crate::wire;
use futures_util::task::AtomicWaker;
use gateway_core::clock::{moment, ticks};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

tokio::task_local! {
    static CURRENT: Arc<Stream>;
}

/// The state of one stream.
#[derive(Default)]
pub struct Stream {
    /// When a part of the answer was handed over and no more was asked for since; 0: more was asked for.
    offered: AtomicU64,
    /// Whether the answer has begun.
    answering: AtomicBool,
    /// Whether a tunnel has ended before what it had for the client was taken, or by a failure.
    is_given_up: AtomicBool,
    given_up: AtomicWaker,
}

impl Stream {
    /// The stream whose task runs; none on HTTP/1.1.
    #[must_use]
    pub fn current() -> Option<Arc<Self>> {
        let stream = CURRENT.try_with(Arc::clone).ok()?;
        stream.answering.store(true, Ordering::Relaxed);
        stream.offered();
        Some(stream)
    }

    /// A part of the answer was handed over; the next is asked for when the client's window lets it.
    pub(crate) fn offered(&self) {
        self.offered.store(ticks(), Ordering::Relaxed);
    }

    /// The tunnel on it was cut: so is the stream.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.given_up.wake();
    }

    /// More was asked for.
    pub(crate) fn taken(&self) {
        self.offered.store(0, Ordering::Relaxed);
    }
}

/// Runs the tasks of a connection's streams.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    pub(super) write: Duration,
    pub(super) guard: Arc<Guard>,
}

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        // hyper starts a stream's task from the connection's, and from the stream's the one that writes what a tunnel sends.
        let outer = CURRENT.try_with(Arc::clone).ok();
        let is_tunnel = outer.is_some();
        let stream = outer.unwrap_or_default();
        let watched = Watched {
            task: Some(Box::pin(task)),
            alarm: Alarm::default(),
            stream: Arc::clone(&stream),
            executor: self.clone(),
            is_tunnel,
        };
        tokio::spawn(CURRENT.scope(stream, watched));
    }
}

struct Watched<F> {
    /// None once it was dropped for its client's silence.
    task: Option<Pin<Box<F>>>,
    alarm: Alarm,
    stream: Arc<Stream>,
    executor: StreamExecutor,
    is_tunnel: bool,
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        wire::send_overdue();
        if this.is_tunnel {
            this.stream.given_up.register(context.waker());
            if this.stream.is_given_up.load(Ordering::Relaxed) {
                this.task = None;
            }
        }
        let Some(task) = &mut this.task else { return Poll::Ready(()) };
        if task.as_mut().poll(context).is_ready() {
            this.task = None;
            if !this.is_tunnel && this.stream.answering.load(Ordering::Relaxed) {
                this.executor.guard.answered();
            }
            return Poll::Ready(());
        }
        let offered = this.stream.offered.load(Ordering::Relaxed);
        if offered == 0 {
            return Poll::Pending;
        }
        let limit = moment(offered) + this.executor.write;
        ready!(this.alarm.poll_until(limit, context));
        this.task = None;
        Poll::Ready(())
    }
}
