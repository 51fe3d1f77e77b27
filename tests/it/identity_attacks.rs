//! Tokens that attackers make, over the socket (HARDENING.md section 5): none of them comes through.

use crate::identity::{ask, bearer, setup};
use gateway_tests::issuer::{base64url, now};
use gateway_tests::{Key, TestGateway, Upstream};
use serde_json::{Value, json};

/// A gateway that takes RS256 tokens of one issuer, whose set has an elliptic key as well.
struct Target {
    service: Upstream,
    rsa: Key,
    elliptic: Key,
    gateway: TestGateway,
}

const CONFIG: &str = r#"config = { issuers = [{ issuer = "https://idp.example", algorithms = ["RS256"], jwks-url = "upstream://idp/keys" }] }
grants = { identity = true, crypto = true, http = ["idp"] }"#;

fn claims() -> Value {
    json!({ "iss": "https://idp.example", "sub": "alice", "exp": now() + 600 })
}

impl Target {
    fn new() -> Self {
        let (service, rsa, elliptic) = (Upstream::ok(), Key::rsa("rsa"), Key::elliptic("elliptic"));
        let mut encryption = Key::rsa("encryption").jwk();
        encryption["use"] = json!("enc");
        let keys = json!({ "keys": [rsa.jwk(), elliptic.jwk(), encryption] }).to_string();
        let idp = Upstream::start(move |_| gateway_tests::Reply::ok(&keys));
        let gateway =
            setup(&service, &[("jwt", CONFIG)], &format!("[upstream.idp]\nendpoints = [\"{}\"]\n", idp.url())).start();
        Self { service, rsa, elliptic, gateway }
    }

    /// Signed by the issuer's own key, whatever the header says.
    fn signed(&self, header: &Value) -> String {
        self.rsa.token_of(&header.to_string(), &claims().to_string())
    }

    /// Sends each token: the good one comes through before and after, nothing else does.
    fn refuses(&self, tokens: Vec<(&str, String)>) {
        let good = bearer(&self.rsa.token(&claims()));
        assert_eq!(ask(&self.gateway, "/", &good).status, 200);
        let through = self.service.received().len();
        for (what, token) in tokens {
            let answer = ask(&self.gateway, "/", &bearer(&token));
            assert_eq!(answer.status, 401, "{what}: {answer:?}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer realm="), "{what}");
        }
        assert_eq!(self.service.received().len(), through);
        assert_eq!(ask(&self.gateway, "/", &good).status, 200);
    }
}

fn header(change: Value) -> Value {
    let mut header = json!({ "alg": "RS256", "kid": "rsa", "typ": "JWT" });
    header.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    header
}

#[test]
fn tokens_without_the_pinned_algorithm_are_refused() {
    let target = Target::new();
    let payload = claims().to_string();
    let unsigned =
        |alg: &str| format!("{}.{}.", base64url(json!({ "alg": alg, "kid": "rsa" }).to_string()), base64url(&payload));
    let jwk = target.rsa.jwk();
    let confused = |secret: &[u8]| Key::secret("rsa", secret).token(&claims());
    target.refuses(vec![
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("NONE", unsigned("NONE")),
        ("no algorithm", unsigned("")),
        ("none, with a signature", target.signed(&header(json!({ "alg": "none" })))),
        ("no `alg`", target.rsa.token_of(r#"{"kid":"rsa"}"#, &payload)),
        ("another case", target.signed(&header(json!({ "alg": "rs256" })))),
        ("a list", target.signed(&header(json!({ "alg": ["RS256"] })))),
        ("an algorithm that is not pinned", target.elliptic.token(&claims())),
        ("the padding of another one", target.signed(&header(json!({ "alg": "PS256" })))),
        ("the hash of another one", target.signed(&header(json!({ "alg": "RS512" })))),
        ("key confusion, by the JWK", confused(jwk.to_string().as_bytes())),
        ("key confusion, by the modulus", confused(jwk["n"].as_str().unwrap().as_bytes())),
        ("key confusion, by nothing", confused(b"")),
    ]);
}

#[test]
fn tokens_with_keys_of_their_own_choice_are_refused() {
    let target = Target::new();
    let evil = Key::rsa("evil");
    let payload = claims().to_string();
    let by = |key: &Key, change: Value| key.token_of(&header(change).to_string(), &payload);
    let embedded = json!({ "jwk": evil.jwk(), "kid": "evil" });
    target.refuses(vec![
        ("jwk", by(&evil, embedded.clone())),
        ("jwk, of the issuer", by(&target.rsa, json!({ "jwk": target.rsa.jwk() }))),
        ("jku", by(&evil, json!({ "jku": "https://evil.example/keys" }))),
        ("jku, signed well", by(&target.rsa, json!({ "jku": "https://idp.example/keys" }))),
        ("x5u", by(&target.rsa, json!({ "x5u": "https://evil.example/cert" }))),
        ("x5c", by(&target.rsa, json!({ "x5c": ["MIIB"] }))),
        ("crit", by(&target.rsa, json!({ "crit": ["exp"], "exp": 1 }))),
        ("crit, empty", by(&target.rsa, json!({ "crit": [] }))),
        ("b64", by(&target.rsa, json!({ "b64": false, "crit": ["b64"] }))),
        ("another key of the issuer's name", by(&evil, json!({}))),
        ("a kid that is a path", by(&evil, json!({ "kid": "../../../dev/null" }))),
        ("a kid that is a query", by(&evil, json!({ "kid": "' or 1=1 --" }))),
        ("a kid that is a list", by(&target.rsa, json!({ "kid": ["rsa"] }))),
        ("a key for encryption", by(&target.rsa, json!({ "kid": "encryption" }))),
        ("a key of another type", by(&target.rsa, json!({ "kid": "elliptic" }))),
    ]);
    drop(embedded);
}

#[test]
fn tokens_with_two_readings_are_refused() {
    let target = Target::new();
    let good = target.rsa.token(&claims());
    let [head, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let plain = header(json!({})).to_string();
    let exp = now() + 600;
    let twice = format!(r#"{{"iss":"https://idp.example","sub":"alice","sub":"root","exp":{exp}}}"#);
    let escaped = format!(r#"{{"iss":"https://idp.example","sub":"alice","exp":{exp},"\u0065xp":{}}}"#, exp + 1);
    let short = &signature[..signature.len() - 4];
    let root = base64url(json!({ "iss": "https://idp.example", "sub": "root", "exp": exp }).to_string());
    let long = json!({ "iss": "https://idp.example", "sub": "alice", "exp": exp, "x": "x".repeat(12 << 10) });
    target.refuses(vec![
        ("another payload", format!("{head}.{root}.{signature}")),
        ("no signature", format!("{head}.{payload}.")),
        ("two parts", format!("{head}.{payload}")),
        ("four parts", format!("{good}.")),
        ("five parts", format!("{good}.{payload}.{signature}")),
        ("a dot in front", format!(".{good}")),
        ("two dots", format!("{head}..{payload}.{signature}")),
        ("a padded signature", format!("{good}==")),
        ("a padded header", format!("{head}=.{payload}.{signature}")),
        ("a padded payload", format!("{head}.{payload}=.{signature}")),
        ("a short signature", format!("{head}.{payload}.{short}")),
        ("a long signature", format!("{good}AAAA")),
        ("base64 of the other kind", format!("{head}.{payload}.{}", signature.replace(['-', '_'], "+"))),
        ("a percent sign", good.replace('.', "%2e")),
        ("a space", format!("{head}.{payload} .{signature}")),
        ("two tokens", format!("{good}, {good}")),
        ("JSON form", json!({ "protected": head, "payload": payload, "signature": signature }).to_string()),
        (
            "a name twice in the header",
            target.rsa.token_of(r#"{"alg":"RS256","kid":"rsa","alg":"RS256"}"#, &claims().to_string()),
        ),
        ("a name twice in the claims", target.rsa.token_of(&plain, &twice)),
        ("a name twice, once escaped", target.rsa.token_of(&plain, &escaped)),
        ("claims that are a list", target.rsa.token_of(&plain, "[]")),
        ("claims that are no JSON", target.rsa.token_of(&plain, "{")),
        ("a header that is no JSON", target.rsa.token_of("RS256", &claims().to_string())),
        ("more than 16 KiB", target.rsa.token(&long)),
        ("no token", String::new()),
    ]);
}

#[test]
fn tokens_out_of_their_time_are_refused() {
    let target = Target::new();
    let with = |change: Value| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        target.rsa.token(&claims)
    };
    target.refuses(vec![
        ("expired", with(json!({ "exp": now() - 1 }))),
        ("expired this second", with(json!({ "exp": now() }))),
        ("no end", with(json!({ "exp": null }))),
        ("an end that is text", with(json!({ "exp": "9999999999" }))),
        ("an end that is true", with(json!({ "exp": true }))),
        ("an end below zero", with(json!({ "exp": -1 }))),
        ("a begin to come", with(json!({ "nbf": now() + 60 }))),
        ("a begin that is text", with(json!({ "nbf": "0" }))),
        ("another issuer", with(json!({ "iss": "https://idp.example/" }))),
        ("no issuer", with(json!({ "iss": null }))),
        ("nobody", with(json!({ "sub": null }))),
    ]);
}

/// A token that is remembered is judged by the clock each time, and forgotten with its keys.
#[test]
fn a_token_seen_before_expires_all_the_same() {
    let target = Target::new();
    let soon = now() + 2;
    let token = bearer(&target.rsa.token(&json!({ "iss": "https://idp.example", "sub": "alice", "exp": soon })));
    let mut client = target.gateway.client();
    let mut seen = 0;
    let answer = gateway_tests::wait::until("the token expires", || {
        let answer = client.get_with("/", &token);
        if answer.status == 200 {
            seen += 1;
            assert!(now() <= soon);
            return None;
        }
        Some(answer)
    });
    assert!(seen > 1, "it was good before");
    assert!(answer.header("www-authenticate").unwrap().contains("it has expired"));
    assert!(now() >= soon);
}

/// The shared secret of an issuer is no way around: its length, and its algorithm.
#[test]
fn tokens_by_a_shared_secret_have_its_algorithm() {
    let service = Upstream::ok();
    let secret = "0123456789abcdef0123456789abcdef";
    let section = "config = { issuers = [{ shared-secret = { secret = \"SHARED\" } }] }\ngrants = { identity = true, crypto = true, http = [\"service\"] }";
    let gateway =
        setup(&service, &[("jwt", section)], "[secret.SHARED]\nenv = \"SHARED\"\n").variable("SHARED", secret).start();
    let key = Key::secret("any", secret.as_bytes());
    assert_eq!(ask(&gateway, "/", &bearer(&key.token(&claims()))).status, 200);
    let named = |alg: &str| key.token_of(&json!({ "alg": alg }).to_string(), &claims().to_string());
    for token in [named("HS384"), named("RS256"), named("none"), Key::secret("any", b"other").token(&claims())] {
        assert_eq!(ask(&gateway, "/", &bearer(&token)).status, 401);
    }
}
