//! What hyper hands over is admitted in one form, or refused.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_proxy::fuzz::request(data));
