//! Components whose module the host calls past the component, and what a module may do to it.

use crate::guest::{Guest, key_check};
use crate::kit::{self, answer, exchange, on_request};
use futures_util::future::Either;
use gateway_core::plugin::{FaultKind, Plugin};
use std::time::Duration;

/// Reads the header `x-api-key` and goes on.
fn reading() -> Guest {
    let mut guest = Guest::new().import("request.header");
    let name = guest.text("x-api-key");
    guest.phase("on-request", format!("(result i32) (call $request.header {name} (i32.const 64)) (call $next)"))
}

/// The component with a second one inside it.
fn composed() -> Vec<u8> {
    let mut component = key_check();
    let inner = wat::parse_str("(component (core module))").unwrap();
    let mut section = wasm_encoder::Component::new();
    section.section(&wasm_encoder::RawSection { id: 4, data: &inner });
    component.extend(section.finish().split_off(8));
    component
}

#[tokio::test]
async fn a_component_of_one_module_is_called_directly_and_any_other_as_a_component() {
    let host = kit::host();
    let key_check_with = |more: &str| {
        let mut guest = Guest::new().import("request.header").import("request.set-header");
        let [name, value, other] = ["x-api-key", "gold", "x-tier"].map(|text| guest.text(text));
        let body = format!(
            "(result i32)
            (call $request.header {name} (i32.const 64))
            (if (i32.eqz (i32.load8_u (i32.const 64))) (then (unreachable)))
            (call $request.set-header {other} {value} (i32.const 64))
            (call $outcome)"
        );
        guest.phase("on-request", body).with(more).build()
    };
    for (what, component, is_direct) in [
        ("one module", key_check(), true),
        ("another one", key_check_with(""), true),
        ("code at its start", key_check_with("(func $begin) (start $begin)"), false),
        ("code at its start by convention", key_check_with("(func (export \"_initialize\"))"), false),
        ("a module in a component inside", composed(), false),
    ] {
        let loaded = host.load("test", &component).unwrap();
        assert_eq!(loaded.is_direct(), is_direct, "{what}");
        let plugin = host.plugin(loaded, kit::settings()).await.unwrap();
        let (exchange, flow) = plugin.on_request(exchange()).await;
        assert_eq!(answer(flow.unwrap()).0, 0, "{what}");
        assert_eq!(exchange.request.headers.get("x-tier").unwrap(), "gold", "{what}");
    }
}

#[tokio::test]
async fn a_call_of_a_short_guest_is_over_when_it_was_made() {
    for (milliseconds, is_over) in [(10, true), (20, false)] {
        let cpu = Duration::from_millis(milliseconds);
        let plugin = kit::plugin_with(&key_check(), |settings| settings.limits.cpu = cpu).await;
        // The second finds the instance where the first has put it.
        for _ in 0..2 {
            let call = plugin.on_request(exchange());
            assert_eq!(matches!(call, Either::Left(_)), is_over, "{cpu:?}");
            assert_eq!(answer(call.await.1.unwrap()).0, 0, "{cpu:?}");
        }
    }
}

/// W2: an allocator is the guest's, and what it says is checked.
#[tokio::test]
async fn w2_an_allocator_that_lies_or_calls_the_host_ends_its_call_only() {
    let of_size = "(i32.eq (local.get $size) (i32.const 18))";
    for (what, first, expected) in [
        ("beyond the memory", format!("(if {of_size} (then (return (i32.const -4))))"), "beyond end of memory"),
        ("unreachable", format!("(if {of_size} (then (unreachable)))"), "unreachable"),
        (
            "calls the host meanwhile",
            format!("(if {of_size} (then (call $request.header (i32.const 1024) (i32.const 9) (i32.const 64))))"),
            "making room",
        ),
    ] {
        let component = reading().allocator(first).build();
        let host = kit::host();
        let loaded = host.load("test", &component).unwrap();
        assert!(loaded.is_direct());
        let plugin = host.plugin(loaded, kit::settings()).await.unwrap();
        for _ in 0..3 {
            let fault = on_request(&plugin).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Trap, "{what}: {fault}");
            assert!(fault.message.contains(expected), "{what}: {}", fault.message);
        }
        assert_eq!(plugin.instances().live, 0, "{what}");
    }
    // The same where there is nothing to make room for.
    let plugin =
        kit::plugin(&reading().allocator("(if (i32.eq (local.get $size) (i32.const 18)) (then))").build()).await;
    assert_eq!(on_request(&plugin).await.unwrap().0, 0);
}

#[tokio::test]
async fn what_a_call_gave_is_given_back_before_the_next_one() {
    let mut guest = Guest::new().import("request.header");
    let name = guest.text("x-api-key");
    // Its allocator begins anew in `post-return`: the status tells what is allocated.
    let body = format!(
        "(result i32)
        (call $request.header {name} (i32.const 64))
        (call $respond
          (i32.add (i32.const 200) (i32.sub (global.get $heap) (i32.const 32768)))
          (i32.load (i32.const 68))
          (i32.load (i32.const 72)))"
    );
    let plugin = kit::plugin(&guest.phase("on-request", body).build()).await;
    for _ in 0..3 {
        assert_eq!(on_request(&plugin).await.unwrap(), (200 + kit::KEY.len() as u16, kit::KEY.to_owned()));
    }
    assert_eq!(plugin.instances().live, 1);
}
