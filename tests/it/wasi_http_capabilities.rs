//! What `gateway:plugin` offers, called by components of `wasi:http`: each call works on the exchange of the request that its task is for.

use crate::wasi_http::plugin;
use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Reply, TestGateway, Upstream};
use std::sync::{Arc, Barrier};
use std::thread;

fn served(upstream: &Upstream) -> TestGateway {
    let config = format!(
        r#"{}
[plugin.capable]
config = {{ greeting = "hello" }}
grants = {{ identity = true, http = ["service"], limit = true }}
[plugin.transform]
config = {{ request = {{ set = {{ x-behind = "${{attribute.consumer:-nobody}}" }} }} }}
[plugin.capable-proxy]
config = {{ greeting = "bye" }}
grants = {{ identity = true }}
[[route]]
name = "around"
match = {{ prefix = "/around" }}
chain = ["capable", "phases", "transform"]
upstream = "service"
[[route]]
name = "twice"
match = {{ prefix = "/twice" }}
chain = ["transform", "capable"]
answer = "capable-proxy"
"#,
        upstream.config()
    );
    Setup::new(&config).plugin("capable").plugin("capable-proxy").plugin("phases").plugin("transform").start()
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: h\r\n{fields}\r\n")
}

#[test]
fn what_a_middleware_leaves_is_there_behind_it_and_what_is_left_behind_it_comes_back() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let mut client = gateway.client();
    for user in ["ada", "bob"] {
        let response = client.ask(get("/around/x", &format!("x-user: {user}\r\n")));
        assert_eq!(response.status, 200);
        assert_eq!(response.header("x-named"), Some("()"));
        assert_eq!(upstream.last().value("x-behind"), Some(user), "the rest of the chain knows who asks");
        assert_eq!(response.header("x-consumer"), Some(user));
        assert_eq!(response.header("x-ran"), Some("on-request on-response"), "an attribute of a plugin behind it");
    }
}

#[test]
fn every_interface_but_the_messages_is_there_and_answers() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let response = gateway.client().ask(get("/around/all", "x-user: ada\r\nx-do: everything\r\n"));
    assert_eq!(response.status, 200, "{response:?}");
    for (field, expected) in [
        ("x-route", "around"),
        ("x-client", "127.0.0.1"),
        ("x-config", r#"{"greeting":"hello"}"#),
        ("x-waited", "true"),
        ("x-random", "16"),
        ("x-count", "1"),
        ("x-fetched", "\"ok\""),
        ("x-mine", "()"),
        ("x-taken", "true"),
    ] {
        assert_eq!(response.header(field), Some(expected), "{field}");
    }
    // What plugin.toml does not ask for is not had.
    let keys = response.header("x-keys").unwrap();
    assert!(keys.contains("Denied") && keys.contains("must be asked for"), "{keys}");
    let secret = gateway.client().ask(get("/around/all", "x-user: ada\r\nx-do: secret\r\n"));
    assert!(secret.header("x-secret").unwrap().contains("Denied"), "{secret:?}");
    until("it is in the log", || gateway.log().contains("said beside wasi:http").then_some(()));
    let (_, metrics) = gateway.admin("/metrics").unwrap();
    let counted = "gateway_plugin_count_total{gateway_plugin=\"capable\",name=\"asked\"} 1";
    assert!(String::from_utf8(metrics).unwrap().contains(counted));
}

/// Sixteen run in one instance, and none of them is taken for another.
#[test]
fn each_call_finds_the_exchange_of_its_own_request() {
    const AT_ONCE: usize = 16;
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let all = Arc::clone(&barrier);
    let upstream = Upstream::start(move |_| {
        // None is answered before all have come.
        all.wait();
        Reply::ok("ok")
    });
    let gateway = served(&upstream);
    let asks: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            let mut client = gateway.client();
            thread::spawn(move || {
                let user = format!("user-{number}");
                let response = client.ask(get("/around/x", &format!("x-user: {user}\r\n")));
                assert_eq!(response.header("x-consumer"), Some(user.as_str()));
            })
        })
        .collect();
    for ask in asks {
        ask.join().unwrap();
    }
    for request in upstream.received() {
        assert!(request.value("x-behind").unwrap().starts_with("user-"));
    }
    assert_eq!(plugin(&gateway, "capable", "traps"), 0);
}

/// A place is the exchange's: given back when that ends.
#[test]
fn what_a_middleware_takes_is_given_back_with_the_exchange() {
    let (arrived, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (comes, goes) = (Arc::clone(&arrived), Arc::clone(&go));
    let upstream = Upstream::start(move |request| {
        if request.target() == "/around/held" {
            comes.wait();
            goes.wait();
        }
        Reply::ok("ok")
    });
    let gateway = served(&upstream);
    let place = |path: &str| {
        let response = gateway.client().ask(get(path, "x-do: place\r\n"));
        response.header("x-place").unwrap().to_owned()
    };
    thread::scope(|scope| {
        let held = scope.spawn(|| place("/around/held"));
        arrived.wait();
        assert_eq!(place("/around/other"), "false");
        go.wait();
        assert_eq!(held.join().unwrap(), "true");
    });
    until("the place is free again", || (place("/around/other") == "true").then_some(()));
}

#[test]
fn after_the_head_of_its_answer_nothing_can_be_changed() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let mut client = gateway.client();
    client.send("POST /around/late HTTP/1.1\r\nhost: h\r\nx-user: ada\r\nx-do: late\r\ncontent-length: 6\r\n\r\n");
    let head = client.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    client.send("pieces");
    let rest = client.read_until("WrongPhase");
    assert!(rest.contains("32 ") || rest.contains("36 "), "the id is still known: {rest}");
}

#[test]
fn a_component_of_0_2_finds_its_exchange_too() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let mut client = gateway.client();
    let direct = client.ask(get("/twice/x", "x-user: ada\r\n"));
    assert_eq!(direct.text(), r#"twice {"greeting":"bye"} Some("ada") Ok(()) 1"#);
    // What it left is there for the middleware around it.
    assert_eq!(direct.header("x-consumer"), Some("bob"));
    assert_eq!(
        client.ask(get("/twice/x", "x-user: ada\r\n")).text(),
        r#"twice {"greeting":"bye"} Some("ada") Ok(()) 2"#
    );
}
