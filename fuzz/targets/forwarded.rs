//! Whose word counts for who the client is.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_proxy::fuzz::forwarded(data));
