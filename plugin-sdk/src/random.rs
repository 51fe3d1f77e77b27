//! Randomness from the operating system, good for keys and tokens.

/// At most 64 KiB at once.
#[must_use]
pub fn bytes(length: u32) -> Vec<u8> {
    crate::sys::random::bytes(length)
}

/// Any of the 2^64.
#[must_use]
pub fn number() -> u64 {
    crate::sys::random::number()
}
