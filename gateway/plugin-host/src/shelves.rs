//! What stands idle, each on the shelf of the thread that used it last.

use crate::sync::{Mutex, ThreadLocal};

/// The shelves of all threads. One is locked by another thread only to steal, to sweep and to count.
pub struct Shelves<T: Send> {
    /// What is idle has one place in memory for life: moving an instance costs each call some hundred bytes.
    of_threads: ThreadLocal<Mutex<Vec<Box<T>>>>,
}

impl<T: Send> Default for Shelves<T> {
    fn default() -> Self {
        Self { of_threads: ThreadLocal::default() }
    }
}

impl<T: Send> Shelves<T> {
    /// One that fits, of this thread's where there is one; of others those that nobody looks at just now.
    pub fn take(&self, fits: impl Fn(&T) -> bool + Copy) -> Option<Box<T>> {
        let own = self.of_threads.get().and_then(|shelf| pick(&mut shelf.lock(), fits));
        own.or_else(|| self.of_threads.iter().find_map(|shelf| pick(&mut *shelf.try_lock()?, fits)))
    }

    /// Puts one on this thread's shelf.
    pub fn put(&self, item: Box<T>) {
        self.of_threads.get_or_default().lock().push(item);
    }

    /// Drops the one on the bottom of a shelf: it was used longest ago there. Whether there was one.
    pub fn shed(&self) -> bool {
        // Dropped after the lock, which a call may want meanwhile.
        self.of_threads.iter().any(|shelf| {
            let mut shelf = shelf.lock();
            let shed = (!shelf.is_empty()).then(|| shelf.remove(0));
            drop(shelf);
            shed.is_some()
        })
    }

    /// Drops all that are old.
    pub fn sweep(&self, is_old: impl Fn(&T) -> bool + Copy) {
        for shelf in self.of_threads.iter() {
            let old: Vec<_> = shelf.lock().extract_if(.., |item| is_old(item)).collect();
            drop(old);
        }
    }

    /// Something of each, added up.
    pub fn sum(&self, of: impl Fn(&T) -> usize + Copy) -> usize {
        self.of_threads.iter().map(|shelf| shelf.lock().iter().map(|item| of(item)).sum::<usize>()).sum()
    }
}

/// The last that fits: its pages are the warmest.
fn pick<T>(shelf: &mut Vec<Box<T>>, fits: impl Fn(&T) -> bool) -> Option<Box<T>> {
    let position = shelf.iter().rposition(|item| fits(item))?;
    Some(shelf.remove(position))
}
