//! HARDENING R1, R2 and R7 for certificates: new ones serve new connections, nobody is cut off, broken ones change nothing.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Authority, Client, TestGateway, Upstream};
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const TLS: &str = "tls = { certificates = [{ cert = \"a.pem\", key = \"a.key\" }] }";

fn config(upstream: &Upstream, keys: &str) -> String {
    upstream.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{keys}\n"))
}

/// The certificate that a new connection gets.
fn served(gateway: &TestGateway, authority: &Authority) -> CertificateDer<'static> {
    let client = Client::secure(gateway.address("public"), &authority.client_config(), "shop.example").unwrap();
    client.tls().peer_certificates().unwrap()[0].clone()
}

#[test]
fn r1_certificates_are_swapped_under_load_and_no_handshake_fails() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let pair = authority.server(&["shop.example"]).pair();
    let tls = TLS.replace("a.key", "a.pem");
    let gateway = Setup::new(&config(&upstream, &tls)).file("a.pem", pair).start();
    let address = gateway.address("public");
    let mut kept = Client::secure(address, &authority.client_config(), "shop.example").unwrap();
    assert_eq!(kept.get("/kept").status, 200);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (stop, asked, believes) = (Arc::clone(&stop), Arc::clone(&asked), authority.client_config());
            thread::spawn(move || {
                let mut failed = 0;
                while !stop.load(Ordering::Relaxed) {
                    // One half resumes over the swap, the other half does not try to.
                    let mut config = (*believes).clone();
                    if number % 2 == 0 {
                        config.resumption = rustls::client::Resumption::disabled();
                    }
                    let answer = Client::secure(address, &Arc::new(config), "shop.example").map(|mut client| {
                        client.send("GET /load HTTP/1.1\r\nhost: shop.example\r\n\r\n");
                        client.response()
                    });
                    if !matches!(answer, Ok(Some(response)) if response.status == 200) {
                        failed += 1;
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        })
        .collect();
    for _ in 0..10 {
        let next = authority.server(&["shop.example"]);
        let before = asked.load(Ordering::Relaxed);
        gateway.replace("a.pem", next.pair().as_bytes());
        until("the new certificate is served", || (served(&gateway, &authority) == next.der()).then_some(()));
        until("requests go on", || (asked.load(Ordering::Relaxed) > before + 20).then_some(()));
        assert_eq!(kept.get("/kept").status, 200, "R1: an open connection stays open");
    }
    stop.store(true, Ordering::Relaxed);
    let failed: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert_eq!(failed, 0, "R1: of {} handshakes", asked.load(Ordering::Relaxed));
    assert_eq!(gateway.counter("connections.failed-handshakes"), 0);
    assert_eq!(gateway.status()["reload"]["failed"], 0);
}

#[test]
fn r7_a_broken_pair_changes_nothing_and_is_told() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let (first, next) = (authority.server(&["shop.example"]), authority.server(&["shop.example"]));
    let text = config(&upstream, TLS);
    let gateway = Setup::new(&text).file("a.pem", &*first.cert).file("a.key", &*first.key).start();
    let broken: [(&str, &str, &[u8]); 4] = [
        ("key-mismatch", "a.key", next.key.as_bytes()),
        ("invalid-key", "a.key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"),
        ("invalid-certificate", "a.pem", first.key.as_bytes()),
        ("invalid-certificate", "a.pem", b""),
    ];
    for (number, (code, file, content)) in broken.iter().enumerate() {
        gateway.replace(file, content);
        let status = until("the mistake is told", || {
            Some(gateway.status()).filter(|status| status["reload"]["failed"] == number as u64 + 1)
        });
        let problem = &status["reload"]["problems"][0];
        assert_eq!((&problem["code"], &problem["line"]), (&(*code).into(), &8.into()), "R7: {problem}");
        assert_eq!(served(&gateway, &authority), first.der(), "R7: {code}");
        assert_eq!(status["reload"]["generation"], 1);
    }
    gateway.replace("a.key", next.key.as_bytes());
    gateway.replace("a.pem", next.cert.as_bytes());
    until("the whole pair is served", || (served(&gateway, &authority) == next.der()).then_some(()));
    assert_eq!(gateway.status()["reload"]["state"], "current");
}

#[test]
fn a_listener_takes_tls_and_gives_it_up_on_the_same_socket() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let pair = authority.server(&["shop.example"]).pair();
    let tls = TLS.replace("a.key", "a.pem");
    let gateway = Setup::new(&config(&upstream, "")).file("a.pem", pair).start();
    let address = gateway.address("public");
    let mut plain = gateway.client();
    assert_eq!(plain.get("/x").status, 200);
    gateway.configure(&config(&upstream, &tls));
    gateway.wait_for_generation(2);
    let mut secure = Client::secure(address, &authority.client_config(), "shop.example").unwrap();
    assert_eq!((secure.get("/x").status, plain.get("/x").status), (200, 200));
    assert_eq!(
        upstream.received().iter().filter(|request| request.value("x-forwarded-proto") == Some("https")).count(),
        1
    );
    gateway.configure(&config(&upstream, ""));
    gateway.wait_for_generation(3);
    assert_eq!(gateway.address("public"), address);
    assert_eq!((secure.get("/x").status, gateway.get("/x").status), (200, 200));
}

/// A client must not get in by what it proved to authorities that are no longer asked.
#[test]
fn who_resumes_has_proven_who_they_are_to_the_authorities_of_now() {
    let (authority, upstream) = (Authority::default(), Upstream::ok());
    let (before, after) = (Authority::default(), Authority::default());
    let tls = "tls = { certificates = [{ cert = \"a.pem\", key = \"a.pem\" }], client = { ca = \"clients.pem\" } }";
    let pair = authority.server(&["shop.example"]).pair();
    let gateway = Setup::new(&config(&upstream, tls)).file("a.pem", pair).file("clients.pem", before.pem()).start();
    let alice = before.client("alice", "spiffe://example/alice");
    let believes = authority.believed(&["http/1.1"], rustls::DEFAULT_VERSIONS, Some(&alice));
    for _ in 0..2 {
        let mut client = Client::secure(gateway.address("public"), &believes, "shop.example").unwrap();
        assert_eq!(client.get("/x").status, 200);
    }
    gateway.replace("clients.pem", after.pem().as_bytes());
    gateway.wait_for_generation(2);
    let again = Client::secure(gateway.address("public"), &believes, "shop.example").ok().and_then(|mut client| {
        client.send("GET /x HTTP/1.1\r\nhost: shop.example\r\n\r\n");
        client.response()
    });
    assert!(again.is_none());
}
