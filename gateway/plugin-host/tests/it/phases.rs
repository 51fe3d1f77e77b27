//! Phases as the pipeline calls them.

use crate::guest::{Guest, key_check};
use crate::kit::{self, answer, exchange, on_request};
use bytes::Bytes;
use gateway_core::plugin::{BodyFlow, FaultKind, Plugin, Summary};
use gateway_core::{Phase, Phases};
use std::time::Duration;

#[tokio::test]
async fn a_filter_reads_decides_and_writes() {
    let plugin = kit::plugin(&key_check()).await;
    assert_eq!(plugin.phases(), Phases::default().with(Phase::OnRequest));
    for _ in 0..3 {
        let (exchange, flow) = plugin.on_request(exchange()).await;
        assert_eq!(answer(flow.unwrap()).0, 0);
        assert_eq!(exchange.request.headers.get("x-tier").unwrap(), "gold");
        assert_eq!(exchange.attributes.read("other", "test/tier").unwrap(), "gold");
    }
    let mut wrong = exchange();
    wrong.request.headers.insert("x-api-key", "guess".parse().unwrap());
    let (_, flow) = plugin.on_request(wrong).await;
    assert_eq!(answer(flow.unwrap()).0, 401);
    assert_eq!(plugin.statistics().calls, 4);
    assert_eq!(plugin.instances().live, 1);
}

#[tokio::test]
async fn bodies_go_in_and_out() {
    let replace = "(param $at i32) (param $length i32) (result i32)
        (i32.store8 (local.get $at) (i32.const 88))
        (i32.store8 (i32.const 128) (i32.const 1))
        (i32.store (i32.const 132) (local.get $at))
        (i32.store (i32.const 136) (local.get $length))
        (i32.const 128)";
    let handle = "(param $at i32) (param $length i32) (result i32)
        (drop (call $respond (i32.const 203) (local.get $at) (local.get $length)))
        (i32.const 132)";
    let component = Guest::new()
        .phase("on-request-body", replace)
        .phase("on-response-body", replace)
        .phase("handle", handle)
        .build();
    // Moving them takes an unoptimized host milliseconds.
    let long = |settings: &mut gateway_plugin_host::PluginSettings| {
        (settings.limits.body, settings.limits.cpu) = (300_000, Duration::from_secs(5));
    };
    let plugin = kit::plugin_with(&component, long).await;
    let body = Bytes::from(vec![b'a'; 200_000]);
    let (_, flow) = plugin.on_request_body(exchange(), body.clone()).await;
    let BodyFlow::Replace(replaced) = flow.unwrap() else { panic!("not replaced") };
    assert_eq!((replaced.len(), &replaced[..2]), (200_000, &b"Xa"[..]));
    let (_, flow) = plugin.on_response_body(kit::answered(), Bytes::new()).await;
    assert!(matches!(flow.unwrap(), BodyFlow::Replace(body) if body.is_empty()));
    let (_, answer) = plugin.handle(exchange(), body).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (203, 200_000));
    let (_, answer) = plugin.handle(exchange(), Bytes::from(vec![b'a'; 400_000])).await;
    assert_eq!(answer.unwrap_err().kind, FaultKind::Output);
}

#[tokio::test]
async fn the_end_is_told() {
    let mut guest = Guest::new().import("metrics.count");
    let name = guest.text("bytes");
    let body = format!("(param i32 i64 i64 i64 i32 i32 i32) (call $metrics.count {name} (local.get 3))");
    let host = gateway_core::instruments::Instruments::default();
    let options = gateway_plugin_host::HostOptions { instances: 10, instruments: host.clone(), ..Default::default() };
    let plugin_host = gateway_plugin_host::Host::new(options).unwrap();
    let plugin =
        kit::try_plugin(&plugin_host, &guest.phase("on-complete", body).build(), kit::settings()).await.unwrap();
    let summary = Summary { status: 200, response_bytes: 77, error: Some("connection_refused"), ..Summary::default() };
    for told in [77, 154] {
        let (_, done) = plugin.on_complete(exchange(), summary.clone()).await;
        done.unwrap();
        assert_eq!(host.counter("plugin.test.bytes").value(), told);
    }
}

#[tokio::test]
async fn a_phase_that_is_not_exported_fails_and_harms_nothing() {
    let plugin = kit::plugin(&key_check()).await;
    let (exchange, flow) = plugin.on_response(kit::answered()).await;
    assert_eq!(flow.unwrap_err().kind, FaultKind::Trap);
    assert_eq!(&*exchange.route, "orders");
}

#[tokio::test]
async fn fields_are_checked_as_a_client_s() {
    for (name, value, expected, text) in [
        ("x-ok", "value", 0, ""),
        ("X-Upper", " padded ", 0, ""),
        ("content-length", "3", 402, "`content-length` frames the message"),
        ("Transfer-Encoding", "chunked", 402, "frames the message"),
        ("host", "evil", 402, "frames the message"),
        ("connection", "x", 402, "frames the message"),
        (":path", "/", 402, "is not a field name"),
        ("a b", "x", 402, "is not a field name"),
        ("", "x", 402, "is not a field name"),
        ("x-a", "a\r\nb: c", 402, "no control characters"),
        ("x-a", "a\0b", 402, "no control characters"),
    ] {
        for function in ["request.set-header", "request.append-header"] {
            let mut guest = Guest::new().import(function);
            let (name, value) = (guest.text(name), guest.text(value));
            let body = format!("(result i32) (call ${function} {name} {value} (i32.const 64)) (call $outcome)");
            let plugin = kit::plugin(&guest.phase("on-request", body).build()).await;
            let (status, message) = on_request(&plugin).await.unwrap();
            assert_eq!(status, expected, "{name}: {message}");
            assert!(message.contains(text), "{message}");
        }
    }
}

#[tokio::test]
async fn targets_methods_and_names_are_checked() {
    for (function, argument, expected) in [
        ("request.set-path", "/a/%2e%2e/b//c", 0),
        ("request.set-path", "/a%2fb", 402),
        ("request.set-path", "a", 402),
        ("request.set-path", "/a?b", 402),
        ("request.set-path", "/a\r\nb", 402),
        ("request.set-query", "a=b&c=%20", 0),
        ("request.set-query", "a b", 402),
        ("request.set-query", "a#b", 402),
        ("request.set-method", "PURGE", 0),
        ("request.set-method", "CONNECT", 402),
        ("request.set-method", "G ET", 402),
        ("request.take-header", "x-seen", 0),
        ("request.take-header", "content-length", 402),
        ("request.take-header", "a b", 402),
    ] {
        let mut guest = Guest::new().import(function);
        let text = guest.text(argument);
        let call = |phase| (phase, format!("(result i32) (call ${function} {text} (i32.const 64)) (call $outcome)"));
        let guest = [call("on-request"), call("on-response")]
            .into_iter()
            .fold(guest, |guest, (phase, body)| guest.phase(phase, body));
        let plugin = kit::plugin(&guest.build()).await;
        let (exchange, flow) = plugin.on_request(exchange()).await;
        assert_eq!(answer(flow.unwrap()).0, expected, "{function} {argument}");
        if argument.ends_with("//c") {
            assert_eq!(exchange.request.path, "/b/c");
        }
        let (_, flow) = plugin.on_response(kit::answered()).await;
        assert_eq!(answer(flow.unwrap()).0, 401, "{function} is too late in the response phase");
    }
}

#[tokio::test]
async fn what_is_taken_is_given_as_one_and_gone() {
    let mut guest = Guest::new().import("request.take-header");
    let name = guest.text("X-Token");
    let body = format!(
        "(result i32) (call $request.take-header {name} (i32.const 64))
        (call $respond (i32.const 200) (i32.load (i32.const 72)) (i32.load (i32.const 76)))"
    );
    let plugin = kit::plugin(&guest.phase("on-request", body).build()).await;
    let mut exchange = exchange();
    exchange.request.headers.append("x-token", "one".parse().unwrap());
    exchange.request.headers.append("x-token", "two".parse().unwrap());
    let (exchange, flow) = plugin.on_request(exchange).await;
    assert_eq!(answer(flow.unwrap()), (200, "one, two".to_owned()));
    assert!(!exchange.request.headers.contains_key("x-token"));
}

#[tokio::test]
async fn a_response_is_read_and_changed_in_its_phase_only() {
    let mut guest = Guest::new().import("response.set-header");
    let (name, value) = (guest.text("x-seen"), guest.text("yes"));
    let body = format!("(result i32) (call $response.set-header {name} {value} (i32.const 64)) (call $outcome)");
    let plugin = kit::plugin(&guest.phase("on-request", body.clone()).phase("on-response", body).build()).await;
    assert_eq!(on_request(&plugin).await.unwrap().0, 401);
    let (exchange, flow) = plugin.on_response(kit::answered()).await;
    assert_eq!(answer(flow.unwrap()).0, 0);
    assert_eq!(exchange.response.unwrap().headers.get("x-seen").unwrap(), "yes");
}

#[tokio::test]
async fn an_answer_that_breaks_a_rule_is_a_fault() {
    for (status, headers) in [(199, ""), (600, ""), (0, ""), (200, "content-length"), (200, "bad name")] {
        let mut guest = Guest::new();
        let name = guest.text(headers);
        let field = if headers.is_empty() {
            String::new()
        } else {
            // A list of one field at 256, whose value is its name.
            format!("(call $field {name})")
        };
        let body = format!(
            "(result i32) (drop (call $respond (i32.const {status}) (i32.const 0) (i32.const 0))) {field} (i32.const 128)"
        );
        let list = "
  (func $field (param $at i32) (param $length i32)
    (i32.store (i32.const 256) (local.get $at)) (i32.store (i32.const 260) (local.get $length))
    (i32.store (i32.const 264) (local.get $at)) (i32.store (i32.const 268) (local.get $length))
    (i32.store (i32.const 136) (i32.const 256)) (i32.store (i32.const 140) (i32.const 1)))";
        let plugin = kit::plugin(&guest.phase("on-request", body).with(list).build()).await;
        let fault = on_request(&plugin).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Output, "{status} {headers}: {fault}");
    }
}

#[tokio::test]
async fn a_body_is_awaited_only_by_who_has_a_phase_for_it() {
    let wait = "(result i32) (i32.store8 (i32.const 128) (i32.const 2)) (i32.const 128)";
    let head = || Guest::new().phase("on-request", wait);
    let without = kit::plugin(&head().build()).await;
    assert_eq!(on_request(&without).await.unwrap_err().kind, FaultKind::Output);
    let with = kit::plugin(&head().phase("on-request-body", "(param i32 i32) (result i32) (call $next)").build()).await;
    assert_eq!(on_request(&with).await.unwrap().0, 1);
}

/// In debug builds a guest that keeps an exchange's state from one phase to the next must not find it.
#[cfg(debug_assertions)]
#[tokio::test]
async fn two_phases_of_one_exchange_are_two_instances() {
    let count = "(result i32) (i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
        (call $respond (i32.add (i32.const 200) (i32.load (i32.const 512))) (i32.const 0) (i32.const 0))";
    let plugin = kit::plugin(&Guest::new().phase("on-request", count).phase("on-response", count).build()).await;
    assert_eq!(on_request(&plugin).await.unwrap().0, 201);
    assert_eq!(on_request(&plugin).await.unwrap().0, 202, "an instance is reused by default");
    let (_, flow) = plugin.on_response(kit::answered()).await;
    assert_eq!(answer(flow.unwrap()).0, 201);
}

#[tokio::test]
async fn isolation_gives_a_zeroed_instance_each_time_and_reuse_ends() {
    let count = "(result i32) (i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
        (call $respond (i32.add (i32.const 200) (i32.load (i32.const 512))) (i32.const 0) (i32.const 0))";
    let component = Guest::new().phase("on-request", count).build();
    let isolated = kit::plugin_with(&component, |settings| settings.isolate = true).await;
    for _ in 0..5 {
        assert_eq!(on_request(&isolated).await.unwrap().0, 201);
    }
    assert_eq!(isolated.instances().live, 0);
    let thrice = kit::plugin_with(&component, |settings| settings.limits.reuse = 3).await;
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(on_request(&thrice).await.unwrap().0);
    }
    assert_eq!(seen, [201, 202, 203, 201, 202, 203, 201]);
}
