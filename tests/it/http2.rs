//! HTTP/2 in ordinary use: connections that rest between requests, answers that have no body.

use gateway_tests::http2::{END_HEADERS, END_STREAM, Frame, Http2, block, frame, get, kind};
use gateway_tests::{Reply, TestGateway, Upstream};
use std::time::{Duration, Instant};

const SHORT: &str = "timeouts = { header = \"300 ms\", idle = \"2 s\", body = \"5 s\", write = \"5 s\" }\n";

fn served() -> (Upstream, TestGateway) {
    let upstream = Upstream::start(|request| {
        match request.target() {
        "/trailers" => Reply::Bytes(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\nconnection: x\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n"
                .to_vec(),
        ),
        "/slow" => Reply::Trickle(
            vec![b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsl".to_vec(), b"ow".to_vec()],
            Duration::from_secs(3),
        ),
        _ => Reply::ok("ok"),
    }
    });
    let config =
        upstream.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{SHORT}"));
    let route =
        "[[route]]\nname = \"fixed\"\nmatch = { path = \"/fixed\" }\nrespond = { status = 200, body = \"here\" }\n";
    (upstream, TestGateway::start(&format!("{config}{route}")))
}

/// The frames of one stream up to its end.
fn stream(client: &mut Http2, number: u32) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = client.next(Duration::from_secs(10)) {
        if frame.stream == number {
            let last = frame.flags & END_STREAM != 0 || frame.kind == kind::RST_STREAM;
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }
    panic!("stream {number} did not end: {frames:?}");
}

#[test]
fn p10_a_connection_that_rests_is_idle_whatever_control_frames_come() {
    let (_upstream, gateway) = served();
    let mut client = Http2::connect(gateway.address("public"), &[]);
    // It has only said hello, and takes longer than a head may take.
    std::thread::sleep(Duration::from_millis(800));
    client.send(get(1, "/"));
    assert_eq!(stream(&mut client, 1).last().unwrap().kind, kind::DATA);
    client.send(frame(kind::WINDOW_UPDATE, 0, 0, &2u32.to_be_bytes()));
    client.send(frame(kind::PING, 0, 0, &[0; 8]));
    let rest = Instant::now();
    std::thread::sleep(Duration::from_millis(800));
    client.send(get(3, "/"));
    assert_eq!(stream(&mut client, 3).last().unwrap().kind, kind::DATA, "after {:?}", rest.elapsed());
    // A ping is no use: it does not keep a connection.
    let rest = Instant::now();
    client.send(frame(kind::PING, 0, 0, &[0; 8]));
    let ended = client.is_ended_within(Duration::from_secs(10));
    assert_eq!(ended, (true, true), "an idle connection ends with a good-bye");
    assert!(rest.elapsed() > Duration::from_millis(1800), "too early: {:?}", rest.elapsed());
}

#[test]
fn h7_half_a_header_block_is_cut_though_another_stream_is_served() {
    let (_upstream, gateway) = served();
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(get(1, "/slow"));
    client.send(frame(kind::HEADERS, 0, 3, &block(&[(":method", "GET")])));
    let start = Instant::now();
    assert!(client.is_ended_within(Duration::from_secs(10)).0);
    assert!(start.elapsed() < Duration::from_secs(2), "cut only after {:?}", start.elapsed());
}

#[test]
fn an_answer_that_has_no_body_has_no_data_frames() {
    let (_upstream, gateway) = served();
    let mut client = Http2::connect(gateway.address("public"), &[]);
    for (number, method, path) in [(1, "HEAD", "/fixed"), (3, "HEAD", "/")] {
        let fields = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)];
        client.send(frame(kind::HEADERS, END_STREAM | END_HEADERS, number, &block(&fields)));
        let kinds: Vec<_> = stream(&mut client, number).iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [kind::HEADERS], "{method} {path}");
    }
}

#[test]
fn p7_trailers_hold_no_fields_of_the_connection() {
    let (_upstream, gateway) = served();
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(get(1, "/trailers"));
    let frames = stream(&mut client, 1);
    let trailers = frames.last().unwrap();
    assert_eq!(trailers.kind, kind::HEADERS);
    // A new name is written out, compressed or not; only one of them may be there.
    assert!(trailers.payload.len() < 12, "more than `x-sum: 1`: {:?}", trailers.payload);
}
