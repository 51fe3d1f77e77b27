//! Clients that leave in the middle of a request take what they held with them; what they left unread or unsaid harms nobody.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, Upstream};
use std::process::Command;
use std::time::Duration;

#[test]
fn a_client_that_leaves_during_its_request_gives_everything_back() {
    let upstream = Upstream::ok();
    // One connection, nobody waits: whatever is not given back is felt at once.
    let config = upstream
        .config()
        .replace("[upstream.service]\n", "[upstream.service]\nlimits = { connections = 1, pending = 0 }\n");
    let config = config.replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [\"phases\"]\n");
    let gateway = Setup::new(&config).plugin("phases").start();
    for request in [
        "GET / HTT",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhal",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhal",
        "POST / HTTP/1.1\r\nhost: a\r\nx-phases: request-body\r\ncontent-length: 10\r\n\r\nhal",
    ] {
        let mut client = gateway.client();
        client.send(request);
        std::thread::sleep(Duration::from_millis(100));
        socket2::SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        until(&format!("all is given back after {request:?}"), || (gateway.get("/").status == 200).then_some(()));
        assert_eq!(upstream.last().line(), "GET / HTTP/1.1");
    }
}

#[test]
fn a_connection_goes_on_only_where_its_next_request_is_certain() {
    let upstream = Upstream::ok();
    let closed = "[[route]]\nname = \"closed\"\nmatch = { path = \"/closed\" }\nrespond = { status = 403 }\n";
    let gateway = Setup::new(&format!("{}{closed}", upstream.config())).start();
    let next = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";
    for (request, statuses) in [
        ("POST /closed HTTP/1.1\r\nhost: a\r\ncontent-length: 38\r\n\r\n".to_owned(), "403"),
        ("POST /closed HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 38\r\n\r\n".to_owned(), "403"),
        (
            "POST /closed HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned(),
            "403 200",
        ),
        ("GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "400"),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(9000)), "414 200"),
        ("HEAD /next HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "200 200"),
    ] {
        let mut client = gateway.client();
        client.send(format!("{request}{next}"));
        client.half_close();
        let answers = String::from_utf8(client.rest()).unwrap();
        let seen: Vec<_> = answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
        let seen = seen.join(" ");
        assert!(
            seen == statuses || statuses.starts_with(&seen) && !seen.is_empty(),
            "{request:?}: {seen}, not {statuses}"
        );
    }
    // Bytes of a body were never taken for a request.
    assert!(upstream.received().iter().all(|request| request.target() == "/next"));
}

#[test]
fn a_head_answer_of_unknown_length_claims_none() {
    let upstream = Upstream::start(|_| Reply::Bytes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()));
    let gateway = Setup::new(&upstream.config()).start();
    let mut client = gateway.client();
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("content-length"), "{answer}");
}

#[test]
fn f7_without_descriptors_it_waits_and_goes_on() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&upstream.config()).start();
    let limited = Command::new("prlimit").args(["--pid", &gateway.id().to_string(), "--nofile=64:64"]).status();
    assert!(limited.unwrap().success());
    let address = gateway.address("public");
    let hogs: Vec<_> = (0..100).map(|_| Client::connect(address)).collect();
    until("descriptors run out", || gateway.log().contains("could not be accepted").then_some(()));
    let before = ticks(gateway.id());
    std::thread::sleep(Duration::from_secs(1));
    assert!(ticks(gateway.id()) - before < 30, "it spins");
    drop(hogs);
    assert_eq!(gateway.get("/").status, 200);
}

/// Hundredths of a second of processor time.
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
