//! HARDENING W1 to W13 for components of `wasi:http`: what hostile or misplaced ones cost, and whom.

use crate::wasi_http::{plugin, plugin_instances, post, served, setup};
use gateway_tests::gateway::Setup;
use gateway_tests::http2::{END_HEADERS, END_STREAM, Http2, block, frame, kind};
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, Upstream};
use std::thread;
use std::time::Duration;

#[test]
fn w9_a_service_that_is_not_granted_is_not_called() {
    let upstream = Upstream::ok();
    let config = upstream.config()
        + r#"
[plugin.proxy]
grants = { http = ["http://127.0.0.1:1"] }
[[route]]
name = "proxy"
match = { prefix = "/proxy" }
answer = "proxy"
"#;
    let gateway = Setup::new(&config).plugin("proxy").start();
    let response = gateway.client().get_with("/proxy", "x-do: fetch\r\n");
    assert_eq!(response.text(), "ErrorCode::HttpRequestDenied", "W9");
    assert_eq!(gateway.counter("plugin.proxy.denied"), 1, "W9");
    assert!(upstream.received().is_empty());
    // What it prints is in the log, a line each.
    gateway.client().get_with("/proxy", "x-do: say\r\n");
    until("both lines are logged", || {
        let log = gateway.log();
        (log.contains("a line of the guest's") && log.contains("and no end of another")).then_some(())
    });
}

#[test]
fn w1_w2_w5_hostile_components_cost_their_own_request() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let mut client = gateway.client();
    for (path, what) in [
        ("/around", "loop"),
        ("/around", "host-loop"),
        ("/around", "memory"),
        ("/around", "trap"),
        ("/around", "trap-after"),
        ("/around", "error"),
        ("/service", "loop"),
        ("/service", "trap"),
        ("/proxy", "loop"),
        ("/proxy", "memory"),
        ("/proxy", "trap"),
    ] {
        let response = client.get_with(path, &format!("x-do: {what}\r\n"));
        assert_eq!(response.status, 503, "W1, W2, W5: {what} on {path}");
        assert_eq!(client.ask(post(path, "", "ok")).text(), "ok", "W5: after {what} on {path}");
    }
    assert_eq!(plugin(&gateway, "middleware", "cpu_exceeded"), 2);
    assert_eq!(plugin(&gateway, "middleware", "traps"), 3);
    assert_eq!(plugin(&gateway, "middleware", "bad_output"), 1);
    assert_eq!(plugin(&gateway, "proxy", "traps"), 2);
    assert_eq!(plugin(&gateway, "proxy", "cpu_exceeded"), 1);
}

#[test]
fn w5_what_was_cut_never_looks_whole() {
    let upstream = Upstream::start(|_| {
        Reply::Trickle(
            vec![
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n".to_vec(),
                b"3\r\ntwo\r\n".to_vec(),
                b"5\r\nthree\r\n".to_vec(),
                b"0\r\n\r\n".to_vec(),
            ],
            Duration::from_millis(20),
        )
    });
    let gateway = served(&upstream);
    for path in ["/around", "/proxy"] {
        let mut client = gateway.client();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\nx-do: trap-later\r\n\r\n"));
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "W5: {answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "W5: {path}: {answer}");
    }
    assert_eq!(plugin(&gateway, "middleware", "traps"), 1, "W5");
    assert_eq!(plugin(&gateway, "proxy", "traps"), 1, "W5");
}

#[test]
fn a_middleware_that_failed_is_skipped_while_nothing_was_done() {
    let upstream = Upstream::start(|_| Reply::ok("ok"));
    let gateway = setup(&upstream, "on_error = \"skip\"").start();
    let mut client = gateway.client();
    let response = client.ask(post("/around", "x-do: trap\r\n", "a body"));
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    assert_eq!(upstream.last().body, b"a body");
    // The service has had this one: it is not asked once more.
    let response = client.ask(post("/around", "x-do: trap-after\r\n", "a body"));
    assert_eq!(response.status, 503);
    assert_eq!(upstream.received().len(), 2);
}

#[test]
fn a_deadline_ends_a_call_and_not_its_neighbours() {
    let upstream = Upstream::ok();
    let gateway = setup(&upstream, "limits = { wall = \"300 ms\" }").start();
    let address = gateway.address("public");
    let waiting = thread::spawn(move || Client::connect(address).get_with("/around", "x-do: wait\r\n").status);
    let mut client = gateway.client();
    while !waiting.is_finished() {
        assert_eq!(client.get("/around").status, 200);
    }
    assert_eq!(waiting.join().unwrap(), 503);
    assert_eq!(plugin(&gateway, "middleware", "wall_exceeded"), 1);
}

#[test]
fn a_component_in_the_wrong_place_is_told_the_right_one() {
    let upstream = Upstream::ok();
    for (route, code, text) in [
        ("chain = [\"service\"]\nupstream = \"service\"", "not-a-link", "name it in `answer`"),
        ("answer = \"middleware\"", "not-an-answer", "name it in a `chain`"),
        ("answer = { plugin = \"service\", config = { a = 1 } }", "plugin-configure", "leave out `config`"),
    ] {
        let granted = "[plugin.middleware]\ngrants = { http = [\"service\"] }\n";
        let route = format!("[[route]]\nname = \"wrong\"\nmatch = {{ path = \"/wrong\" }}\n{route}\n");
        let granted = if code == "not-an-answer" { granted } else { "" };
        let config = upstream.config() + granted + &route;
        let mut gateway = Setup::new(&config).plugin("service").plugin("middleware").launch();
        assert_eq!(gateway.exit_code(), Some(2), "{code}");
        let log = gateway.log();
        assert!(
            log.contains(&format!("error[{code}]")) && log.contains(text) && log.contains("gateway.toml:"),
            "{log}"
        );
    }
}

#[test]
fn w8_w13_places_are_bounded_and_given_back_by_who_goes_away() {
    let upstream = Upstream::ok();
    // One thread and one instance more: 32 requests of 0.3 at a time.
    let gateway = setup(&upstream, "limits = { waiting = 1 }").argument("--threads=1").start();
    // By HTTP/2: that a client of HTTP/1.1 has gone is seen when it is written to.
    let mut leaving = Http2::connect(gateway.address("public"), &[]);
    let what = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/around"), ("x-do", "wait")];
    for number in 0..40 {
        leaving.send(frame(kind::HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &block(&what)));
    }
    until("the plugin is full", || (plugin(&gateway, "middleware", "refused_full") > 0).then_some(()));
    assert!(plugin_instances(&gateway) <= 2, "W8");
    let mut client = gateway.client();
    assert_eq!(client.get("/around").status, 503, "W8");
    assert_eq!(client.ask(post("/proxy", "", "ok")).text(), "ok", "W8: another plugin");
    drop(leaving);
    until("its places are free", || (client.get("/around").status == 200).then_some(()));
}

#[test]
fn a_component_of_0_2_streams_for_longer_than_its_deadline() {
    let upstream = Upstream::ok();
    let config = upstream.config()
        + "[plugin.proxy]\ngrants = { http = [\"service\"] }\nlimits = { wall = \"200 ms\" }\n\
           [[route]]\nname = \"proxy\"\nmatch = { prefix = \"/proxy\" }\nanswer = \"proxy\"\n";
    let gateway = Setup::new(&config).plugin("proxy").start();
    let mut client = gateway.client();
    client.send("POST /proxy HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    for _ in 0..6 {
        client.send("3\r\nabc\r\n");
        thread::sleep(Duration::from_millis(100));
    }
    client.send("0\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(answer.matches("abc").count(), 6, "{answer}");
}

#[test]
fn w6_an_instance_of_wasi_http_is_one_configurations_and_fresh_where_asked() {
    let upstream = Upstream::ok();
    let other =
        "[[route]]\nname = \"other\"\nmatch = { prefix = \"/other\" }\nchain = [\"second\"]\nupstream = \"service\"\n";
    let second = "[plugin.second]\nfile = \"middleware.wasm\"\ngrants = { http = [\"service\"] }\n";
    let served = |client: &mut Client, path: &str| client.get(path).header("x-served").map(str::to_owned);
    let shared = setup(&upstream, &format!("{second}{other}")).argument("--threads=1").start();
    let mut client = shared.client();
    let counts: Vec<_> = (0..3).map(|_| served(&mut client, "/around")).collect();
    assert_eq!(counts, ["1", "2", "3"].map(|count| Some(count.to_owned())));
    assert_eq!(served(&mut client, "/other").as_deref(), Some("1"), "W6: state crossed from one plugin to another");
    let fresh = setup(&upstream, "isolation = \"request\"").argument("--threads=1").start();
    let mut client = fresh.client();
    for _ in 0..5 {
        assert_eq!(served(&mut client, "/around").as_deref(), Some("1"), "W6: a fresh instance remembers");
    }
}

/// A million of each kind are called by hand.
#[test]
fn w7_instances_of_wasi_http_are_replaced_and_leak_nothing() {
    let upstream = Upstream::ok();
    let chain = vec!["\"middleware\""; 16].join(", ");
    let route = format!(
        "[[route]]\nname = \"many\"\nmatch = {{ prefix = \"/many\" }}\nchain = [{chain}]\nanswer = \"proxy\"\n"
    );
    let gateway = setup(&upstream, &route).argument("--threads=1").start();
    let mut client = gateway.client();
    let mut load = |requests: usize| {
        for _ in 0..requests {
            let response = client.get("/many");
            assert_eq!(response.status, 200);
            let served = response.headers.iter().filter(|(name, _)| name == "x-served");
            served.for_each(|(_, count)| assert!(count.parse::<usize>().unwrap() <= 128, "W7: {count} uses"));
        }
    };
    load(200);
    let before = gateway.memory();
    load(800);
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 4 * 1024, "W7: {grown} KiB");
    assert_eq!(plugin(&gateway, "middleware", "calls"), 16_000);
    assert_eq!(plugin(&gateway, "proxy", "calls"), 1_000);
}
