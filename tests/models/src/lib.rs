//! Files of the gateway that threads share, compiled with loom's locks and atomics in place of the real ones: `tests/` runs them in
//! every order that threads can take.
//!
//! They take both from `crate::sync`. What kept crates do (semaphores, shelves of threads, maps) is not modelled.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "the files of another crate")]

#[path = "../../../gateway/core/src/breaker.rs"]
pub mod breaker;
// What the tests of these files name; they run where the files belong.
#[cfg(test)]
#[path = "../../../gateway/core/src/clock.rs"]
mod clock;
#[path = "../../../gateway/core/src/places.rs"]
pub mod places;

/// What `gateway_core::sync` is there.
mod sync {
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// Whoever panicked with it has failed the model already.
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
