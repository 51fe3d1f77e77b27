//! What the service and the client see.

use super::Transform;
use plugin_sdk::Response;
use plugin_sdk::testing::Exchange;
use serde_json::json;

#[test]
fn fields_of_the_request_change() {
    let config = json!({ "request": {
        "remove": ["x-debug"],
        "rename": { "x-old": "x-new" },
        "set": { "x-who": "<${attribute.consumer}>", "x-none": "${header.missing}", "x-dollar": "$${header.x-old}" },
        "add": { "x-old": "${header.x-old}" },
    } });
    let exchange = Exchange::get("/").header("x-debug", "1").header("x-old", "a").attribute("consumer", "alice");
    let outcome = exchange.run::<Transform>(config);
    for (name, value) in [
        ("x-debug", None),
        ("x-new", Some("a")),
        ("x-old", Some("a")),
        ("x-who", Some("<alice>")),
        ("x-none", None),
        ("x-dollar", Some("${header.x-old}")),
    ] {
        assert_eq!(outcome.request_header(name).as_deref(), value, "{name}");
    }
}

#[test]
fn fields_of_the_response_change() {
    let config = json!({ "response": { "remove": ["server"], "set": { "x-id": "${param.id}" }, "add": { "set-cookie": "b=2" } } });
    let service = Response::new(200).header("server", "x").header("set-cookie", "a=1");
    let outcome = Exchange::get("/").param("id", "17").service(service).run::<Transform>(config);
    assert_eq!(outcome.response_header("server"), None);
    assert_eq!(outcome.response_header("x-id").as_deref(), Some("17"));
    assert_eq!(outcome.response_header_lines("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn the_query_and_the_path_change() {
    let config = json!({
        "query": { "remove": ["debug"], "rename": { "q": "search" }, "set": { "method": "${method}" } },
        "path": "/v1/${param.id}",
    });
    let outcome = Exchange::get("/x?debug=1&q=a%20b&k").param("id", "a/../b?").run::<Transform>(config);
    assert_eq!(outcome.path(), "/v1/a%2F..%2Fb%3F");
    assert_eq!(outcome.query(), "search=a%20b&k&method=GET");
}

#[test]
fn a_client_cannot_make_it_fail() {
    let config = json!({ "request": { "set": { "x-name": "${query.name}" } } });
    let outcome = Exchange::get("/?name=a%0d%0ab:c").run::<Transform>(config);
    assert!(outcome.reached_service);
    assert_eq!(outcome.request_header("x-name"), None);
    assert_eq!(outcome.logs().len(), 1);
}

/// What the service trusts because the gateway sets it.
#[test]
fn w9_a_client_cannot_set_what_is_set() {
    let config = json!({
        "request": { "set": { "x-name": "${query.name}", "x-who": "${attribute.consumer}" } },
        "query": { "set": { "tenant": "${attribute.tenant}" } },
    });
    let exchange = Exchange::get("/?name=a%0d%0ab&tenant=1").header("x-name", "root").header("x-who", "root");
    let outcome = exchange.run::<Transform>(config);
    assert!(outcome.reached_service);
    assert_eq!(outcome.request_header("x-name"), None);
    assert_eq!(outcome.request_header("x-who"), None);
    assert_eq!(outcome.query(), "name=a%0d%0ab");
}

/// The gateway brings the path to its normal form, in which `..` has taken the segment before it away.
#[test]
fn w9_a_value_is_no_way_out_of_its_segment() {
    let config = json!({ "path": "/tenants/${header.x-a}${query.b}/orders" });
    for (a, b, path) in [(".", ".", "/x"), (".", "", "/x"), ("", "", "/x"), ("%2e", ".", "/tenants/%252e./orders")] {
        let outcome = Exchange::get(&format!("/x?b={b}")).header("x-a", a).run::<Transform>(config.clone());
        assert_eq!(outcome.path(), path, "{a} {b}");
    }
    let config = json!({ "path": "/tenants/${header.x-a}/orders" });
    for a in ["..", ""] {
        assert_eq!(Exchange::get("/x").header("x-a", a).run::<Transform>(config.clone()).path(), "/x", "{a}");
    }
}

#[test]
fn a_mistake_is_named() {
    for (config, message) in [
        (json!({ "request": { "set": { "a": "${nothing}" } } }), "`request.set.a`: `${nothing}` stands for nothing"),
        (json!({ "path": "/${param.id" }), "`path`: `${param.id` has no `}`"),
        (json!({ "response": { "sett": {} } }), "`response.sett`: unknown field `sett`"),
    ] {
        let error = Exchange::get("/").try_run::<Transform>(config).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
