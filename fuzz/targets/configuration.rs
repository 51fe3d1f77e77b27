//! Any file loads, or every problem in it is told.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_config::fuzz::configuration(data));
