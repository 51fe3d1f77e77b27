//! The file of endpoints that somebody else writes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_config::fuzz::endpoints(data));
