//! How much an HTTP/1.1 service may send before the head of its answer is there.
//!
//! hyper bounds a head, and reads as many interim answers (1xx) before it as come: a service that sends nothing else would keep
//! whoever waits busy until its time is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Interim answers, and what comes with the head of the body.
const BESIDE: u64 = 128 * 1024;

/// No head is waited for.
const OPEN: u64 = u64::MAX;

/// What is left of the bound; shared by the connection and its socket.
#[derive(Debug, Clone)]
pub(super) struct HeadBound(Arc<AtomicU64>);

impl HeadBound {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(OPEN)))
    }

    /// A head of at most so many bytes is waited for.
    pub(super) fn begin(&self, head: usize) {
        self.0.store(head as u64 + BESIDE, Ordering::Relaxed);
    }

    /// It is there.
    pub(super) fn end(&self) {
        self.0.store(OPEN, Ordering::Relaxed);
    }

    /// So many bytes came. Whether that is within the bound.
    pub(super) fn note(&self, bytes: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        if left == OPEN {
            return true;
        }
        let rest = left.checked_sub(bytes as u64);
        self.0.store(rest.unwrap_or(0), Ordering::Relaxed);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_while_a_head_is_waited_for() {
        let bound = HeadBound::new();
        assert!(bound.note(1 << 30));
        bound.begin(1000);
        assert!(bound.note(1000) && bound.note(128 * 1024));
        assert!(!bound.note(1) && !bound.note(1));
        bound.end();
        assert!(bound.note(1 << 30));
    }
}
