//! What a task waits for beside its work, looked at only when it asks for that.
//!
//! A connection's task runs for every request and every part of a body; that the listener drains or the client is overdue
//! happens once. Asking for it each time would cost as much as finding a route.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A function that is polled when it was woken, and once at first.
pub(super) struct Dozing<F> {
    poll: F,
    wakes: Arc<Wakes>,
    waker: Waker,
    /// Whom `wakes` has: a look at it there costs more.
    task: Waker,
}

struct Wakes {
    due: AtomicBool,
    /// Stays when it was woken: who asks again is mostly the same.
    task: Mutex<Waker>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.due.store(true, Ordering::Release);
        self.task.lock().wake_by_ref();
    }
}

impl<T, F: FnMut(&mut Context<'_>) -> Poll<T>> Dozing<F> {
    pub(super) fn new(poll: F) -> Self {
        let task = Waker::noop().clone();
        let wakes = Arc::new(Wakes { due: AtomicBool::new(true), task: Mutex::new(task.clone()) });
        let waker = Waker::from(Arc::clone(&wakes));
        Self { poll, wakes, waker, task }
    }

    /// May be asked again after it was ready.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        if !self.task.will_wake(context.waker()) {
            self.task.clone_from(context.waker());
            self.wakes.task.lock().clone_from(&self.task);
        }
        // Whoever makes it due after this look wakes the task after that.
        if !self.wakes.due.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.wakes.due.swap(false, Ordering::AcqRel);
        let polled = (self.poll)(&mut Context::from_waker(&self.waker));
        if polled.is_ready() {
            self.wakes.due.store(true, Ordering::Release);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_polled_at_first_and_when_woken() {
        let mut polls = 0;
        let mut waker = None;
        let mut dozing = Dozing::new(|context| {
            polls += 1;
            waker = Some(context.waker().clone());
            if polls == 3 { Poll::Ready(polls) } else { Poll::Pending }
        });
        let nobody = &mut Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert_eq!(dozing.poll(nobody), Poll::Pending);
        }
        dozing.waker.wake_by_ref();
        for _ in 0..3 {
            assert_eq!(dozing.poll(nobody), Poll::Pending);
        }
        dozing.waker.wake_by_ref();
        assert_eq!(dozing.poll(nobody), Poll::Ready(3));
        assert_eq!(dozing.poll(nobody), Poll::Pending);
        assert_eq!(polls, 4);
    }
}
