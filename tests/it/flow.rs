//! A request on its way: routes, rewriting, streaming, what the upstream is told of the client.

use gateway_tests::gateway::Setup;
use gateway_tests::{Reply, TestGateway, Upstream};

#[test]
fn routes_rewrite_redirect_and_respond() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&format!(
        r#"{}
[[route]]
name = "order"
match = {{ path = "/orders/{{id}}", methods = ["GET"] }}
upstream = "service"
rewrite = {{ path = "/v1/order/{{id}}/full" }}
[[route]]
name = "strip"
match = {{ prefix = "/api" }}
upstream = "service"
rewrite = {{ strip = "/api", add = "/internal" }}
[[route]]
name = "old"
match = {{ path = "/old/{{*rest}}" }}
redirect = {{ status = 301, to = "/new/{{rest}}" }}
[[route]]
name = "fixed"
match = {{ path = "/fixed" }}
respond = {{ status = 200, headers = {{ x-a = "b" }}, body = "here" }}
"#,
        upstream.config()
    ));
    for (path, target) in [
        ("/orders/17?x=1", "/v1/order/17/full?x=1"),
        ("/orders/a%20b", "/v1/order/a%20b/full"),
        ("/orders/%3f", "/v1/order/%3F/full"),
        ("/api/users", "/internal/users"),
        ("/api", "/internal"),
        ("/apiary", "/apiary"),
        ("/", "/"),
    ] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
        assert_eq!(upstream.last().target(), target, "{path}");
    }
    let redirect = gateway.get("/old/a/b");
    assert_eq!((redirect.status, redirect.header("location")), (301, Some("/new/a/b")));
    let fixed = gateway.get("/fixed");
    assert_eq!((fixed.status, fixed.header("x-a"), fixed.text().as_str()), (200, Some("b"), "here"));
}

#[test]
fn what_matches_nothing_is_a_problem_document() {
    let gateway = TestGateway::start(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[[route]]\nname = \"a\"\nmatch = { path = \"/a\", methods = [\"PUT\", \"GET\"] }\nrespond = { status = 204 }\n",
    );
    let missing = gateway.get("/b");
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("application/problem+json")));
    assert_eq!(missing.json()["status"], 404);
    let method = gateway.client().ask("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    assert_eq!((method.status, method.header("allow")), (405, Some("PUT, GET, HEAD")));
}

#[test]
fn the_upstream_is_told_who_asks_and_a_client_cannot_lie() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&upstream.config());
    let lies =
        "x-forwarded-for: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil\r\n";
    gateway.client().get_with("/", lies);
    let told = upstream.last();
    assert_eq!(told.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(told.values("forwarded"), ["for=127.0.0.1;host=\"shop.example\";proto=http"]);
    assert_eq!(told.values("x-forwarded-proto"), ["http"]);
    assert_eq!(told.values("x-forwarded-host"), ["shop.example"]);
    assert_eq!(told.values("via"), ["1.1 gateway"]);
    let made = told.value("x-request-id").unwrap().to_owned();
    assert_eq!(made.len(), 32);
    gateway.client().get_with("/", "x-request-id: mine-17\r\n");
    assert_eq!(upstream.last().values("x-request-id"), ["mine-17"]);

    let gateway = TestGateway::start(&format!("[server]\ntrusted-proxies = [\"127.0.0.0/8\"]\n{}", upstream.config()));
    gateway.client().get_with("/", lies);
    let told = upstream.last();
    assert_eq!(told.values("x-forwarded-for"), ["6.6.6.6, 127.0.0.1"]);
    assert_eq!((told.values("x-forwarded-proto"), told.values("x-forwarded-host")), (vec!["https"], vec!["evil"]));
}

#[test]
fn bodies_stream_both_ways_with_trailers_and_100_continue() {
    let upstream = Upstream::start(|request| match request.target() {
        "/trailers" => Reply::Bytes(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n"
                .to_vec(),
        ),
        _ => Reply::ok(&String::from_utf8_lossy(&request.body)),
    });
    let gateway = TestGateway::start(&upstream.config());
    let big = "y".repeat(300_000);
    let mut client = gateway.client();
    let response = client.ask(format!(
        "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n{big}",
        big.len()
    ));
    assert_eq!((response.status, response.body.len()), (200, big.len()));
    assert_eq!(upstream.last().values("expect"), Vec::<&str>::new());

    client.send("GET /trailers HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n");
    client.half_close();
    let raw = String::from_utf8(client.rest()).unwrap();
    assert!(raw.ends_with("0\r\nx-sum: 1\r\n\r\n"), "{raw:?}");
}

#[test]
fn connections_are_kept_and_a_closed_one_costs_nobody_a_failure() {
    let upstream = Upstream::start(|request| match request.target() {
        "/close" => Reply::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()),
        _ => Reply::ok("ok"),
    });
    let gateway = TestGateway::start(&upstream.config());
    let mut client = gateway.client();
    for _ in 0..50 {
        assert_eq!(client.get("/").status, 200);
    }
    let connections: std::collections::BTreeSet<_> =
        upstream.received().iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 1, "one client in turn needs one connection");
    for _ in 0..20 {
        assert_eq!(client.get("/close").status, 200);
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn an_upstream_that_is_not_there_is_502_by_kind() {
    let gone = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let config = Upstream::ok()
        .config()
        .lines()
        .map(|line| match line.starts_with("endpoints") {
            true => format!("endpoints = [\"http://{gone}\"]\n"),
            false => format!("{line}\n"),
        })
        .collect::<String>();
    let gateway = TestGateway::start(&config);
    let response = gateway.get("/");
    assert_eq!((response.status, response.header("proxy-status")), (502, Some("gateway; error=connection_refused")));
    assert_eq!(response.json()["detail"], serde_json::Value::Null);
}

#[test]
fn several_gateways_in_one_process_each_with_routes_of_its_own() {
    let config = r#"
include = ["teams/*.toml"]
[[listener]]
name = "web"
address = "127.0.0.1:0"
[[listener]]
name = "mobile"
address = "127.0.0.1:0"
"#;
    let team = |name: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nlistener = \"{name}\"\nmatch = {{ path = \"/\" }}\nrespond = {{ status = 200, body = \"{name}\" }}\n"
        )
    };
    // `include` stands before every table.
    let (first, rest) = config.trim_start().split_once('\n').unwrap();
    let config = format!("{first}\n{}", TestGateway::complete(rest));
    let gateway = Setup::default()
        .file("gateway.toml", config)
        .file("teams/web.toml", team("web"))
        .file("teams/mobile.toml", team("mobile"))
        .start();
    for name in ["web", "mobile"] {
        assert_eq!(gateway_tests::Client::connect(gateway.address(name)).get("/").text(), name);
    }
}

#[test]
fn a_head_answer_keeps_its_length_and_http_10_is_served() {
    let upstream = Upstream::start(|request| match request.line().starts_with("HEAD") {
        true => Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n".to_vec()),
        false => Reply::ok("ok"),
    });
    let gateway = TestGateway::start(&upstream.config());
    let mut client = gateway.client();
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let raw = String::from_utf8(client.rest()).unwrap();
    assert!(raw.contains("content-length: 1234"), "{raw}");
    let mut old = gateway.client();
    old.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    assert!(String::from_utf8(old.rest()).unwrap().ends_with("ok"));
}
