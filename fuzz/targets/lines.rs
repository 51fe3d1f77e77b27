//! The ends of lines of HTTP/1.1, in pieces of any size.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway_proxy::fuzz::lines(data));
