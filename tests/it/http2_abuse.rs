//! HARDENING H1 to H7: HTTP/2 used as a weapon is ended, cheaply, while others are served.

use gateway_tests::http2::{END_HEADERS, END_STREAM, Http2, block, frame, get, kind};
use gateway_tests::{Reply, TestGateway, Upstream};
use std::time::{Duration, Instant};

const SHORT: &str = "timeouts = { header = \"500 ms\", idle = \"1 s\", body = \"500 ms\", write = \"500 ms\" }\n";

fn served() -> (Upstream, TestGateway) {
    let upstream = Upstream::start(|request| match request.target() {
        "/big" => Reply::ok(&"x".repeat(1 << 20)),
        _ => Reply::ok("ok"),
    });
    let config =
        upstream.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{SHORT}"));
    let gateway = TestGateway::start(&config);
    (upstream, gateway)
}

/// Another client is answered within 2 s, the process has not grown by more than 16 MiB.
fn others_are_served(row: &str, gateway: &TestGateway, before: u64) {
    let start = Instant::now();
    assert_eq!(gateway.get("/other").status, 200, "{row}");
    assert!(start.elapsed() < Duration::from_secs(2), "{row}: another client waited {:?}", start.elapsed());
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "{row}: the process has grown by {grown} KiB");
}

/// Sends until the connection ends or the attack is over, and checks that it was ended.
fn attack(row: &str, setup: impl FnOnce(&mut Http2), wave: impl Fn(u32) -> Vec<u8>, waves: u32) -> Upstream {
    let (upstream, gateway) = served();
    assert_eq!(gateway.get("/warm").status, 200);
    let before = gateway.memory();
    let mut client = Http2::connect(gateway.address("public"), &[]);
    setup(&mut client);
    for number in 0..waves {
        client.send(wave(number));
    }
    let (ended, _) = client.is_ended_within(Duration::from_secs(5));
    assert!(ended, "{row}: the connection was not ended");
    others_are_served(row, &gateway, before);
    upstream
}

#[test]
fn h1_rapid_reset() {
    let reset = |number: u32| {
        let stream = 2 * number + 1;
        [get(stream, "/"), frame(kind::RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
    };
    let upstream = attack("H1", |_| (), reset, 5000);
    let reached = upstream.received().len();
    assert!(reached < 500, "H1: {reached} of 5000 reached the upstream");
}

#[test]
fn h2_made_you_reset() {
    // A window update of nothing makes the server reset the stream (RFC 9113 6.9).
    let provoke = |number: u32| {
        let stream = 2 * number + 1;
        [get(stream, "/"), frame(kind::WINDOW_UPDATE, 0, stream, &0u32.to_be_bytes())].concat()
    };
    let upstream = attack("H2", |_| (), provoke, 5000);
    let reached = upstream.received().len();
    assert!(reached < 500, "H2: {reached} of 5000 reached the upstream");
}

#[test]
fn h3_continuation_and_empty_frame_floods() {
    let open = |client: &mut Http2| {
        let fields = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]);
        client.send(frame(kind::HEADERS, 0, 1, &fields));
    };
    let endless = |_| frame(kind::CONTINUATION, 0, 1, &block(&[("x", &"y".repeat(1000))]));
    attack("H3 continuations", open, endless, 400);
    attack("H3 empty continuations", open, |_| frame(kind::CONTINUATION, 0, 1, &[]), 5000);
    let upload = |client: &mut Http2| {
        let fields = block(&[(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")]);
        client.send(frame(kind::HEADERS, END_HEADERS, 1, &fields));
    };
    attack("H3 empty data", upload, |_| frame(kind::DATA, 0, 1, &[]), 5000);
}

#[test]
fn h4_header_blocks_are_cut_at_the_limit() {
    let (upstream, gateway) = served();
    let before = gateway.memory();
    // One large field put into the table, then named again and again: a few bytes that unfold to megabytes.
    let mut bomb = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]);
    bomb.extend([0x40, 1, b'x', 0x7f, 0x81, 0x1e]);
    bomb.extend(vec![b'y'; 4000 - 127 + 127]);
    bomb.extend(vec![0xbe; 12_000]);
    let mut client = Http2::connect(gateway.address("public"), &[]);
    for stream in 0..20 {
        client.send(frame(kind::HEADERS, END_STREAM | END_HEADERS, 2 * stream + 1, &bomb));
    }
    let _ = client.is_ended_within(Duration::from_secs(3));
    assert_eq!(upstream.received().len(), 0, "H4: a bomb got through");
    others_are_served("H4", &gateway, before);
}

#[test]
fn h5_control_frames_are_bounded() {
    attack("H5 ping", |_| (), |_| frame(kind::PING, 0, 0, &[0; 8]), 20_000);
    attack("H5 settings", |_| (), |_| frame(kind::SETTINGS, 0, 0, &[]), 20_000);
    attack("H5 priority", |_| (), |number| frame(kind::PRIORITY, 0, 2 * number + 1, &[0, 0, 0, 0, 1]), 20_000);
    attack("H5 window update", |_| (), |_| frame(kind::WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes()), 20_000);
}

#[test]
fn h6_streams_that_are_not_read_are_given_up() {
    let (_upstream, gateway) = served();
    assert_eq!(gateway.get("/warm").status, 200);
    let before = gateway.memory();
    // An initial window of nothing (setting 4), for streams that ask for a megabyte each.
    let mut client = Http2::connect(gateway.address("public"), &[(4, 0)]);
    for number in 0..50 {
        client.send(get(2 * number + 1, "/big"));
    }
    let mut resets = 0;
    while let Ok(Some(frame)) = client.next(Duration::from_secs(5)) {
        resets += usize::from(frame.kind == kind::RST_STREAM);
        if resets == 50 {
            break;
        }
    }
    assert_eq!(resets, 50, "H6: stalled streams were not reset");
    others_are_served("H6", &gateway, before);
}

#[test]
fn h7_half_prefaces_and_half_blocks_time_out() {
    let (_upstream, gateway) = served();
    let mut half = gateway.client();
    half.send("PRI * HTTP/2.0\r\n\r\nSM");
    assert!(half.is_closed_within(Duration::from_secs(5)), "H7: half a preface");
    let mut block_half = Http2::connect(gateway.address("public"), &[]);
    block_half.send(frame(kind::HEADERS, 0, 1, &block(&[(":method", "GET")])));
    assert!(block_half.is_ended_within(Duration::from_secs(5)).0, "H7: half a header block");
    let mut idle = Http2::connect(gateway.address("public"), &[]);
    let (ended, _) = idle.is_ended_within(Duration::from_secs(5));
    assert!(ended, "H7: an idle connection");
}
