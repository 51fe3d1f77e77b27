//! A runtime that has no time for a guest: the guest is bounded all the same.

use crate::guest::Guest;
use crate::kit;
use futures_util::FutureExt as _;
use gateway_core::plugin::{FaultKind, Plugin};
use std::thread;
use std::time::Duration;

/// The tick rests while nobody runs a guest; one that comes back after a long yield must find it ticking.
#[tokio::test(flavor = "multi_thread")]
async fn w1_a_loop_that_goes_on_after_a_long_yield_is_cut() {
    let component =
        Guest::new().phase("on-request", "(result i32) (loop $forever (br $forever)) (unreachable)").build();
    let plugin = kit::plugin(&component).await;
    let (done, ended) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut call = plugin.on_request(kit::exchange());
        // It runs until its first tick, and then nobody asks for it until the tick rests.
        assert!((&mut call).now_or_never().is_none());
        thread::sleep(Duration::from_millis(400));
        let _ = done.send(call.await.1.map(drop));
    });
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
    // The runtime could not be dropped while a guest loops in it.
    let Ok(Ok(flow)) = ended else {
        #[expect(clippy::exit, reason = "see above")]
        std::process::exit(101);
    };
    assert_eq!(flow.unwrap_err().kind, FaultKind::Cpu);
}
