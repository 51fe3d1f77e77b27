//! What a browser sees.

use super::Cors;
use plugin_sdk::Response;
use plugin_sdk::http::Method;
use plugin_sdk::testing::{Exchange, Outcome};
use serde_json::json;

const PAGE: &str = "https://shop.example";

fn run(exchange: Exchange) -> Outcome {
    let service = Response::new(200).header("access-control-allow-origin", "*").header("vary", "accept");
    exchange.service(service).run::<Cors>(json!({
        "origins": [PAGE], "methods": ["PUT"], "headers": ["x-a", "x-b"], "expose": ["etag"], "credentials": true,
    }))
}

#[test]
fn every_name_below_one_may_call() {
    let config = json!({ "origins": ["https://*.shop.example:8443", "null"], "credentials": true });
    for (origin, allowed) in [
        ("https://a.shop.example:8443", true),
        ("https://a.b.shop.example:8443", true),
        ("https://shop.example:8443", false),
        ("https://a.shop.example", false),
        ("http://a.shop.example:8443", false),
        ("https://ashop.example:8443", false),
        ("https://evil.example/.shop.example:8443", false),
        ("https://evil@a.shop.example:8443", false),
        ("null", true),
    ] {
        let outcome = Exchange::get("/").header("origin", origin).run::<Cors>(config.clone());
        let answer = outcome.response_header("access-control-allow-origin");
        assert_eq!(answer.as_deref(), allowed.then_some(origin), "{origin}");
    }
}

#[test]
fn whichever_fields_are_asked_for_may_be_sent() {
    let config = json!({ "origins": ["https://a.example"], "headers": ["*"] });
    let outcome = Exchange::new(&Method::OPTIONS, "/")
        .header("origin", "https://a.example")
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "authorization,x-a")
        .run::<Cors>(config);
    assert_eq!(outcome.response_header("access-control-allow-headers").as_deref(), Some("authorization,x-a"));
}

#[test]
fn a_preflight_is_answered() {
    let exchange =
        Exchange::new(&Method::OPTIONS, "/").header("origin", PAGE).header("access-control-request-method", "PUT");
    let outcome = run(exchange);
    assert!(!outcome.reached_service);
    assert_eq!(outcome.response.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", PAGE),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-a, x-b"),
        ("access-control-max-age", "600"),
        ("vary", "access-control-request-method, access-control-request-headers, origin"),
    ] {
        assert_eq!(outcome.response_header(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn options_without_a_preflights_fields_reach_the_service() {
    assert!(run(Exchange::new(&Method::OPTIONS, "/").header("origin", PAGE)).reached_service);
}

#[test]
fn a_response_is_marked_for_the_origins_listed() {
    let allowed = run(Exchange::get("/").header("origin", PAGE));
    assert_eq!(allowed.response_header("access-control-allow-origin").as_deref(), Some(PAGE));
    assert_eq!(allowed.response_header("access-control-expose-headers").as_deref(), Some("etag"));
    for other in [Exchange::get("/").header("origin", "https://shop.example.evil"), Exchange::get("/")] {
        let outcome = run(other);
        assert_eq!(outcome.response_header("access-control-allow-origin"), None);
        assert_eq!(outcome.response_header("vary").as_deref(), Some("accept, origin"));
    }
}

#[test]
fn every_origin_needs_no_vary() {
    let outcome = Exchange::get("/").header("origin", PAGE).run::<Cors>(json!({ "origins": ["*"] }));
    assert_eq!(outcome.response_header("access-control-allow-origin").as_deref(), Some("*"));
    assert_eq!(outcome.response_header("vary"), None);
}

#[test]
fn a_mistake_is_named() {
    for (config, message) in [
        (json!({ "origins": ["*"], "credentials": true }), "`credentials` cannot"),
        (json!({ "origins": ["https://shop.example/"] }), "`origins`: `https://shop.example/` is not an origin"),
        (json!({ "origins": ["shop.example"] }), "`origins`: `shop.example` is not an origin"),
    ] {
        let error = Exchange::get("/").try_run::<Cors>(config).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
