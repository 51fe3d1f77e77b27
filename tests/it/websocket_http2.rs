//! WebSocket connections over HTTP/2 (RFC 8441).

use gateway_tests::gateway::Setup;
use gateway_tests::http2::{END_HEADERS, END_STREAM, Frame, Http2, block, frame, kind};
use gateway_tests::service::{config, noise, start, switching};
use gateway_tests::wait::{PATIENCE, until};
use gateway_tests::{Reply, TestGateway, Upstream, service};
use hyper::body::{Body, Frame as BodyFrame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

struct Nothing;

impl Body for Nothing {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<&'static [u8]>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// A client that knows what the gateway offers.
async fn client(gateway: &TestGateway) -> SendRequest<Nothing> {
    let stream = tokio::net::TcpStream::connect(gateway.address("public")).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://shop.example/ordinary").body(Nothing).unwrap();
    let _ = sender.send_request(request).await.unwrap();
    sender
}

fn connect(path: &str) -> Request<Nothing> {
    let mut request = Request::new(Nothing);
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = format!("http://shop.example{path}").parse().unwrap();
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request
}

async fn ask(sender: &mut SendRequest<Nothing>, path: &str) -> Response<Incoming> {
    tokio::time::timeout(PATIENCE, sender.send_request(connect(path))).await.expect("an answer").unwrap()
}

async fn switch(sender: &mut SendRequest<Nothing>, path: &str) -> TokioIo<Upgraded> {
    let response = ask(sender, path).await;
    assert_eq!(response.status(), 200);
    for name in ["upgrade", "connection", "sec-websocket-accept"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    TokioIo::new(hyper::upgrade::on(response).await.unwrap())
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// A real server, which checks the key that the gateway makes; ordinary requests get 400 of it.
fn server() -> SocketAddr {
    start(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                socket.send(message).unwrap();
            }
        }
    })
}

#[test]
fn frames_pass_over_http2() {
    let gateway = TestGateway::start(&config(server(), "true"));
    run(async {
        let mut sender = client(&gateway).await;
        let mut stream = switch(&mut sender, "/chat?room=1").await;
        // A text of two letters, its mask nothing (RFC 6455 5.2), and what a server makes of it.
        stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
        let mut echoed = [0; 4];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"\x81\x02hi");
        // A good-bye with the code 4001.
        stream.write_all(b"\x88\x82\0\0\0\0\x0f\xa1").await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"\x88\x02\x0f\xa1");
    });
}

/// Switches with the accept value that fits the key, then sends back all that comes.
fn echo() -> SocketAddr {
    start(|stream| {
        if let Ok(socket) = tungstenite::accept(stream) {
            service::echo(socket.get_ref().try_clone().unwrap());
        }
    })
}

#[test]
fn sixteen_mebibytes_go_both_ways_over_one_stream() {
    let gateway = TestGateway::start(&config(echo(), "true"));
    run(async {
        let mut sender = client(&gateway).await;
        let (mut reader, mut writer) = tokio::io::split(switch(&mut sender, "/").await);
        let sent = noise(16 << 20);
        let copy = sent.clone();
        let writing = tokio::spawn(async move {
            writer.write_all(&copy).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await.unwrap();
        writing.await.unwrap();
        assert!(received == sent, "{} bytes came back, or others than were sent", received.len());
    });
    until("all is over", || (gateway.status()["upstreams"]["service"]["endpoints"][0]["active"] == 0).then_some(()));
}

#[test]
fn p9_only_a_switch_is_a_success() {
    let upstream = Upstream::start(|request| match request.target() {
        "/refused" => Reply::with("403 Forbidden", "", "no room"),
        _ => Reply::ok("ok"),
    });
    let gateway = TestGateway::start(&config(upstream.address(), "true"));
    run(async {
        let mut sender = client(&gateway).await;
        assert_eq!(ask(&mut sender, "/refused").await.status(), 403);
        assert_eq!(ask(&mut sender, "/ordinary").await.status(), 502);
    });
    // Its accept value is that of another key.
    let gateway = TestGateway::start(&config(switching(service::echo), "true"));
    let stream = std::thread::spawn(move || {
        let mut client = Http2::connect(gateway.address("public"), &[]);
        client.send(extended(1, "websocket"));
        status(&mut client, 1)
    });
    assert_eq!(stream.join().unwrap(), 502);
}

/// The window of the stream closes, that of the connection is wide open.
#[test]
fn p10_a_stream_whose_client_takes_nothing_is_reset() {
    let (told, heard) = mpsc::channel();
    let service = start(move |stream| {
        let Ok(socket) = tungstenite::accept(stream) else { return };
        let mut stream = socket.get_ref();
        while stream.write_all(&[0; 1024]).is_ok() {}
        told.send(()).unwrap();
    });
    let listener = "address = \"127.0.0.1:0\"\ntimeouts = { write = \"300 ms\" }\n";
    let gateway = TestGateway::start(&config(service, "true").replace("address = \"127.0.0.1:0\"\n", listener));
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(frame(kind::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
    client.send(extended(1, "websocket"));
    assert_eq!(status(&mut client, 1), 200);
    let ended = loop {
        let frame = answer(&mut client, 1);
        if frame.kind != kind::DATA || frame.flags & END_STREAM != 0 {
            break frame.kind;
        }
    };
    assert_eq!(ended, kind::RST_STREAM, "P10: nothing was taken");
    heard.recv_timeout(PATIENCE).expect("P10: the service is let go");
    client.send(extended(3, "connect-udp"));
    assert_eq!(status(&mut client, 3), 400, "the connection goes on");
}

#[test]
fn f6_a_termination_gives_a_tunnel_on_a_stream_the_time_to_end() {
    let mut gateway = TestGateway::start(&config(echo(), "true"));
    run(async {
        let mut sender = client(&gateway).await;
        let mut stream = switch(&mut sender, "/").await;
        gateway.terminate();
        until("it drains", || (gateway.status()["state"] == "draining").then_some(()));
        stream.write_all(b"still here").await.unwrap();
        let mut echoed = [0; 10];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"still here");
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut echoed).await.unwrap(), 0);
    });
    assert_eq!(gateway.exit_code(), Some(0));
}

/// Two connections, whose windows are wide open while those of their streams close.
#[test]
fn p11_a_stream_whose_client_takes_nothing_pins_little() {
    const STREAMS: u64 = 64;
    let service = start(|stream| {
        let Ok(socket) = tungstenite::accept(stream) else { return };
        while socket.get_ref().write_all(&[0; 64 * 1024]).is_ok() {}
    });
    let gateway = TestGateway::start(&config(service, "true"));
    let mut clients = Vec::new();
    let mut before = 0;
    for _ in 0..3 {
        let mut client = Http2::connect(gateway.address("public"), &[]);
        client.send(frame(kind::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
        for number in 0..STREAMS {
            client.send(extended(u32::try_from(2 * number + 1).unwrap(), "websocket"));
        }
        while client.next(Duration::from_millis(500)).is_ok_and(|frame| frame.is_some()) {}
        if clients.is_empty() {
            before = gateway.held();
        }
        clients.push(client);
    }
    let each = gateway.held().saturating_sub(before) / (2 * STREAMS);
    assert!(each <= 256, "P11: {each} KiB for each stream whose client takes nothing");
}

#[test]
fn a_service_that_breaks_off_resets_the_stream() {
    let service = start(|stream| {
        let Ok(socket) = tungstenite::accept(stream) else { return };
        let mut stream = socket.get_ref();
        let _ = stream.read(&mut [0]);
        socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let gateway = TestGateway::start(&config(service, "true"));
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(extended(1, "websocket"));
    assert_eq!(status(&mut client, 1), 200);
    client.send(frame(kind::DATA, 0, 1, b"x"));
    assert_eq!(answer(&mut client, 1).kind, kind::RST_STREAM);
}

#[test]
fn the_chain_runs_on_the_handshake_over_http2() {
    let config = config(echo(), "true\nchain = [\"api-key\"]")
        + "[plugin.api-key]\nconfig = { keys = { ada = \"k\" } }\ngrants = { identity = true }\n";
    let gateway = Setup::new(&config).plugin("api-key").start();
    run(async {
        let mut sender = client(&gateway).await;
        assert_eq!(ask(&mut sender, "/").await.status(), 401);
        let mut request = connect("/");
        request.headers_mut().insert("x-api-key", "k".parse().unwrap());
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    });
}

/// A CONNECT with this `:protocol`.
fn extended(stream: u32, protocol: &str) -> Vec<u8> {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "http"),
        (":authority", "shop.example"),
        (":path", "/"),
        ("sec-websocket-version", "13"),
    ];
    frame(kind::HEADERS, END_HEADERS, stream, &block(&fields))
}

/// The frame that answers a stream.
fn answer(client: &mut Http2, stream: u32) -> Frame {
    loop {
        let frame = client.next(PATIENCE).unwrap().expect("an answer");
        if frame.stream == stream {
            return frame;
        }
    }
}

/// Of the first field of a head: one of the static table, or text after that name.
fn status(client: &mut Http2, stream: u32) -> u16 {
    let frame = answer(client, stream);
    assert_eq!(frame.kind, kind::HEADERS);
    match frame.payload[0] {
        0x88 => 200,
        0x8c => 400,
        0x8d => 404,
        // Never compressed to more than this: `502` in two bytes and a half.
        0x48 if frame.payload[1..4] == [0x82, 0x6c, 0x02] => 502,
        other => panic!("{other:#x} in {:x?}", frame.payload),
    }
}

#[test]
fn p3_it_is_offered_only_where_a_route_takes_it() {
    let service = switching(service::echo);
    for (websocket, offered) in [("true", true), ("false", false)] {
        let gateway = TestGateway::start(&config(service, websocket));
        let mut client = Http2::connect(gateway.address("public"), &[]);
        let settings = answer(&mut client, 0);
        assert_eq!(settings.kind, kind::SETTINGS);
        let has = settings.payload.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]);
        assert_eq!(has, offered, "P3: websocket = {websocket}");
        if !offered {
            client.send(extended(1, "websocket"));
            assert_eq!(answer(&mut client, 1).kind, kind::RST_STREAM);
        }
    }
}

#[test]
fn p3_nothing_else_is_connected_to() {
    let service = switching(service::echo);
    let other = "[[route]]\nname = \"plain\"\nmatch = { path = \"/plain\" }\nupstream = \"service\"\n";
    let gateway = TestGateway::start(&format!("{}{other}", config(service, "true")));
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(extended(1, "connect-udp"));
    assert_eq!(status(&mut client, 1), 400);
    let fields = [(":method", "CONNECT"), (":authority", "shop.example:443")];
    client.send(frame(kind::HEADERS, END_HEADERS, 3, &block(&fields)));
    assert_eq!(status(&mut client, 3), 400);
    run(async {
        let mut sender = self::client(&gateway).await;
        assert_eq!(ask(&mut sender, "/plain").await.status(), 400);
        let mut request = connect("/");
        request.headers_mut().remove("sec-websocket-version");
        assert_eq!(sender.send_request(request).await.unwrap().status(), 426);
    });
}
