//! What a connection is doing, and when that has taken too long. One timer for each connection, moved only when it fires.

use crate::pipe::Passage;
use futures_util::task::AtomicWaker;
use gateway_config::ListenerTimeouts;
use gateway_core::clock::{moment, ticks};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The state of one connection, written where things happen and read by its timer. Times are [`ticks`].
pub(super) struct Activity {
    timeouts: ListenerTimeouts,
    /// Requests under way; they have bounds of their own.
    open: AtomicUsize,
    /// When the last of them ended.
    idle_since: AtomicU64,
    /// When a head began that is not whole yet; 0: there is none.
    head_since: AtomicU64,
    /// When the peer stopped taking what is written; 0: it takes it.
    blocked_since: AtomicU64,
    /// A part of an answer is on its way to the socket.
    unwritten: AtomicBool,
    /// Somebody waits until it is there.
    is_awaited: AtomicBool,
    /// Who.
    more: AtomicWaker,
    passage: Passage,
}

/// What the timer finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is well until then.
    Wait(Instant),
    /// Nothing has come for long: a good-bye, then the end.
    Idle,
    /// The peer holds the connection without using it.
    Stalled,
    /// Nothing has come for a while: all but the socket can be given up until more comes.
    Quiet,
}

/// An HTTP/1.1 connection without a request gives up its buffers after so long.
const QUIET: Duration = Duration::from_millis(250);

impl Activity {
    /// `is_plain`: the socket takes bytes as they are.
    pub(super) fn new(timeouts: ListenerTimeouts, is_plain: bool) -> Self {
        Self {
            timeouts,
            open: AtomicUsize::new(0),
            idle_since: AtomicU64::new(ticks()),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            unwritten: AtomicBool::new(false),
            is_awaited: AtomicBool::new(false),
            more: AtomicWaker::new(),
            passage: Passage::new(is_plain),
        }
    }

    /// Bytes came in on HTTP/1.1: between requests they are a head's, during one its body's.
    pub(super) fn received(&self) {
        if self.open.load(Ordering::Relaxed) == 0 {
            begin(&self.head_since);
        }
    }

    /// Something of a head has come, and not all of it.
    pub(super) fn head_began(&self) {
        begin(&self.head_since);
    }

    /// No head is under way.
    pub(super) fn head_ended(&self) {
        end(&self.head_since);
    }

    /// The peer took bytes, or the outbox little of them.
    pub(super) fn written(&self) {
        end(&self.blocked_since);
    }

    /// The peer takes no more bytes for now.
    pub(super) fn blocked(&self) {
        begin(&self.blocked_since);
    }

    /// All that was handed over is written.
    pub(super) fn flushed(&self) {
        if self.unwritten.load(Ordering::Relaxed) {
            self.unwritten.store(false, Ordering::Relaxed);
            if self.is_awaited.load(Ordering::Relaxed) {
                self.is_awaited.store(false, Ordering::Relaxed);
                self.more.wake();
            }
        }
    }

    /// Moves what is in the pipe into the socket, as far as that takes it.
    pub(super) fn drain(&self, socket: impl AsFd) -> io::Result<usize> {
        let moved = self.passage.drain(socket);
        if !self.is_serving() {
            self.passage.leave();
        }
        moved
    }

    /// Whether more of an answer is to come through the pipe.
    pub(super) fn is_piping(&self) -> bool {
        self.passage.is_used() && self.is_serving()
    }

    /// What of requests that are under way there is from now on. A connection and its requests are one thread's, so nobody counts between the
    /// look and the word, and neither holds up the processor.
    fn count(&self, change: impl FnOnce(usize) -> usize) -> usize {
        let open = change(self.open.load(Ordering::Relaxed));
        self.open.store(open, Ordering::Relaxed);
        open
    }

    /// Whether a request is under way.
    pub(super) fn is_serving(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Whether no request is under way, nor a part of the last answer's body on its way to the socket.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_serving() && !self.unwritten.load(Ordering::Relaxed)
    }

    /// What `now` means for the connection. `gives_up` says whether it has buffers that it could do without.
    pub(super) fn verdict(&self, now: Instant, gives_up: bool) -> Verdict {
        let ListenerTimeouts { header, idle, write, .. } = self.timeouts;
        let head = began(&self.head_since).map(|since| since + header);
        let blocked = began(&self.blocked_since).map(|since| since + write);
        let rests = head.is_none() && !self.is_serving();
        let idle_since = moment(self.idle_since.load(Ordering::Relaxed));
        let rest = rests.then(|| idle_since + idle);
        let quiet = (gives_up && rests && blocked.is_none()).then(|| idle_since + QUIET);
        let is_over = |limit: Option<Instant>| limit.is_some_and(|limit| limit <= now);
        if is_over(head) || is_over(blocked) {
            return Verdict::Stalled;
        }
        if is_over(rest) {
            return Verdict::Idle;
        }
        if is_over(quiet) {
            return Verdict::Quiet;
        }
        // What begins after the timer was set is looked at before it could be overdue.
        let soon = if gives_up { QUIET } else { idle };
        let look = now + header.min(idle).min(write).min(soon);
        Verdict::Wait([head, blocked, rest, quiet].into_iter().flatten().fold(look, Instant::min))
    }
}

fn begin(since: &AtomicU64) {
    if since.load(Ordering::Relaxed) == 0 {
        since.store(ticks(), Ordering::Relaxed);
    }
}

fn end(since: &AtomicU64) {
    if since.load(Ordering::Relaxed) != 0 {
        since.store(0, Ordering::Relaxed);
    }
}

fn began(since: &AtomicU64) -> Option<Instant> {
    Some(since.load(Ordering::Relaxed)).filter(|since| *since != 0).map(moment)
}

/// A request under way; it ends with its answer's body.
pub(crate) struct Open(Arc<Activity>);

impl Open {
    pub(super) fn begin(activity: Arc<Activity>) -> Self {
        activity.count(|open| open + 1);
        Self(activity)
    }

    /// Waits until all that was handed over is written (HARDENING P11): hyper would take more meanwhile, and keep it for a peer
    /// that takes nothing.
    pub(crate) fn poll_written(&self, context: &mut Context<'_>) -> Poll<()> {
        if !self.0.unwritten.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        self.0.more.register(context.waker());
        // By the task that writes, too.
        self.0.is_awaited.store(true, Ordering::Relaxed);
        Poll::Pending
    }

    /// Where answers pass that nobody wants to see.
    pub(crate) fn passage(&self) -> &Passage {
        &self.0.passage
    }

    /// A part of the answer was handed over.
    pub(crate) fn handed_over(&self) {
        self.0.unwritten.store(true, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.count(|open| open.saturating_sub(1)) == 0 {
            self.0.idle_since.store(ticks(), Ordering::Relaxed);
            self.0.passage.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::clock::now;

    fn activity() -> Arc<Activity> {
        let second = Duration::from_secs(1);
        Arc::new(Activity::new(
            ListenerTimeouts {
                header: 10 * second,
                idle: 60 * second,
                body: 30 * second,
                body_total: 300 * second,
                write: 30 * second,
            },
            true,
        ))
    }

    #[test]
    fn an_idle_connection_gets_a_good_bye_and_a_slow_head_the_end() {
        let activity = activity();
        let start = now();
        assert!(matches!(activity.verdict(start, false), Verdict::Wait(_)));
        assert_eq!(activity.verdict(start + Duration::from_secs(61), false), Verdict::Idle);
        activity.received();
        assert_eq!(activity.verdict(start + Duration::from_secs(11), false), Verdict::Stalled);
        activity.head_ended();
        let open = Open::begin(Arc::clone(&activity));
        assert!(matches!(activity.verdict(start + Duration::from_secs(3600), false), Verdict::Wait(_)));
        drop(open);
        assert_eq!(activity.verdict(now() + Duration::from_secs(61), false), Verdict::Idle);
    }

    #[test]
    fn a_head_is_bounded_beside_a_request_and_a_body_is_no_head() {
        let activity = activity();
        let _open = Open::begin(Arc::clone(&activity));
        activity.received();
        assert!(matches!(activity.verdict(now() + Duration::from_secs(11), false), Verdict::Wait(_)));
        activity.head_began();
        assert_eq!(activity.verdict(now() + Duration::from_secs(11), false), Verdict::Stalled);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_stalled_until_it_takes_something() {
        let activity = activity();
        let _open = Open::begin(Arc::clone(&activity));
        activity.blocked();
        assert_eq!(activity.verdict(now() + Duration::from_secs(31), false), Verdict::Stalled);
        activity.written();
        assert!(matches!(activity.verdict(now() + Duration::from_secs(31), false), Verdict::Wait(_)));
    }

    #[test]
    fn a_connection_is_at_rest_once_the_body_of_its_answer_is_written() {
        let activity = activity();
        assert!(activity.is_at_rest());
        let open = Open::begin(Arc::clone(&activity));
        assert!(!activity.is_at_rest());
        open.handed_over();
        drop(open);
        assert!(!activity.is_at_rest());
        activity.flushed();
        assert!(activity.is_at_rest());
    }

    #[test]
    fn a_connection_without_a_request_gives_up_what_it_can_do_without() {
        let activity = activity();
        let start = now();
        let later = start + QUIET + Duration::from_millis(100);
        assert!(matches!(activity.verdict(start, true), Verdict::Wait(until) if until <= later));
        assert_eq!(activity.verdict(later, true), Verdict::Quiet);
        assert!(matches!(activity.verdict(later, false), Verdict::Wait(_)));
        activity.blocked();
        assert!(matches!(activity.verdict(later, true), Verdict::Wait(_)), "an answer's end is still to be written");
        activity.written();
        let open = Open::begin(Arc::clone(&activity));
        assert!(matches!(activity.verdict(later, true), Verdict::Wait(_)));
        drop(open);
        activity.received();
        assert!(matches!(activity.verdict(later, true), Verdict::Wait(_)), "part of a head is in a buffer");
    }
}
