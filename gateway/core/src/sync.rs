//! Locks and atomics of what is modelled in `tests/models`, which has others under this name.

pub(crate) use parking_lot::Mutex;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
