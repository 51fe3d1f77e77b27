//! WebSocket connections by HTTP/1.1: the handshake, what passes after it, and who may refuse it.

use gateway_tests::gateway::Setup;
use gateway_tests::service::{KEY, config, echo, handshake, head, noise, start, switched, switching};
use gateway_tests::wait::{PATIENCE, until};
use gateway_tests::{Authority, Client, Reply, TestGateway, Upstream};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

/// A connection on which the protocol was switched.
fn switch(gateway: &TestGateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address("public")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(handshake("/", "").as_bytes()).unwrap();
    let answer = head(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    stream
}

#[test]
fn p7_frames_pass_as_they_are() {
    let (told, heard) = mpsc::channel();
    let service = start(move |stream| {
        let told = told.clone();
        #[expect(clippy::result_large_err, reason = "the callback's type")]
        let choose = |request: &Request, mut response: Response| {
            told.send(request.headers().clone()).unwrap();
            response.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, choose).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("hello"));
        socket.send(Message::binary(vec![0, 255, 7])).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Ping("are you there".into()));
        socket.flush().unwrap();
        socket.send(Message::Ping("and you".into())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong("and you".into()));
        socket.close(Some(CloseFrame { code: 4001.into(), reason: "bye".into() })).unwrap();
        while socket.read().is_ok() {}
    });
    let gateway = TestGateway::start(&config(service, "true"));
    let mut request = "ws://shop.example/chat?room=1".into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat, other".parse().unwrap());
    let stream = TcpStream::connect(gateway.address("public")).unwrap();
    let (mut socket, response): (WebSocket<_>, _) = tungstenite::client(request, stream).unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    let headers = heard.recv().unwrap();
    assert_eq!(headers["upgrade"], "websocket");
    assert_eq!(headers["connection"], "upgrade");
    assert_eq!(headers["x-forwarded-host"], "shop.example");
    socket.send(Message::text("hello")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(vec![0, 255, 7]));
    socket.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("are you there".into()));
    assert_eq!(socket.read().unwrap(), Message::Ping("and you".into()));
    socket.flush().unwrap();
    let Message::Close(Some(close)) = socket.read().unwrap() else { panic!("no good-bye") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (4001, "bye"));
}

#[test]
fn sixteen_mebibytes_go_both_ways_byte_for_byte() {
    let gateway = TestGateway::start(&config(switching(echo), "true"));
    let stream = switch(&gateway);
    let sent = noise(16 << 20);
    let mut writer = stream.try_clone().unwrap();
    let copy = sent.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    (&stream).read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == sent, "{} bytes came back, or others than were sent", received.len());
}

#[test]
fn bytes_right_behind_the_heads_are_not_lost() {
    let service = start(|mut stream| {
        head(&mut stream);
        stream.write_all(switched("first words").as_bytes()).unwrap();
        echo(stream);
    });
    let gateway = TestGateway::start(&config(service, "true"));
    let mut stream = TcpStream::connect(gateway.address("public")).unwrap();
    stream.write_all(format!("{}early bird", handshake("/", "")).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(head(&mut stream).starts_with("HTTP/1.1 101 "));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "first wordsearly bird");
}

#[test]
fn one_side_may_end_before_the_other() {
    let service = switching(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(format!("{} bytes", all.len()).as_bytes()).unwrap();
    });
    let gateway = TestGateway::start(&config(service, "true"));
    let mut stream = switch(&gateway);
    stream.write_all(b"seven b").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "7 bytes");
}

#[test]
fn a_websocket_goes_over_tls() {
    let authority = Authority::default();
    let tls = "address = \"127.0.0.1:0\"\ntls = { certificates = [{ cert = \"a.pem\", key = \"a.pem\" }] }\n";
    let written = config(switching(echo), "true").replace("address = \"127.0.0.1:0\"\n", tls);
    let gateway = Setup::new(&written).file("a.pem", authority.server(&["shop.example"]).pair()).start();
    let mut client = Client::secure(gateway.address("public"), &authority.client_config(), "shop.example").unwrap();
    assert_eq!(client.ask(handshake("/", "")).status, 101);
    let mut buffer = [0; 100];
    client.send("over TLS");
    let mut received = Vec::new();
    while received.len() < 8 {
        let count = client.read(&mut buffer).unwrap();
        assert!(count > 0);
        received.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(received, b"over TLS");
}

#[test]
fn p7_a_route_that_takes_none_gets_an_ordinary_request() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&upstream.config());
    let response = gateway.client().ask(handshake("/", ""));
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    let received = upstream.last();
    for name in ["upgrade", "connection"] {
        assert_eq!(received.values(name), Vec::<&str>::new(), "P7: {name} was passed on");
    }
    assert_eq!(received.value("sec-websocket-key"), Some(KEY));
}

#[test]
fn p7_only_a_handshake_is_one() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(upstream.address(), "true"));
    let good = handshake("/", "");
    for other in [
        good.replace("GET", "POST").replace("\r\n\r\n", "\r\ncontent-length: 0\r\n\r\n"),
        good.replace("HTTP/1.1", "HTTP/1.0"),
        good.replace("WebSocket", "h2c"),
        good.replace("keep-alive, Upgrade", "keep-alive"),
    ] {
        assert_eq!(gateway.client().ask(&other).status, 200, "{other}");
        assert_eq!(upstream.last().value("upgrade"), None, "{other}");
    }
    let asked = upstream.received().len();
    for (bad, status) in [
        (good.replace("version: 13", "version: 8"), 426),
        (good.replace(KEY, "short"), 400),
        (good.replace("\r\n\r\n", "\r\ncontent-length: 2\r\n\r\nab"), 400),
        (good.replace("keep-alive, Upgrade", "upgrade, sec-websocket-key"), 400),
    ] {
        let response = gateway.client().ask(&bad);
        assert_eq!(response.status, status, "{bad}");
        assert_eq!(response.header("sec-websocket-version"), (status == 426).then_some("13"));
    }
    assert_eq!(upstream.received().len(), asked);
}

#[test]
fn p9_a_switch_is_the_one_that_was_asked_for() {
    let upstream = Upstream::start(|request| match request.target() {
        "/refused" => Reply::with("403 Forbidden", "x-why: full\r\n", "no room"),
        "/ordinary" => Reply::ok("ok"),
        "/h2c" => Reply::Close(switched("").replace("websocket\r\n", "h2c\r\n").into()),
        "/no-upgrade" => Reply::Close(switched("").replace("upgrade: websocket\r\n", "").into()),
        "/no-connection" => Reply::Close(switched("").replace("connection: Upgrade\r\n", "").into()),
        _ => Reply::Close(switched("").into()),
    });
    let gateway = TestGateway::start(&config(upstream.address(), "true"));
    let mut client = gateway.client();
    let refused = client.ask(handshake("/refused", ""));
    assert_eq!((refused.status, refused.header("x-why"), refused.text().as_str()), (403, Some("full"), "no room"));
    assert_eq!(client.ask(handshake("/ordinary", "")).text(), "ok");
    for path in ["/h2c", "/no-upgrade", "/no-connection"] {
        assert_eq!(gateway.client().ask(handshake(path, "")).status, 502, "P9: {path}");
    }
    assert_eq!(gateway.get("/unasked").status, 502, "P9: a switch that nobody asked for");
}

#[test]
fn the_chain_runs_on_the_handshake() {
    let config = config(switching(echo), "true")
        .replace("websocket = true", "websocket = true\nchain = [\"api-key\", \"phases\"]")
        + "[plugin.api-key]\nconfig = { keys = { ada = \"k\" } }\ngrants = { identity = true }\n";
    let gateway = Setup::new(&config).plugin("api-key").plugin("phases").start();
    let mut client = gateway.client();
    assert_eq!(client.ask(handshake("/", "")).status, 401);
    assert_eq!(client.ask(handshake("/", "x-api-key: k\r\nx-phases: respond\r\n")).status, 418);
    let switched = client.ask(handshake("/", "x-api-key: k\r\nx-phases: response-body\r\n"));
    assert_eq!((switched.status, switched.header("x-ran")), (101, Some("on-request on-response")));
    assert_eq!((switched.header("upgrade"), switched.header("content-length")), (Some("websocket"), None));
    client.send("through");
    let mut buffer = [0; 7];
    assert_eq!(client.read(&mut buffer).unwrap(), 7);
    assert_eq!(&buffer, b"through");
    let completed = || gateway.counter("plugin.phases.completed-101");
    assert_eq!(completed(), 0, "it is not over yet");
    client.half_close();
    until("the end of the tunnel completes the exchange", || (completed() == 1).then_some(()));
    assert_eq!(gateway.counter("requests.1xx"), 1);
}
