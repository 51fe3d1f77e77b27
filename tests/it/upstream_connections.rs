//! When an upstream's connection may be used again, and what is sent on it.

use gateway_tests::{Client, Reply, TestGateway, Upstream};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[test]
fn a_connection_whose_upload_still_runs_is_not_waited_for() {
    // Answers at once, whatever the body does.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if buffer[..count].windows(4).any(|window| window == b"\r\n\r\n") {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                    }
                }
            });
        }
    });
    let service = Upstream::ok();
    let gateway = TestGateway::start(&service.config().replace(&service.url(), &format!("http://{address}")));
    for length in ["content-length: 1000", "transfer-encoding: chunked"] {
        let mut slow = gateway.client();
        slow.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{length}\r\n\r\n5\r\nabcde\r\n"));
        assert_eq!(slow.response().unwrap().status, 200);
        let start = Instant::now();
        assert_eq!(gateway.get("/other").status, 200);
        assert!(start.elapsed() < Duration::from_secs(1), "{length}: the next request waited {:?}", start.elapsed());
    }
}

/// Whether all of it came with its head or not, a little answer is whole; one that breaks off is cut.
#[test]
fn a_little_answer_comes_at_once_or_in_pieces() {
    let upstream = Upstream::start(|request| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n";
        let pieces = match request.target() {
            "/at-once" => vec![format!("{head}abcdef")],
            "/in-pieces" => vec![format!("{head}abc"), "de".to_owned(), "f".to_owned()],
            "/head-first" => vec![head.to_owned(), "abcdef".to_owned()],
            _ => vec![format!("{head}abc")],
        };
        Reply::Trickle(pieces.into_iter().map(String::into_bytes).collect(), Duration::from_millis(20))
    });
    let gateway = TestGateway::start(&upstream.config());
    for path in ["/at-once", "/in-pieces", "/head-first"] {
        assert_eq!(gateway.get(path).text(), "abcdef", "{path}");
    }
    let mut client = gateway.client();
    client.send("GET /cut HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.contains("content-length: 6\r\n") && answer.ends_with("\r\n\r\nabc"), "{answer}");
}

#[test]
fn what_an_upstream_adds_to_its_answer_is_nobodys_answer() {
    let upstream = Upstream::start(|_| {
        Reply::Bytes(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil".to_vec(),
        )
    });
    let gateway = TestGateway::start(&upstream.config());
    let mut client = gateway.client();
    for _ in 0..50 {
        assert_eq!(client.get("/").text(), "ok");
    }
    for method in ["HEAD", "GET"] {
        client.send(format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(!answer.contains("evil"), "{answer}");
        client = gateway.client();
    }
}

/// A service that answers each request on a connection with this, and then closes the connection, or not. Tells when it has done so.
fn answers(answer: &'static [&'static str], closes: bool) -> (String, mpsc::Receiver<()>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            let done = done.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(1..) = stream.read(&mut buffer) {
                    answer.iter().for_each(|piece| drop(stream.write_all(piece.as_bytes())));
                    if closes {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                    done.send(()).unwrap();
                }
            });
        }
    });
    (address, is_done)
}

/// Without a word, a moment before the connection is used again: nothing is sent on it, so a request that may not be sent twice has an
/// answer too. What comes on it unasked is nobody's answer.
#[test]
fn a_connection_that_ends_a_moment_before_it_is_used_again_costs_no_request() {
    const ANSWERS: &[&str] =
        &["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"];
    for (answer, closes) in [(&ANSWERS[..1], true), (ANSWERS, false)] {
        let (address, is_done) = answers(answer, closes);
        let service = Upstream::ok();
        let gateway = TestGateway::start(&service.config().replace(&service.url(), &address));
        let mut client = gateway.client();
        for _ in 0..50 {
            let answer = client.ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
            assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "closes: {closes}");
            is_done.recv_timeout(Duration::from_secs(10)).unwrap();
        }
    }
}

#[test]
fn a_body_of_unknown_length_goes_up_with_any_method() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&upstream.config());
    for method in ["GET", "DELETE", "OPTIONS", "POST"] {
        let request =
            format!("{method} / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(gateway.client().ask(request).status, 200);
        assert_eq!(upstream.last().body, b"3\r\nabc\r\n0\r\n\r\n", "{method}");
    }
}

#[test]
fn p5_an_answer_in_a_coding_that_we_do_not_undo_is_502() {
    let upstream = Upstream::start(|request| {
        let coding = request.value("x-coding").unwrap_or_default();
        Reply::Close(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n").into())
    });
    let gateway = TestGateway::start(&upstream.config());
    for (coding, status) in
        [("chunked", 200), ("Chunked", 200), ("gzip, chunked", 502), ("identity", 502), ("chunked, chunked", 502)]
    {
        let answer = gateway.client().get_with("/", &format!("x-coding: {coding}\r\n"));
        assert_eq!(answer.status, status, "{coding}");
    }
}

#[test]
fn an_upstreams_400_costs_nobody_a_connection() {
    let upstream = Upstream::start(|_| Reply::with("400 Bad Request", "", "no"));
    let gateway = TestGateway::start(&upstream.config());
    let mut client = gateway.client();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.header("connection")), (400, None));
    }
}

#[test]
fn an_early_answer_to_a_long_upload_arrives() {
    let upstream = Upstream::ok();
    let config = format!(
        "{}[[route]]\nname = \"closed\"\nmatch = {{ path = \"/closed\" }}\nrespond = {{ status = 403 }}\n",
        upstream.config()
    );
    let gateway = TestGateway::start(&config);
    for _ in 0..20 {
        let mut client: Client = gateway.client();
        client.send("POST /closed HTTP/1.1\r\nhost: a\r\ncontent-length: 20000000\r\n\r\n");
        client.send(vec![b'x'; 20_000_000]);
        assert_eq!(client.response().map(|answer| answer.status), Some(403));
    }
}
