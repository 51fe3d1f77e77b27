//! A peer that makes no progress: a timer that costs nothing while data flows.

use crate::alarm::Alarm;
use gateway_core::clock::now;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Told of each frame and each wait.
pub(super) struct Stall {
    limit: Duration,
    waiting_since: Option<Instant>,
    alarm: Alarm,
}

impl Stall {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, waiting_since: None, alarm: Alarm::default() }
    }

    /// The peer sent something.
    pub(super) fn progress(&mut self) {
        self.waiting_since = None;
    }

    /// The peer has sent nothing yet: ready once that is so for too long.
    pub(super) fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(now);
        self.alarm.poll_until(since + self.limit, context)
    }
}
