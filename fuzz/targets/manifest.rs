//! What a plugin says of itself, with the schema of its configuration.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_plugin_host::fuzz::manifest(data));
