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
    // One that may take so long can stand aside from its first call on.
    let plugin = kit::plugin_with(&component, |settings| settings.limits.cpu = Duration::from_millis(20)).await;
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

/// A call is first tried without a stack of its own, on which it cannot stand aside; what loops is cut there as well, and next time others
/// have their turn.
#[tokio::test]
async fn w1_a_loop_that_cannot_stand_aside_is_cut_and_the_next_one_can() {
    let component =
        Guest::new().phase("on-request", "(result i32) (loop $forever (br $forever)) (unreachable)").build();
    let plugin = kit::plugin(&component).await;
    let (_, flow) = plugin.on_request(kit::exchange()).now_or_never().expect("nobody had a turn");
    assert_eq!(flow.unwrap_err().kind, FaultKind::Cpu);
    let mut next = plugin.on_request(kit::exchange());
    assert!((&mut next).now_or_never().is_none(), "others have their turn");
    assert_eq!(next.await.1.unwrap_err().kind, FaultKind::Cpu);
}
