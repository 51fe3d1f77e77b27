//! Nobody gets what was made for somebody else; and what is in no key makes no difference to what is stored.

use crate::cache::{cached, told};
use crate::cache_collapse::{Gate, ask};
use gateway_tests::gateway::Setup;
use gateway_tests::service::handshake;
use gateway_tests::{Reply, TestGateway, Upstream};

/// A service that answers each consumer with its name.
fn personal(control: &'static str) -> Upstream {
    Upstream::start(move |request| {
        let consumer = request.value("x-consumer").unwrap_or("nobody").to_owned();
        Reply::with("200 OK", &format!("cache-control: {control}\r\n"), &consumer)
    })
}

/// A gateway that knows `ada` and `bob` by their keys.
fn identified(upstream: &Upstream, cache: &str) -> TestGateway {
    let config = format!(
        "{}chain = [\"api-key\"]\ncache = {cache}\n[plugin.api-key]\n\
         config = {{ keys = {{ ada = \"a\", bob = \"b\" }}, consumer-header = \"x-consumer\" }}\ngrants = {{ identity = true }}\n",
        upstream.config()
    );
    Setup::new(&config).plugin("api-key").start()
}

#[test]
fn consumers_never_get_each_others_answers() {
    for (control, cache, asked) in [
        // The service does not allow it: nothing is stored.
        ("max-age=1000", "true", 4),
        ("max-age=1000", "{ ttl = \"1 h\" }", 4),
        // Each has its own.
        ("max-age=1000", "{ share = \"consumer\" }", 2),
        ("max-age=1000, private", "{ share = \"consumer\" }", 4),
    ] {
        let upstream = personal(control);
        let gateway = identified(&upstream, cache);
        for (key, consumer) in [("a", "ada"), ("b", "bob"), ("a", "ada"), ("b", "bob")] {
            let answer = gateway.client().get_with("/", &format!("x-api-key: {key}\r\n"));
            assert_eq!(told(&answer).0, consumer, "{control}, {cache}");
        }
        assert_eq!(upstream.received().len(), asked, "{control}, {cache}");
        assert_eq!(gateway.get("/").status, 401, "{control}, {cache}");
    }
}

#[test]
fn consumers_share_what_is_said_to_be_shared() {
    for (control, cache) in [
        ("max-age=1000, public", "true"),
        ("s-maxage=1000", "true"),
        ("max-age=1000, must-revalidate", "true"),
        ("max-age=1000", "{ share = \"all\" }"),
    ] {
        let upstream = personal(control);
        let gateway = identified(&upstream, cache);
        for key in ["a", "b", "a"] {
            let answer = gateway.client().get_with("/", &format!("x-api-key: {key}\r\n"));
            assert_eq!(told(&answer).0, "ada", "{control}, {cache}");
        }
        assert_eq!(upstream.received().len(), 1, "{control}, {cache}");
        // Who is not let through gets nothing that is stored either.
        assert_eq!(gateway.get("/").status, 401, "{control}, {cache}");
    }
}

#[test]
fn consumers_that_ask_at_once_get_their_own() {
    let (gate, upstream) = Gate::before(|request| {
        Reply::with("200 OK", "cache-control: max-age=1000\r\n", request.value("x-consumer").unwrap_or("nobody"))
    });
    let gateway = identified(&upstream, "true");
    let keys = [("a", "ada"), ("b", "bob"), ("a", "ada"), ("b", "bob")];
    let asking = keys.map(|(key, consumer)| (ask(&gateway, "/", &format!("x-api-key: {key}\r\n")), consumer));
    gate.arrived(1);
    gate.open();
    for (asking, consumer) in asking {
        assert_eq!(told(&asking.join().unwrap()).0, consumer);
    }
    assert_eq!(upstream.received().len(), 4);
}

#[test]
fn authorization_that_nobody_has_checked_is_the_services_matter() {
    let upstream = Upstream::start(|request| {
        Reply::with("200 OK", "cache-control: max-age=1000\r\n", request.value("authorization").unwrap_or("nobody"))
    });
    for cache in ["true", "{ share = \"all\" }", "{ share = \"consumer\" }"] {
        let gateway = cached(&upstream, cache);
        for who in ["ada", "bob"] {
            let answer = gateway.client().get_with("/", &format!("authorization: {who}\r\n"));
            assert_eq!(told(&answer), (who.into(), "gateway; fwd=uri-miss".into()), "{cache}");
        }
        assert_eq!(told(&gateway.get("/")).0, "nobody", "{cache}");
    }
}

#[test]
fn what_is_in_no_key_reaches_no_stored_answer() {
    let upstream = Upstream::start(|request| {
        let told = ["x-forwarded-host", "x-forwarded-proto", "x-tenant", "cookie"]
            .map(|name| request.value(name).unwrap_or("-"));
        let body = String::from_utf8_lossy(&request.body);
        Reply::with("200 OK", "cache-control: max-age=1000\r\n", &format!("{} {told:?} {body}", request.target()))
    });
    let cache = "{ key = { query = [\"page\"], headers = [\"X-Tenant\"], cookies = [\"lang\"] } }";
    let gateway = cached(&upstream, cache);
    let mut client = gateway.client();
    // A body may say anything: it passes, and leaves nothing behind.
    let body = client.ask("GET / HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 4\r\n\r\nevil");
    assert_eq!(body.header("cache-status"), Some("gateway; fwd=bypass"));
    let clean = told(&client.get("/")).0;
    assert!(!clean.contains("evil"), "{clean}");

    let evil = "x-forwarded-host: evil.example\r\nx-forwarded-proto: evil\r\nforwarded: host=evil.example\r\n";
    let poisoned = told(&client.get_with("/?evil=1&page=2&%65vil=3", evil)).0;
    assert!(poisoned.starts_with("/?page=2 [\"shop.example\", \"http\""), "{poisoned}");
    assert_eq!(told(&client.get("/?page=2&utm=7")).0, poisoned, "what does not count makes no difference");

    let count = upstream.received().len();
    for (fields, stored) in [
        ("x-tenant: a\r\n", 1),
        ("x-tenant: b\r\n", 2),
        ("x-tenant: a\r\nx-other: c\r\n", 2),
        ("cookie: x=1; lang=de\r\n", 3),
        ("cookie: lang=en\r\n", 4),
        ("cookie: lang=de; x=2\r\n", 4),
    ] {
        assert_eq!(client.get_with("/", fields).status, 200);
        assert_eq!(upstream.received().len() - count, stored, "{fields}");
    }
}

#[test]
fn behind_a_proxy_that_is_believed_what_it_tells_is_in_the_key() {
    let upstream = Upstream::start(|request| {
        Reply::with("200 OK", "cache-control: max-age=1000\r\n", request.value("x-forwarded-host").unwrap_or("-"))
    });
    let config = format!("[server]\ntrusted-proxies = [\"127.0.0.0/8\"]\n{}cache = true\n", upstream.config());
    let gateway = TestGateway::start(&config);
    for host in ["one.example", "two.example", "one.example"] {
        let answer = gateway.client().get_with("/", &format!("x-forwarded-host: {host}\r\n"));
        assert_eq!(told(&answer).0, host);
    }
    assert_eq!(upstream.received().len(), 2);
}

#[test]
fn a_websocket_handshake_is_never_stored_nor_answered_from_the_store() {
    let upstream = Upstream::start(|_| Reply::with("200 OK", "cache-control: max-age=1000\r\n", "no socket here"));
    let gateway = TestGateway::start(&format!("{}websocket = true\ncache = true\n", upstream.config()));
    for asked in 1..=2 {
        let answer = gateway.client().ask(handshake("/", ""));
        assert_eq!(answer.header("cache-status"), Some("gateway; fwd=bypass"));
        assert_eq!(upstream.received().len(), asked);
    }
    // Neither has the one like it left anything, nor does it find anything.
    assert_eq!(told(&gateway.get("/")).1, "gateway; fwd=uri-miss; stored");
    let _ = gateway.client().ask(handshake("/", ""));
    assert_eq!(upstream.received().len(), 4);
}
