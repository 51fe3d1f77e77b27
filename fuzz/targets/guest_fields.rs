//! Fields as a guest writes them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_plugin_host::fuzz::guest_fields(data));
