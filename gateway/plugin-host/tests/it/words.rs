//! What a guest can make the host say: bounded, and on one line (HARDENING.md W4).

use crate::guest::Guest;
use crate::kit::{self, on_request};
use gateway_core::plugin::FaultKind;

/// A guest that calls a function with a name of half a MiB, and answers with the length of the error in KiB.
fn with_a_long_name(function: &'static str, more: &str) -> Vec<u8> {
    let body = format!(
        "(result i32)
        (drop (memory.grow (i32.const 16)))
        (memory.fill (i32.const 65536) (i32.const 1) (i32.const 524288))
        (global.set $heap (i32.const 600000))
        (call ${function} (i32.const 65536) (i32.const 524288) {more} (i32.const 64))
        (call $respond (i32.const 200) (i32.const 0) (i32.shr_u (i32.load (i32.const 76)) (i32.const 10)))"
    );
    Guest::new().import(function).phase("on-request", body).build()
}

#[tokio::test]
async fn w4_an_error_repeats_only_the_beginning_of_a_name() {
    for (function, more) in [
        ("request.set-header", "(i32.const 65536) (i32.const 1)"),
        ("request.set-method", ""),
        ("request.take-header", ""),
        ("exchange.set-upstream", ""),
        ("secrets.get", ""),
    ] {
        let plugin = kit::plugin(&with_a_long_name(function, more)).await;
        let (status, kibibytes) = on_request(&plugin).await.unwrap();
        assert_eq!((status, kibibytes.len()), (200, 0), "{function}");
    }
}

#[tokio::test]
async fn w4_the_names_of_a_guests_functions_are_escaped_and_bounded() {
    let name = format!("a\\1b[31m\\nforged {}", "x".repeat(30_000));
    let guest = Guest::new()
        .with(&format!("(func $trap (@name \"{name}\") (unreachable))"))
        .phase("on-request", "(result i32) (call $trap) (unreachable)");
    let plugin = kit::plugin(&guest.build()).await;
    let fault = on_request(&plugin).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("forged"), "{}", fault.message);
    assert!(!fault.message.contains(char::is_control), "{:?}", &fault.message[..200]);
    assert!(fault.message.len() < 10_000, "{}", fault.message.len());
}
