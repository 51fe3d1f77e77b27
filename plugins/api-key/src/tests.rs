//! Who is let in, and what the service sees.

use super::ApiKey;
use plugin_sdk::testing::Exchange;
use serde_json::{Value, json};

fn keys() -> Value {
    json!({ "keys": "alice:s3cret\nbob:hunter2, bob:hunter3\n" })
}

#[test]
fn a_known_key_names_its_consumer() {
    for (key, consumer) in [("s3cret", "alice"), ("hunter2", "bob"), ("hunter3", "bob")] {
        let outcome = Exchange::get("/").header("x-api-key", key).run::<ApiKey>(keys());
        assert!(outcome.reached_service);
        assert_eq!(outcome.attribute("consumer"), Some(consumer));
        assert_eq!(outcome.request_header("x-api-key"), None);
    }
}

#[test]
fn an_absent_and_an_unknown_key_are_refused_alike() {
    let absent = Exchange::get("/").run::<ApiKey>(keys());
    let unknown = Exchange::get("/").header("x-api-key", "S3cret").run::<ApiKey>(keys());
    assert!(!absent.reached_service && !unknown.reached_service);
    assert_eq!(absent.response, unknown.response);
    assert_eq!(absent.response.status, 401);
    assert_eq!(absent.response_header("www-authenticate").as_deref(), Some("ApiKey"));
    assert_eq!(absent.response_header("content-type").as_deref(), Some("application/problem+json"));
    let document: Value = absent.response.body_json().unwrap();
    assert_eq!(document["status"], 401);
    assert_eq!(absent.attribute("consumer"), None);
}

#[test]
fn two_fields_are_no_key() {
    let exchange = Exchange::get("/").header("x-api-key", "s3cret").header("x-api-key", "s3cret");
    assert!(!exchange.run::<ApiKey>(keys()).reached_service);
}

#[test]
fn the_query_may_carry_it() {
    let config = json!({ "keys": { "alice": "a+b" }, "query": "key" });
    let outcome = Exchange::get("/?a=1&key=a%2Bb&b").run::<ApiKey>(config);
    assert_eq!(outcome.attribute("consumer"), Some("alice"));
    assert_eq!(outcome.query(), "a=1&b");
    assert!(!Exchange::get("/?key=s3cret").run::<ApiKey>(keys()).reached_service);
}

#[test]
fn a_cookie_or_several_fields_may_carry_it() {
    let config = json!({ "keys": { "alice": "k" }, "header": ["x-key", "x-old-key"], "cookie": "key" });
    let outcome = Exchange::get("/").header("x-old-key", "k").header("x-key", "").run::<ApiKey>(config.clone());
    assert!(!outcome.reached_service, "the first field that is there counts");
    let outcome =
        Exchange::get("/").header("x-old-key", "k").header("cookie", "a=1; key=x; b=2").run::<ApiKey>(config.clone());
    assert_eq!(outcome.attribute("consumer"), Some("alice"));
    assert_eq!(outcome.request_header("x-old-key"), None);
    assert_eq!(outcome.request_header("cookie").as_deref(), Some("a=1; b=2"));
    let outcome = Exchange::get("/").header("cookie", "key=k").run::<ApiKey>(config);
    assert_eq!(outcome.attribute("consumer"), Some("alice"));
    assert_eq!(outcome.request_header("cookie"), None);
}

#[test]
fn consumers_have_groups() {
    let config = json!({ "keys": "alice:a\nbob:b", "groups": { "admin": ["alice"], "staff": ["alice"] } });
    let alice = Exchange::get("/").header("x-api-key", "a").run::<ApiKey>(config.clone());
    assert_eq!(alice.attribute("groups"), Some(r#"["admin","staff"]"#));
    // Whoever was known before is not any more.
    let before = Exchange::get("/").attribute("consumer", "carol").attribute("groups", r#"["admin"]"#);
    let bob = before.attribute("claims", "{}").header("x-api-key", "b").run::<ApiKey>(config);
    assert_eq!(
        (bob.attribute("consumer"), bob.attribute("groups"), bob.attribute("claims")),
        (Some("bob"), None, None)
    );
}

#[test]
fn the_service_gets_it_only_when_it_should() {
    let config = json!({ "keys": { "alice": "k" }, "header": "x-key", "query": "key", "forward": true });
    let outcome = Exchange::get("/?key=k").header("X-Key", "k").run::<ApiKey>(config);
    assert_eq!(outcome.request_header("x-key").as_deref(), Some("k"));
    assert_eq!(outcome.query(), "key=k");
}

#[test]
fn the_service_may_be_told_the_consumer_and_a_client_cannot_lie() {
    let config = json!({ "keys": { "alice": "k" }, "consumer-header": "x-consumer" });
    let outcome = Exchange::get("/").header("x-api-key", "k").header("x-consumer", "root").run::<ApiKey>(config);
    assert_eq!(outcome.request_header("x-consumer").as_deref(), Some("alice"));
}

#[test]
fn a_bad_configuration_is_named_and_no_key_repeated() {
    for (config, message) in [
        (json!({}), "missing field `keys`"),
        (json!({ "keys": "" }), "`keys` is empty: nobody could ever be let in"),
        (json!({ "keys": "alice:a\ns3cret" }), "`keys`: entry 2 is not `name:key`"),
        (json!({ "keys": { "alice": "" } }), "`keys`: the name and the key of `alice` must not be empty"),
        (json!({ "keys": "alice:a,bob:a" }), "`keys`: `alice` and `bob` have the same key"),
        (json!({ "keys": { "alice": 3 } }), "`keys.alice`: invalid type: integer `3`, expected a string"),
        (json!({ "keys": "a:b", "header": [] }), "no `header`, `query` or `cookie` could carry a key"),
        (json!({ "keys": "a:b", "header": 7 }), "`header`: a name, or a list of names"),
        (json!({ "keys": "a:b", "groups": { "g": ["b"] } }), "`groups.g`: `b` has no key"),
        (
            json!({ "keys": "a:b", "heder": "x" }),
            "`heder`: unknown field `heder`, expected one of `keys`, `header`, `query`, `cookie`, `groups`, `forward`, `consumer-header`",
        ),
    ] {
        assert_eq!(Exchange::get("/").try_run::<ApiKey>(config).unwrap_err(), message);
    }
}
