//! What ends in a trap or in a refusal.

use plugin_sdk::{Flow, Response, Result, attribute, clock, request};
use std::hint::black_box;

/// Computes for ever.
pub(crate) fn endless() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

/// Calls the gateway for ever.
pub(crate) fn endless_calls() -> ! {
    loop {
        black_box(clock::monotonic());
    }
}

/// Takes memory, and touches it, until there is none.
pub(crate) fn allocate() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Calls itself until the stack ends.
#[expect(unconditional_recursion, reason = "this is what it is for")]
pub(crate) fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(depth + 1) + black_box(frame).iter().sum::<u64>()
}

/// Writes fields that no plugin may write, and answers with the error of each.
pub(crate) fn bad_headers() -> Result<Flow> {
    let fields = [
        ("x-split", "a\r\nx-injected: b"),
        ("x-line", "a\nb"),
        ("x-nul", "a\0b"),
        ("x name", "a"),
        ("", "a"),
        (":path", "/"),
        ("content-length", "1"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("host", "other"),
    ];
    let errors =
        fields.map(|(name, value)| (name, request::set_header(name, value).err().map(|error| error.to_string())));
    Ok(Response::json(200, &errors)?.into())
}

/// Writes an attribute that needs a grant, and answers with the error.
pub(crate) fn claim_to_be(consumer: &str) -> Result<Flow> {
    Ok(Response::json(200, &attribute::set(attribute::CONSUMER, consumer).err().map(|error| error.to_string()))?.into())
}
