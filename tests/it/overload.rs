//! More than there is room for: connections, requests, memory.

use gateway_tests::wait::until;
use gateway_tests::{Client, TestGateway, Upstream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::{Duration, Instant};

/// Those of HARDENING F9.
const IDLE: usize = 10_000;

/// This process needs a descriptor for each connection as well.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[test]
fn f9_ten_thousand_idle_connections_cost_little() {
    raise_descriptors();
    let upstream = Upstream::ok();
    let config = upstream.config().replace(
        "address = \"127.0.0.1:0\"\n",
        "address = \"127.0.0.1:0\"\ntimeouts = { idle = \"10 m\" }\nlimits = { connections = 11000 }\n",
    );
    let gateway = TestGateway::start(&config);
    let address = gateway.address("public");
    // What the first requests bring with them is not the connections'.
    let warm: Vec<Client> = (0..100).map(|_| Client::connect(address)).collect();
    for mut client in warm {
        assert_eq!(client.get("/").status, 200);
    }
    let before = gateway.memory();
    let mut idle: Vec<Client> = (0..IDLE).map(|_| Client::connect(address)).collect();
    for client in &mut idle {
        assert_eq!(client.get("/").status, 200, "F9");
    }
    // In a while they give up what they needed for their request.
    let mut each = u64::MAX;
    until("F9: 10,000 idle connections cost at most 24 KiB each", || {
        each = gateway.memory().saturating_sub(before) * 1024 / u64::try_from(IDLE).unwrap();
        (each <= 24 * 1024).then_some(())
    });
    // All of them are as good as before, and others are served.
    for client in idle.iter_mut().step_by(1000) {
        assert_eq!(client.get("/").status, 200, "F9");
    }
    assert_eq!(gateway.get("/").status, 200, "F9");
}

#[test]
fn f8_past_the_cap_on_connections_there_is_503_at_once() {
    let upstream = Upstream::ok();
    let config = upstream
        .config()
        .replace("address = \"127.0.0.1:0\"\n", "address = \"127.0.0.1:0\"\nlimits = { connections = 2 }\n");
    let gateway = TestGateway::start(&config);
    let mut open: Vec<Client> = (0..2).map(|_| gateway.client()).collect();
    for client in &mut open {
        assert_eq!(client.get("/").status, 200);
    }
    // The median of some, so that a pause of the machine is not taken for one of ours.
    let mut waits: Vec<Duration> = (0..15)
        .map(|_| {
            let start = Instant::now();
            let answer = gateway.client().response().unwrap();
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "F8");
            start.elapsed()
        })
        .collect();
    waits.sort();
    assert!(waits[7] < Duration::from_millis(10), "F8: {waits:?}");
    drop(open.pop());
    until("a place has come free", || {
        let mut client = gateway.client();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        (client.response()?.status == 200).then_some(())
    });
}

#[test]
fn f8_past_the_memory_ceiling_nothing_more_is_taken_on() {
    let upstream = Upstream::ok();
    let with = |memory: &str| format!("[server]\nmemory = \"{memory}\"\n{}", upstream.config());
    let gateway = TestGateway::start(&with("8 GiB"));
    let mut kept = gateway.client();
    assert_eq!(kept.get("/").status, 200);
    gateway.configure(&with("1 MiB"));
    let refused = until("F8: requests are refused", || Some(kept.get("/")).filter(|answer| answer.status == 503));
    assert_eq!(refused.header("retry-after"), Some("1"), "F8");
    assert_eq!(gateway.client().response().map(|answer| answer.status), Some(503), "F8: so are connections");
    assert_eq!(gateway.counter("overloads.memory"), 1);
    gateway.configure(&with("8 GiB"));
    until("F8: it takes on more again", || (kept.get("/").status == 200).then_some(()));
    assert_eq!(gateway.get("/").status, 200);
}
