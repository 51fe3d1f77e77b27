//! From many threads that never wait to one that does the work.

use gateway_core::instruments::{Counter, Instruments};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// A bounded queue. What finds it full is lost, and counted.
pub(crate) struct Queue<T> {
    sender: mpsc::Sender<T>,
    /// Taken by whoever works it off.
    receiver: Mutex<Option<mpsc::Receiver<T>>>,
    lost: Counter,
}

impl<T> Queue<T> {
    /// An empty one; losses are counted as `telemetry.WHAT-lost`.
    pub(crate) fn new(bound: usize, what: &str, instruments: &Instruments) -> Self {
        let (sender, receiver) = mpsc::channel(bound);
        let lost = instruments.counter(&format!("telemetry.{what}-lost"));
        Self { sender, receiver: Mutex::new(Some(receiver)), lost }
    }

    /// Puts something in, or loses it.
    pub(crate) fn offer(&self, item: T) {
        if self.sender.try_send(item).is_err() {
            self.lost.increment();
        }
    }

    /// So many were taken out and came to nothing.
    pub(crate) fn lose(&self, count: usize) {
        self.lost.add(count as u64);
    }

    /// The other end; none once somebody has it.
    pub(crate) fn receiver(&self) -> Option<mpsc::Receiver<T>> {
        self.receiver.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_it_full_is_counted() {
        let instruments = Instruments::default();
        let queue = Queue::new(2, "traces", &instruments);
        (0..5).for_each(|number| queue.offer(number));
        queue.lose(2);
        assert_eq!(instruments.counter("telemetry.traces-lost").value(), 5);
        let mut receiver = queue.receiver().unwrap();
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(0), Ok(1)));
        assert!(queue.receiver().is_none());
    }
}
