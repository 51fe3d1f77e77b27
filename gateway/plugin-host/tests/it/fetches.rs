//! Guests that call services without end.

use crate::guest::Guest;
use crate::kit::{self, asking, exchange};
use bytes::Bytes;
use gateway_core::dispatch::{BoxFuture, Call, Dispatch};
use gateway_core::plugin::{FaultKind, Plugin};
use gateway_core::{Body, Error};
use gateway_plugin_host::{Capability, PluginSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Answers at once, or never, and counts.
#[derive(Default)]
struct Counting {
    calls: AtomicU64,
    silent: bool,
}

impl Dispatch for Counting {
    fn call(&self, _: Call) -> BoxFuture<'_, Result<http::Response<Body>, Error>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            if self.silent {
                std::future::pending::<()>().await;
            }
            Ok(http::Response::new(Body::from(Bytes::from_static(b"x"))))
        })
    }

    fn has_upstream(&self, _: &str) -> bool {
        true
    }
}

fn fetching_without_end() -> Vec<u8> {
    let mut guest = Guest::new().import("http.fetch");
    let (method, url) = (guest.text("GET"), guest.text("upstream://orders/"));
    let body = format!(
        "(result i32) (loop $forever
        (call $http.fetch {method} {url} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
        (call $reset) (br $forever)) (unreachable)"
    );
    asking(&guest.phase("on-request", body).build(), &[Capability::Http])
}

/// What a call costs the gateway is not the guest's CPU time: they are counted.
#[tokio::test]
async fn w1_a_loop_of_calls_to_services_is_cut() {
    let component = fetching_without_end();
    let granted = |settings: &mut PluginSettings| settings.grants.http_upstreams = vec!["orders".to_owned()];
    let plugin = kit::plugin_with(&component, granted).await;
    for _ in 0..2 {
        let dispatch = Arc::new(Counting::default());
        let mut exchange = exchange();
        exchange.dispatch = Arc::<Counting>::clone(&dispatch);
        let (_, done) = plugin.on_request(exchange).await;
        assert_eq!(done.unwrap_err().kind, FaultKind::Cpu);
        assert_eq!(dispatch.calls.load(Ordering::Relaxed), 256);
    }
}

/// W13: also while a service is waited for.
#[tokio::test]
async fn w13_a_call_that_is_cancelled_while_it_waits_gives_everything_back() {
    let host = kit::host();
    let mut settings = kit::settings();
    settings.grants.http_upstreams = vec!["orders".to_owned()];
    let plugin = kit::try_plugin(&host, &fetching_without_end(), settings).await.unwrap();
    let free = host.free_instances();
    for _ in 0..200 {
        let mut exchange = exchange();
        exchange.dispatch = Arc::new(Counting { silent: true, ..Counting::default() });
        let call = plugin.on_request(exchange);
        assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    }
    assert_eq!(plugin.instances().live, 0);
    assert_eq!(host.free_instances(), free + 1);
}
