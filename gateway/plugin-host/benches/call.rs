//! What a plugin costs a request. Run with `cargo bench -p gateway-plugin-host`.
#![expect(clippy::unwrap_used, clippy::panic, dead_code, reason = "a benchmark, with the tests' kit")]

#[path = "../tests/it/guest.rs"]
mod guest;
#[path = "../tests/it/kit.rs"]
mod kit;

use divan::Bencher;
use divan::counter::ItemsCount;
use gateway_core::plugin::{Flow, Plugin};
use tokio::runtime::{Builder, Runtime};

/// Calls in one run of a runtime, so that entering it does not count.
const CALLS: usize = 1000;

/// The gateway's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn measure(bencher: Bencher, component: &[u8], isolate: bool) {
    let runtime = runtime();
    let plugin = runtime.block_on(kit::plugin_with(component, |settings| settings.isolate = isolate));
    let mut lent = Some(kit::exchange());
    lent.as_mut().unwrap().deadline += std::time::Duration::from_secs(3600);
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| {
        runtime.block_on(async {
            for _ in 0..CALLS {
                let (exchange, flow) = plugin.on_request(lent.take().unwrap()).await;
                assert!(matches!(flow, Ok(Flow::Next)));
                lent = Some(exchange);
            }
        });
    });
}

/// The floor: a guest that does nothing.
#[divan::bench]
fn nothing(bencher: Bencher) {
    measure(bencher, &guest::Guest::new().phase("on-request", "(result i32) (call $next)").build(), false);
}

/// One header read of 20, a comparison, an attribute and a request header set.
#[divan::bench]
fn key_check(bencher: Bencher) {
    measure(bencher, &guest::key_check(), false);
}

/// The same in a fresh instance each time.
#[divan::bench]
fn key_check_isolated(bencher: Bencher) {
    measure(bencher, &guest::key_check(), true);
}
