//! The memory of a guest, as the host reads it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_plugin_host::fuzz::guest_memory(data));
