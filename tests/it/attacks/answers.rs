//! Attacks from behind: what a service answers that could be read in two ways, or as the answer to somebody else's request.

use gateway_tests::{Client, Reply, TestGateway, Upstream, strict};
use std::fmt::Write as _;
use std::time::Duration;

/// What the client of such an answer gets.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// 502, made by the gateway.
    Bad,
    /// A head and a body that does not look whole, or, where nothing of it was good, nothing at all.
    Cut,
    /// A whole answer: its status and body.
    Whole(u16, &'static str),
}
use Told::{Bad, Cut, Whole};

const EVIL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";

/// Answers what `/N` names in the table; everything else with its own target.
fn upstream(table: Vec<(String, bool)>) -> Upstream {
    Upstream::start(move |request| {
        let number = request.target().strip_prefix('/').and_then(|number| number.parse::<usize>().ok());
        match number.and_then(|number| table.get(number)) {
            Some((answer, true)) => Reply::Close(answer.clone().into()),
            Some((answer, false)) => Reply::Bytes(answer.clone().into()),
            None => Reply::ok(request.target()),
        }
    })
}

fn told(gateway: &TestGateway, method: &str, number: usize) -> Result<Told, String> {
    let mut client = gateway.client();
    client.send(format!("{method} /{number} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
    let bytes = client.rest();
    let mut read = strict::answers(&bytes, &[method]).map_err(|why| format!("{why:?}"))?;
    match (read.messages.pop(), read.cut) {
        (None, Some(_)) => Ok(Cut),
        (None, None) if bytes.is_empty() => Ok(Cut),
        (Some(answer), None) if answer.status() == 502 => Ok(Bad),
        (Some(answer), None) => Ok(Whole(answer.status(), String::from_utf8_lossy(&answer.body).into_owned().leak())),
        other => Err(format!("{other:?}")),
    }
}

/// Plays each answer to its own client and looks that the next ones get theirs.
fn play(what: &str, method: &str, close: bool, cases: &[(&str, Told)]) {
    let upstream = upstream(cases.iter().map(|(answer, _)| ((*answer).to_owned(), close)).collect());
    let gateway = TestGateway::start(&upstream.config());
    let mut wrong = String::new();
    for (number, (answer, expected)) in cases.iter().enumerate() {
        let shown: String = answer.chars().take(200).collect();
        match told(&gateway, method, number) {
            Ok(told) if told == *expected => {}
            other => {
                let _ = writeln!(wrong, "{shown:?}\n    {other:?}, not {expected:?}");
            }
        }
        // Whoever comes next on what may be the same connection gets nobody else's answer.
        for turn in 0..4 {
            let path = format!("/own-{number}-{turn}");
            let answer = gateway.get(&path);
            if (answer.status, answer.text()) != (200, path.clone()) {
                let _ =
                    writeln!(wrong, "{shown:?}\n    then {path} was answered {} {:?}", answer.status, answer.text());
            }
        }
    }
    assert!(wrong.is_empty(), "{what}:\n{wrong}");
    assert_eq!(gateway.counter("requests.panicked"), 0, "{what}");
}

#[test]
fn p9_p13_heads_that_are_none() {
    let with =
        |field: &str| -> &'static str { format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{field}\r\n\r\nok").leak() };
    let line = |line: &str| -> &'static str { format!("{line}\r\ncontent-length: 2\r\n\r\nok").leak() };
    let mut cases: Vec<(&str, Told)> = Vec::new();
    for bad in [
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 +200 OK",
        "HTTP/1.1 0200 OK",
        "HTTP/1.1 999 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\0OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.2 200 OK",
        "HTTP/2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "GET / HTTP/1.1",
        "200 OK",
        " HTTP/1.1 200 OK",
        "",
    ] {
        cases.push((line(bad), Bad));
    }
    for bad in [
        "x : y",
        "x\t: y",
        ": y",
        "x",
        "x y: z",
        "x(y): z",
        "x\0: y",
        "x: a\0b",
        "x: a\rb",
        "x: a\u{1}b",
        "x: a\u{7f}b",
        "x: a\r\n b",
        "x:\r\n y",
        " x: y",
        "content-length : 2",
        "set-cookie: a=b\rset-cookie: c=d",
    ] {
        cases.push((with(bad), Bad));
    }
    cases.push(("HTTP/1.1 200 OK\r\n x: y\r\ncontent-length: 2\r\n\r\nok", Bad));
    cases.push(("HTTP/1.1 200 OK\r\ncontent-length: 2", Bad));
    cases.push(("HTTP/1.1 200", Bad));
    cases.push(("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n", Bad));
    // What is odd and clear.
    for good in ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 <none>", "HTTP/1.1 200 \u{e9}", "HTTP/1.0 200 OK"] {
        cases.push((line(good), Whole(200, "ok")));
    }
    play("P9, P13", "GET", true, &cases);
}

#[test]
fn p5_p9_answers_framed_in_two_ways() {
    let head = |fields: &str, body: &str| -> &'static str { format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}").leak() };
    let chunked = "transfer-encoding: chunked\r\n";
    let mut cases: Vec<(&str, Told)> = vec![
        (head("content-length: 2\r\n", "ok"), Whole(200, "ok")),
        (head("content-length: 2\r\ncontent-length: 2\r\n", "ok"), Whole(200, "ok")),
        (head(chunked, "2\r\nok\r\n0\r\n\r\n"), Whole(200, "ok")),
        (head(chunked, "02;x=\"y\"\r\nok\r\n0\r\n\r\n"), Whole(200, "ok")),
        (head("", "ok"), Whole(200, "ok")),
        // RFC 9112 6.3: the coding wins, and nothing that follows it is believed.
        (head(&format!("content-length: 1\r\n{chunked}"), "2\r\nok\r\n0\r\n\r\n"), Whole(200, "ok")),
        (head(&format!("{chunked}content-length: 1\r\n"), "2\r\nok\r\n0\r\n\r\n"), Whole(200, "ok")),
        // What is left over is nobody's.
        (head("content-length: 2\r\n", &format!("ok{EVIL}")), Whole(200, "ok")),
        (head(chunked, &format!("2\r\nok\r\n0\r\n\r\n{EVIL}")), Whole(200, "ok")),
        (head(&format!("content-length: 2\r\n{chunked}"), &format!("2\r\nok\r\n0\r\n\r\n{EVIL}")), Whole(200, "ok")),
        (head("content-length: 20\r\n", "ok"), Cut),
        (head(chunked, "2\r\nok\r\n"), Cut),
        (head(chunked, "2\r\nok\r\n0\r\n"), Cut),
        (head(chunked, "2\r\nok"), Cut),
        // Trailers that frame are none.
        (head(chunked, "2\r\nok\r\n0\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n"), Whole(200, "ok")),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nevil", Whole(204, "")),
        ("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", Whole(204, "")),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nevil", Whole(304, "")),
        ("HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", Whole(304, "")),
        ("HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n", Whole(205, "")),
    ];
    for bad in [
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: 2\r\ncontent-length: 1\r\n",
        "content-length: +2\r\n",
        "content-length: -2\r\n",
        "content-length: 0x2\r\n",
        "content-length: 2, 3\r\n",
        "content-length: 2 3\r\n",
        "content-length: 2.0\r\n",
        "content-length: x\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999\r\n",
        "content-length: 2\r\ncontent-length: x\r\n",
    ] {
        cases.push((head(bad, &format!("ok{EVIL}")), Bad));
    }
    for bad in [
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: x, chunked\r\n",
        "transfer-encoding: chunked, x\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: x\r\n",
        "transfer-encoding: x\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: \"chunked\"\r\n",
        "transfer-encoding: chunked;x\r\n",
        "transfer-encoding:\r\n",
        "content-length: 2\r\ntransfer-encoding: identity\r\n",
        "content-length: 2\r\ntransfer-encoding: gzip\r\n",
    ] {
        cases.push((head(bad, "2\r\nok\r\n0\r\n\r\n"), Bad));
    }
    for chunk in [
        "x\r\nok\r\n",
        "+2\r\nok\r\n",
        "2\nok\r\n",
        "2\r\nokX\r\n",
        "2\r\nok\n",
        "10000000000000002\r\nok\r\n",
        "-1\r\n",
    ] {
        cases.push((head(chunked, &format!("{chunk}0\r\n\r\n")), Cut));
    }
    play("P5, P9: closing", "GET", true, &cases);
    // The same where the service keeps its connection: what would have to be waited for is left out.
    let kept =
        cases.into_iter().filter(|(answer, told)| *told != Cut && !answer.starts_with("HTTP/1.1 200 OK\r\n\r\nok"));
    play("P5, P9: kept", "GET", false, &kept.collect::<Vec<_>>());
}

#[test]
fn p9_an_answer_to_head_poisons_nobody() {
    let with = |fields: &str, body: &str| -> &'static str { format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}").leak() };
    let length = format!("content-length: {}\r\n", EVIL.len());
    let cases = [
        (with(&length, ""), Whole(200, "")),
        (with(&length, EVIL), Whole(200, "")),
        (with("transfer-encoding: chunked\r\n", &format!("{:x}\r\n{EVIL}\r\n0\r\n\r\n", EVIL.len())), Whole(200, "")),
        (with("", EVIL), Whole(200, "")),
    ];
    for close in [false, true] {
        let cases: Vec<_> = cases.iter().map(|(answer, _)| (*answer, Whole(200, ""))).collect();
        play("P9: HEAD", "HEAD", close, &cases);
    }
}

#[test]
fn p9_interim_answers_are_no_answers() {
    let many = |head: &str, count: usize| -> &'static str {
        format!("{}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", head.repeat(count)).leak()
    };
    let cases = [
        (many("HTTP/1.1 100 Continue\r\n\r\n", 1), Whole(200, "ok")),
        (many("HTTP/1.1 100 Continue\r\n\r\n", 100), Whole(200, "ok")),
        (many("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", 3), Whole(200, "ok")),
        (many("HTTP/1.1 102 Processing\r\nx: y\r\n\r\n", 2), Whole(200, "ok")),
        // It has no body: what claims to be one is the next answer's head, and none.
        (many("HTTP/1.1 100 Continue\r\ncontent-length: 4\r\n\r\nevil", 1), Bad),
        (many("HTTP/1.1 100 Continue\r\ntransfer-encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", 1), Bad),
        (many("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 1), Bad),
        (many("HTTP/1.1 101 Switching Protocols\r\n\r\n", 1), Bad),
        ("HTTP/1.1 100 Continue\r\n\r\n", Bad),
    ];
    play("P9: 1xx", "GET", true, &cases);
}

/// A client that leaves in the middle of its answer leaves the rest of it to nobody.
#[test]
fn p9_what_a_client_left_unread_is_nobodys_answer() {
    let upstream = Upstream::start(|request| match request.target() {
        "/long" => Reply::Trickle(
            vec![b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec(), EVIL.repeat(3).into_bytes()],
            Duration::from_millis(20),
        ),
        target => Reply::ok(target),
    });
    let gateway = TestGateway::start(&upstream.config());
    for round in 0..30 {
        let mut leaving = gateway.client();
        leaving.send("GET /long HTTP/1.1\r\nhost: a\r\n\r\n");
        if round % 2 == 0 {
            let mut byte = [0];
            assert_eq!(leaving.read(&mut byte).unwrap(), 1);
        }
        leaving.reset();
        let path = format!("/own-{round}");
        assert_eq!(gateway.get(&path).text(), path, "round {round}");
    }
}

/// A service that answers before it was asked, on a connection that rests in the pool: nobody is given that.
#[test]
fn p9_an_answer_before_the_request_is_nobodys() {
    use std::io::{Read as _, Write as _};
    let address = gateway_tests::service::start(|mut stream| {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let target = String::from_utf8_lossy(&buffer[..count]).split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{target}", target.len());
            // The next one, while the connection rests.
            std::thread::sleep(Duration::from_millis(30));
            let _ = stream.write_all(EVIL.as_bytes());
        }
    });
    let service = Upstream::ok();
    let gateway = TestGateway::start(&service.config().replace(&service.url(), &format!("http://{address}")));
    let mut client: Client = gateway.client();
    for round in 0..20 {
        let path = format!("/own-{round}");
        assert_eq!(client.get(&path).text(), path, "round {round}");
        // Longer than the service takes to say more.
        std::thread::sleep(Duration::from_millis(60));
    }
}
