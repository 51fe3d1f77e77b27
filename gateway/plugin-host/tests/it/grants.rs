//! What needs a grant: asked for and given, or refused (HARDENING.md W9), and calls to services.

use crate::guest::Guest;
use crate::kit::{self, answer, asking, exchange, on_request};
use gateway_core::clock;
use gateway_core::limit::{Answer, Budget, Limiter, Taken};
use gateway_core::plugin::{FaultKind, Flow, Plugin};
use gateway_plugin_host::{Capability, LoadError, PluginSettings};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A secret.
const KEYS: &str = r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

/// Hashes of `open sesame` and `hunter2`, cheap ones.
const BCRYPT: &str = "$2y$04$XStBUGs.AdHYSDSCMat.FufjjIztXSd15K2JYIHvrRMyUJC5rm8Nu";
const ARGON2: &str = "$argon2id$v=19$m=1024,t=1,p=1$IFaWBwRI+FUta/RKAiMK8w$qUEsS4qcUHPC+KYJqqBIkL/IMZnqOLCdI1+tL091aAA";

/// More than all attributes of an exchange may have.
static HUGE: LazyLock<String> = LazyLock::new(|| "x".repeat(16 << 10));

fn all_granted(settings: &mut PluginSettings) {
    settings.grants.identity = true;
    settings.grants.crypto = true;
    settings.grants.http_upstreams = vec!["orders".to_owned()];
    settings.grants.http_origins =
        vec!["http://10.0.0.5:8080".to_owned(), "http://idp.example".to_owned(), "https://keys.example".to_owned()];
    settings.grants.secrets = [("KEY".to_owned(), "hunter2".to_owned())].into();
    settings.grants.set_upstream = vec!["orders".to_owned(), "gone".to_owned()];
    settings.grants.limit = Some(Arc::new(Nothing));
}

/// Has nothing left of anything.
struct Nothing;

impl Limiter for Nothing {
    fn take<'a>(&'a self, _: &'a str, _: &'a [Budget], _: u64) -> Answer<'a, Taken> {
        Answer::Now(Ok(Taken::default()))
    }

    fn charge<'a>(&'a self, _: &'a str, _: &'a Budget, _: u64) -> Answer<'a, ()> {
        Answer::Now(Ok(()))
    }
}

/// A guest that fetches one URL and answers with what came, or with the error.
fn fetching(url: &str, timeout: Option<u32>) -> Vec<u8> {
    let mut guest = Guest::new().import("http.fetch");
    let (method, url) = (guest.text("GET"), guest.text(url));
    let timeout = timeout
        .map_or("(i32.const 0) (i32.const 0)".to_owned(), |timeout| format!("(i32.const 1) (i32.const {timeout})"));
    let body = format!(
        "(result i32)
        (call $http.fetch {method} {url} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) {timeout} (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (call $outcome))))
        (call $respond (i32.load16_u (i32.const 68)) (i32.load (i32.const 80)) (i32.load (i32.const 84)))"
    );
    guest.phase("on-request", body).build()
}

/// A guest that calls a function of two texts or one, and answers with the outcome.
fn calling(function: &'static str, arguments: &[&str]) -> Vec<u8> {
    let mut guest = Guest::new().import(function);
    let arguments: String = arguments.iter().map(|argument| guest.text(argument)).collect();
    guest
        .phase("on-request", format!("(result i32) (call ${function} {arguments} (i32.const 64)) (call $outcome)"))
        .build()
}

#[tokio::test]
async fn w9_nothing_is_allowed_without_asking_and_granting() {
    for component in [
        calling("exchange.set-attribute", &["consumer", "ada"]),
        calling("exchange.identify", &["ada", "{}", "[]"]),
        calling("exchange.set-upstream", &["orders"]),
        calling("secrets.get", &["KEY"]),
        calling("crypto.import-keys", &[KEYS]),
        calling("crypto.verify-password", &[BCRYPT, "open sesame"]),
        fetching("upstream://orders/x", None),
        fetching("http://10.0.0.5:8080/x", None),
    ] {
        // Granted and not asked for.
        let plugin = kit::plugin_with(&component, all_granted).await;
        let (status, message) = on_request(&plugin).await.unwrap();
        assert_eq!(status, 400, "{message}");
        assert!(message.contains("must be asked for"), "{message}");
    }
}

#[tokio::test]
async fn w9_what_is_asked_and_not_granted_is_named_at_load() {
    for capability in Capability::ALL {
        let component = asking(&crate::guest::key_check(), &[capability]);
        let refused = kit::try_plugin(&kit::host(), &component, kit::settings()).await.err().unwrap();
        assert_eq!(refused, LoadError::NotGranted(capability));
        assert!(refused.to_string().contains(capability.name()));
    }
}

#[tokio::test]
async fn what_is_asked_and_granted_is_done() {
    for (function, arguments, expected) in [
        ("exchange.set-attribute", &["consumer", "ada"][..], 0),
        ("exchange.set-attribute", &["a/b", "x"], 402),
        ("exchange.set-attribute", &["tls.subject", "CN=admin"], 402),
        ("exchange.identify", &["ada", "{}", ""], 0),
        ("exchange.identify", &["ada", "{}", HUGE.as_str()], 403),
        ("exchange.set-upstream", &["orders"], 0),
        ("exchange.set-upstream", &["gone"], 402),
        ("exchange.set-upstream", &["other"], 400),
        ("secrets.get", &["KEY"], 0),
        ("secrets.get", &["OTHER"], 400),
        ("crypto.import-keys", &[KEYS], 0),
        ("crypto.import-keys", &["{}"], 402),
        ("crypto.verify-password", &[BCRYPT, "open sesame"], 0),
        ("crypto.verify-password", &[BCRYPT, "open sesam"], 0),
        ("crypto.verify-password", &[ARGON2, "hunter2"], 0),
        ("crypto.verify-password", &["$2y$15$XStBUGs.AdHYSDSCMat.FufjjIztXSd15K2JYIHvrRMyUJC5rm8Nu", "x"], 403),
        ("crypto.verify-password", &["$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "x"], 403),
        ("crypto.verify-password", &["$2y$04$short", "x"], 402),
        ("crypto.verify-password", &["$apr1$x$y", "x"], 402),
        ("crypto.verify-password", &["hunter2", "hunter2"], 402),
    ] {
        let component = asking(&calling(function, arguments), &Capability::ALL);
        let plugin = kit::plugin_with(&component, all_granted).await;
        let (exchange, flow) = plugin.on_request(exchange()).await;
        let (status, message) = answer(flow.unwrap());
        assert_eq!(status, expected, "{function} {arguments:?}: {message}");
        match (function, expected) {
            ("exchange.set-attribute" | "exchange.identify", 0) => {
                assert_eq!(exchange.attributes.consumer(), Some("ada"))
            }
            ("exchange.set-upstream", 0) => assert_eq!(exchange.upstream.as_deref(), Some("orders")),
            _ => assert!(exchange.attributes.consumer().is_none()),
        }
    }
}

#[tokio::test]
async fn services_are_called_where_that_is_granted() {
    for (url, status, text) in [
        ("upstream://orders/a?b=c", 200, "GET Upstream(\"orders\") /a?b=c depth 1"),
        ("upstream://orders", 200, "GET Upstream(\"orders\") / depth 1"),
        ("upstream://other/a", 400, "the upstream `other`"),
        ("http://10.0.0.5:8080/a", 200, "private: true"),
        ("http://IDP.example:80/a", 200, "private: false"),
        ("http://10.0.0.5:8081/a", 400, "http://10.0.0.5:8081"),
        ("http://10.0.0.5:8080@evil/", 402, "not a host"),
        ("https://keys.example/a", 200, "port: 443, tls: true, private: false"),
        ("https://idp.example/", 400, "the origin `https://idp.example:443`"),
        ("http://keys.example/", 400, "the origin `http://keys.example:80`"),
        ("file:///etc/passwd", 402, "the scheme `file` is not supported"),
        ("http://idp.example//evil/", 200, "host: \"idp.example\""),
        ("http://idp.example/a#b", 402, "percent-encoded"),
        ("http://idp.example/a b", 402, "percent-encoded"),
        ("/a", 402, "neither"),
    ] {
        let component = asking(&fetching(url, None), &[Capability::Http]);
        let plugin = kit::plugin_with(&component, all_granted).await;
        let (answered, message) = on_request(&plugin).await.unwrap();
        assert_eq!(answered, status, "{url}: {message}");
        assert!(message.contains(text), "{url}: {message}");
    }
}

#[tokio::test]
async fn a_call_is_bounded_in_time_and_depth() {
    let component = asking(&fetching("upstream://orders/", Some(20)), &[Capability::Http]);
    let plugin = kit::plugin_with(&component, all_granted).await;
    let slow = |delay| Arc::new(kit::Service::answering(Duration::from_millis(delay)));
    let mut late = exchange();
    late.dispatch = slow(5_000);
    let (_, flow) = plugin.on_request(late).await;
    let (status, message) = answer(flow.unwrap());
    assert_eq!((status, &*message), (404, "the service did not answer in time"));
    let mut deep = exchange();
    deep.depth = 3;
    let (_, flow) = plugin.on_request(deep).await;
    assert!(answer(flow.unwrap()).1.contains("depth 3"));
}

/// Waiting does not count as CPU time, and what waits does not hold the thread.
#[tokio::test]
async fn waiting_costs_neither_cpu_nor_the_thread() {
    let component = asking(&fetching("upstream://orders/", None), &[Capability::Http]);
    let plugin = kit::plugin_with(&component, all_granted).await;
    let begin = clock::now();
    let calls = (0..40).map(|_| async {
        let mut exchange = exchange();
        exchange.dispatch = Arc::new(kit::Service::answering(Duration::from_millis(100)));
        answer(plugin.on_request(exchange).await.1.unwrap()).0
    });
    assert_eq!(futures_util::future::join_all(calls).await, vec![200; 40]);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(plugin.instances().live, 40);
}

#[tokio::test]
async fn several_calls_at_once_take_as_long_as_one() {
    let mut guest = Guest::new().import("http.fetch-all");
    let (method, url) = (guest.text("GET"), guest.text("upstream://orders/"));
    // Forty requests of 40 bytes at 4096: method, url, no headers, no body, no timeout.
    let body = format!(
        "(result i32) (local $i i32) (local $good i32)
        (loop $fill
          (call $request (i32.add (i32.const 4096) (i32.mul (local.get $i) (i32.const 40))) {method} {url})
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $fill (i32.lt_u (local.get $i) (i32.const 40))))
        (call $http.fetch-all (i32.const 4096) (i32.const 40) (i32.const 64))
        (local.set $i (i32.const 0))
        (loop $count
          (local.set $good (i32.add (local.get $good)
            (i32.eqz (i32.load8_u (i32.add (i32.load (i32.const 64)) (i32.mul (local.get $i) (i32.const 24)))))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $count (i32.lt_u (local.get $i) (i32.load (i32.const 68)))))
        (call $respond (i32.add (i32.const 200) (local.get $good)) (i32.const 0) (i32.const 0))"
    );
    let request = "
  (func $request (param $at i32) (param $m i32) (param $lm i32) (param $u i32) (param $lu i32)
    (i32.store (local.get $at) (local.get $m)) (i32.store offset=4 (local.get $at) (local.get $lm))
    (i32.store offset=8 (local.get $at) (local.get $u)) (i32.store offset=12 (local.get $at) (local.get $lu)))";
    let component = asking(&guest.phase("on-request", body).with(request).build(), &[Capability::Http]);
    let plugin = kit::plugin_with(&component, all_granted).await;
    let mut exchange = exchange();
    exchange.dispatch = Arc::new(kit::Service::answering(Duration::from_millis(100)));
    let begin = clock::now();
    let (_, flow) = plugin.on_request(exchange).await;
    assert_eq!(answer(flow.unwrap()).0, 232, "32 of 40 are allowed");
    assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
}

/// W8: calls that wait are bounded; past the bound they are refused soon, and the process's bound is the last.
#[tokio::test]
async fn w8_a_full_pool_refuses_within_a_bounded_time() {
    let component = asking(&fetching("upstream://orders/", None), &[Capability::Http]);
    let plugin = kit::plugin_with(&component, |settings| {
        all_granted(settings);
        settings.limits.waiting = 4;
    })
    .await;
    let call = || async {
        let begin = clock::now();
        let mut exchange = exchange();
        exchange.dispatch = Arc::new(kit::Service::answering(Duration::from_millis(500)));
        let result = plugin.on_request(exchange).await.1;
        (result.map(answer).map_err(|fault| fault.kind), begin.elapsed())
    };
    let results = futures_util::future::join_all((0..20).map(|_| call())).await;
    let refused: Vec<_> = results.iter().filter(|(result, _)| matches!(result, Err(FaultKind::Full))).collect();
    assert_eq!(refused.len(), 14, "two threads and four that wait are served");
    assert!(refused.iter().all(|(_, time)| *time < Duration::from_millis(300)), "{refused:?}");
    assert_eq!(plugin.statistics().full, 14);
    assert_eq!(call().await.0.unwrap().0, 200);
}

/// Whether a password is right is in the result, and hashing holds neither the thread nor the guest's CPU time.
#[tokio::test]
async fn passwords_are_verified_beside_the_threads_that_serve() {
    let verifying = |hash: &str, password: &str| {
        let mut guest = Guest::new().import("crypto.verify-password");
        let (hash, password) = (guest.text(hash), guest.text(password));
        let body = format!(
            "(result i32)
            (call $crypto.verify-password {hash} {password} (i32.const 64))
            (if (i32.load8_u (i32.const 64)) (then (return (call $outcome))))
            (call $respond (i32.add (i32.const 200) (i32.load8_u (i32.const 68))) (i32.const 0) (i32.const 0))"
        );
        asking(&guest.phase("on-request", body).build(), &[Capability::Crypto])
    };
    for (hash, password, expected) in [
        (BCRYPT, "open sesame", 201),
        (BCRYPT, "open sesam", 200),
        (BCRYPT, "", 200),
        (ARGON2, "hunter2", 201),
        (ARGON2, "hunter3", 200),
    ] {
        let plugin = kit::plugin_with(&verifying(hash, password), all_granted).await;
        for _ in 0..2 {
            assert_eq!(on_request(&plugin).await.unwrap().0, expected, "{password}");
        }
    }
    // Some hundred milliseconds each, of which the guest's limit is ten.
    let costly = "$2y$12$XStBUGs.AdHYSDSCMat.FufjjIztXSd15K2JYIHvrRMyUJC5rm8Nu";
    let plugin = kit::plugin_with(&verifying(costly, "wrong"), all_granted).await;
    let ticks = async {
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let begin = clock::now();
            tokio::time::sleep(Duration::from_millis(1)).await;
            longest = longest.max(begin.elapsed());
        }
        longest
    };
    let begin = clock::now();
    let (verified, longest) = tokio::join!(on_request(&plugin), ticks);
    assert_eq!(verified.unwrap().0, 200);
    assert!(begin.elapsed() > longest * 2, "{longest:?} of {:?}", begin.elapsed());
    // It is over at the deadline, whatever the hash still takes; whether the guest hears of that is a matter of a millisecond.
    let took = begin.elapsed();
    let mut late = exchange();
    late.deadline = clock::now() + took / 10;
    let begin = clock::now();
    match plugin.on_request(late).await.1 {
        Ok(flow) => assert_eq!(answer(flow), (404, "passwords could not be hashed in time".to_owned())),
        Err(fault) => assert_eq!(fault.kind, FaultKind::Wall),
    }
    assert!(begin.elapsed() < took / 2, "{:?} of {took:?}", begin.elapsed());
}

/// A guest that waits holds nobody up, and not past its deadline.
#[tokio::test]
async fn waiting_for_others_is_bounded() {
    let component = Guest::new()
        .import("clock.wait")
        .phase("on-request", "(result i32) (call $clock.wait (i32.const 60000)) (call $next)")
        .build();
    let plugin = kit::plugin(&component).await;
    let begin = clock::now();
    let calls = (0..20).map(|_| async {
        let mut exchange = exchange();
        exchange.deadline = clock::now() + Duration::from_millis(100);
        plugin.on_request(exchange).await.1.map_err(|fault| fault.kind)
    });
    for ended in futures_util::future::join_all(calls).await {
        assert!(matches!(ended, Ok(Flow::Next) | Err(FaultKind::Wall)), "{ended:?}");
    }
    let elapsed = begin.elapsed();
    assert!((Duration::from_millis(99)..Duration::from_secs(1)).contains(&elapsed), "{elapsed:?}");
}
