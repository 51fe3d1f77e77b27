//! Requests as they end, for whoever looks at this moment, and the last that failed.
//!
//! Where nobody listens, a request costs one look at a number. Whoever reads too slowly misses some, and is told how many.

use gateway_core::instruments::{Counter, Instruments};
use gateway_core::observe::{Observer, Record};
use http::HeaderName;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast;

/// Requests that wait for the slowest who listens; a power of two.
const WAITING: usize = 1024;
/// Failures that are remembered.
const FAILURES: usize = 50;
/// Who may listen at once.
const LISTENERS: usize = 16;

/// Those who are told, as bits.
const LOG: u8 = 1;
const TAIL: u8 = 2;
const FAILED: u8 = 4;

/// The live tail of the process; the same over every reload.
pub(crate) struct Tail {
    listening: AtomicUsize,
    sender: broadcast::Sender<Arc<Record>>,
    failures: Mutex<VecDeque<Arc<Record>>>,
    lost: Counter,
}

/// One who listens, until dropped.
pub(crate) struct Listening {
    tail: Arc<Tail>,
    receiver: broadcast::Receiver<Arc<Record>>,
}

/// What one who listens hears next.
pub(crate) enum Heard {
    /// A request that is over.
    Ended(Arc<Record>),
    /// So many that came too fast.
    Missed(u64),
}

impl Tail {
    /// Nobody listens yet.
    pub(crate) fn new(instruments: &Instruments) -> Self {
        Self {
            listening: AtomicUsize::new(0),
            sender: broadcast::Sender::new(WAITING),
            failures: Mutex::default(),
            lost: instruments.counter("telemetry.tail-lost"),
        }
    }

    /// Listens from now on; none where enough do already.
    pub(crate) fn listen(self: &Arc<Self>) -> Option<Listening> {
        let one_more = |listening: usize| (listening < LISTENERS).then_some(listening + 1);
        self.listening.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Listening { receiver: self.sender.subscribe(), tail: Arc::clone(self) })
    }

    /// The last that failed, the latest first.
    pub(crate) fn failures(&self) -> Vec<Arc<Record>> {
        self.failures.lock().iter().rev().cloned().collect()
    }

    fn is_heard(&self) -> bool {
        self.listening.load(Ordering::Relaxed) > 0
    }
}

impl Listening {
    /// The next one; never the end, because the tail outlives whoever listens.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        match self.receiver.recv().await {
            Ok(record) => Some(Heard::Ended(record)),
            Err(broadcast::error::RecvError::Lagged(count)) => {
                self.tail.lost.add(count);
                Some(Heard::Missed(count))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.tail.listening.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The access log, where there is one, and the tail.
pub(super) struct Audience {
    pub(super) log: Option<Arc<dyn Observer>>,
    pub(super) tail: Arc<Tail>,
}

impl Observer for Audience {
    fn watches(&self) -> bool {
        self.log.is_some() || self.tail.is_heard()
    }

    fn wants(&self, status: u16) -> u8 {
        let log = self.log.as_ref().is_some_and(|log| log.wants(status) != 0);
        let bit = |wanted, bit| if wanted { bit } else { 0 };
        bit(log, LOG) | bit(self.tail.is_heard(), TAIL) | bit(status >= 500, FAILED)
    }

    fn fields(&self) -> &[HeaderName] {
        self.log.as_ref().map(|log| log.fields()).unwrap_or_default()
    }

    fn ended(&self, record: Box<Record>, audience: u8) {
        if audience & (TAIL | FAILED) == 0 {
            if let Some(log) = &self.log {
                log.ended(record, audience);
            }
            return;
        }
        if let (Some(log), true) = (&self.log, audience & LOG != 0) {
            log.ended(record.clone(), audience);
        }
        let record = Arc::new(*record);
        if audience & FAILED != 0
            && let Some(mut failures) = self.tail.failures.try_lock()
        {
            // Whoever finds another one writing leaves it at that: there are plenty then.
            if failures.len() == FAILURES {
                failures.pop_front();
            }
            failures.push_back(Arc::clone(&record));
        }
        if audience & TAIL != 0 {
            // Nobody may be there any more.
            let _ = self.tail.sender.send(record);
        }
    }
}
