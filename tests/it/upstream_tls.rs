//! Services over TLS. The service is another gateway, with a certificate of its own and a plain upstream behind it.

use gateway_tests::gateway::Setup;
use gateway_tests::tls::Issued;
use gateway_tests::wait::until;
use gateway_tests::{Answer, Authority, Dns, Reply, TestGateway, Upstream};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};

/// A service over TLS with this certificate; `more` stands in its `tls`.
fn service(behind: &Upstream, issued: &Issued, more: &str) -> Setup {
    let tls = format!("tls = {{ certificates = [{{ cert = \"a.pem\", key = \"a.key\" }}]{more} }}");
    let config = behind.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{tls}\n"));
    Setup::new(&config).file("a.pem", &*issued.cert).file("a.key", &*issued.key)
}

/// A gateway whose upstream is that service; `more` stands in the upstream.
fn before(service: &TestGateway, more: &str) -> Setup {
    Setup::new(&format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\n\
         endpoints = [\"https://{}\"]\n{more}\n[[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\n\
         upstream = \"service\"\n",
        service.address("public")
    ))
}

#[test]
fn a_service_is_spoken_to_over_tls_by_either_protocol() {
    let body: String = ('a'..='z').cycle().take(3 << 20).collect();
    let long = body.clone();
    let behind = Upstream::start(move |request| match request.target() {
        "/long" => Reply::ok(&long),
        _ => Reply::ok("ok"),
    });
    let authority = Authority::default();
    let service = service(&behind, &authority.server(&["shop.example"]), "").start();
    for protocol in ["http1", "http2"] {
        let more = format!("protocol = \"{protocol}\"\ntls = {{ ca = \"ca.pem\", server-name = \"shop.example\" }}");
        let gateway = before(&service, &more).file("ca.pem", authority.pem()).start();
        let mut client = gateway.client();
        assert_eq!(client.get("/short").text(), "ok", "{protocol}");
        assert!(client.get("/long").text() == body, "{protocol}");
        let posted =
            client.ask(format!("POST /up HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        assert_eq!((posted.status, behind.last().body.len()), (200, body.len()), "{protocol}");
        let chunked =
            client.ask("POST /up HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(chunked.status, 200, "{protocol}");
        assert!(behind.last().value("forwarded").unwrap().contains("proto=https"), "{protocol}");
    }
}

#[test]
fn a_certificate_that_is_not_good_is_502_and_named() {
    let (behind, authority, other) = (Upstream::ok(), Authority::default(), Authority::default());
    let service = service(&behind, &authority.server(&["shop.example"]), "").start();
    for (ca, name) in [(&other, "shop.example"), (&authority, "other.example")] {
        let more = format!("tls = {{ ca = \"ca.pem\", server-name = \"{name}\" }}");
        let gateway = before(&service, &more).file("ca.pem", ca.pem()).start();
        let answer = gateway.get("/");
        assert_eq!(answer.status, 502, "{name}");
        assert_eq!(answer.header("proxy-status"), Some("gateway; error=tls_certificate_error"), "{name}");
    }
    // Nor is one that the system does not know.
    let gateway = before(&service, "tls = { server-name = \"shop.example\" }").start();
    assert_eq!(gateway.get("/").header("proxy-status"), Some("gateway; error=tls_certificate_error"));
}

#[test]
fn a_service_that_speaks_no_tls_is_502_and_named() {
    let authority = Authority::default();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let config = format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\nendpoints = [\"https://{}\"]\n\
         tls = {{ ca = \"ca.pem\" }}\n[[route]]\nname = \"all\"\nupstream = \"service\"\n",
        address
    );
    let gateway = Setup::new(&config).file("ca.pem", authority.pem()).start();
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.header("proxy-status")), (502, Some("gateway; error=tls_protocol_error")));
}

#[test]
fn our_own_certificate_is_shown_to_a_service_that_asks() {
    let (behind, authority, clients) = (Upstream::ok(), Authority::default(), Authority::default());
    let issued = authority.server(&["shop.example"]);
    let service =
        service(&behind, &issued, ", client = { ca = \"clients.pem\" }").file("clients.pem", clients.pem()).start();
    let own = clients.client("gateway", "spiffe://example/gateway");
    for (protocol, shown) in [("http1", true), ("http2", true), ("http1", false)] {
        let client = if shown { ", client = { cert = \"own.pem\", key = \"own.key\" }" } else { "" };
        let more =
            format!("protocol = \"{protocol}\"\ntls = {{ ca = \"ca.pem\", server-name = \"shop.example\"{client} }}");
        let setup = before(&service, &more).file("ca.pem", authority.pem());
        let gateway = setup.file("own.pem", &*own.cert).file("own.key", &*own.key).start();
        assert_eq!(gateway.get("/").status, if shown { 200 } else { 502 }, "{protocol}");
    }
}

#[test]
fn a_found_endpoint_is_spoken_to_over_tls_by_the_name_it_was_found_by() {
    let (behind, authority) = (Upstream::ok(), Authority::default());
    let service = service(&behind, &authority.server(&["orders.test"]), "").start();
    let address = service.address("public");
    let dns = Dns::start();
    dns.say("orders.test", Answer::Addresses(vec![Ipv4Addr::LOCALHOST]));
    dns.say("others.test", Answer::Addresses(vec![Ipv4Addr::LOCALHOST]));
    let config = |discover: &str, tls: &str| {
        format!(
            "[server]\nresolver = [\"{}\"]\n[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\n\
             discover = {discover}\n{tls}\n[[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"service\"\n",
            dns.address()
        )
    };
    let start = |config: &str, endpoints: &str| {
        Setup::new(config).file("ca.pem", authority.pem()).file("endpoints.toml", endpoints).start()
    };
    // By DNS: the certificate has to be the name's, not the address's.
    let by_dns =
        |name: &str| config(&format!("{{ dns = \"{name}:{}\" }}", address.port()), "tls = { ca = \"ca.pem\" }");
    let gateway = start(&by_dns("orders.test"), "");
    until("it is found", || (gateway.get("/").status == 200).then_some(()));
    let gateway = start(&by_dns("others.test"), "");
    until("it is found, and is somebody else", || {
        (gateway.get("/").header("proxy-status") == Some("gateway; error=tls_certificate_error")).then_some(())
    });
    // By a file, which says itself where TLS is spoken.
    let by_file = config("{ file = \"endpoints.toml\" }", "tls = { ca = \"ca.pem\", server-name = \"orders.test\" }");
    let gateway = start(&by_file, &format!("endpoints = [\"https://{address}\"]\n"));
    until("it is found", || (gateway.get("/").status == 200).then_some(()));
}
