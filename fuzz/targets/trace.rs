//! A `traceparent` is read as it is written.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_core::fuzz::trace(data));
