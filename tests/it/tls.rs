//! HTTPS: which certificate, which version, which protocol, whose client.

use gateway_tests::client::Response;
use gateway_tests::gateway::Setup;
use gateway_tests::http2::{END_STREAM, Http2, frame, get, kind};
use gateway_tests::wait::until;
use gateway_tests::{Authority, Client, Reply, TestGateway, Upstream};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The upstream's configuration with more keys for its listener.
fn listener(upstream: &Upstream, keys: &str) -> String {
    upstream.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{keys}\n"))
}

/// A gateway with one certificate, for `shop.example`.
fn gateway(authority: &Authority, upstream: &Upstream, more: &str) -> TestGateway {
    let tls = format!("tls = {{ certificates = [{{ cert = \"a.pem\", key = \"a.key\" }}]{more} }}");
    let issued = authority.server(&["shop.example"]);
    Setup::new(&listener(upstream, &tls)).file("a.pem", issued.cert).file("a.key", issued.key).start()
}

fn secure(gateway: &TestGateway, config: &Arc<rustls::ClientConfig>) -> Client {
    Client::secure(gateway.address("public"), config, "shop.example").unwrap()
}

#[test]
fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let issued = [&["shop.example"][..], &["*.shop.example", "other.example"]].map(|names| authority.server(names));
    let tls = "tls = { certificates = [{ cert = \"tls/0.pem\", key = \"tls/0.key\" }, { cert = \"tls/1.pem\", key = \"tls/1.key\" }] }";
    let mut setup = Setup::new(&listener(&upstream, tls));
    for (number, issued) in issued.iter().enumerate() {
        setup = setup.file(format!("tls/{number}.pem"), &*issued.cert).file(format!("tls/{number}.key"), &*issued.key);
    }
    let gateway = setup.start();
    for (name, expected) in [("shop.example", 0), ("www.shop.example", 1), ("OTHER.example", 1)] {
        let mut client = Client::secure(gateway.address("public"), &authority.client_config(), name).unwrap();
        assert_eq!(client.tls().peer_certificates().unwrap()[0], issued[expected].der(), "{name}");
        assert_eq!(client.get("/x").status, 200);
    }
    // The default is one for another name, and so refused by a client that looks.
    for name in ["unknown.example", "a.www.shop.example", "127.0.0.1"] {
        let refused = Client::secure(gateway.address("public"), &authority.client_config(), name).err().unwrap();
        assert!(refused.to_string().contains("shop.example"), "{name}: {refused}");
    }
    assert_eq!(upstream.last().value("x-forwarded-proto"), Some("https"));
    assert!(upstream.last().value("forwarded").unwrap().ends_with(";proto=https"));
}

#[test]
fn versions_are_those_that_are_allowed() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let both = gateway(&authority, &upstream, "");
    let newest = gateway(&authority, &upstream, ", min-version = \"1.3\"");
    for (version, is_old) in [(&TLS12, true), (&TLS13, false)] {
        let config = authority.believed(&["http/1.1"], &[version], None);
        let mut client = secure(&both, &config);
        assert_eq!(client.tls().protocol_version(), Some(version.version));
        assert_eq!(client.get("/x").text(), "ok");
        let connected = Client::secure(newest.address("public"), &config, "shop.example");
        assert_eq!(connected.is_err(), is_old, "{version:?}");
    }
    // A hello of TLS 1.1 is answered with a fatal alert.
    let hello = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 0x13, 1, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let mut client = both.client();
    client.send([&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat());
    let answer = client.rest();
    assert_eq!((answer.len(), answer[0], answer[5]), (7, 21, 2));
    until("failed handshakes are counted", || (both.counter("connections.failed-handshakes") == 1).then_some(()));
}

/// The answer's body on one stream, with windows that never close.
fn http2_body(client: Client, path: &str) -> Vec<u8> {
    let mut client = Http2::over(client, &[(4, 0x7fff_ffff)]);
    client.send(frame(kind::WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
    client.send(get(1, path));
    let mut body = Vec::new();
    loop {
        let frame = client.next(Duration::from_secs(20)).unwrap().expect("a frame");
        if frame.kind == kind::DATA {
            body.extend(frame.payload);
            if frame.flags & END_STREAM != 0 {
                return body;
            }
        }
    }
}

#[test]
fn the_protocol_is_agreed_on_and_answers_are_whole() {
    let authority = Authority::default();
    let body: Vec<u8> = (0..5_000_011_u32).map(|number| number.to_le_bytes()[1] ^ number.to_le_bytes()[0]).collect();
    let answer = [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
    let upstream = Upstream::start(move |_| Reply::Bytes(answer.clone()));
    let gateway = gateway(&authority, &upstream, "");
    for version in [&TLS12, &TLS13] {
        let config = |protocols| authority.believed(protocols, &[version], None);
        let mut client = secure(&gateway, &config(&["http/1.1"]));
        assert_eq!(client.tls().alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(client.get("/large").body == body, "over {version:?}");
        assert!(client.get("/large").body == body, "again over {version:?}");
        // The server's order counts: h2 first.
        let client = secure(&gateway, &config(&["http/1.1", "h2"]));
        assert_eq!(client.tls().alpn_protocol(), Some(&b"h2"[..]));
        assert!(http2_body(client, "/large") == body, "HTTP/2 over {version:?}");
    }
    // Who agrees on nothing speaks HTTP/1.1; who agrees on one protocol and speaks the other is cut off.
    let none = authority.believed(&[], rustls::DEFAULT_VERSIONS, None);
    assert_eq!(secure(&gateway, &none).get("/x").status, 200);
    let h2 = authority.believed(&["h2"], rustls::DEFAULT_VERSIONS, None);
    for (config, says) in [(h2, &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..]), (none, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    {
        let mut client = secure(&gateway, &config);
        client.send(says);
        assert_eq!(client.rest(), b"");
    }
    let other = authority.believed(&["spdy/3"], rustls::DEFAULT_VERSIONS, None);
    assert!(Client::secure(gateway.address("public"), &other, "shop.example").is_err());
}

#[test]
fn a_client_that_comes_back_resumes() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let gateway = gateway(&authority, &upstream, "");
    for version in [&TLS12, &TLS13] {
        let config = authority.believed(&["http/1.1"], &[version], None);
        let kinds = [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed];
        for expected in kinds {
            let mut client = secure(&gateway, &config);
            assert_eq!(client.tls().handshake_kind(), Some(expected), "{version:?}");
            // With the answer come the tickets.
            assert_eq!(client.get("/x").status, 200);
        }
    }
}

#[test]
fn clients_are_asked_for_certificates_and_plugins_learn_whose_they_are() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let (clients, strangers) = (Authority::default(), Authority::default());
    let chain = "chain = [{ plugin = \"transform\", config = { request = { set = { x-subject = \"${attribute.tls.subject}\", x-sans = \"${attribute.tls.sans}\" } } } }]";
    let start = |required: bool| {
        let client = format!("client = {{ ca = \"clients.pem\", required = {required} }}");
        let tls = format!("{chain}\ntls = {{ certificates = [{{ cert = \"a.pem\", key = \"a.key\" }}], {client} }}");
        let issued = authority.server(&["shop.example"]);
        let setup = Setup::new(&listener(&upstream, &tls)).plugin("transform").file("clients.pem", clients.pem());
        setup.file("a.pem", issued.cert).file("a.key", issued.key).start()
    };
    let (required, optional) = (start(true), start(false));
    let alice = clients.client("alice, \"the\" first", "spiffe://example/alice");
    let mallory = strangers.client("alice", "spiffe://example/alice");
    let subject = r#"CN=alice\, \"the\" first,O=Example"#;
    for version in [&TLS12, &TLS13] {
        let ask = |gateway: &TestGateway, own| -> Option<Response> {
            let config = authority.believed(&["http/1.1"], &[version], own);
            // With TLS 1.3 the refusal comes after the client's part of the handshake.
            let mut client = Client::secure(gateway.address("public"), &config, "shop.example").ok()?;
            client.send("GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n");
            client.response()
        };
        for gateway in [&required, &optional] {
            assert_eq!(ask(gateway, Some(&alice)).unwrap().status, 200);
            let received = upstream.last();
            assert_eq!(received.value("x-subject"), Some(subject));
            assert_eq!(received.value("x-sans"), Some(r#"["URI:spiffe://example/alice"]"#));
            assert!(ask(gateway, Some(&mallory)).is_none(), "{version:?}: signed by somebody else");
        }
        assert!(ask(&required, None).is_none(), "{version:?}: without a certificate");
        assert_eq!(ask(&optional, None).unwrap().status, 200);
        assert_eq!(upstream.last().value("x-subject").unwrap_or_default(), "");
        // What was proven once is known again.
        let config = authority.believed(&["http/1.1"], &[version], Some(&alice));
        for _ in 0..2 {
            assert_eq!(secure(&required, &config).get("/again").status, 200);
            assert_eq!(upstream.last().value("x-subject"), Some(subject));
        }
    }
}

#[test]
fn h7_a_handshake_has_the_time_of_a_head() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let gateway = {
        let tls = "timeouts = { header = \"300 ms\", idle = \"60 s\" }\ntls = { certificates = [{ cert = \"a.pem\", key = \"a.pem\" }] }";
        let pair = authority.server(&["shop.example"]).pair();
        Setup::new(&listener(&upstream, tls)).file("a.pem", pair).start()
    };
    for first in [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0, 1]] {
        let mut client = gateway.client();
        let start = Instant::now();
        client.send(first);
        assert!(client.is_closed_within(Duration::from_secs(10)));
        let taken = start.elapsed();
        assert!(taken >= Duration::from_millis(270) && taken < Duration::from_secs(4), "{first:?}: {taken:?}");
    }
    // After it, a connection may rest, and a head has its time again.
    let mut client = secure(&gateway, &authority.client_config());
    assert!(!client.is_closed_within(Duration::from_millis(900)));
    assert_eq!(client.get("/x").status, 200);
    client.send("GET / HT");
    let start = Instant::now();
    assert_eq!(client.rest(), b"");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn plain_http_on_a_port_of_https_is_told_so_and_a_full_listener_says_nothing() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let gateway = {
        let tls = "limits = { connections = 1 }\ntls = { certificates = [{ cert = \"a.pem\", key = \"a.pem\" }] }";
        let pair = authority.server(&["shop.example"]).pair();
        Setup::new(&listener(&upstream, tls)).file("a.pem", pair).start()
    };
    let mut plain = gateway.client();
    let answer = plain.get("/x");
    assert_eq!((answer.status, &*answer.text()), (400, "This port is for `https://` URLs\n"));
    assert_eq!(plain.rest(), b"");
    let mut held = until("the plain one is forgotten", || {
        let client = Client::secure(gateway.address("public"), &authority.client_config(), "shop.example").ok()?;
        Some(client)
    });
    assert_eq!(gateway.client().rest(), b"");
    assert_eq!(held.get("/x").status, 200);
    assert_eq!(upstream.received().len(), 1);
}

#[test]
fn every_answer_over_tls_has_hsts_and_plain_requests_are_sent_there() {
    let authority = Authority::default();
    let upstream = Upstream::start(|_| Reply::with("200 OK", "strict-transport-security: max-age=1\r\n", "ok"));
    let hsts = "hsts = { max-age = \"2 d\", include-subdomains = true }";
    let tls = format!("tls = {{ certificates = [{{ cert = \"a.pem\", key = \"a.pem\" }}], {hsts} }}");
    let plain = "[server]\ntrusted-proxies = [\"127.0.0.0/8\"]\n[[listener]]\nname = \"plain\"\naddress = \"127.0.0.1:0\"\nredirect-https = 8443\n";
    let config = format!("{}{plain}", listener(&upstream, &tls)).replace("prefix = \"/\"", "prefix = \"/shop\"");
    let gateway = Setup::new(&config).file("a.pem", authority.server(&["shop.example"]).pair()).start();
    let mut client = secure(&gateway, &authority.client_config());
    for (path, status) in [("/shop", 200), ("/none", 404), ("/%zz", 400)] {
        let answer = client.get(path);
        assert_eq!(answer.status, status, "{path}");
        let said: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "strict-transport-security")
            .map(|(_, value)| value)
            .collect();
        assert_eq!(said, ["max-age=172800; includeSubDomains"], "{path}");
    }
    let mut plain = Client::connect(gateway.address("plain"));
    let answer = plain.ask("POST /shop//a?b=c HTTP/1.1\r\nhost: shop.example:8080\r\ncontent-length: 2\r\n\r\nhi");
    assert_eq!((answer.status, answer.header("location")), (308, Some("https://shop.example:8443/shop/a?b=c")));
    assert!(answer.header("strict-transport-security").is_none());
    assert_eq!(plain.get("/none").header("location"), Some("https://shop.example:8443/none"));
    // A trusted proxy in front has taken it by HTTPS already.
    assert_eq!(plain.get_with("/shop", "x-forwarded-proto: https\r\n").status, 200);
    assert_eq!(upstream.received().len(), 2);
}
