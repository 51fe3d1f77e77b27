//! Any text in any place of a configuration: addresses, durations, sizes, paths, templates, brokers.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_config::fuzz::value(data));
