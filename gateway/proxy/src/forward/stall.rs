//! A peer that makes no progress: a timer that costs nothing while data flows.

use gateway_core::clock::now;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Told of each frame and each wait. The timer is made at the first wait and moved only when it fires.
pub(super) struct Stall {
    limit: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, waiting_since: None, timer: None }
    }

    /// The peer sent something.
    pub(super) fn progress(&mut self) {
        self.waiting_since = None;
    }

    /// The peer has sent nothing yet: ready once that is so for too long.
    pub(super) fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(now);
        let limit = since + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(limit.into())));
        while timer.as_mut().poll(context).is_ready() {
            if now() >= limit {
                return Poll::Ready(());
            }
            timer.as_mut().reset(limit.into());
        }
        Poll::Pending
    }
}
