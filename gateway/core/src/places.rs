//! Places in a queue: so many may wait, the next one is refused at once.

use crate::sync::{AtomicUsize, Ordering};

/// Places of which each is given back by whoever has it.
#[derive(Debug)]
pub struct Places {
    taken: AtomicUsize,
    limit: usize,
}

impl Places {
    /// So many.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { taken: AtomicUsize::new(0), limit }
    }

    /// One of them, until it is dropped; none where all are taken. One that is refused counts for a moment: another that comes then may be
    /// refused as well, but never are there more than so many.
    #[must_use]
    pub fn take(&self) -> Option<Place<'_>> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let place = Place(self);
        (before < self.limit).then_some(place)
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// One place.
#[derive(Debug)]
pub struct Place<'a>(&'a Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
