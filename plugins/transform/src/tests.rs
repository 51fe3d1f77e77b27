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

#[test]
fn only_when_a_condition_holds() {
    let config = json!({
        "when": "request.headers['x-beta'] == '1'",
        "request": { "set": { "x-beta": "seen" } },
        "response": { "set": { "x-served": "beta" } },
        "path": "/beta",
    });
    let held = Exchange::get("/").header("x-beta", "1").run::<Transform>(config.clone());
    assert_eq!((held.path(), held.request_header("x-beta").as_deref()), ("/beta", Some("seen")));
    assert_eq!(held.response_header("x-served").as_deref(), Some("beta"));
    let other = Exchange::get("/").header("x-beta", "2").run::<Transform>(config);
    assert_eq!((other.path(), other.request_header("x-beta").as_deref()), ("/", Some("2")));
    assert_eq!(other.response_header("x-served"), None);
}

#[test]
fn a_condition_may_ask_for_the_response() {
    let config = json!({ "when": "response.status == 404 && request.method == 'GET'", "status": 410,
        "response": { "set": { "x-was": "${status}", "x-type": "${response.content-type}" } } });
    let gone = Exchange::get("/").service(plugin_sdk::Response::text(404, "none")).run::<Transform>(config.clone());
    assert_eq!(gone.response.status, 410);
    assert_eq!(gone.response_header("x-was").as_deref(), Some("404"));
    assert_eq!(gone.response_header("x-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(Exchange::get("/").run::<Transform>(config).response.status, 200);
}

#[test]
fn claims_cookies_and_defaults_fill_in() {
    let config = json!({
        "request": { "set": {
            "x-sub": "${claim.sub}", "x-city": "${claim.address.city}", "x-roles": "${claim.roles}", "x-none": "${claim.none}",
            "x-tenant": "${header.x-tenant:-none}", "x-session": "${cookie.session}", "x-origin": "${scheme}://${host}",
        } },
        "attributes": { "plan": "${claim.plan:-free}" },
        "method": "POST",
    });
    let outcome = Exchange::get("/")
        .attribute("claims", r#"{"sub":"alice","address":{"city":"Bern"},"roles":["a","b"]}"#)
        .header("cookie", "a=b; session=\"s1\"")
        .header("x-none", "forged")
        .run::<Transform>(config);
    for (name, value) in [
        ("x-sub", Some("alice")),
        ("x-city", Some("Bern")),
        ("x-roles", Some("a,b")),
        ("x-none", None),
        ("x-tenant", Some("none")),
        ("x-session", Some("s1")),
        ("x-origin", Some("http://gateway.example")),
    ] {
        assert_eq!(outcome.request_header(name).as_deref(), value, "{name}");
    }
    assert_eq!(outcome.attribute("plan"), Some("free"));
    assert_eq!(outcome.method(), "POST");
}

#[test]
fn what_cannot_be_is_named() {
    for (config, message) in [
        (json!({ "when": "request.method ==" }), "`when`: `request.method ==` is no condition: "),
        (json!({ "when": "user == 'a'" }), "`when`: `user` in `user == 'a'` means nothing; "),
        (json!({ "when": "response.status == 404", "path": "/" }), "`when` asks for the response, which is not there "),
        (json!({ "status": 99 }), "`status` is from 200 to 599"),
        (json!({ "method": "G T" }), "`method`: `G T` is no method that a request can have"),
        (json!({ "attributes": { "a": "${x}" } }), "`attributes.a`: `${x}` stands for nothing; "),
    ] {
        let error = Exchange::get("/").try_run::<Transform>(config).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
