//! Endpoints that are found: in DNS and in a file, which change, fail and come back while clients go on.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Answer, Dns, Reply, TestGateway, Upstream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A gateway whose upstream, `service`, has these lines.
pub(crate) fn config(lines: &str) -> String {
    format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\n{lines}\n\
         [[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"service\"\n"
    )
}

/// The same with a DNS server of the test's own.
fn config_with(dns: &Dns, lines: &str) -> String {
    format!("[server]\nresolver = [\"{}\"]\n{}", dns.address(), config(lines))
}

/// An upstream that answers with its own word.
pub(crate) fn named(name: &'static str) -> Upstream {
    Upstream::start(move |_| Reply::ok(name))
}

/// `one` and `two`, on two addresses with the same port.
fn two_addresses(reply: fn(&str) -> Reply) -> (Upstream, Upstream, u16) {
    until("a port that is free on both addresses", || {
        let one = TcpListener::bind((ONE, 0)).ok()?;
        let port = one.local_addr().ok()?.port();
        let two = TcpListener::bind((TWO, port)).ok()?;
        Some((Upstream::on(one, move |_| reply("one")), Upstream::on(two, move |_| reply("two")), port))
    })
}

/// How often each body came.
pub(crate) fn bodies(gateway: &TestGateway, requests: usize) -> BTreeMap<String, usize> {
    let mut client = gateway.client();
    let mut seen = BTreeMap::new();
    for _ in 0..requests {
        let answer = client.get("/");
        *seen.entry(if answer.status == 200 { answer.text() } else { answer.status.to_string() }).or_default() += 1;
    }
    seen
}

/// Waits until just these answer, each as often.
pub(crate) fn until_only(gateway: &TestGateway, names: &[&str]) {
    let expected: BTreeMap<_, _> = names.iter().map(|name| ((*name).to_owned(), 4)).collect();
    until(&format!("{names:?} answer"), || (bodies(gateway, 4 * names.len()) == expected).then_some(()));
}

pub(crate) fn discovery(gateway: &TestGateway) -> Value {
    gateway.status()["upstreams"]["service"]["discovery"].clone()
}

/// Waits until there is an error that says this, or none.
pub(crate) fn until_error(gateway: &TestGateway, says: Option<&str>) {
    until(&format!("the error is {says:?}"), || match (discovery(gateway)["error"].as_str(), says) {
        (None, None) => Some(()),
        (Some(error), Some(says)) => error.contains(says).then_some(()),
        _ => None,
    });
}

pub(crate) fn connections(upstream: &Upstream) -> usize {
    upstream.received().iter().map(|request| request.connection).collect::<BTreeSet<_>>().len()
}

#[test]
fn f5_the_last_good_answer_of_dns_is_kept() {
    let dns = Dns::start();
    let (one, two, port) = two_addresses(Reply::ok);
    dns.say("orders.test", Answer::Addresses(vec![ONE]));
    let lines = format!("discover = {{ dns = \"orders.test:{port}\" }}");
    let gateway = Setup::new(&config_with(&dns, &lines)).argument("--threads=1").start();
    until_only(&gateway, &["one"]);
    assert_eq!(one.last().value("host"), Some(format!("orders.test:{port}").as_str()));
    let status = discovery(&gateway);
    assert_eq!((&status["source"], &status["error"]), (&format!("dns orders.test:{port}").into(), &Value::Null));
    assert!(status["since"].as_u64().is_some_and(|since| since > 1_700_000_000));

    dns.say("orders.test", Answer::Addresses(vec![TWO, ONE]));
    until_only(&gateway, &["one", "two"]);

    dns.say("orders.test", Answer::Failure);
    until_error(&gateway, Some("`orders.test` is not resolved"));
    until_only(&gateway, &["one", "two"]);
    // What is kept is handed on to another generation.
    gateway.configure(&config_with(&dns, &format!("{lines}\nbalance = \"least-request\"")));
    gateway.wait_for_generation(2);
    assert_eq!(bodies(&gateway, 20).keys().collect::<Vec<_>>(), ["one", "two"]);
    dns.say("orders.test", Answer::NoSuchName);
    until_error(&gateway, Some("`orders.test` has no record"));
    assert_eq!(bodies(&gateway, 20).keys().collect::<Vec<_>>(), ["one", "two"]);
    dns.say("orders.test", Answer::Addresses(Vec::new()));
    let asked = dns.asked("orders.test");
    until("it is asked again", || (dns.asked("orders.test") > asked + 1).then_some(()));
    assert_eq!(bodies(&gateway, 20).keys().collect::<Vec<_>>(), ["one", "two"]);

    dns.say("orders.test", Answer::Addresses(vec![TWO]));
    until_error(&gateway, None);
    until_only(&gateway, &["two"]);
    assert_eq!((connections(&one), connections(&two)), (1, 1), "who stays keeps its connection");
    let log = gateway.log();
    assert!(log.contains("are found again") && log.matches("are not found").count() <= 4, "{log}");
}

#[test]
fn srv_records_say_ports_weights_and_priorities() {
    let dns = Dns::start();
    let [a, b, spare] = ["a", "b", "spare"].map(named);
    let port = |upstream: &Upstream| upstream.address().port();
    for name in ["a.test", "b.test", "spare.test"] {
        dns.say(name, Answer::Addresses(vec![ONE]));
    }
    let spared = (10, 1, port(&spare), "spare.test");
    let both = vec![(0, 30_000, port(&a), "a.test"), (0, 10_000, port(&b), "b.test"), spared];
    dns.say("_http._tcp.orders.test", Answer::Services(both));
    let gateway = TestGateway::start(&config_with(&dns, "discover = { srv = \"_http._tcp.orders.test\" }"));
    // 100 to 33.
    let seen = bodies(&gateway, 133);
    assert_eq!(seen, BTreeMap::from([("a".to_owned(), 100), ("b".to_owned(), 33)]));
    assert_eq!(a.last().value("host"), Some(format!("a.test:{}", port(&a)).as_str()));
    // The records stay, the targets' addresses fail: those are kept as well.
    dns.say("a.test", Answer::Failure);
    let asked = dns.asked("a.test");
    until("a target is asked for again", || (dns.asked("a.test") > asked + 1).then_some(()));
    assert_eq!(bodies(&gateway, 133), seen);
    dns.say("_http._tcp.orders.test", Answer::Services(vec![spared]));
    until_only(&gateway, &["spare"]);
    dns.say("_http._tcp.orders.test", Answer::Failure);
    until_error(&gateway, Some("_http._tcp.orders.test"));
    until_only(&gateway, &["spare"]);
}

#[test]
fn f5_a_written_name_is_resolved_off_the_request_path_and_kept() {
    let dns = Dns::start();
    // Each request takes a new connection.
    let (_one, _two, port) = two_addresses(|name| {
        Reply::Close(format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\n{name}").into_bytes())
    });
    dns.say("orders.test", Answer::Addresses(vec![ONE]));
    let gateway = TestGateway::start(&config_with(&dns, &format!("endpoints = [\"http://orders.test:{port}\"]")));
    assert_eq!(bodies(&gateway, 1), BTreeMap::from([("one".to_owned(), 1)]), "the first request already");
    dns.say("orders.test", Answer::Failure);
    until_error(&gateway, Some("`orders.test` is not resolved"));
    until_only(&gateway, &["one"]);
    assert_eq!(discovery(&gateway)["source"], "fixed");
    dns.say("orders.test", Answer::Addresses(vec![TWO]));
    until_only(&gateway, &["two"]);
    until_error(&gateway, None);
}

#[test]
fn a_name_that_was_never_resolved_is_503_and_is_asked_for_until_it_is() {
    let dns = Dns::start();
    let (_one, _two, port) = two_addresses(Reply::ok);
    let discover = format!("discover = {{ dns = \"orders.test:{port}\" }}");
    let gateway = TestGateway::start(&config_with(&dns, &discover));
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.header("proxy-status")), (503, Some("gateway; error=destination_unavailable")));
    assert_eq!(discovery(&gateway)["since"], Value::Null);
    dns.say("orders.test", Answer::Addresses(vec![ONE]));
    until_only(&gateway, &["one"]);
}

/// A file of endpoints.
fn listed(upstreams: &[&Upstream]) -> String {
    let urls: Vec<_> = upstreams.iter().map(|upstream| format!("\"{}\"", upstream.url())).collect();
    format!("endpoints = [\n{}\n]\n", urls.join(",\n"))
}

#[test]
fn a_file_changes_breaks_and_is_put_right() {
    let (one, two) = (named("one"), named("two"));
    let setup = Setup::new(&config("discover = { file = \"orders.toml\" }"));
    let gateway = setup.file("orders.toml", listed(&[&one])).argument("--threads=1").start();
    until_only(&gateway, &["one"]);
    gateway.replace("orders.toml", listed(&[&one, &two]).as_bytes());
    until_only(&gateway, &["one", "two"]);
    // Written in place, in two steps.
    let text = listed(&[&two]);
    fs::write(gateway.path("orders.toml"), &text[..text.len() / 2]).unwrap();
    until_error(&gateway, Some("orders.toml: "));
    until_only(&gateway, &["one", "two"]);
    fs::write(gateway.path("orders.toml"), text).unwrap();
    until_error(&gateway, None);
    until_only(&gateway, &["two"]);
    for (broken, says) in [
        ("", "`endpoints` is missing"),
        ("endpoints = []", "1:13: this list must not be empty"),
        ("endpoints = [\"ftp://a\"]", "1:14: `ftp` is no scheme"),
    ] {
        gateway.replace("orders.toml", broken.as_bytes());
        until_error(&gateway, Some(says));
        until_only(&gateway, &["two"]);
    }
    fs::remove_file(gateway.path("orders.toml")).unwrap();
    until_error(&gateway, Some("cannot be read"));
    until_only(&gateway, &["two"]);
    gateway.replace("orders.toml", listed(&[&one]).as_bytes());
    until_only(&gateway, &["one"]);
    assert_eq!(connections(&two), 1, "over all of it");
    assert_eq!(gateway.status()["reload"]["generation"], 1, "no reload was needed");
}

#[test]
fn a_file_is_followed_over_a_symlink() {
    let (one, two) = (named("one"), named("two"));
    let setup = Setup::new(&config("discover = { file = \"current/orders.toml\" }"));
    let setup = setup.file("v1/orders.toml", listed(&[&one])).file("v2/orders.toml", listed(&[&two]));
    let gateway = setup.link("current", "v1").start();
    until_only(&gateway, &["one"]);
    std::os::unix::fs::symlink("v2", gateway.path("next")).unwrap();
    fs::rename(gateway.path("next"), gateway.path("current")).unwrap();
    until_only(&gateway, &["two"]);
}

#[test]
fn who_stays_stays_ejected() {
    let (one, two) = (named("one"), named("two"));
    let ill = Upstream::start(|_| Reply::with("503 Service Unavailable", "", "ill"));
    let state = |gateway: &TestGateway, upstream: &Upstream| {
        let endpoints = gateway.status()["upstreams"]["service"]["endpoints"].clone();
        let known =
            endpoints.as_array().unwrap().iter().find(|known| known["endpoint"] == upstream.address().to_string());
        known.map(|known| known["state"].as_str().unwrap().to_owned())
    };
    let setup = Setup::new(&config("discover = { file = \"orders.toml\" }\noutliers = { failures = 1 }"));
    let gateway = setup.file("orders.toml", listed(&[&one, &ill])).start();
    until("one is ejected", || {
        let _ = bodies(&gateway, 2);
        (state(&gateway, &ill)? == "ejected").then_some(())
    });
    gateway.replace("orders.toml", listed(&[&ill, &two, &one]).as_bytes());
    until_only(&gateway, &["one", "two"]);
    assert_eq!(state(&gateway, &ill).as_deref(), Some("ejected"));
    gateway.replace("orders.toml", listed(&[&two]).as_bytes());
    until("it is gone", || state(&gateway, &ill).is_none().then_some(()));
}

#[test]
fn who_comes_is_checked() {
    let good = named("good");
    let ill = Upstream::start(|request| match request.target() {
        "/health" => Reply::with("500 Internal Server Error", "", ""),
        _ => Reply::ok("ill"),
    });
    let health = "health = { path = \"/health\", interval = \"50 ms\", unhealthy = 2 }";
    let setup = Setup::new(&config(&format!("discover = {{ file = \"orders.toml\" }}\n{health}")));
    let gateway = setup.file("orders.toml", listed(&[&good])).start();
    until_only(&gateway, &["good"]);
    gateway.replace("orders.toml", listed(&[&good, &ill]).as_bytes());
    until("it is found, checked and down", || {
        let status = gateway.status();
        let endpoints = status["upstreams"]["service"]["endpoints"].as_array()?;
        endpoints.iter().any(|endpoint| endpoint["state"] == "down").then_some(())
    });
    until_only(&gateway, &["good"]);
}
