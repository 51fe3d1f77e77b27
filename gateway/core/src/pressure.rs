//! Whether the process has so little memory left that it takes on nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Told by whoever watches the memory, asked by whoever would take something on.
#[derive(Debug, Default, Clone)]
pub struct Pressure(Arc<AtomicBool>);

impl Pressure {
    /// Whether requests and connections are refused.
    #[must_use]
    pub fn is_high(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether that has changed.
    pub fn set(&self, is_high: bool) -> bool {
        self.0.swap(is_high, Ordering::Relaxed) != is_high
    }
}
