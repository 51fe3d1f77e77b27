//! What holds for whom.

use super::Authorize;
use plugin_sdk::http::Method;
use plugin_sdk::testing::Exchange;
use serde_json::{Value, json};

/// Alice, of the staff, with some claims.
fn alice(method: &Method, path: &str) -> Exchange {
    let claims = json!({
        "sub": "alice", "scope": "orders:read orders:write", "tenant": "x", "level": 3, "verified": true,
        "roles": ["a", "b"], "realm_access": { "roles": ["clerk"] }, "nothing": null,
    });
    Exchange::new(method, path)
        .attribute("consumer", "alice")
        .attribute("groups", r#"["staff","eu"]"#)
        .attribute("claims", claims.to_string())
}

fn holds(exchange: Exchange, require: Value) -> bool {
    let outcome = exchange.run::<Authorize>(json!({ "require": require }));
    if !outcome.reached_service {
        assert_eq!(outcome.response.status, 403);
        assert_eq!(outcome.response_header("content-type").as_deref(), Some("application/problem+json"));
    }
    outcome.reached_service
}

#[test]
fn each_condition_holds_or_not() {
    for (require, expected) in [
        (json!({ "consumers": ["bob", "alice"] }), true),
        (json!({ "consumers": ["bob"] }), false),
        (json!({ "consumers": ["Alice"] }), false),
        (json!({ "groups": ["us", "eu"] }), true),
        (json!({ "groups": ["st"] }), false),
        (json!({ "scopes": ["orders:read", "orders:write"] }), true),
        (json!({ "scopes": ["orders:read", "orders:delete"] }), false),
        (json!({ "scopes": ["orders"] }), false),
        (json!({ "claims": { "tenant": "x" } }), true),
        (json!({ "claims": { "tenant": ["y", "x"], "level": 3.0 } }), true),
        (json!({ "claims": { "tenant": "x", "level": 4 } }), false),
        (json!({ "claims": { "level": "3" } }), false),
        (json!({ "claims": { "verified": true } }), true),
        (json!({ "claims": { "roles": ["b", "c"] } }), true),
        (json!({ "claims": { "realm_access.roles": "clerk" } }), true),
        (json!({ "claims": { "realm_access": "clerk" } }), false),
        (json!({ "claims": { "absent": "x" } }), false),
        (json!({ "present": ["tenant", "realm_access.roles"] }), true),
        (json!({ "present": ["nothing"] }), false),
        (json!({ "methods": ["GET"] }), true),
        (json!({ "methods": ["POST"] }), false),
        (json!({ "paths": ["/orders/*"] }), true),
        (json!({ "paths": ["/orders"] }), false),
        (json!({ "all": [{ "groups": ["staff"] }, { "methods": ["POST"] }] }), false),
        (json!({ "any": [{ "groups": ["admin"] }, { "methods": ["GET"], "scopes": ["orders:read"] }] }), true),
        (json!({ "any": [{ "groups": ["admin"] }, { "methods": ["POST"], "scopes": ["orders:read"] }] }), false),
        (json!({ "not": { "groups": ["admin"] } }), true),
        (json!({ "not": { "not": { "groups": ["admin"] } } }), false),
        (json!({ "groups": ["staff"], "not": { "paths": ["/orders/**"] } }), false),
    ] {
        assert_eq!(holds(alice(&Method::GET, "/orders/17"), require.clone()), expected, "{require}");
    }
}

#[test]
fn paths_are_segments() {
    for (pattern, path, expected) in [
        ("/", "/", true),
        ("/", "/a", false),
        ("/**", "/", true),
        ("/**", "/a/b", true),
        ("/admin/**", "/admin", true),
        ("/admin/**", "/admin/a/b", true),
        ("/admin/**", "/administration", false),
        ("/a/*/c", "/a/b/c", true),
        ("/a/*/c", "/a/b/b/c", false),
        ("/a/*", "/a", false),
        ("/a", "/a/", false),
        ("/admin/**", "/admin;x/a", true),
        ("/admin", "/admin;", true),
        ("/admin", "/a;dmin", false),
    ] {
        assert_eq!(holds(alice(&Method::GET, path), json!({ "paths": [pattern] })), expected, "{pattern} {path}");
    }
}

#[test]
fn nobody_is_let_through() {
    for require in
        [json!({ "not": { "consumers": ["bob"] } }), json!({ "methods": ["GET"] }), json!({ "paths": ["/**"] })]
    {
        assert!(!holds(Exchange::get("/").attribute("groups", r#"["staff"]"#), require));
    }
}

#[test]
fn what_cannot_be_read_is_not_there() {
    let odd =
        || Exchange::get("/").attribute("consumer", "alice").attribute("groups", "staff").attribute("claims", "[1]");
    assert!(!holds(odd(), json!({ "groups": ["staff"] })));
    assert!(!holds(odd(), json!({ "scopes": ["a"] })));
    assert!(!holds(odd(), json!({ "present": ["sub"] })));
    let lists =
        Exchange::get("/").attribute("consumer", "alice").attribute("claims", r#"{"scp":["a b","c"],"scope":7}"#);
    assert!(holds(lists.clone(), json!({ "scopes": ["a b", "c"] })));
    assert!(!holds(lists, json!({ "scopes": ["a"] })));
}

#[test]
fn a_bad_configuration_is_named() {
    for (require, message) in [
        (json!({}), "`require` is empty: it would let everybody through"),
        (json!({ "groups": [] }), "`require.groups` is empty"),
        (json!({ "any": [{ "methods": ["GET"] }, {}] }), "`require.any[1]` is empty: it would let everybody through"),
        (json!({ "not": { "all": [] } }), "`require.not.all` is empty"),
        (json!({ "paths": ["admin"] }), "`require.paths[0]`: `admin` is no path: it begins with no `/`"),
        (json!({ "paths": ["/a**"] }), "`require.paths[0]`: `/a**`: `**` is a segment of its own"),
        (
            json!({ "paths": ["/a*/b"] }),
            "`require.paths[0]`: `/a*/b`: `*` is a segment of its own, and `**` the last one",
        ),
        (json!({ "claims": { "a": {} } }), "`require.claims.a`: a claim is compared with text, numbers or booleans"),
    ] {
        let refused = Exchange::get("/").try_run::<Authorize>(json!({ "require": require })).unwrap_err();
        assert_eq!(refused, message);
    }
}
