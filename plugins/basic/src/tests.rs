//! Who is let in, and what the service sees.

use super::Basic;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use plugin_sdk::testing::Exchange;
use serde_json::{Value, json};

const ALICE: &str = "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
const BOB: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA";

fn config() -> Value {
    json!({ "users": format!("# staff\nalice:{ALICE}\n\n bob:{BOB}\n"), "groups": { "admin": ["bob"], "staff": ["alice", "bob"] } })
}

fn with(credentials: &str) -> Exchange {
    let encoded = BASE64_STANDARD.encode(credentials);
    let exchange = Exchange::get("/").header("authorization", format!("Basic {encoded}"));
    exchange.password(ALICE, "open:sesame").password(BOB, "hunter2")
}

#[test]
fn a_right_password_names_its_consumer() {
    for (credentials, name, groups) in
        [("alice:open:sesame", "alice", r#"["staff"]"#), ("bob:hunter2", "bob", r#"["admin","staff"]"#)]
    {
        let outcome = with(credentials).run::<Basic>(config());
        assert!(outcome.reached_service);
        assert_eq!(outcome.attribute("consumer"), Some(name));
        assert_eq!(outcome.attribute("groups"), Some(groups));
        assert_eq!(outcome.request_header("authorization"), None);
    }
}

#[test]
fn all_else_is_refused_alike_and_takes_as_long() {
    let wrong = with("alice:hunter2").run::<Basic>(config());
    let unknown = with("carol:open:sesame").run::<Basic>(config());
    assert_eq!(wrong.response, unknown.response);
    assert_eq!((wrong.hashed().len(), unknown.hashed().len()), (1, 1), "the time says nothing about names");
    assert!(!wrong.reached_service && wrong.attribute("consumer").is_none());
    assert_eq!(wrong.response.status, 401);
    assert_eq!(wrong.response_header("www-authenticate").as_deref(), Some(r#"Basic realm="gateway", charset="UTF-8""#));
    for exchange in [
        Exchange::get("/"),
        Exchange::get("/").header("authorization", "Bearer x"),
        Exchange::get("/").header("authorization", "Basic"),
        Exchange::get("/").header("authorization", "Basic ?"),
        with("alice"),
        with("alice:open:sesame\0"),
        with("alice:open:sesame").header("authorization", "Basic eDp5"),
    ] {
        let outcome = exchange.run::<Basic>(config());
        assert!(!outcome.reached_service && outcome.hashed().is_empty());
    }
}

#[test]
fn the_service_may_be_told_the_consumer_and_a_client_cannot_lie() {
    let mut config = config();
    config["consumer-header"] = json!("x-user");
    config["forward"] = json!(true);
    let outcome = with("bob:hunter2").header("x-user", "root").run::<Basic>(config);
    assert_eq!(outcome.request_header("x-user").as_deref(), Some("bob"));
    assert!(outcome.request_header("authorization").is_some());
}

#[test]
fn a_bad_configuration_is_named_and_no_hash_repeated() {
    let none = "is neither bcrypt's (`$2y$…`) nor argon2's (`$argon2id$…`)";
    for (config, message) in [
        (json!({ "users": "" }), "`users` is empty: nobody could ever be let in".to_owned()),
        (json!({ "users": "alice" }), "`users`: line 1 is not `name:hash`".to_owned()),
        (json!({ "users": ":x" }), "`users`: a name is empty".to_owned()),
        (json!({ "users": { "alice": "hunter2" } }), format!("`users`: the hash of `alice` {none}")),
        (json!({ "users": "a:$apr1$x$y" }), format!("`users`: the hash of `a` {none}")),
        (json!({ "users": "a:{SHA}x" }), format!("`users`: the hash of `a` {none}")),
        (json!({ "users": "a:$2y$10$short" }), format!("`users`: the hash of `a` {none}")),
        (json!({ "users": format!("a:{BOB}\na:{BOB}") }), "`users`: `a` stands twice".to_owned()),
        (json!({ "users": { "a": BOB }, "groups": { "g": ["b"] } }), "`groups.g`: there is no user `b`".to_owned()),
        (
            json!({ "users": { "a": BOB }, "realm": "\n" }),
            "`realm` has a quote, a backslash or a control character".to_owned(),
        ),
    ] {
        assert_eq!(Exchange::get("/").try_run::<Basic>(config).unwrap_err(), message);
    }
}
