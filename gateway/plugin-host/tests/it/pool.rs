//! Instances under many calls at once.

use crate::guest::{Guest, key_check};
use crate::kit::{self, exchange};
use gateway_core::plugin::Plugin;
use std::sync::Arc;
use std::time::Duration;

/// Calls from several threads, some of them cancelled half-way, leave every permit where it belongs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_and_cancelled_calls_lose_nothing() {
    let host = kit::host();
    let free = host.free_instances();
    // Long enough to be cancelled in the middle, short enough to end by itself.
    let busy = "(result i32) (local $i i32)
        (loop $more (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $more (i32.lt_u (local.get $i) (i32.const 3000000))))
        (call $next)";
    let busy = Guest::new().phase("on-request", busy).build();
    let long = |settings: &mut gateway_plugin_host::PluginSettings| settings.limits.cpu = Duration::from_secs(5);
    let mut plugins = Vec::new();
    for component in [&key_check(), &busy] {
        let mut settings = kit::settings();
        long(&mut settings);
        plugins.push(kit::try_plugin(&host, component, settings).await.unwrap());
    }
    let tasks = (0..16).map(|task| {
        let plugins = plugins.clone();
        tokio::spawn(async move {
            for turn in 0..50_u64 {
                plugins[0].on_request(exchange()).await.1.unwrap();
                let call = plugins[1].on_request(exchange());
                let _ = tokio::time::timeout(Duration::from_millis((task + turn) % 4), call).await;
            }
        })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap();
    }
    for plugin in &plugins {
        let instances = plugin.instances();
        assert_eq!(instances.live, instances.idle);
        assert!(!plugin.is_tripped());
    }
    assert_eq!(plugins[0].statistics().calls, 800);
    assert_eq!(plugins[0].statistics().recent.failed, 0);
    drop(plugins);
    assert_eq!(host.free_instances(), free, "a dropped plugin gives its instances back");
    assert_eq!(Arc::strong_count(&host), 1);
}
