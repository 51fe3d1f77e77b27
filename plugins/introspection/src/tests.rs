//! What becomes of what the endpoint says.

use super::Introspection;
use plugin_sdk::Response;
use plugin_sdk::testing::{Exchange, Outcome};
use serde_json::{Value, json};
use std::time::Duration;

/// The clock of the harness, in seconds.
const NOW: u64 = 1_750_000_000;

const URL: &str = "upstream://idp/introspect";

fn config() -> Value {
    json!({ "endpoint": URL, "client-id": "gate way", "client-secret": "s:3%" })
}

fn says(answer: &Value) -> Exchange {
    let exchange = Exchange::get("/").header("authorization", "Bearer t0k/en+");
    exchange.fetch(URL, Response::json(200, answer).unwrap())
}

fn problem(outcome: &Outcome) -> String {
    assert!(!outcome.reached_service && outcome.attribute("consumer").is_none());
    assert_eq!(outcome.response.status, 401);
    outcome.response_header("www-authenticate").unwrap()
}

#[test]
fn an_active_token_names_its_consumer() {
    let answer = json!({ "active": true, "sub": "alice", "scope": "a b", "exp": NOW + 60, "groups": ["staff"] });
    let mut config = config();
    config["headers"] = json!({ "x-user": "sub", "x-mail": "email" });
    let outcome = says(&answer).header("x-user", "root").header("x-mail", "root@x").run::<Introspection>(config);
    assert!(outcome.reached_service);
    assert_eq!(outcome.attribute("consumer"), Some("alice"));
    assert_eq!(outcome.attribute("claims"), Some(&*answer.to_string()));
    assert_eq!(outcome.attribute("groups"), Some(r#"["staff"]"#));
    assert_eq!(outcome.request_header("x-user").as_deref(), Some("alice"));
    assert_eq!(outcome.request_header("x-mail"), None);
    assert!(outcome.request_header("authorization").is_some());
    let [question] = outcome.fetches() else { panic!() };
    let field =
        |name: &str| question.headers().iter().find(|field| field.name == name).map(|field| field.value.clone());
    assert_eq!(field("authorization").as_deref(), Some(&b"Basic Z2F0ZSUyMHdheTpzJTNBMyUyNQ=="[..]));
    assert_eq!(field("content-type").as_deref(), Some(&b"application/x-www-form-urlencoded"[..]));
}

#[test]
fn others_are_refused() {
    for (answer, said) in [
        (json!({ "active": false }), "it is not active"),
        (json!({ "active": true, "sub": "alice", "exp": NOW }), "it has expired"),
        (json!({ "active": true, "sub": "alice", "nbf": NOW + 1 }), "it is not in force yet"),
        (json!({ "active": true, "sub": "alice", "aud": "bank" }), "it is meant for another audience"),
        (json!({ "active": true, "aud": "shop" }), "it does not name anybody"),
    ] {
        let mut config = config();
        config["audiences"] = json!(["shop"]);
        if answer.get("aud").is_none() {
            config["audiences"] = json!([]);
        }
        assert!(problem(&says(&answer).run::<Introspection>(config)).contains(said), "{said}");
    }
    for exchange in [
        Exchange::get("/"),
        Exchange::get("/").header("authorization", "Basic dTpw"),
        Exchange::get("/").header("authorization", format!("Bearer {}", "x".repeat(17_000))),
        Exchange::get("/").header("authorization", "Bearer a, Bearer b"),
        Exchange::get("/").header("authorization", "Bearer a b"),
    ] {
        let outcome = exchange.run::<Introspection>(config());
        problem(&outcome);
        assert!(outcome.fetches().is_empty());
    }
}

#[test]
fn nobody_is_let_in_while_the_endpoint_is_away() {
    for exchange in [
        Exchange::get("/").fetch_fails(URL, "refused"),
        Exchange::get("/").fetch(URL, Response::new(401)),
        Exchange::get("/").fetch(URL, Response::text(200, "<html>")),
        Exchange::get("/").fetch(URL, Response::text(200, r#"{"sub":"alice"}"#)),
        Exchange::get("/").fetch(URL, Response::text(200, r#"{"active":"true","sub":"alice"}"#)),
    ] {
        let outcome = exchange.header("authorization", "Bearer t").run::<Introspection>(config());
        assert!(!outcome.reached_service);
        assert_eq!(outcome.response.status, 503);
        assert_eq!(outcome.metric("not-answered"), Some(1.0));
    }
}

#[test]
fn an_active_token_is_not_asked_for_again_for_a_while() {
    let answer = json!({ "active": true, "client_id": "cron", "exp": NOW + 30 });
    let first = says(&answer).run::<Introspection>(config());
    assert_eq!(first.attribute("consumer"), Some("cron"));
    let play =
        |seconds, config| says(&answer).after(&first).later(Duration::from_secs(seconds)).run::<Introspection>(config);
    let again = play(29, config());
    assert!(again.reached_service && again.fetches().is_empty());
    assert!(problem(&play(30, config())).contains("it has expired"), "it is kept no longer than it is in force");
    let revoked = says(&json!({ "active": false })).after(&first).later(Duration::from_secs(29));
    assert!(revoked.run::<Introspection>(config()).reached_service, "the price of the cache");
    let mut each_time = config();
    each_time["cache"] = json!(0);
    let first = says(&answer).run::<Introspection>(each_time.clone());
    let again = says(&json!({ "active": false })).after(&first).run::<Introspection>(each_time);
    assert!(problem(&again).contains("not active"));
}
