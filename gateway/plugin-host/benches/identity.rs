//! What the identity plugins cost a request: the components of `make plugins`. Run with `cargo bench -p gateway-plugin-host --bench identity`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "a benchmark, with the tests' kit"
)]

#[path = "../tests/it/kit.rs"]
mod kit;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use gateway_core::attributes::Owner;
use gateway_core::dispatch::{BoxFuture, Call, Dispatch};
use gateway_core::plugin::{Flow, Plugin};
use gateway_core::{Body, Error, Exchange};
use gateway_plugin_host::WasmPlugin;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Runtime};

/// Calls in one run of a runtime, so that entering it does not count.
const CALLS: usize = 1000;

/// More tokens than are remembered: none of them is there when it comes again.
const MANY: usize = 5000;

/// The gateway's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    divan::main();
}

struct Issuer {
    jwks: Value,
    tokens: Vec<HeaderValue>,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Tokens as issuers make them: RS256, some 700 bytes.
static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let (pair, random) = (RsaKeyPair::generate(KeySize::Rsa2048).unwrap(), SystemRandom::new());
    let token = |number: usize| {
        let claims = json!({
            "iss": "https://idp.example/realms/shop", "aud": ["shop", "account"], "sub": format!("7d4f7a0e-{number}"),
            "exp": 4_102_444_800_u64, "iat": 1_750_000_000, "azp": "web", "scope": "openid profile email orders:read",
            "email": "alice@example.com", "groups": ["staff", "eu"],
        });
        let header = json!({ "alg": "RS256", "kid": "2026", "typ": "JWT" });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let mut signature = vec![0; 256];
        pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("Bearer {signed}.{}", encode(signature)).parse().unwrap()
    };
    let jwks = json!({ "kty": "RSA", "kid": "2026", "n": encode(&pair.public_key().as_ref()[9..265]), "e": "AQAB" });
    Issuer { jwks, tokens: (0..MANY).map(token).collect() }
});

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn plugin(runtime: &Runtime, name: &str, config: &Value) -> Arc<WasmPlugin> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/plugins").join(name).with_extension("wasm");
    let component = std::fs::read(path).expect("the components of `make plugins`");
    runtime.block_on(kit::plugin_with(&component, |settings| {
        settings.config = config.to_string();
        settings.grants.identity = true;
        settings.grants.crypto = true;
        settings.grants.http_upstreams = vec!["orders".to_owned()];
    }))
}

/// Calls `on-request` again and again, each time with the next of these `authorization` fields.
fn measure(bencher: Bencher, name: &str, config: &Value, fields: &[HeaderValue], prepare: fn(&mut Exchange)) {
    let runtime = runtime();
    let plugin = plugin(&runtime, name, config);
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("shop.example"));
    let mut exchange = kit::exchange();
    exchange.deadline += std::time::Duration::from_secs(3600);
    prepare(&mut exchange);
    let (mut lent, mut fields) = (Some(exchange), fields.iter().cycle());
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| {
        runtime.block_on(async {
            for _ in 0..CALLS {
                let mut exchange = lent.take().unwrap();
                exchange.request.headers.insert("authorization", fields.next().unwrap().clone());
                let (exchange, flow) = plugin.on_request(exchange).await;
                assert!(matches!(flow, Ok(Flow::Next)), "{flow:?}");
                lent = Some(exchange);
            }
        });
    });
}

fn jwt() -> Value {
    json!({ "issuers": [{ "issuer": "https://idp.example/realms/shop", "audiences": ["shop"], "jwks": ISSUER.jwks }] })
}

/// A token that came before: at most 5 µs.
#[divan::bench]
fn jwt_seen_before(bencher: Bencher) {
    measure(bencher, "jwt", &jwt(), &ISSUER.tokens[..1], |_| ());
}

/// A hundred tokens that came before.
#[divan::bench]
fn jwt_a_hundred_seen_before(bencher: Bencher) {
    measure(bencher, "jwt", &jwt(), &ISSUER.tokens[..100], |_| ());
}

/// An RS256 verification with a key that is there: at most 60 µs.
#[divan::bench]
fn jwt_rs256(bencher: Bencher) {
    measure(bencher, "jwt", &jwt(), &ISSUER.tokens, |_| ());
}

/// A server that knows every token (RFC 7662), as near as can be.
struct Authority;

impl Dispatch for Authority {
    fn call(&self, _: Call) -> BoxFuture<'_, Result<http::Response<Body>, Error>> {
        let known = r#"{"active":true,"sub":"alice","client_id":"web","scope":"orders:read","exp":4102444800}"#;
        let mut response = http::Response::new(Body::from(Bytes::from_static(known.as_bytes())));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        Box::pin(async { Ok(response) })
    }

    fn has_upstream(&self, name: &str) -> bool {
        name == "orders"
    }
}

fn introspect(bencher: Bencher, cache: u32) {
    let config = json!({
        "endpoint": "upstream://orders/introspect", "client-id": "gateway", "client-secret": "s3cret", "cache": cache,
    });
    let token = HeaderValue::from_static("Bearer 2YotnFZFEjr1zCsicMWpAA");
    measure(bencher, "introspection", &config, &[token], |exchange| exchange.dispatch = Arc::new(Authority));
}

/// A token that its issuer is asked about; the issuer's own time is none of it.
#[divan::bench]
fn introspection_asked(bencher: Bencher) {
    introspect(bencher, 0);
}

/// A token that its issuer was asked about before.
#[divan::bench]
fn introspection_seen_before(bencher: Bencher) {
    introspect(bencher, 60);
}

/// A password that was right before.
#[divan::bench]
fn basic_seen_before(bencher: Bencher) {
    let hash = "$2y$04$XStBUGs.AdHYSDSCMat.FufjjIztXSd15K2JYIHvrRMyUJC5rm8Nu";
    let field = format!("Basic {}", BASE64_STANDARD.encode("alice:open sesame")).parse().unwrap();
    measure(bencher, "basic", &json!({ "users": { "alice": hash }, "forward": true }), &[field], |_| ());
}

/// A key among a hundred.
#[divan::bench]
fn api_key(bencher: Bencher) {
    let keys: String = (0..100).map(|number| format!("app-{number}:key-{number}\n")).collect();
    let config = json!({ "keys": format!("{keys}test:{}", kit::KEY), "forward": true });
    measure(bencher, "api-key", &config, &[HeaderValue::from_static("none")], |_| ());
}

/// A scope and a group.
#[divan::bench]
fn authorize(bencher: Bencher) {
    let config =
        json!({ "require": { "any": [{ "groups": ["admin"] }, { "methods": ["GET"], "scopes": ["orders:read"] }] } });
    measure(bencher, "authorize", &config, &[HeaderValue::from_static("none")], |exchange| {
        let claims = r#"{"iss":"https://idp.example/realms/shop","sub":"alice","scope":"openid profile orders:read"}"#;
        for (name, value) in [("consumer", "alice"), ("claims", claims), ("groups", r#"["staff","eu"]"#)] {
            exchange.attributes.write(Owner::Shared, name, value.into()).unwrap();
        }
    });
}
