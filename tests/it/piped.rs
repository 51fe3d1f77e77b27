//! Large answers that nobody wants to see: the kernel passes them on, and what comes out is what went in.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Authority, Client, Reply, TestGateway, Upstream};
use socket2::{Domain, Socket, Type};
use std::process::Command;
use std::time::Duration;

/// Of a length, and different at each place.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8 ^ (place / 251) as u8).collect()
}

/// The path names the length.
fn length(target: &str) -> usize {
    target.trim_start_matches('/').split('/').next().unwrap().parse().unwrap()
}

fn answer(fields: &str, length: usize) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\n{fields}content-length: {length}\r\n\r\n").into_bytes();
    answer.extend(body(length));
    answer
}

/// Answers whole.
fn upstream() -> Upstream {
    Upstream::start(|request| Reply::Bytes(answer("", length(request.target()))))
}

/// A client that has asked for so much, taken some of it, and takes no more. It has little room, so the rest waits in the pipe.
fn stalled(gateway: &TestGateway, asked: usize) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.connect(&gateway.address("public").into()).unwrap();
    let mut client = Client::on(socket.into());
    client.send(format!("GET /{asked} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
    assert!(client.read(&mut [0; 1000]).unwrap() > 0);
    client
}

#[test]
fn an_answer_of_any_length_arrives_as_it_was_sent() {
    let upstream = upstream();
    let gateway = TestGateway::start(&upstream.config());
    let mut client = gateway.client();
    let around = |length: usize| [length - 1, length, length + 1];
    let lengths =
        [0, 1, 7000].into_iter().chain([8192, 32 << 10, 64 << 10, 72 << 10, 128 << 10].into_iter().flat_map(around));
    for length in lengths.chain([1_000_003, 5 << 20]) {
        for _ in 0..2 {
            assert!(client.get(&format!("/{length}")).body == body(length), "{length}");
        }
    }
    let used = upstream.received().iter().map(|request| request.connection).max();
    assert_eq!(used, Some(0), "one connection served them all");
}

#[test]
fn an_answer_that_comes_in_pieces_arrives_as_it_was_sent() {
    let upstream = Upstream::start(|request| {
        let answer = answer("", length(request.target()));
        let parts = [10, 300, 9000, 3, 20_000, 40_000, 1];
        let mut rest = &answer[..];
        let mut pieces: Vec<Vec<u8>> = parts.map(|part| rest.split_off(..part).unwrap().to_vec()).into();
        pieces.push(rest.to_vec());
        Reply::Trickle(pieces, Duration::from_millis(5))
    });
    let gateway = TestGateway::start(&upstream.config());
    for length in [70_000, 100_000, 300_000] {
        assert!(gateway.get(&format!("/{length}")).body == body(length), "{length}");
    }
}

#[test]
fn what_is_asked_for_at_once_is_answered_in_turn() {
    let upstream = upstream();
    let gateway = TestGateway::start(&upstream.config());
    let mut client = gateway.client();
    let lengths = [200_000, 5, 70_000, 0, 40_000];
    client.send(lengths.map(|length| format!("GET /{length} HTTP/1.1\r\nhost: a\r\n\r\n")).concat());
    for length in lengths {
        assert!(client.response().unwrap().body == body(length), "{length}");
    }
}

/// Also one that says so, or that hyper would not keep: those go another way.
#[test]
fn a_connection_that_ends_with_its_answer_gives_it_whole() {
    for (line, fields) in [("HTTP/1.1", ""), ("HTTP/1.1", "connection: close\r\n"), ("HTTP/1.0", "")] {
        let upstream = Upstream::start(move |_| {
            let text = String::from_utf8_lossy(&answer(fields, 0)).replace("HTTP/1.1", line);
            let text = text.replace("content-length: 0", "content-length: 100000");
            Reply::Close([text.into_bytes(), body(100_000)].concat())
        });
        let gateway = TestGateway::start(&upstream.config());
        for _ in 0..3 {
            assert!(gateway.get("/100000").body == body(100_000), "{line} {fields}");
        }
    }
}

#[test]
fn an_answer_that_breaks_off_ends_the_clients_connection() {
    let upstream = Upstream::start(|request| {
        let mut answer = answer("", 300_000);
        answer.truncate(length(request.target()));
        Reply::Close(answer)
    });
    let gateway = TestGateway::start(&upstream.config());
    for length in [60, 500, 9000, 40_000, 200_000, 299_999] {
        let mut client = gateway.client();
        client.send(format!("GET /{length} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let came = client.rest();
        assert!(came.starts_with(b"HTTP/1.1 200"), "{length}");
        let start = came.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let came = &came[start..];
        assert!(came.len() < 300_000 && body(300_000).starts_with(came), "{length}: the beginning of it came");
    }
}

#[test]
fn what_an_upstream_adds_is_nobodys_answer() {
    let upstream = Upstream::start(|request| {
        let more = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil".repeat(1000);
        Reply::Bytes([answer("", length(request.target())), more].concat())
    });
    let gateway = TestGateway::start(&upstream.config());
    let mut client = gateway.client();
    for length in [32 << 10, 70_000, 200_000].repeat(5) {
        assert!(client.get(&format!("/{length}")).body == body(length), "{length}");
    }
}

#[test]
fn what_a_client_leaves_in_a_pipe_is_nobody_elses() {
    let upstream = upstream();
    let gateway = TestGateway::start(&upstream.config());
    for _ in 0..3 {
        let clients: Vec<_> = (0..20).map(|_| stalled(&gateway, 4 << 20)).collect();
        until("bytes wait in pipes", || (gateway.piped() > 20_000).then_some(()));
        drop(clients);
        until("nothing is left of them", || (gateway.piped() == 0).then_some(()));
        assert!(gateway.get("/1000000").body == body(1_000_000));
    }
}

#[test]
fn without_pipes_an_answer_is_copied() {
    let upstream = upstream();
    let gateway = Setup::new(&upstream.config()).start();
    let limited = Command::new("prlimit").args(["--pid", &gateway.id().to_string(), "--nofile=112:112"]).status();
    assert!(limited.unwrap().success());
    // An eighth of them may be pipes.
    let clients: Vec<_> = (0..18).map(|_| stalled(&gateway, 4 << 20)).collect();
    until("bytes wait in pipes", || (gateway.piped() > 20_000).then_some(()));
    assert!(gateway.get("/1000000").body == body(1_000_000));
    for mut client in clients {
        assert!(client.rest().ends_with(&body(4 << 20)[1000..]));
    }
}

/// Where bytes are changed on their way, or looked at, they are copied.
#[test]
fn over_tls_and_packed_it_arrives_as_it_was_sent() {
    let (authority, upstream) = (Authority::default(), upstream());
    let tls = "tls = { certificates = [{ cert = \"a.pem\", key = \"a.pem\" }] }";
    let config =
        upstream.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{tls}\n"));
    let gateway = Setup::new(&config).file("a.pem", authority.server(&["shop.example"]).pair()).start();
    let mut client = Client::secure(gateway.address("public"), &authority.client_config(), "shop.example").unwrap();
    for length in [40_000, 1_000_003] {
        assert!(client.get(&format!("/{length}")).body == body(length), "{length}");
    }
    assert_eq!(gateway.piped(), 0);
}
