//! Little writes of many connections, until what has come to a thread has been looked at.

use super::out::Out;
use gateway_core::clock::{self, lately, now};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Bytes that are held of a connection, at most: a frame of less than a page. A kernel takes them in one piece (`send`) with less work than
/// in several (`writev`), by more than it costs to copy a head and a small body side by side (decision record 0024).
pub(super) const LITTLE: usize = 3 * 1024;

/// Writes that are held, at most: the requests of a turn that begins eight, and as many answers.
pub(super) const WRITES: usize = 16;

thread_local! {
    static OUTBOX: RefCell<Outbox> = const { RefCell::new(Outbox { held: Held::new(), sender: None, patience: Duration::ZERO }) };
}

struct Outbox {
    held: Held,
    /// The task that sends what is held, where there is one.
    sender: Option<Waker>,
    /// For so long what is held waits for the tasks that are ready.
    patience: Duration,
}

struct Held {
    writes: Vec<Write>,
    bytes: Vec<u8>,
    /// Of the first of them.
    since: Option<Instant>,
    /// What the thread knew of the time when [`send_overdue`] looked last.
    looked: Option<Instant>,
}

struct Write {
    out: Arc<Out>,
    /// Where its bytes end; they begin with the end of the one before.
    end: usize,
    /// Of who wrote it, where that is not the task that the connection knows.
    waker: Option<Waker>,
}

impl Held {
    const fn new() -> Self {
        Self { writes: Vec::new(), bytes: Vec::new(), since: None, looked: None }
    }

    fn send(&mut self) {
        let mut start = 0;
        for Write { out, end, waker } in self.writes.drain(..) {
            out.send(self.bytes.get(start..end).unwrap_or_default(), waker);
            start = end;
        }
        self.bytes.clear();
        (self.since, self.looked) = (None, None);
    }

    /// Whether the first of them waits for longer than this. The clock is asked where nobody has done so since the last look.
    fn is_overdue(&mut self, patience: Duration) -> bool {
        let Some(since) = self.since else { return false };
        let known = lately();
        let looked = if self.looked == Some(known) { now() } else { known };
        self.looked = Some(looked);
        looked.saturating_duration_since(since) >= patience
    }
}

/// While this runs, little that is written on its thread, to connections that have joined, is held. Woken by the first write, it comes behind
/// all tasks that were ready by then, and before the thread rests: so it sends once for all of them.
pub(crate) async fn send_together(patience: Duration) {
    let _over = Over;
    poll_fn(|context| {
        send();
        OUTBOX.with_borrow_mut(|outbox| match &outbox.sender {
            Some(sender) if sender.will_wake(context.waker()) => {}
            _ => (outbox.sender, outbox.patience) = (Some(context.waker().clone()), patience),
        });
        Poll::<()>::Pending
    })
    .await;
}

struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        let sender = OUTBOX.with_borrow_mut(|outbox| outbox.sender.take());
        drop(sender);
        send();
    }
}

/// Takes a write of a connection of which nothing is held, and says whether it did. Not where nobody would send it. `stays`: one task has the
/// connection for life.
pub(super) fn hold(out: &Arc<Out>, slices: &[IoSlice<'_>], waker: &Waker, stays: bool) -> bool {
    let writes = OUTBOX.with_borrow_mut(|outbox| {
        let sender = outbox.sender.as_ref()?;
        let Held { writes, bytes, since, .. } = &mut outbox.held;
        since.get_or_insert_with(|| {
            sender.wake_by_ref();
            lately()
        });
        slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
        out.hold();
        let waker = (!stays || !out.is_for(waker)).then(|| waker.clone());
        writes.push(Write { out: Arc::clone(out), end: bytes.len(), waker });
        Some(writes.len())
    });
    if writes.is_some_and(|writes| writes >= WRITES) {
        send();
    }
    writes.is_some()
}

/// Sends what this thread has held for long enough. To be called before a request goes on, which may take long.
pub(crate) fn send_overdue() {
    clock::goes_on();
    let is_overdue = OUTBOX.with_borrow_mut(|outbox| outbox.held.is_overdue(outbox.patience));
    if is_overdue {
        send();
    }
}

/// Sends all that this thread holds.
pub(super) fn send() {
    // Whoever is woken or dropped by this may come here again.
    let mut held = OUTBOX.with_borrow_mut(|outbox| mem::replace(&mut outbox.held, Held::new()));
    held.send();
    OUTBOX.with_borrow_mut(|outbox| {
        if outbox.held.writes.is_empty() {
            outbox.held = held;
        }
    });
}
