//! Who is let in by each of the identity plugins, and what the service is told.

use gateway_tests::gateway::Setup;
use gateway_tests::issuer::now;
use gateway_tests::{Authority, Key, KeyServer, Reply, TestGateway, Upstream};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A gateway whose one route runs these plugins, each with a configuration, before a service.
pub(crate) fn setup(service: &Upstream, plugins: &[(&str, &str)], more: &str) -> Setup {
    let names: Vec<_> = plugins.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let config = service
        .config()
        .replace("upstream = \"service\"", &format!("upstream = \"service\"\nchain = [{}]", names.join(", ")));
    let sections = plugins.iter().map(|(name, section)| format!("[plugin.{name}]\n{section}\n")).collect::<String>();
    let setup = Setup::new(&format!("{config}{more}{sections}"));
    plugins.iter().fold(setup, |setup, (name, _)| setup.plugin(name))
}

/// Asks with these credentials.
pub(crate) fn ask(gateway: &TestGateway, path: &str, fields: &str) -> gateway_tests::Response {
    gateway.client().get_with(path, fields)
}

pub(crate) fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn claims(change: Value) -> Value {
    let mut claims = json!({ "iss": "https://idp.example", "aud": "shop", "sub": "alice", "exp": now() + 600 });
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    claims
}

const JWT: &str = r#"config = { issuers = [{ issuer = "https://idp.example", audiences = ["shop"], jwks-url = "upstream://idp/keys" }], headers = { x-user = "sub" } }
grants = { identity = true, crypto = true, http = ["idp"] }"#;

#[test]
fn jwt_lets_in_whom_the_issuer_names() {
    let (service, key) = (Upstream::ok(), Key::rsa("one"));
    let server = KeyServer::start(&[&key]);
    let gateway = setup(&service, &[("jwt", JWT)], &server.section()).start();
    let answer = ask(&gateway, "/a", &format!("{}x-user: root\r\n", bearer(&key.token(&claims(json!({}))))));
    assert_eq!(answer.status, 200);
    assert_eq!(service.last().values("x-user"), ["alice"]);
    for (fields, said) in [
        (String::new(), r#"Bearer realm="gateway""#),
        (bearer(&key.token(&claims(json!({ "exp": now() - 1 })))), "it has expired"),
        (bearer(&key.token(&claims(json!({ "nbf": now() + 60 })))), "it is not in force yet"),
        (bearer(&key.token(&claims(json!({ "aud": "bank" })))), "it is meant for another audience"),
        (bearer(&key.token(&claims(json!({ "iss": "https://evil.example" })))), "its issuer is not known"),
        (bearer(&Key::rsa("one").token(&claims(json!({})))), "its signature is not good"),
    ] {
        let answer = ask(&gateway, "/a", &fields);
        assert_eq!(answer.status, 401, "{said}");
        assert!(answer.header("www-authenticate").unwrap().contains(said), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(service.received().len(), 1, "nothing else has come through");
    assert_eq!(server.asked(), 1, "the keys are there");
}

/// The certificate of an origin over TLS is verified by the system's authorities, and the address that is called was looked at.
#[test]
fn w9_keys_come_over_tls_from_a_granted_origin() {
    let (service, key) = (Upstream::ok(), Key::elliptic("one"));
    let (known, unknown) = (Authority::default(), Authority::default());
    let server = KeyServer::start(&[&key]);
    // Another gateway speaks TLS for it.
    let speaks_tls = |authority: &Authority| {
        let issued = authority.server(&["127.0.0.1", "localhost"]);
        let tls = "address = \"127.0.0.1:0\"\ntls = { certificates = [{ cert = \"a.pem\", key = \"a.key\" }] }\n";
        let config = server.upstream().config().replace("address = \"127.0.0.1:0\"\n", tls);
        Setup::new(&config).file("a.pem", issued.cert).file("a.key", issued.key).start()
    };
    let (good, bad) = (speaks_tls(&known), speaks_tls(&unknown));
    for (origin, host, status) in [(&good, "127.0.0.1", 200), (&bad, "127.0.0.1", 503), (&good, "localhost", 503)] {
        let origin = format!("https://{host}:{}", origin.address("public").port());
        let section = format!(
            "config = {{ issuers = [{{ jwks-url = \"{origin}/keys\" }}] }}\n\
             grants = {{ identity = true, crypto = true, http = [\"{origin}\"] }}"
        );
        let setup = setup(&service, &[("jwt", &section)], "").file("authorities.pem", known.pem());
        let gateway = setup.variable("SSL_CERT_FILE", "authorities.pem").start();
        let answer = ask(&gateway, "/", &bearer(&key.token(&claims(json!({})))));
        assert_eq!(answer.status, status, "{origin}: {answer:?} {}", gateway.log());
    }
    assert_eq!(server.asked(), 1, "neither a wrong certificate nor a name of this machine leads there");
    // A system that knows no authorities is told of at once, not at the first call.
    let section = "config = { issuers = [{ jwks-url = \"https://idp.example/keys\" }] }\n\
                   grants = { identity = true, crypto = true, http = [\"https://idp.example\"] }";
    let empty = setup(&service, &[("jwt", section)], "").file("none.pem", "");
    let mut gateway = empty.variable("SSL_CERT_FILE", "none.pem").variable("SSL_CERT_DIR", "").launch();
    assert_eq!(gateway.exit_code(), Some(2));
    assert!(
        gateway.log().contains("error[origin-tls]: plugin `jwt` cannot call an origin over TLS"),
        "{}",
        gateway.log()
    );
}

/// Each issuer has keys of its own, and a token may stand in the field, a cookie or the query.
#[test]
fn jwt_knows_several_issuers_and_places() {
    let (service, north, south) = (Upstream::ok(), Key::rsa("one"), Key::elliptic("one"));
    let (north_keys, south_keys) = (KeyServer::start(&[&north]), KeyServer::start(&[&south]));
    let section = r#"config = { issuers = [
        { issuer = "north", jwks-url = "upstream://idp/keys" },
        { issuer = "south", prefix = "south/", jwks-url = "upstream://south/keys" },
    ], headers = { x-user = "sub" }, parameters = { tenant = "tid" }, cookie = "session", query = "token", forward = false }
    grants = { identity = true, crypto = true, http = ["idp", "south"] }"#
        .replace("\n    ", " ")
        .replace(" grants", "\ngrants");
    let log = "config = { request = { set = { x-consumer = \"${attribute.consumer}\" } } }";
    let more = format!("{}{}", north_keys.section(), south_keys.section().replace("idp", "south"));
    let gateway = setup(&service, &[("jwt", &section), ("transform", log)], &more).start();
    let of = |key: &Key, issuer: &str| key.token(&claims(json!({ "iss": issuer, "tid": "a&b" })));
    for (path, fields, consumer, target) in [
        ("/a?q=1", bearer(&of(&north, "north")), "alice", "/a?q=1&tenant=a%26b"),
        (
            "/a?tenant=root",
            format!("cookie: a=1; session={}\r\n", of(&south, "south")),
            "south/alice",
            "/a?tenant=a%26b",
        ),
        (&format!("/a?token={}", of(&south, "south")), String::new(), "south/alice", "/a?tenant=a%26b"),
    ] {
        let answer = ask(&gateway, path, &fields);
        assert_eq!(answer.status, 200, "{answer:?}");
        let received = service.last();
        assert_eq!((received.value("x-consumer"), received.target()), (Some(consumer), target));
        assert_eq!(received.value("authorization"), None);
        assert_eq!(received.value("cookie"), fields.starts_with("cookie").then_some("a=1"));
    }
    for (key, issuer) in [(&north, "south"), (&south, "north"), (&north, "east")] {
        assert_eq!(ask(&gateway, "/a", &bearer(&of(key, issuer))).status, 401, "nobody signs for another");
    }
}

/// The endpoint goes away: tokens that it has called active lately go on, all others are refused.
#[test]
fn introspection_fails_closed() {
    let service = Upstream::ok();
    let away = Arc::new(AtomicBool::new(false));
    let is_away = Arc::clone(&away);
    let idp = Upstream::start(move |_| match is_away.load(Ordering::Relaxed) {
        true => Reply::Reset,
        false => Reply::ok(&json!({ "active": true, "sub": "alice" }).to_string()),
    });
    let section = "config = { endpoint = \"upstream://idp/introspect\", client-id = \"gateway\", client-secret = \"s\" }\n\
                   grants = { identity = true, http = [\"idp\"] }";
    let idp_section = format!("[upstream.idp]\nendpoints = [\"{}\"]\n", idp.url());
    let gateway = setup(&service, &[("introspection", section)], &idp_section).start();
    assert_eq!(ask(&gateway, "/", &bearer("known")).status, 200);
    away.store(true, Ordering::Relaxed);
    assert_eq!(ask(&gateway, "/", &bearer("known")).status, 200);
    let answer = ask(&gateway, "/", &bearer("unknown"));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    away.store(false, Ordering::Relaxed);
    assert_eq!(ask(&gateway, "/", &bearer("unknown")).status, 200);
    assert_eq!(service.received().len(), 3);
}

/// Without a token a request may go on as nobody's, but a bad token is no token that is missing.
#[test]
fn jwt_may_be_optional() {
    let (service, key) = (Upstream::ok(), Key::elliptic("one"));
    let server = KeyServer::start(&[&key]);
    let section = JWT.replace("headers =", "optional = true, headers =");
    let gateway = setup(&service, &[("jwt", &section)], &server.section()).start();
    assert_eq!(ask(&gateway, "/", "x-user: root\r\n").status, 200);
    assert_eq!(service.last().value("x-user"), None);
    assert_eq!(ask(&gateway, "/", &bearer("bad")).status, 401);
    assert_eq!(ask(&gateway, "/", &bearer(&key.token(&claims(json!({}))))).status, 200);
    assert_eq!(service.last().value("x-user"), Some("alice"));
}
