//! HARDENING P10: nobody holds a connection without using it.

use gateway_tests::gateway::Setup;
use gateway_tests::{Reply, TestGateway, Upstream};
use std::time::{Duration, Instant};

const SHORT: &str = "timeouts = { header = \"300 ms\", idle = \"600 ms\", body = \"300 ms\", body-total = \"900 ms\", write = \"400 ms\" }\n";

fn gateway(upstream: &Upstream) -> TestGateway {
    let config =
        upstream.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{SHORT}"));
    let config = config.replace("endpoints", "timeouts = { first-byte = \"300 ms\", body = \"300 ms\" }\nendpoints");
    TestGateway::start(&config)
}

/// Not before, and soon after.
fn about(start: Instant, milliseconds: u64) {
    let taken = start.elapsed();
    assert!(taken >= Duration::from_millis(milliseconds * 9 / 10), "too early: {taken:?}");
    assert!(taken <= Duration::from_millis(milliseconds + 3000), "too late: {taken:?}");
}

#[test]
fn p10_a_head_that_never_ends_is_cut() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream);
    for first in ["G", "GET / HTTP/1.1\r\nhost: a\r\nx: ", "PRI * HTTP/2.0\r\n"] {
        let mut client = gateway.client();
        let start = Instant::now();
        client.send(first);
        assert!(client.is_closed_within(Duration::from_secs(10)));
        about(start, 300);
    }
    assert_eq!(upstream.received().len(), 0);
}

#[test]
fn p10_an_idle_connection_is_closed_and_a_used_one_is_not() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream);
    let mut silent = gateway.client();
    let mut used = gateway.client();
    let start = Instant::now();
    for _ in 0..8 {
        assert_eq!(used.get("/").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(used.get("/").status, 200);
    let start_of_silence = Instant::now();
    assert!(silent.is_closed_within(Duration::from_secs(10)));
    about(start, 600);
    assert!(used.is_closed_within(Duration::from_secs(10)));
    about(start_of_silence, 600);
}

#[test]
fn p10_a_body_that_stalls_or_never_ends_is_408() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream);
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";
    let mut stalled = gateway.client();
    let start = Instant::now();
    stalled.send(format!("{head}abc"));
    assert_eq!(stalled.response().unwrap().status, 408);
    about(start, 300);

    let mut trickling = gateway.client();
    let start = Instant::now();
    trickling.send(head);
    let status = loop {
        trickling.send("x");
        if let Some(status) =
            (start.elapsed() > Duration::from_millis(1200)).then(|| trickling.response().unwrap().status)
        {
            break status;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(status, 408);
    assert_eq!(upstream.received().len(), 0);
}

/// A client may take longer than the route's deadline over its body, streamed or gathered: the deadline is for us.
#[test]
fn p10_a_slow_upload_is_answered_also_where_a_plugin_gathers_it() {
    let upstream = Upstream::ok();
    let config =
        upstream.config().replace("upstream = \"service\"\n", "upstream = \"service\"\ndeadline = \"500 ms\"\n");
    let gathered = "[[route]]\nname = \"gathered\"\nmatch = { path = \"/gathered\" }\nupstream = \"service\"\ndeadline = \"500 ms\"\nchain = [\"phases\"]\n";
    let gateway = Setup::new(&format!("{config}{gathered}")).plugin("phases").start();
    for path in ["/gathered", "/"] {
        let mut client = gateway.client();
        client.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\nx-phases: request-body\r\ncontent-length: 10\r\n\r\n"));
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(100));
            client.send("x");
        }
        assert_eq!(client.response().unwrap().status, 200, "{path}");
    }
}

#[test]
fn p10_an_upstream_that_says_nothing_is_504_and_one_that_stalls_is_cut() {
    let upstream = Upstream::start(|request| match request.target() {
        "/silent" => Reply::Stall(Vec::new()),
        "/half" => Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()),
        _ => Reply::ok("ok"),
    });
    let gateway = gateway(&upstream);
    let start = Instant::now();
    assert_eq!(gateway.get("/silent").status, 504);
    about(start, 300);
    let mut client = gateway.client();
    client.send("GET /half HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.ends_with("\r\n\r\nhalf"), "a cut answer does not look whole: {answer:?}");
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn p10_a_client_that_reads_nothing_is_cut() {
    let upstream = Upstream::start(|_| Reply::ok(&"x".repeat(8 << 20)));
    let gateway = gateway(&upstream);
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    // The connection ends before all of it could be read.
    gateway_tests::wait::until("the stalled reader is cut", || (gateway.counter("requests.2xx") == 1).then_some(()));
    assert!(client.rest().len() < 8 << 20);
}

/// A connection that was quiet for a while has given up its buffers; nobody notices.
#[test]
fn f9_a_quiet_connection_goes_on_as_if_nothing_was() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&upstream.config()).log("gateway_proxy=trace").start();
    let mut client = gateway.client();
    for round in 1..=2 {
        assert_eq!(client.get("/").status, 200, "round {round}");
        gateway_tests::wait::until("its buffers are given up", || {
            (gateway.log().matches("gives up its buffers").count() == round).then_some(())
        });
    }
    // What comes in parts is put together, and two requests at once are two.
    client.send("GET /half HTTP/1.1\r\n");
    client.send("host: a\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!([client.response().unwrap().status, client.response().unwrap().status], [200, 200]);
    assert_eq!(upstream.received().len(), 4);
}
