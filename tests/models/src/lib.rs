//! Files of the gateway that threads share, compiled with loom's locks and atomics in place of the real ones: `tests/` runs them in
//! every order that threads can take.
//!
//! They take both from `crate::sync`. What kept crates do (semaphores, what each thread has of its own, maps) is not modelled.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "the files of another crate")]

#[path = "../../../gateway/core/src/breaker.rs"]
pub mod breaker;
// What the tests of these files name; they run where the files belong.
#[cfg(test)]
#[path = "../../../gateway/core/src/clock.rs"]
mod clock;
#[path = "../../../gateway/core/src/places.rs"]
pub mod places;
#[path = "../../../gateway/plugin-host/src/shelves.rs"]
pub mod shelves;

/// What `sync` of `gateway_core` and of `gateway_plugin_host` is there.
pub mod sync {
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::cell::Cell;

    /// So many threads a model has at most.
    const THREADS: usize = 2;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// Whoever panicked with it has failed the model already.
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    loom::thread_local! {
        static NUMBER: Cell<usize> = Cell::new(0);
    }

    /// Gives this thread a number below [`THREADS`]: without one it has the first thread's things.
    pub fn number(number: usize) {
        NUMBER.with(|of_thread| of_thread.set(number));
    }

    /// A thing for each thread.
    #[derive(Default)]
    pub(crate) struct ThreadLocal<T>([T; THREADS]);

    impl<T> ThreadLocal<T> {
        pub(crate) fn get(&self) -> Option<&T> {
            Some(self.get_or_default())
        }

        pub(crate) fn get_or_default(&self) -> &T {
            let Self([first, others @ ..]) = self;
            NUMBER.with(Cell::get).checked_sub(1).and_then(|other| others.get(other)).unwrap_or(first)
        }

        pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
            self.0.iter()
        }
    }
}
