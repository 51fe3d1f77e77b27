//! What a plugin costs a request: a call of each phase, and one of each kind of host function within a call; less what `phase on-request` costs,
//! that is the host function's. Run with `cargo bench -p gateway-plugin-host --bench call`.
#![expect(clippy::unwrap_used, clippy::panic, dead_code, reason = "a benchmark, with the tests' kit")]

#[path = "../tests/it/guest.rs"]
mod guest;
#[path = "../tests/it/kit.rs"]
mod kit;

use divan::Bencher;
use divan::counter::ItemsCount;
use gateway_core::Exchange;
use gateway_core::plugin::{Plugin, Summary};
use gateway_plugin_host::{Capability, PluginSettings, WasmPlugin};
use guest::Guest;
use std::time::Duration;
use tokio::runtime::Builder;

/// Calls in one run of a runtime, so that entering it does not count.
const CALLS: usize = 1000;

/// Of a body that a phase is given.
const BODY: &[u8] = &[b'x'; 1024];

/// Each phase, and a body of one that goes on: of nothing but this.
const PHASES: [(&str, &str); 6] = [
    ("on-request", "(result i32) (call $next)"),
    ("on-request-body", "(param i32 i32) (result i32) (call $next)"),
    ("handle", "(param i32 i32) (result i32) (i32.store16 (i32.const 256) (i32.const 204)) (i32.const 256)"),
    ("on-response", "(result i32) (call $next)"),
    ("on-response-body", "(param i32 i32) (result i32) (call $next)"),
    ("on-complete", "(param i32 i64 i64 i64 i32 i32 i32)"),
];

/// Host functions: their texts, and what they take besides.
const FUNCTIONS: [(&str, &[&str], &str); 13] = [
    ("clock.now", &[], "drop"),
    ("random.number", &[], "drop"),
    ("config.get", &[], "(i32.const 64)"),
    ("request.header", &["x-api-key"], "(i32.const 64)"),
    ("request.take-header", &["x-absent"], "(i32.const 64)"),
    ("request.set-header", &["x-tier", "gold"], "(i32.const 64)"),
    ("exchange.set-attribute", &["tier", "gold"], "(i32.const 64)"),
    ("exchange.identify", &["ada", "", ""], "(i32.const 64)"),
    ("metrics.count", &["asked"], "(i64.const 1)"),
    ("secrets.get", &["KEY"], "(i32.const 64)"),
    ("exchange.set-upstream", &["orders"], "(i32.const 64)"),
    ("kv.increment", &["count"], "(i64.const 1) (i32.const 0) (i64.const 0) (i32.const 64)"),
    (
        "http.fetch",
        &["GET", "upstream://orders/"],
        "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)",
    ),
];

/// The gateway's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    divan::main();
}

fn measure(bencher: Bencher, component: &[u8], phase: &str, change: impl FnOnce(&mut PluginSettings)) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let plugin = runtime.block_on(kit::plugin_with(component, change));
    let mut exchange = if phase.starts_with("on-response") { kit::answered() } else { kit::exchange() };
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

async fn call(plugin: &WasmPlugin, exchange: Box<Exchange>, phase: &str) -> Box<Exchange> {
    fn went_well<T>((exchange, said): (Box<Exchange>, Result<T, impl std::fmt::Display>)) -> Box<Exchange> {
        said.unwrap_or_else(|fault| panic!("{fault}"));
        exchange
    }
    let summary =
        || Summary { status: 200, duration: Duration::ZERO, request_bytes: 0, response_bytes: 0, error: None };
    match phase {
        "on-request" => went_well(plugin.on_request(exchange).await),
        "on-request-body" => went_well(plugin.on_request_body(exchange, BODY.into()).await),
        "handle" => went_well(plugin.handle(exchange, BODY.into()).await),
        "on-response" => went_well(plugin.on_response(exchange).await),
        "on-response-body" => went_well(plugin.on_response_body(exchange, BODY.into()).await),
        "on-complete" => went_well(plugin.on_complete(exchange, summary()).await),
        other => panic!("no phase {other}"),
    }
}

/// The floor: a guest that does nothing.
#[divan::bench(args = PHASES.map(|(name, _)| name))]
fn phase(bencher: Bencher, name: &str) {
    let (known, body) = PHASES.into_iter().find(|(phase, _)| *phase == name).unwrap();
    measure(bencher, &Guest::new().phase(known, body).build(), name, |_| ());
}

/// One call of a host function in `on-request`.
#[divan::bench(args = FUNCTIONS.map(|(name, ..)| name))]
fn function(bencher: Bencher, name: &str) {
    let (import, texts, more) = FUNCTIONS.into_iter().find(|(function, ..)| *function == name).unwrap();
    let mut guest = Guest::new().import(import);
    let texts: String = texts.iter().map(|text| guest.text(text)).collect();
    let body = match more {
        "drop" => format!("(result i32) (drop (call ${import})) (call $next)"),
        more => format!("(result i32) (call ${import} {texts} {more}) (call $next)"),
    };
    let asked = [Capability::Identity, Capability::Http, Capability::Secrets, Capability::SetUpstream];
    let component = kit::asking(&guest.phase("on-request", body).build(), &asked);
    measure(bencher, &component, "on-request", |settings| {
        settings.grants.identity = true;
        settings.grants.http_upstreams = vec!["orders".to_owned()];
        settings.grants.secrets = [("KEY".to_owned(), "a secret".to_owned())].into();
        settings.grants.set_upstream = vec!["orders".to_owned()];
    });
}

/// One header read of 20, a comparison, an attribute and a request header set.
#[divan::bench(args = ["kept", "isolated"])]
fn key_check(bencher: Bencher, instances: &str) {
    measure(bencher, &guest::key_check(), "on-request", |settings| settings.isolate = instances == "isolated");
}
