//! What the cache makes of any fields, now and later.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_proxy::fuzz::answers(data));
