//! What a guest says in the log.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_plugin_host::fuzz::logged(data));
