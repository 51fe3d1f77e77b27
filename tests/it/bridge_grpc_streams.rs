//! Services of gRPC that stream, read as lines of JSON and as server-sent events.

use crate::bridge_grpc::{ask, config, is_problem, started};
use gateway_tests::Library;
use gateway_tests::gateway::Setup;
use gateway_tests::http2::{self, Http2};
use gateway_tests::library::descriptors;
use gateway_tests::wait::until;
use serde_json::{Value, json};

#[test]
fn a_stream_is_lines_of_json_or_events() {
    let library = Library::start();
    let gateway = started(&library, "");
    let mut client = gateway.client();
    let answer = client.get("/v1/watch/3");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")), "{answer:?}");
    assert_eq!(answer.text(), "{}\n{\"pages\":\"1\"}\n{\"pages\":\"2\"}\n");
    let answer = client.get_with("/v1/watch/2", "accept: text/event-stream\r\n");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:?}");
    assert_eq!(answer.text(), "data: {}\n\ndata: {\"pages\":\"1\"}\n\nevent: end\ndata: {}\n\n");
    // What goes wrong before the first message is an answer, later it is the last word.
    is_problem(&client.get("/v1/watch/3?title=refuse"), 403, "no");
    let answer = client.get("/v1/watch/1?title=fail");
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({}));
    assert_eq!(lines[1]["@problem"]["code"], "ABORTED", "{lines:?}");
    assert_eq!(lines[1]["@problem"]["detail"], "no more");
    let answer = client.get_with("/v1/watch/0?title=fail", "accept: text/event-stream\r\n").text();
    assert!(answer.starts_with("event: problem\ndata: {") && answer.contains("\"code\":\"ABORTED\""), "{answer}");
    is_problem(&ask(&mut client, "GET", "/v1/watch/x", "", ""), 400, "the path has `x`");
}

#[test]
fn a_stream_ends_with_its_client_or_with_its_service_and_that_is_seen() {
    let mut library = Library::start();
    // A stream goes on past the deadline of its head.
    let gateway = started(&library, "deadline = \"1 s\"");
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(http2::get(1, "/v1/watch/2?title=hang"));
    until("the stream has begun", || (library.hanging() == 1).then_some(()));
    let begun = std::time::Instant::now();
    until("the deadline is past", || (begun.elapsed().as_millis() > 1200).then_some(()));
    assert_eq!((library.hanging(), library.given_up()), (1, 0));
    client.send(http2::frame(http2::kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    until("the service is told", || (library.hanging() == 0 && library.given_up() == 1).then_some(()));
    let mut client = gateway.client();
    client.send("GET /v1/watch/2?title=hang HTTP/1.1\r\nhost: a\r\n\r\n");
    client.read_until("{\"pages\":\"1\"}");
    library.kill();
    // Cut off, not ended: the last chunk does not come.
    let rest = client.rest();
    assert!(!String::from_utf8_lossy(&rest).contains("0\r\n\r\n"), "{rest:?}");
}

#[test]
fn a_client_that_reads_slowly_slows_its_service_down() {
    let library = Library::start();
    let gateway = started(&library, "");
    let mut client = gateway.client();
    // 400 MiB if nobody held it.
    client.send("GET /v1/watch/100000 HTTP/1.1\r\nhost: a\r\n\r\n");
    client.read_until("{\"pages\":\"1\"}");
    let before = gateway.memory();
    let (mut last, mut same) = (0, 0);
    let made = until("the stream stands still", || {
        let made = library.streamed();
        same = if made == last { same + 1 } else { 0 };
        last = made;
        (same > 60).then_some(made)
    });
    // What is in the socket of the client and the windows of the service.
    assert!(made < 5000, "{made} messages of 4 KiB were made");
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 4 << 20, "the gateway grew by {grown} bytes");
    // It goes on where somebody reads.
    let mut all = 0;
    let mut buffer = [0; 64 * 1024];
    while all < 32 << 20 {
        all += client.read(&mut buffer).unwrap();
    }
    assert!(library.streamed() > made);
}

#[test]
fn the_bounds_of_an_upstream_hold_for_streams() {
    let library = Library::start();
    let config = config(&library, "").replace("outliers = ", "limits = { requests = 1, pending = 0 }\noutliers = ");
    let gateway = Setup::new(&config).file("library.pb", descriptors("library.proto")).start();
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(http2::get(1, "/v1/watch/1?title=hang"));
    until("the stream has begun", || (library.hanging() == 1).then_some(()));
    let active = || gateway.status()["upstreams"]["library"]["endpoints"][0]["active"].as_u64();
    assert_eq!(active(), Some(1));
    is_problem(&gateway.get("/v1/books/War"), 503, "");
    client.send(http2::frame(http2::kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    until("the place is free", || (gateway.get("/v1/books/War").status == 200).then_some(()));
}
