//! Who is let in, what the service is told, and where keys come from.

use super::Jwt;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use plugin_sdk::Response;
use plugin_sdk::crypto::{Algorithm, Refusal, Verified};
use plugin_sdk::testing::{Exchange, Outcome};
use serde_json::{Value, json};
use std::time::Duration;

/// The clock of the harness, in seconds.
const NOW: u64 = 1_750_000_000;

const URL: &str = "https://idp.example/keys";

fn config() -> Value {
    json!({ "issuers": [{ "issuer": "https://idp.example", "audiences": ["shop"], "jwks": { "keys": ["good"] } }] })
}

fn claims() -> Value {
    json!({ "iss": "https://idp.example", "aud": ["other", "shop"], "sub": "alice", "exp": NOW + 60 })
}

/// With a token that the keys `good` have signed.
fn with(claims: &Value) -> Exchange {
    Exchange::get("/").header("authorization", "Bearer t0ken").token("t0ken", "good", claims)
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims();
    change(&mut claims);
    claims
}

fn problem(outcome: &Outcome) -> String {
    assert!(!outcome.reached_service);
    assert_eq!(outcome.response.status, 401);
    assert_eq!(outcome.attribute("consumer"), None);
    outcome.response_header("www-authenticate").unwrap()
}

#[test]
fn a_good_token_names_its_consumer() {
    let claims = changed(|claims| claims["groups"] = json!(["staff", 7, "admin"]));
    let outcome = with(&claims).run::<Jwt>(config());
    assert!(outcome.reached_service);
    assert_eq!(outcome.attribute("consumer"), Some("alice"));
    assert_eq!(outcome.attribute("claims"), Some(&*claims.to_string()));
    assert_eq!(outcome.attribute("groups"), Some(r#"["staff","admin"]"#));
    assert_eq!(outcome.request_header("authorization").as_deref(), Some("Bearer t0ken"));
}

#[test]
fn without_a_token_one_is_asked_for() {
    for exchange in [
        Exchange::get("/"),
        Exchange::get("/").header("authorization", "Basic dTpw"),
        Exchange::get("/").header("authorization", "t0ken"),
        Exchange::get("/?access_token=t0ken").header("cookie", "token=t0ken"),
    ] {
        let outcome = exchange.token("t0ken", "good", &claims()).run::<Jwt>(config());
        assert_eq!(problem(&outcome), r#"Bearer realm="gateway""#);
    }
}

#[test]
fn claims_are_judged() {
    for (change, said) in [
        (json!({ "exp": NOW }), "it has expired"),
        (json!({ "exp": null }), "it has no `exp`"),
        (json!({ "exp": "soon" }), "its `exp` is no number"),
        (json!({ "nbf": NOW + 1 }), "it is not in force yet"),
        (json!({ "nbf": [0] }), "its `nbf` is no number"),
        (json!({ "iss": "https://evil.example" }), "its issuer is not known"),
        (json!({ "iss": null }), "its issuer is not known"),
        (json!({ "iss": ["https://idp.example"] }), "its issuer is not known"),
        (json!({ "aud": "shop2" }), "it is meant for another audience"),
        (json!({ "aud": [] }), "it is meant for another audience"),
        (json!({ "aud": { "0": "shop" } }), "it is meant for another audience"),
        (json!({ "sub": "" }), "its `sub` does not name anybody"),
        (json!({ "sub": { "name": "alice" } }), "its `sub` does not name anybody"),
    ] {
        let claims = changed(|claims| claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone()));
        let said = format!(r#"Bearer realm="gateway", error="invalid_token", error_description="{said}""#);
        assert_eq!(problem(&with(&claims).run::<Jwt>(config())), said, "{change}");
    }
    for payload in [&b"[]"[..], b"nothing", b""] {
        let verified = Verified { algorithm: Algorithm::Rs256, typ: None, payload: payload.to_vec() };
        let exchange = Exchange::get("/").header("authorization", "bearer  t").verified("t", "good", Ok(verified));
        assert!(problem(&exchange.run::<Jwt>(config())).contains("its claims are no JSON object"));
    }
}

#[test]
fn clocks_may_differ_by_the_leeway() {
    let mut config = config();
    config["leeway"] = json!(30);
    for (change, is_good) in [
        (json!({ "exp": NOW - 29 }), true),
        (json!({ "exp": NOW - 30 }), false),
        (json!({ "exp": NOW as f64 - 29.5 }), true),
        (json!({ "nbf": NOW + 30 }), true),
        (json!({ "nbf": NOW + 31 }), false),
    ] {
        let claims = changed(|claims| claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone()));
        assert_eq!(with(&claims).run::<Jwt>(config.clone()).reached_service, is_good, "{change}");
    }
}

#[test]
fn what_the_gateway_refuses_is_refused() {
    for (refusal, said) in [
        (Refusal::Signature, "its signature is not good"),
        (Refusal::Algorithm, "its algorithm is not allowed"),
        (Refusal::Key, "its key is not known"),
        (Refusal::Malformed("its header has `crit`".to_owned()), "its header has `crit`"),
    ] {
        let exchange = Exchange::get("/").header("authorization", "Bearer t").verified("t", "good", Err(refusal));
        assert!(problem(&exchange.run::<Jwt>(config())).contains(said), "{said}");
    }
    let mut pinned = config();
    pinned["issuers"][0]["algorithms"] = json!(["ES256"]);
    assert!(problem(&with(&claims()).run::<Jwt>(pinned)).contains("algorithm"));
    let mut typed = config();
    typed["issuers"][0]["type"] = json!("at+jwt");
    assert!(problem(&with(&claims()).run::<Jwt>(typed)).contains("type"));
}

#[test]
fn a_token_may_stand_elsewhere_and_be_hidden_from_the_service() {
    let mut config = config();
    config["cookie"] = json!("session");
    config["query"] = json!("access_token");
    config["forward"] = json!(false);
    let outcome = with(&claims()).run::<Jwt>(config.clone());
    assert!(outcome.reached_service && outcome.request_header("authorization").is_none());
    let token = |exchange: Exchange| exchange.token("t0ken", "good", &claims());
    let outcome = token(Exchange::get("/").header("cookie", "a=1; session=t0ken; b=2")).run::<Jwt>(config.clone());
    assert!(outcome.reached_service);
    assert_eq!(outcome.request_header("cookie").as_deref(), Some("a=1; b=2"));
    let outcome = token(Exchange::get("/?a=1&access_token=t0ken")).run::<Jwt>(config.clone());
    assert!(outcome.reached_service);
    assert_eq!(outcome.query(), "a=1");
    for twice in [
        Exchange::get("/").header("authorization", "Bearer t0ken").header("authorization", "Bearer t0ken"),
        Exchange::get("/").header("cookie", "session=t0ken; session=t0ken"),
        Exchange::get("/?access_token=t0ken&access_token=t0ken"),
    ] {
        assert!(problem(&token(twice).run::<Jwt>(config.clone())).contains("there are two of it"));
    }
    let own = json!({ "header": "X-Token", "issuers": config["issuers"] });
    assert!(token(Exchange::get("/").header("x-token", "t0ken")).run::<Jwt>(own).reached_service);
}

#[test]
fn the_service_is_told_and_a_client_cannot_lie() {
    let mut config = config();
    config["headers"] =
        json!({ "x-user": "sub", "x-roles": "realm_access.roles", "x-mail": "email", "x-n": "https://x.example/n" });
    config["parameters"] = json!({ "tenant": "tid" });
    config["optional"] = json!(true);
    let claims = changed(|claims| {
        claims["realm_access"] = json!({ "roles": ["a", "b"] });
        claims["https://x.example/n"] = json!(7);
        claims["tid"] = json!("a&b");
    });
    let target = "/?tenant=root&q=1";
    let lie = |exchange: Exchange| exchange.header("x-user", "root").header("x-mail", "root@example");
    let exchange = lie(Exchange::get(target)).header("authorization", "Bearer t0ken").token("t0ken", "good", &claims);
    let outcome = exchange.run::<Jwt>(config.clone());
    let header = |name| outcome.request_header(name);
    assert_eq!(header("x-user").as_deref(), Some("alice"));
    assert_eq!(header("x-roles").as_deref(), Some("a,b"));
    assert_eq!(header("x-n").as_deref(), Some("7"));
    assert_eq!(header("x-mail"), None);
    assert_eq!(outcome.query(), "q=1&tenant=a%26b");
    let anonymous = lie(Exchange::get("/")).run::<Jwt>(config.clone());
    assert!(anonymous.reached_service && anonymous.attribute("consumer").is_none());
    assert_eq!((anonymous.request_header("x-user"), anonymous.request_header("x-mail")), (None, None));
    let broken = with(&changed(|claims| claims["email"] = json!("a\r\nx-admin: 1"))).run::<Jwt>(config);
    assert!(problem(&broken).contains("`email`"));
}

#[test]
fn several_issuers_have_their_own_keys() {
    let issuer = |name: &str| json!({ "issuer": name, "jwks": { "keys": [name] }, "prefix": format!("{name}/") });
    let config = json!({ "issuers": [issuer("one"), issuer("two")] });
    let token = |claims: &Value| format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let play = |claimed: &str, signed_by: &str| {
        let claims = json!({ "iss": claimed, "sub": "alice", "exp": NOW + 9 });
        let token = token(&claims);
        let exchange = Exchange::get("/").header("authorization", format!("Bearer {token}"));
        exchange.token(&token, signed_by, &claims).run::<Jwt>(config.clone())
    };
    assert_eq!(play("one", "one").attribute("consumer"), Some("one/alice"));
    assert_eq!(play("two", "two").attribute("consumer"), Some("two/alice"));
    assert!(problem(&play("one", "two")).contains("its key is not known"), "nobody signs for another");
    assert!(problem(&play("three", "one")).contains("its issuer is not known"));
    let nameless = Exchange::get("/").header("authorization", "Bearer no.dots").run::<Jwt>(config);
    assert!(problem(&nameless).contains("does not name its issuer"));
}

fn fetching() -> Value {
    json!({ "issuers": [{ "jwks-url": URL, "refresh": 600, "cooldown": 10, "keep": 3600 }] })
}

fn keys(text: &str) -> Response {
    Response::json(200, &json!({ "keys": [text] })).unwrap()
}

#[test]
fn keys_are_fetched_once_and_again_when_they_are_old() {
    let first = with(&claims()).fetch(URL, keys("good")).run::<Jwt>(fetching());
    assert!(first.reached_service);
    assert_eq!(first.fetches().len(), 1);
    let next =
        with(&claims()).after(&first).later(Duration::from_secs(59)).fetch(URL, keys("good")).run::<Jwt>(fetching());
    assert!(next.reached_service);
    assert_eq!(next.fetches().len(), 0);
    let late = changed(|claims| claims["exp"] = json!(NOW + 9000));
    let old = with(&late).after(&next).later(Duration::from_secs(700)).fetch(URL, keys("good")).run::<Jwt>(fetching());
    assert!(old.reached_service);
    assert_eq!(old.fetches().len(), 1);
}

#[test]
fn the_last_good_keys_serve_while_the_issuer_is_away_but_not_for_ever() {
    let late = changed(|claims| claims["exp"] = json!(NOW + 9000));
    let first = with(&late).fetch(URL, keys("good")).run::<Jwt>(fetching());
    let away =
        with(&late).after(&first).later(Duration::from_secs(700)).fetch_fails(URL, "away").run::<Jwt>(fetching());
    assert!(away.reached_service);
    let junk = with(&late).after(&first).later(Duration::from_secs(700)).fetch(URL, Response::text(200, "<html>"));
    assert!(junk.run::<Jwt>(fetching()).reached_service);
    let gone = with(&late)
        .after(&first)
        .later(Duration::from_secs(3601))
        .fetch(URL, Response::new(500))
        .run::<Jwt>(fetching());
    assert!(!gone.reached_service);
    assert_eq!(gone.response.status, 503);
    let never = with(&late).fetch_fails(URL, "refused").run::<Jwt>(fetching());
    assert_eq!(never.response.status, 503);
    assert_eq!(never.metric("keys-failed"), Some(1.0));
}

#[test]
fn an_unknown_key_is_asked_for_but_not_each_time() {
    let first = with(&claims()).fetch(URL, keys("old")).run::<Jwt>(fetching());
    assert!(problem(&first).contains("its key is not known"));
    assert_eq!(first.fetches().len(), 1, "they were fetched this very moment");
    let soon =
        with(&claims()).after(&first).later(Duration::from_secs(9)).fetch(URL, keys("good")).run::<Jwt>(fetching());
    assert!(problem(&soon).contains("its key is not known"));
    assert_eq!(soon.fetches().len(), 0);
    let rotated =
        with(&claims()).after(&first).later(Duration::from_secs(11)).fetch(URL, keys("good")).run::<Jwt>(fetching());
    assert!(rotated.reached_service);
    assert_eq!(rotated.fetches().len(), 1);
    let bad = Exchange::get("/").header("authorization", "Bearer t").verified("t", "good", Err(Refusal::Signature));
    let bad = bad.after(&rotated).later(Duration::from_secs(30)).fetch(URL, keys("good")).run::<Jwt>(fetching());
    assert!(problem(&bad).contains("signature"));
    assert_eq!(bad.fetches().len(), 0, "a bad signature is no reason to fetch");
}

#[test]
fn a_bad_configuration_is_named() {
    let issuer = |issuer: Value| json!({ "issuers": [issuer] });
    for (config, message) in [
        (json!({ "issuers": [] }), "`issuers` is empty: nobody could ever be let in"),
        (
            issuer(json!({})),
            "`issuers[0]`: exactly one of `jwks-url`, `jwks`, `pem` and `shared-secret` says where the keys are",
        ),
        (
            issuer(json!({ "pem": "x", "jwks": {} })),
            "`issuers[0]`: exactly one of `jwks-url`, `jwks`, `pem` and `shared-secret` says where the keys are",
        ),
        (issuer(json!({ "pem": "x" })), "`issuers[0]`: it is neither JSON nor PEM with a `BEGIN PUBLIC KEY`"),
        (
            issuer(json!({ "jwks": {}, "algorithms": ["none"] })),
            "`issuers[0]`: `algorithms`: `none` is none; there are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, \
             ES512, EdDSA, HS256, HS384, HS512",
        ),
        (
            issuer(json!({ "jwks": {}, "algorithms": [] })),
            "`issuers[0]`: `algorithms` is empty: no token could ever be good",
        ),
        (
            json!({ "issuers": [{ "issuer": "a", "jwks": {} }, { "jwks": {} }] }),
            "`issuers[1]`: where there are several, each has an `issuer`",
        ),
        (
            json!({ "issuers": [{ "issuer": "a", "jwks": {} }, { "issuer": "a", "jwks": {} }] }),
            "`issuers[1]`: another one has the same `issuer`",
        ),
        (
            json!({ "issuers": [{ "jwks": {} }], "realm": "\"" }),
            "`realm` has a quote, a backslash or a control character",
        ),
    ] {
        assert_eq!(Exchange::get("/").try_run::<Jwt>(config).unwrap_err(), message);
    }
}
