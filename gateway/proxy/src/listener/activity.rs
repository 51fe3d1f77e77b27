//! What a connection is doing, and when that has taken too long. One timer for each connection, moved only when it fires.

use gateway_config::ListenerTimeouts;
use gateway_core::clock::now;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The state of one connection, written where things happen and read by its timer.
pub(super) struct Activity {
    timeouts: ListenerTimeouts,
    phase: AtomicU8,
    since: AtomicU64,
    /// 0: the peer takes what is written.
    write_blocked: AtomicU64,
    /// Requests under way.
    open: AtomicUsize,
}

/// Between requests: nothing of the next one has come.
const IDLE: u8 = 0;
/// Something of a head has come.
const HEAD: u8 = 1;
/// A request is being answered; it has bounds of its own.
const SERVING: u8 = 2;

/// What the timer finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is well until then.
    Wait(Instant),
    /// Nothing has come for long: a good-bye, then the end.
    Idle,
    /// The peer holds the connection without using it.
    Stalled,
}

impl Activity {
    pub(super) fn new(timeouts: ListenerTimeouts) -> Self {
        Self {
            timeouts,
            phase: AtomicU8::new(IDLE),
            since: AtomicU64::new(ticks(now())),
            write_blocked: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        }
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.enter(HEAD);
        }
    }

    /// The peer took bytes.
    pub(super) fn written(&self) {
        if self.write_blocked.load(Ordering::Relaxed) != 0 {
            self.write_blocked.store(0, Ordering::Relaxed);
        }
    }

    /// The peer takes no more bytes for now.
    pub(super) fn blocked(&self) {
        if self.write_blocked.load(Ordering::Relaxed) == 0 {
            self.write_blocked.store(ticks(now()), Ordering::Relaxed);
        }
    }

    fn enter(&self, phase: u8) {
        self.since.store(ticks(now()), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        let since = moment(self.since.load(Ordering::Relaxed));
        let blocked = self.write_blocked.load(Ordering::Relaxed);
        let write = (blocked != 0).then(|| moment(blocked) + self.timeouts.write);
        let (read, verdict) = match self.phase.load(Ordering::Relaxed) {
            IDLE => (since + self.timeouts.idle, Verdict::Idle),
            HEAD => (since + self.timeouts.header, Verdict::Stalled),
            // Nothing is awaited of the peer; look again before anything could be overdue.
            _ => (now + self.timeouts.write.min(self.timeouts.header).min(self.timeouts.idle), Verdict::Stalled),
        };
        match write {
            Some(write) if write <= now => Verdict::Stalled,
            _ if read <= now => verdict,
            Some(write) => Verdict::Wait(write.min(read)),
            // A write may block, or a head begin, after the timer was set.
            None => Verdict::Wait(read.min(now + self.timeouts.write).min(now + self.timeouts.header)),
        }
    }
}

/// A request under way; it ends with its answer's body.
pub(crate) struct Open(Arc<Activity>);

impl Open {
    pub(super) fn begin(activity: Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Ordering::Relaxed);
        activity.phase.store(SERVING, Ordering::Relaxed);
        Self(activity)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.enter(IDLE);
        }
    }
}

/// Milliseconds since the first call, never 0: an atomic has no room for an `Instant`.
pub(super) fn ticks(now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(base()).as_millis()).unwrap_or(u64::MAX).max(1)
}

pub(super) fn moment(ticks: u64) -> Instant {
    base() + Duration::from_millis(ticks)
}

fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> Arc<Activity> {
        let second = Duration::from_secs(1);
        Arc::new(Activity::new(ListenerTimeouts {
            header: 10 * second,
            idle: 60 * second,
            body: 30 * second,
            body_total: 300 * second,
            write: 30 * second,
        }))
    }

    #[test]
    fn an_idle_connection_gets_a_good_bye_and_a_slow_head_the_end() {
        let activity = activity();
        let start = now();
        assert!(matches!(activity.verdict(start), Verdict::Wait(_)));
        assert_eq!(activity.verdict(start + Duration::from_secs(61)), Verdict::Idle);
        activity.received();
        assert_eq!(activity.verdict(start + Duration::from_secs(11)), Verdict::Stalled);
        let open = Open::begin(Arc::clone(&activity));
        assert!(matches!(activity.verdict(start + Duration::from_secs(3600)), Verdict::Wait(_)));
        drop(open);
        assert_eq!(activity.verdict(now() + Duration::from_secs(61)), Verdict::Idle);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_stalled_until_it_takes_something() {
        let activity = activity();
        let _open = Open::begin(Arc::clone(&activity));
        activity.blocked();
        assert_eq!(activity.verdict(now() + Duration::from_secs(31)), Verdict::Stalled);
        activity.written();
        assert!(matches!(activity.verdict(now() + Duration::from_secs(31)), Verdict::Wait(_)));
    }
}
