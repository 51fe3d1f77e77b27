//! What the requests of a connection mostly have in common.

use parking_lot::Mutex;
use std::sync::OnceLock;

/// What was made for the first of them, which is read without a lock, and for the last one that had another.
pub(crate) struct Memory<T> {
    first: OnceLock<T>,
    last: Mutex<Option<T>>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { first: OnceLock::new(), last: Mutex::new(None) }
    }
}

impl<T> Memory<T> {
    /// Something of what fits, if any does.
    pub(crate) fn recall<R>(&self, fits: impl Fn(&T) -> bool, read: impl Fn(&T) -> R) -> Option<R> {
        let first = self.first.get()?;
        match fits(first) {
            true => Some(read(first)),
            false => self.last.lock().as_ref().filter(|last| fits(last)).map(read),
        }
    }

    /// Keeps what fitted nothing.
    pub(crate) fn keep(&self, made: T) {
        if let Err(made) = self.first.set(made) {
            *self.last.lock() = Some(made);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stays_and_the_last_changes() {
        let memory = Memory::default();
        let recall = |number| memory.recall(|known| *known == number, |known| known * 10);
        assert_eq!(recall(1), None);
        for number in [1, 2, 3] {
            memory.keep(number);
        }
        assert_eq!([1, 2, 3].map(recall), [Some(10), None, Some(30)]);
    }
}
