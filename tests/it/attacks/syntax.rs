//! What a request is: its line, its target, its fields, what goes with one connection, and what follows it there (RFC 9112 2 to 5 and 9,
//! RFC 9110 5 and 7.6.1).

use super::{Case, SMUGGLED, passed, play, refused, served};

#[test]
fn p1_p3_p13_request_lines_that_are_none() {
    let (recorder, gateway) = served();
    let mut cases: Vec<Case> = [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        " GET / HTTP/1.1",
        "\tGET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\t",
        "GET / HTTP/1.1 x",
        "GET / x HTTP/1.1",
        "GET /\rx HTTP/1.1",
        "GET / HTTP/1.1\rx: y",
        "GET /",
        "GET / ",
        "GET HTTP/1.1",
        " HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/1.10",
        "GET / HTTP/01.1",
        "GET / HTTP/2.0",
        "GET / HTTP/3",
        "GET / HTTP/0.9",
        "GET / HTTP/1.",
        "GET / HTTP /1.1",
        "GET / HTTPS/1.1",
        "GET / ICY/1.1",
        "G\0ET / HTTP/1.1",
        "G\"ET / HTTP/1.1",
        "GET: / HTTP/1.1",
        "G(ET) / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /\\x HTTP/1.1",
        "GET \\x HTTP/1.1",
        "GET x HTTP/1.1",
        "GET x/y HTTP/1.1",
        "GET ../x HTTP/1.1",
        "GET ?x HTTP/1.1",
        "GET #x HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "GET http:/x HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://user@a/ HTTP/1.1",
        "GET http://user:word@a/ HTTP/1.1",
        "GET http://a:80/ HTTP/1.1",
        "GET http://b/ HTTP/1.1",
        "GET http://a.b/ HTTP/1.1",
        "GET http://a\\b/ HTTP/1.1",
        "GET http://a%00/ HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "GET http://a?x HTTP/1.1",
        "GET javascript:x HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "GET /x#y HTTP/1.1",
        "GET /x?y#z HTTP/1.1",
        "GET http://a/#x HTTP/1.1",
        "GET /\nx HTTP/1.1",
        "GET / HTTP/1.1\nx: y",
        "\nGET / HTTP/1.1",
        "\r\n\nGET / HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT a HTTP/1.1",
        "CONNECT a:443 HTTP/1.1",
        "CONNECT /x HTTP/1.1",
        "CONNECT http://a/ HTTP/1.1",
        "PRI * HTTP/1.1",
    ]
    .into_iter()
    .map(|line| refused(format!("{line}\r\nhost: a\r\n\r\n{SMUGGLED}")))
    .collect();
    for (line, reached) in [
        ("GET http://a HTTP/1.1", "GET /"),
        ("GET http://a/ HTTP/1.1", "GET /"),
        ("GET HTTP://A/x HTTP/1.1", "GET /x"),
        ("GET //b/x HTTP/1.1", "GET /b/x"),
        ("GET /http://b/x HTTP/1.1", "GET /http:/b/x"),
        ("GET /x?http://b/?y HTTP/1.1", "GET /x?http://b/?y"),
        ("get /x HTTP/1.1", "get /x"),
        ("M-SEARCH /x HTTP/1.1", "M-SEARCH /x"),
        // RFC 9112 2.2: an empty line before a request is nothing.
        ("\r\nGET /x HTTP/1.1", "GET /x"),
        ("\r\n\r\nGET /x HTTP/1.1", "GET /x"),
    ] {
        cases.push(passed(format!("{line}\r\nhost: a\r\n\r\n"), &[200], &[reached]));
    }
    play("P1, P3, P13: request lines", &gateway, &recorder, &cases);
}

#[test]
fn p2_p13_p15_fields_that_are_none() {
    let (recorder, gateway) = served();
    let mut cases: Vec<Case> = [
        "x",
        "x y",
        ": y",
        "x : y",
        "x\t: y",
        "x y: z",
        " x: y",
        "\tx: y",
        "x\0: y",
        "x(y): z",
        "x/y: z",
        "x[y]: z",
        "x{y}: z",
        "x@y: z",
        "x,y: z",
        "x;y: z",
        "x\"y: z",
        "x\\y: z",
        "x<y>: z",
        "x?y: z",
        "x=y: z",
        "x\u{e9}: z",
        "x_y: z",
        "x: a\0b",
        "x: a\u{1}b",
        "x: a\u{8}b",
        "x: a\u{1b}b",
        "x: a\u{7f}b",
        "x: a\rb",
        "x: a\r",
        "x: \ra",
        "x: a\r\rb",
        "x: a\nb: c",
        "x: a\n b",
        "x: a\n\r\n",
        "x: a\nhost: b",
        "x: a\r\n\nb: c",
        "x: a\r\n b",
        "x: a\r\n\tb",
        "x:\r\n b",
        "x\r\n : b",
        "host: b",
        "host : a",
        " host: a",
        "Host: a",
        "host:",
        "host: a, a",
    ]
    .into_iter()
    .map(|field| refused(format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n{SMUGGLED}")))
    .collect();
    // Before the host, so that whoever folds makes the host go away.
    cases.push(refused(format!("GET / HTTP/1.1\r\n host: a\r\n\r\n{SMUGGLED}")));
    cases.push(refused(format!("GET / HTTP/1.1\r\nx: y\r\n host: a\r\n\r\n{SMUGGLED}")));
    cases.push(refused(format!("GET / HTTP/1.1\r\n\r\nhost: a\r\n\r\n{SMUGGLED}")));
    for field in
        ["x:", "x: ", "x:y", "x: \t y \t ", "x: a: b", "x: \u{e9}", "x: ,", "!#$%&'*+-.^`|~: y", "x: y\r\nx: z"]
    {
        cases.push(passed(format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n"), &[200], &["GET /"]));
    }
    play("P2, P13, P15: fields", &gateway, &recorder, &cases);
}

/// RFC 9110 7.6.1: a client may name fields to be taken out, and must not take out with them what the gateway says or needs.
#[test]
fn p7_what_connection_names_takes_nothing_of_ours_away() {
    let (recorder, gateway) = served();
    for names in [
        "host",
        "Host, close",
        "content-length",
        "transfer-encoding",
        "te",
        "via",
        "forwarded, x-forwarded-for, x-forwarded-host, x-forwarded-proto, x-request-id",
        "connection",
        "connection, connection, keep-alive",
        ":path, :authority",
        ", , ,",
        "\"host\"",
        "x y, host",
    ] {
        for (framing, body) in
            [("", ""), ("content-length: 3\r\n", "abc"), ("transfer-encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")]
        {
            let mut client = gateway.client();
            client.send(format!(
                "POST /a HTTP/1.1\r\nhost: a\r\nconnection: {names}\r\n{framing}x-forwarded-for: 192.0.2.1\r\n\r\n{body}"
            ));
            assert_eq!(client.response().map(|answer| answer.status), Some(200), "{names}, {framing}");
            let seen = recorder.take_when("P7", 1);
            let request = &seen.requests[0];
            assert_eq!(request.body, if body.is_empty() { "" } else { "abc" }.as_bytes(), "{names}, {framing}");
            for name in ["host", "via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-request-id"] {
                assert_eq!(request.values(name).len(), 1, "P7: {names}: {name} in {:?}", request.fields);
            }
            assert_eq!(request.values("x-forwarded-for"), ["127.0.0.1"], "P7: {names}");
        }
    }
    // What a client may not take out of its own request is gone before a rule has looked for it, never after.
    let request =
        "GET /a HTTP/1.1\r\nhost: a\r\nconnection: authorization, cookie\r\nauthorization: x\r\ncookie: y\r\n\r\n";
    assert_eq!(gateway.client().ask(request).status, 200);
    let request = &recorder.take_when("P7", 1).requests[0];
    assert_eq!((request.values("authorization").len(), request.values("cookie").len()), (0, 0));
}

#[test]
fn p3_p7_upgrades_and_expectations() {
    let (recorder, gateway) = served();
    let get = |fields: &str| format!("GET /a HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
    let post = |fields: &str| format!("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{fields}\r\nabc");
    let mut cases = Vec::new();
    // What is not spoken here is not heard, and nothing of it is passed on.
    for fields in [
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n",
        "connection: upgrade\r\nupgrade: TLS/1.0\r\n",
        "upgrade: h2c\r\n",
        "te: chunked, trailers;q=0.5, x\r\n",
        "te: gzip\r\nconnection: te\r\n",
    ] {
        cases.push(passed(format!("{}{SMUGGLED}", get(fields)), &[200, 200], &["GET /a", "GET /smuggled"]));
        cases.push(passed(format!("{}{SMUGGLED}", post(fields)), &[200, 200], &["POST /a abc", "GET /smuggled"]));
    }
    for expectation in ["100-continue", "100-CONTINUE", "100-continue\r\nexpect: 100-continue"] {
        let expect = format!("expect: {expectation}\r\n");
        cases.push(passed(format!("{}{SMUGGLED}", post(&expect)), &[200, 200], &["POST /a abc", "GET /smuggled"]));
        cases.push(passed(format!("{}{SMUGGLED}", get(&expect)), &[200, 200], &["GET /a", "GET /smuggled"]));
    }
    for expectation in ["", "x", "200-ok", "100-continue, x", "y 100-continue", "\"100-continue\"", "\r\n 100-continue"]
    {
        cases.push(refused(format!("{}{SMUGGLED}", post(&format!("expect: {expectation}\r\n")))));
    }
    play("P3, P7: upgrades and expectations", &gateway, &recorder, &cases);
}

#[test]
fn p3_p12_what_follows_a_request() {
    let (recorder, gateway) = served();
    let good = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let old = |fields: &str| format!("GET /old HTTP/1.0\r\n{fields}\r\n");
    let mut cases = vec![
        passed(good("/1").repeat(3), &[200, 200, 200], &["GET /1"; 3]),
        passed(format!("{}\r\n{}", good("/1"), good("/2")), &[200, 200], &["GET /1", "GET /2"]),
        // Without `keep-alive` nothing follows a request of HTTP/1.0, whoever it is for.
        passed(format!("{}{SMUGGLED}", old("")), &[200], &["GET /old"]),
        passed(format!("{}{SMUGGLED}", old("host: a\r\n")), &[200], &["GET /old"]),
        passed(format!("{}{SMUGGLED}", old("host: a\r\nconnection: close\r\n")), &[200], &["GET /old"]),
        passed(
            format!("{}{SMUGGLED}", old("content-length: 3\r\nexpect: 100-continue\r\n") + "abc"),
            &[200],
            &["GET /old abc"],
        ),
        passed(good("/1").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n") + SMUGGLED, &[200], &["GET /1"]),
        passed(
            good("/1").replace("\r\n\r\n", "\r\nconnection: close\r\nconnection: keep-alive\r\n\r\n") + SMUGGLED,
            &[200],
            &["GET /1"],
        ),
    ];
    for bad in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "garbage\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        // The good one is answered, the bad one refused, and what follows that is not looked at.
        cases.push(passed(format!("{}{bad}{SMUGGLED}", good("/1")), &[200, 400], &["GET /1"]));
    }
    // HTTP/2 begins a connection or is none: it ends without a word.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    cases.push(passed(format!("{}{preface}{SMUGGLED}", good("/1")), &[200], &["GET /1"]));
    play("P3, P12: pipelines", &gateway, &recorder, &cases);
}
