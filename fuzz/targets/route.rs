//! The tree of routes and the list of reasons agree.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_proxy::fuzz::route(data));
