//! The request id: kept where the client sent a usable one, else made.

use crate::forward::REQUEST_ID;
use bytes::Bytes;
use gateway_core::hex::digits;
use http::{HeaderMap, HeaderValue};
use std::cell::{Cell, RefCell};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longer ones are not kept: they would be repeated in every log line.
const LONGEST: usize = 128;

pub(super) fn of(headers: &HeaderMap) -> HeaderValue {
    match headers.get(REQUEST_ID) {
        Some(id) if is_usable(id) => id.clone(),
        _ => make(),
    }
}

fn is_usable(id: &HeaderValue) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/+=@".contains(byte))
}

/// Ids that a thread takes at once.
const TAKEN: u64 = 1 << 16;

/// Bytes of an id that is made here.
const LENGTH: usize = 32;

/// Ids that are made at once, in one piece of memory to which each of them, and each copy of it, is a reference.
const MADE: usize = 16;

fn make() -> HeaderValue {
    thread_local!(static MINE: RefCell<Bytes> = const { RefCell::new(Bytes::new()) });
    let id = MINE.with_borrow_mut(|mine| {
        if mine.is_empty() {
            *mine = several();
        }
        mine.split_to(LENGTH)
    });
    HeaderValue::from_maybe_shared(id).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Unique without a generator that threads share at each request: this process's random half, then a count.
fn several() -> Bytes {
    static PROCESS: OnceLock<[u8; 16]> = OnceLock::new();
    let process = PROCESS.get_or_init(|| digits(getrandom::u64().unwrap_or_else(|_| std::process::id().into())));
    let mut ids = Vec::with_capacity(MADE * LENGTH);
    for _ in 0..MADE {
        ids.extend_from_slice(process);
        ids.extend_from_slice(&digits(count()));
    }
    Bytes::from(ids)
}

/// The next of those that this thread has taken.
fn count() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    thread_local!(static MINE: Cell<u64> = const { Cell::new(0) });
    let mine = match MINE.get() {
        mine if mine % TAKEN == 0 => NEXT.fetch_add(TAKEN, Ordering::Relaxed),
        mine => mine,
    };
    MINE.set(mine + 1);
    mine
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn threads_count_apart() {
        let counted = std::thread::scope(|scope| {
            let count = || (0..TAKEN + TAKEN / 2).map(|_| count()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(count)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(counted.iter().collect::<BTreeSet<_>>().len(), counted.len());
    }

    #[test]
    fn each_is_another_and_of_the_same_process() {
        let (first, second) = (make(), make());
        assert_ne!(first, second);
        assert_eq!(first.as_bytes()[..16], second.as_bytes()[..16]);
        assert!(is_usable(&first) && first.len() == LENGTH);
        let many: BTreeSet<_> = (0..3 * MADE).map(|_| make().as_bytes().to_vec()).collect();
        assert_eq!(many.len(), 3 * MADE);
    }
}
