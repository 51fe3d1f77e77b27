//! Who is let in by each of the identity plugins, and what the service is told.

use gateway_tests::gateway::Setup;
use gateway_tests::issuer::now;
use gateway_tests::{Authority, Key, KeyServer, TestGateway, Upstream};
use serde_json::{Value, json};

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
}
