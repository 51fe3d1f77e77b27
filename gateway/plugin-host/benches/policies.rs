//! What the plugins for limits and transformation cost a request: the components of `make plugins`. Run with
//! `cargo bench -p gateway-plugin-host --bench policies`.
#![expect(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "a benchmark, with the tests' kit")]

#[path = "../tests/it/kit.rs"]
mod kit;

use divan::Bencher;
use divan::counter::ItemsCount;
use gateway_core::Exchange;
use gateway_core::limit::{Answer, Budget, Limiter, Standing, Taken};
use gateway_core::plugin::Plugin;
use gateway_plugin_host::WasmPlugin;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Calls in one run of a runtime, so that entering it does not count.
const CALLS: usize = 1000;

/// What a client posts.
const BODY: &[u8] =
    br#"{"id":17,"customer":{"name":"Ada","address":{"city":"Bern"}},"items":[{"sku":"a","n":1},{"sku":"b","n":2}]}"#;

/// The gateway's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    divan::main();
}

/// Counts nothing: what is measured is the plugin.
struct Endless;

impl Limiter for Endless {
    fn take<'a>(&'a self, _: &'a str, budgets: &'a [Budget], _: u64) -> Answer<'a, Taken> {
        let standing = |budget: &Budget| Standing {
            allowed: true,
            remaining: budget.limit,
            reset: Duration::from_secs(1),
            retry_after: Duration::ZERO,
        };
        Answer::Now(Ok(Taken { standings: budgets.iter().map(standing).collect(), slots: Vec::new() }))
    }

    fn charge<'a>(&'a self, _: &'a str, _: &'a Budget, _: u64) -> Answer<'a, ()> {
        Answer::Now(Ok(()))
    }
}

#[derive(Clone, Copy)]
enum Phase {
    Request,
    RequestBody,
    Handle,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn plugin(runtime: &Runtime, name: &str, config: &Value) -> Arc<WasmPlugin> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/plugins").join(name).with_extension("wasm");
    let component = std::fs::read(path).expect("the components of `make plugins`");
    runtime.block_on(kit::plugin_with(&component, |settings| {
        settings.config = config.to_string();
        settings.grants.limit = Some(Arc::new(Endless));
        settings.grants.http_upstreams = vec!["orders".to_owned()];
    }))
}

fn measure(bencher: Bencher, name: &str, config: &Value, phase: Phase) {
    let runtime = runtime();
    let plugin = plugin(&runtime, name, config);
    let mut exchange = kit::exchange();
    exchange.deadline += Duration::from_secs(3600);
    let mut lent = Some(exchange);
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| {
        runtime.block_on(async {
            for _ in 0..CALLS {
                lent = Some(call(&plugin, lent.take().unwrap(), phase).await);
            }
        });
    });
}

async fn call(plugin: &WasmPlugin, exchange: Box<Exchange>, phase: Phase) -> Box<Exchange> {
    let (mut exchange, worked) = match phase {
        Phase::Request => {
            let (exchange, flow) = plugin.on_request(exchange).await;
            (exchange, flow.is_ok())
        }
        Phase::RequestBody => {
            let (exchange, flow) = plugin.on_request_body(exchange, BODY.into()).await;
            (exchange, flow.is_ok())
        }
        Phase::Handle => {
            let (exchange, answer) = plugin.handle(exchange, BODY.into()).await;
            (exchange, answer.is_ok())
        }
    };
    assert!(worked);
    // Each is another one's first.
    exchange.attributes = gateway_core::attributes::Attributes::default();
    exchange
}

#[divan::bench]
fn rate_limit(bencher: Bencher) {
    measure(bencher, "rate-limit", &json!({ "rate": "100/s" }), Phase::Request);
}

#[divan::bench]
fn rate_limit_without_fields(bencher: Bencher) {
    measure(bencher, "rate-limit", &json!({ "rate": "100/s", "headers": false }), Phase::Request);
}

#[divan::bench]
fn quota(bencher: Bencher) {
    measure(bencher, "quota", &json!({ "calls": 100, "window": "1 d" }), Phase::Request);
}

#[divan::bench]
fn transform(bencher: Bencher) {
    let config = json!({ "request": { "set": { "x-a": "${header.x-h-1:-none}" } }, "path": "/v1/orders/${param.id}" });
    measure(bencher, "transform", &config, Phase::Request);
}

#[divan::bench]
fn transform_with_condition(bencher: Bencher) {
    let config = json!({ "when": "request.headers['x-beta'] == '1' || request.method == 'POST'", "path": "/beta" });
    measure(bencher, "transform", &config, Phase::Request);
}

#[divan::bench]
fn json(bencher: Bencher) {
    let config = json!({ "request": { "drop": ["id"], "flatten": ["customer"] } });
    measure(bencher, "json", &config, Phase::RequestBody);
}

#[divan::bench]
fn validate(bencher: Bencher) {
    let config = json!({ "request": { "type": "object", "required": ["id"], "properties": {
        "id": { "type": "integer" }, "items": { "type": "array", "items": { "required": ["sku"] } } } } });
    measure(bencher, "validate", &config, Phase::RequestBody);
}

#[divan::bench]
fn mock(bencher: Bencher) {
    measure(bencher, "mock", &json!({ "body": { "id": "${param.id:-none}", "items": [1, 2] } }), Phase::Handle);
}

#[divan::bench]
fn cors(bencher: Bencher) {
    measure(bencher, "cors", &json!({ "origins": ["https://shop.example"] }), Phase::Request);
}

#[divan::bench]
fn ip_filter(bencher: Bencher) {
    measure(bencher, "ip-filter", &json!({ "deny": ["10.0.0.0/8", "2001:db8::/32"] }), Phase::Request);
}

/// Its own part: each call of a service fails at once.
#[divan::bench]
fn aggregate(bencher: Bencher) {
    let part = |path: &str| json!({ "url": format!("upstream://orders/{path}"), "missing": "null" });
    let config = json!({ "parts": { "a": part("a"), "b": part("b"), "c": part("c") } });
    measure(bencher, "aggregate", &config, Phase::Handle);
}
