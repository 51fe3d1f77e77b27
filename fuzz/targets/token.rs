//! Tokens and sets of keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_plugin_host::fuzz::token(data));
