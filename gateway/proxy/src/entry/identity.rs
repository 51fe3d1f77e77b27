//! The request id: kept where the client sent a usable one, else made.

use crate::forward::REQUEST_ID;
use gateway_core::hex::digits;
use http::{HeaderMap, HeaderValue};
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

/// Unique without a shared generator: this process's random half, then a count.
fn make() -> HeaderValue {
    static PROCESS: OnceLock<[u8; 16]> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| digits(getrandom::u64().unwrap_or_else(|_| std::process::id().into())));
    let mut id = [0; 32];
    let (first, last) = id.split_at_mut(16);
    first.copy_from_slice(process);
    last.copy_from_slice(&digits(COUNT.fetch_add(1, Ordering::Relaxed)));
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_of_the_same_process() {
        let (first, second) = (make(), make());
        assert_ne!(first, second);
        assert_eq!(first.as_bytes()[..16], second.as_bytes()[..16]);
        assert!(is_usable(&first));
    }
}
