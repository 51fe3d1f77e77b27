//! A path has one normal form, that of every spelling of it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_core::fuzz::path(data));
