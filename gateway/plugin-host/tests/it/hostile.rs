//! HARDENING.md section 2: guests that mean harm.

use crate::guest::Guest;
use crate::kit::{self, on_request};
use gateway_core::clock;
use gateway_core::plugin::{FaultKind, Plugin};
use gateway_plugin_host::LoadError;
use std::time::Duration;

const LOOP: &str = "(loop $forever (br $forever)) (unreachable)";

/// W1, and its neighbours: others on the same thread go on meanwhile.
#[tokio::test]
async fn w1_an_endless_loop_is_cut_and_lets_others_run() {
    let plugin = kit::plugin(&Guest::new().phase("on-request", format!("(result i32) {LOOP}")).build()).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let neighbour = tokio::spawn(async move {
        let mut longest = Duration::ZERO;
        let mut stopped = stopped;
        while stopped.try_recv().is_err() {
            let begin = clock::now();
            tokio::time::sleep(Duration::from_millis(1)).await;
            longest = longest.max(begin.elapsed());
        }
        longest
    });
    for _ in 0..5 {
        let begin = clock::now();
        let fault = on_request(&plugin).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Cpu, "{fault}");
        assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
    }
    stop.send(()).unwrap();
    let longest = neighbour.await.unwrap();
    assert!(longest < Duration::from_millis(100), "{longest:?}");
    assert_eq!(plugin.statistics().cpu, 5);
}

#[tokio::test]
async fn w1_a_loop_of_host_calls_is_cut() {
    let mut guest = Guest::new().import("log.log").import("request.header");
    let text = guest.text("x-api-key");
    let body = format!(
        "(result i32) (loop $forever
            (call $log.log (i32.const 2) {text})
            (call $request.header {text} (i32.const 64)) (call $reset)
            (br $forever)) (unreachable)"
    );
    let plugin = kit::plugin(&guest.phase("on-request", body).build()).await;
    assert_eq!(on_request(&plugin).await.unwrap_err().kind, FaultKind::Cpu);
}

#[tokio::test]
async fn w1_configure_and_start_are_bounded() {
    let limits = |settings: &mut gateway_plugin_host::PluginSettings| settings.limits.start = Duration::from_millis(50);
    let mut settings = kit::settings();
    limits(&mut settings);
    let next = "(result i32) (call $next)";
    for component in [
        Guest::new().phase("configure", format!("(result i32) {LOOP}")).phase("on-request", next).build(),
        Guest::new().phase("on-request", next).with("(func $spin (loop $forever (br $forever))) (start $spin)").build(),
    ] {
        let refused = kit::try_plugin(&kit::host(), &component, settings.clone()).await.err().unwrap();
        assert!(matches!(&refused, LoadError::Start(text) if text.contains("CPU")), "{refused}");
    }
}

#[tokio::test]
async fn configure_refuses_in_its_own_words() {
    let mut guest = Guest::new();
    let text = guest.text("write a header");
    let (at, length) = text.split_once(") ").unwrap();
    let body = format!(
        "(result i32) (i32.store8 (i32.const 64) (i32.const 1))
         (i32.store (i32.const 68) {at})) (i32.store (i32.const 72) {length}) (i32.const 64)"
    );
    let component = guest.phase("configure", body).phase("on-request", "(result i32) (call $next)").build();
    let refused = kit::try_plugin(&kit::host(), &component, kit::settings()).await.err().unwrap();
    assert_eq!(refused, LoadError::Configure("write a header".to_owned()));
}

/// W2: each ends in a trap of that call, and the next call finds a fresh instance.
#[tokio::test]
async fn w2_memory_stack_tables_and_lists_are_bounded() {
    let mut huge = Guest::new().import("log.log");
    let text = huge.text("x");
    let at = text.split_once(") ").unwrap().0;
    let grow = "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) (unreachable)";
    for (what, guest, expected) in [
        ("memory", Guest::new().phase("on-request", format!("(result i32) {grow}")), "limits.memory"),
        (
            "stack",
            Guest::new()
                .with("(func $deep (param i32) (result i32) (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))")
                .phase("on-request", "(result i32) (call $deep (i32.const 0))"),
            "stack",
        ),
        (
            "table",
            Guest::new()
                .with("(table $t 1 funcref)")
                .phase("on-request", "(result i32) (drop (table.grow $t (ref.null func) (i32.const 1000000))) (call $next)"),
            "table",
        ),
        (
            "list to the host",
            huge.phase(
                "on-request",
                format!("(result i32) (drop (memory.grow (i32.const 512))) (call $log.log (i32.const 2) {at}) (i32.const 33000000)) (call $next)"),
            ),
            "fuel",
        ),
        ("body", Guest::new().phase("on-request", "(result i32) (drop (memory.grow (i32.const 512))) (call $respond (i32.const 200) (i32.const 0) (i32.const 33000000))"), "fuel"),
        ("unreachable", Guest::new().phase("on-request", "(result i32) (unreachable)"), "unreachable"),
        ("pointer", Guest::new().phase("on-request", "(result i32) (i32.const -8)"), ""),
    ] {
        let plugin = kit::plugin(&guest.build()).await;
        for _ in 0..3 {
            let fault = on_request(&plugin).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Trap, "{what}: {fault}");
            assert!(fault.message.contains(expected), "{what}: {}", fault.message);
        }
        assert_eq!(plugin.instances().live, 0, "{what}");
    }
}

#[tokio::test]
async fn w2_a_component_that_wants_more_than_its_limit_does_not_start() {
    let mut settings = kit::settings();
    settings.limits.memory = 32 << 10;
    let component = crate::guest::key_check();
    let refused = kit::try_plugin(&kit::host(), &component, settings).await.err().unwrap();
    assert!(matches!(&refused, LoadError::Start(text) if text.contains("limits.memory")), "{refused}");
}

/// W5: traps in a row open the breaker, cost no instance, and after a rest it is tried again.
#[tokio::test]
async fn w5_a_thousand_traps() {
    let plugin = kit::plugin(&Guest::new().phase("on-request", "(result i32) (unreachable)").build()).await;
    let mut open = 0;
    for _ in 0..1000 {
        match on_request(&plugin).await.unwrap_err().kind {
            FaultKind::Open => open += 1,
            kind => assert_eq!(kind, FaultKind::Trap),
        }
    }
    assert!(open > 900, "{open}");
    assert!(plugin.is_tripped());
    assert_eq!(plugin.statistics().open, open);
    assert_eq!(plugin.instances().live, 0);
}

/// W7: an instance that grows is replaced.
#[tokio::test]
async fn w7_growth_ends_an_instance() {
    let plugin = kit::plugin(
        &Guest::new().phase("on-request", "(result i32) (drop (memory.grow (i32.const 16))) (call $next)").build(),
    )
    .await;
    for _ in 0..100 {
        on_request(&plugin).await.unwrap();
        assert!(plugin.instances().memory < 10 << 20);
    }
}

/// W13: a call whose caller goes away takes its instance with it and nothing else.
#[tokio::test]
async fn w13_a_cancelled_call_gives_everything_back() {
    let host = kit::host();
    let component = Guest::new().phase("on-request", format!("(result i32) {LOOP}")).build();
    let mut settings = kit::settings();
    settings.limits.cpu = Duration::from_secs(5);
    let plugin = kit::try_plugin(&host, &component, settings).await.unwrap();
    let free = host.free_instances();
    for _ in 0..20 {
        let call = plugin.on_request(kit::exchange());
        assert!(tokio::time::timeout(Duration::from_millis(5), call).await.is_err());
    }
    assert_eq!(plugin.instances().live, 0);
    assert_eq!(host.free_instances(), free + 1);
}

#[tokio::test]
async fn the_deadline_of_the_exchange_ends_a_call() {
    let component = Guest::new().phase("on-request", format!("(result i32) {LOOP}")).build();
    let plugin = kit::plugin_with(&component, |settings| settings.limits.cpu = Duration::from_secs(5)).await;
    let mut exchange = kit::exchange();
    exchange.deadline = clock::now() + Duration::from_millis(20);
    let (_, flow) = plugin.on_request(exchange).await;
    assert_eq!(flow.unwrap_err().kind, FaultKind::Wall);
    let bounded = kit::plugin_with(&component, |settings| {
        settings.limits.cpu = Duration::from_secs(5);
        settings.limits.wall = Some(Duration::from_millis(20));
    })
    .await;
    assert_eq!(on_request(&bounded).await.unwrap_err().kind, FaultKind::Wall);
}
