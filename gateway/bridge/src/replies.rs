//! Who waits for which reply. What nobody waits for any more is forgotten, so late replies are dropped.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::oneshot;

/// The replies that are waited for, by number.
pub(crate) struct Replies<M> {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<M>>>,
}

impl<M> Default for Replies<M> {
    fn default() -> Self {
        Self { next: AtomicU64::new(0), waiting: Mutex::default() }
    }
}

impl<M> Replies<M> {
    /// A reply has come. The first is given to who waits; nobody does for a late or a second one.
    pub(crate) fn take(&self, number: &str, message: M) {
        let sender = number.parse().ok().and_then(|number: u64| self.waiting.lock().remove(&number));
        if let Some(sender) = sender {
            let _ = sender.send(message);
        }
    }

    /// None will come any more.
    pub(crate) fn close(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        drop(waiting);
    }

    /// A reply to come.
    pub(crate) fn expect(self: &Arc<Self>) -> Awaited<M> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(number, sender);
        Awaited { receiver, place: Waiting(Arc::clone(self), number) }
    }
}

/// A reply to come; forgotten when dropped.
pub(crate) struct Awaited<M> {
    receiver: oneshot::Receiver<M>,
    place: Waiting<M>,
}

struct Waiting<M>(Arc<Replies<M>>, u64);

impl<M> Awaited<M> {
    /// What it is known by.
    pub(crate) fn number(&self) -> u64 {
        self.place.1
    }

    /// None where it will never come.
    pub(crate) async fn reply(self) -> Option<M> {
        let Self { receiver, place } = self;
        let reply = receiver.await.ok();
        drop(place);
        reply
    }
}

impl<M> Drop for Waiting<M> {
    fn drop(&mut self) {
        self.0.waiting.lock().remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_finds_who_waits_and_nothing_is_kept() {
        let replies = Arc::new(Replies::default());
        let (first, second, third) = (replies.expect(), replies.expect(), replies.expect());
        replies.take("1", "b");
        replies.take("1", "again");
        replies.take("nobody", "x");
        assert_eq!(second.reply().await, Some("b"));
        drop(first);
        assert_eq!(replies.waiting.lock().len(), 1);
        replies.close();
        assert_eq!(third.reply().await, None);
        assert!(replies.waiting.lock().is_empty());
    }
}
