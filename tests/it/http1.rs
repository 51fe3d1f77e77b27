//! What bare hyper leaves open, HARDENING section 1: requests that must not get through, and what is sent in their place.

use gateway_tests::upstream::Received;
use gateway_tests::{Reply, TestGateway, Upstream};
use std::time::Duration;

/// Sends each request on a connection of its own and checks the status.
fn refuses(row: &str, gateway: &TestGateway, cases: &[(&str, u16)]) {
    for (request, status) in cases {
        let mut client = gateway.client();
        let response = client.ask(request);
        assert_eq!(response.status, *status, "{row}: {request:?}\n{}", response.text());
        if *status == 400 {
            assert!(
                client.is_closed_within(Duration::from_secs(5)),
                "{row}: the connection stays open after {request:?}"
            );
        }
    }
}

fn served() -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&upstream.config());
    (upstream, gateway)
}

/// Whatever was refused has not reached the upstream, and the process still answers.
fn unharmed(upstream: &Upstream, gateway: &TestGateway) {
    assert_eq!(upstream.received().len(), 0, "something got through: {:?}", upstream.received());
    assert_eq!(gateway.get("/").status, 200);
    assert_eq!(gateway.counter("requests.panicked"), 0);
}

#[test]
fn p1_a_target_without_a_path_is_refused() {
    let (upstream, gateway) = served();
    refuses(
        "P1",
        &gateway,
        &[
            ("GET name HTTP/1.1\r\nhost: name\r\n\r\n", 400),
            ("GET name:80 HTTP/1.1\r\nhost: name:80\r\n\r\n", 400),
            ("OPTIONS name HTTP/1.1\r\nhost: name\r\n\r\n", 400),
            ("GET ?x HTTP/1.1\r\nhost: name\r\n\r\n", 400),
        ],
    );
    unharmed(&upstream, &gateway);
}

#[test]
fn p2_there_is_one_authority_or_none() {
    let (upstream, gateway) = served();
    let mut cases = vec![
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), 400),
        ("GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n".to_owned(), 400),
        ("GET http://a@b/ HTTP/1.1\r\nhost: b\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nhost:\r\n\r\n".to_owned(), 400),
    ];
    for host in ["a b", "a/b", "a@b", "a#b", "a?b", "a\tb", "a\0b", "a:b", "a:80:80", "[::1"] {
        cases.push((format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"), 400));
    }
    for (request, status) in &cases {
        refuses("P2", &gateway, &[(request, *status)]);
    }
    unharmed(&upstream, &gateway);
    let response = gateway.client().ask("GET http://Shop.Example/x HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    assert_eq!((response.status, upstream.last().target()), (200, "/x"));
    assert_eq!(upstream.last().values("host"), [upstream.address().to_string()]);
    assert_eq!(upstream.last().values("x-forwarded-host"), ["shop.example"]);
}

#[test]
fn p3_connect_star_and_the_preface_are_not_forwarded() {
    let (upstream, gateway) = served();
    refuses(
        "P3",
        &gateway,
        &[
            ("CONNECT shop.example:443 HTTP/1.1\r\nhost: shop.example:443\r\n\r\n", 400),
            ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("PRI * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ],
    );
    unharmed(&upstream, &gateway);
}

#[test]
fn p5_a_message_is_framed_once() {
    let (upstream, gateway) = served();
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}");
    for (fields, body) in [
        ("transfer-encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked,\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: identity\r\n", ""),
        ("content-length: 3\r\ncontent-length: 4\r\n", "abc"),
        ("content-length: 3, 3\r\n", "abc"),
        ("content-length: +3\r\n", "abc"),
        ("content-length: -1\r\n", ""),
        ("content-length: 99999999999999999999\r\n", ""),
    ] {
        refuses("P5", &gateway, &[(&post(fields, body), 400)]);
    }
    refuses("P5", &gateway, &[("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400)]);
    unharmed(&upstream, &gateway);

    // Equal lengths are one, and what goes up is framed by us.
    let response = gateway.client().ask(post("content-length: 3\r\ncontent-length: 3\r\n", "abc"));
    assert_eq!(response.status, 200);
    let received = upstream.last();
    assert_eq!((received.values("content-length"), &*received.body), (vec!["3"], &b"abc"[..]));
    // RFC 9112 6.1: transfer-encoding wins, and nobody behind us sees the other one.
    let response = gateway.client().ask(post("transfer-encoding: chunked\r\ncontent-length: 3\r\n", "0\r\n\r\n"));
    assert_eq!(response.status, 200);
    assert_eq!(upstream.last().values("content-length"), Vec::<&str>::new());
    let response = gateway.client().ask(post("transfer-encoding: Chunked\r\n", "3;x=y\r\nabc\r\n0\r\n\r\n"));
    assert_eq!(response.status, 200);
    let received = upstream.last();
    assert_eq!(
        (received.values("transfer-encoding"), &*received.body),
        (vec!["chunked"], &b"3\r\nabc\r\n0\r\n\r\n"[..])
    );
}

#[test]
fn p6_a_clients_bad_chunk_is_the_clients_fault() {
    let (upstream, gateway) = served();
    for chunk in ["xyz\r\n", "3\r\nabcd\r\n", "-1\r\n", "3\nabc\r\n0\r\n\r\n", "ffffffffffffffffff\r\n"] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
        let response = gateway.client().ask(&request);
        assert_eq!(response.status, 400, "P6: {chunk:?}");
    }
    unharmed(&upstream, &gateway);
}

#[test]
fn p7_what_belongs_to_one_connection_is_not_passed_on() {
    let upstream = Upstream::start(|_| {
        Reply::with(
            "200 OK",
            "connection: x-hop, close\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nx-kept: 1\r\n",
            "ok",
        )
    });
    let gateway = TestGateway::start(&upstream.config());
    let fields = "connection: x-secret, upgrade, http2-settings\r\nx-secret: 1\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\
                  keep-alive: 5\r\nproxy-connection: keep-alive\r\nproxy-authorization: Basic eA==\r\nproxy: http://evil\r\nte: gzip, trailers\r\nx-kept: 1\r\n";
    let response = gateway.client().get_with("/", fields);
    let received = upstream.last();
    for name in
        ["x-secret", "upgrade", "http2-settings", "keep-alive", "proxy-connection", "proxy-authorization", "proxy"]
    {
        assert_eq!(received.values(name), Vec::<&str>::new(), "P7: {name} was passed on");
    }
    assert_eq!((received.values("te"), received.values("connection")), (vec!["trailers"], vec!["te"]));
    assert_eq!(received.values("x-kept"), ["1"]);
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(response.header(name), None, "P7: {name} was passed on");
    }
    assert_eq!(response.header("x-kept"), Some("1"));
}

#[test]
fn p8_heads_are_bounded_both_ways() {
    let upstream = Upstream::start(|request: &Received| match request.target() {
        "/big" => Reply::with("200 OK", &format!("x-big: {}\r\n", "x".repeat(70_000)), ""),
        "/many" => Reply::with("200 OK", &"x-many: 1\r\n".repeat(150), ""),
        _ => Reply::ok("ok"),
    });
    let gateway = TestGateway::start(&upstream.config());
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
    assert_eq!(gateway.client().ask(head(&format!("x: {}\r\n", "x".repeat(70_000)))).status, 431);
    assert_eq!(gateway.client().ask(head(&"x: 1\r\n".repeat(150))).status, 431);
    assert_eq!(gateway.client().ask(format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(9000))).status, 414);
    assert_eq!(gateway.client().ask(head(&format!("x: {}\r\n", "x".repeat(50_000)))).status, 200);
    assert_eq!(gateway.get("/big").status, 502);
    assert_eq!(gateway.get("/many").status, 502);
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn p9_junk_from_an_upstream_is_502() {
    let upstream = Upstream::start(|request: &Received| {
        Reply::Close(match request.target() {
            "/101" => b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".to_vec(),
            "/000" => b"HTTP/1.1 000 Zero\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "/2000" => b"HTTP/1.1 2000 Big\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "/600" => b"HTTP/1.1 600 Big\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "/09" => b"<html>what is this</html>".to_vec(),
            "/lengths" => b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(),
            _ => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(),
        })
    });
    let gateway = TestGateway::start(&upstream.config());
    for path in ["/101", "/000", "/2000", "/600", "/09", "/lengths"] {
        assert_eq!(gateway.get(path).status, 502, "P9: {path}");
    }
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn p12_a_client_that_half_closes_gets_its_answer() {
    let upstream = Upstream::start(|_| {
        Reply::Trickle(
            vec![b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsl".to_vec(), b"ow".to_vec()],
            Duration::from_millis(200),
        )
    });
    let gateway = TestGateway::start(&upstream.config());
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.half_close();
    assert_eq!(client.response().unwrap().text(), "slow");
}

#[test]
fn p13_control_bytes_are_refused() {
    let (upstream, gateway) = served();
    for value in ["a\0b", "a\rb", "a\x01b", "a\x7fb", "a\r\n b"] {
        refuses("P13", &gateway, &[(&format!("GET / HTTP/1.1\r\nhost: a\r\nx: {value}\r\n\r\n"), 400)]);
    }
    refuses(
        "P13",
        &gateway,
        &[
            ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: a\r\nx y: 1\r\n\r\n", 400),
            ("GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n", 400),
        ],
    );
    unharmed(&upstream, &gateway);
}

#[test]
fn p14_rules_see_the_path_that_the_upstream_gets() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&format!(
        "{}[[route]]\nname = \"closed\"\nmatch = {{ prefix = \"/admin\" }}\nrespond = {{ status = 403 }}\n\
         [[route]]\nname = \"lenient\"\nmatch = {{ prefix = \"/files\" }}\nupstream = \"service\"\nallow = [\"encoded-slash\"]\n",
        upstream.config()
    ));
    for path in [
        "/admin",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/%61dmin",
        "/%2e/admin",
        "/x/%2e%2e/admin",
        "/admin/",
        "/x/..//admin/y",
    ] {
        assert_eq!(gateway.get(path).status, 403, "P14: {path}");
    }
    for path in ["/a%2fb", "/a%5cb", "/a%00b", "/a\\b", "/a%zz", "/a%", "/admin%2fx"] {
        assert_eq!(gateway.get(path).status, 400, "P14: {path}");
    }
    assert_eq!(upstream.received().len(), 0);
    for (path, normal) in
        [("/a//b/./c/%7euser?q=%2f", "/a/b/c/~user?q=%2f"), ("/%e4%bd", "/%E4%BD"), ("/files/a%2fb", "/files/a%2Fb")]
    {
        assert_eq!(gateway.get(path).status, 200, "P14: {path}");
        assert_eq!(upstream.last().target(), normal);
    }
    assert_eq!(gateway.get("/files/a%5cb").status, 400);
}

#[test]
fn p15_underscores_need_leave() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&format!(
        "{}[[route]]\nname = \"old\"\nmatch = {{ prefix = \"/old\" }}\nupstream = \"service\"\nallow = [\"underscore\"]\n",
        upstream.config()
    ));
    assert_eq!(gateway.client().get_with("/", "x_y: 1\r\n").status, 400);
    assert_eq!(upstream.received().len(), 0);
    assert_eq!(gateway.client().get_with("/old", "x_y: 1\r\n").status, 200);
    assert_eq!(upstream.last().values("x_y"), ["1"]);
}

#[test]
fn p4_cookie_crumbs_are_joined() {
    use gateway_tests::http2::{END_HEADERS, END_STREAM, Http2, block, frame, kind};
    let (upstream, gateway) = served();
    let mut client = Http2::connect(gateway.address("public"), &[]);
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x", "3"),
        ("cookie", "c=3"),
    ];
    client.send(frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields)));
    assert_eq!(upstream.last().values("cookie"), ["a=1; b=2; c=3"]);
}
