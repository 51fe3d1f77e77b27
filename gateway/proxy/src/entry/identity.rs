//! The request id: kept where the client sent a usable one, else made.

use crate::forward::REQUEST_ID;
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
    static PROCESS: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| getrandom::u64().unwrap_or_else(|_| std::process::id().into()));
    let number = u128::from(*process) << 64 | u128::from(COUNT.fetch_add(1, Ordering::Relaxed));
    let mut id = [0; 32];
    for (digit, shift) in id.iter_mut().rev().zip((0..128).step_by(4)) {
        let value = (number >> shift) as u8 & 0xf;
        *digit = if value < 10 { b'0' + value } else { b'a' - 10 + value };
    }
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("unknown"))
}
