//! Who may ask the administration listener: the token, the host, and pages of others.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Client, TestGateway};
use std::net::{SocketAddr, TcpListener};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ROUTE: &str = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
     [[route]]\nname = \"all\"\nmatch = { prefix = \"/\" }\nrespond = { status = 204 }\n";

/// A gateway whose administration is bound to TCP, and its address.
fn on(address: &str, rest: &str) -> (TestGateway, SocketAddr) {
    // Bound here and handed over, so that no port is fixed and nobody else takes it.
    let socket = TcpListener::bind(address).unwrap();
    let bound = socket.local_addr().unwrap();
    let config = format!("[admin]\naddress = \"{bound}\"\n{rest}{ROUTE}");
    let gateway = Setup::default().file("gateway.toml", config).socket(socket).variable("ADMIN", TOKEN).launch();
    let here = SocketAddr::from(([127, 0, 0, 1], bound.port()));
    until("it is ready", || {
        let ready = Client::connect(here).get_with("/ready", "");
        (ready.status == 200 || ready.status == 403).then_some(())
    });
    (gateway, here)
}

fn status(address: SocketAddr, request: &str) -> u16 {
    Client::connect(address).ask(format!("{request}connection: close\r\n\r\n")).status
}

#[test]
fn without_a_token_only_this_machine_asks_and_only_by_its_name() {
    let (_gateway, address) = on("127.0.0.1:0", "");
    for (host, expected) in [
        (address.to_string(), 200),
        ("localhost".to_owned(), 200),
        ("attacker.example".to_owned(), 403),
        (format!("127.0.0.1.attacker.example:{}", address.port()), 403),
    ] {
        assert_eq!(status(address, &format!("GET /config HTTP/1.1\r\nhost: {host}\r\n")), expected, "{host}");
    }
    let post = |fields: &str| {
        status(address, &format!("POST /reload HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n{fields}"))
    };
    let json = "content-type: application/json\r\n";
    assert_eq!(post(json), 200);
    assert_eq!(post("content-type: text/plain\r\n"), 415, "a form of another page can send this");
    assert_eq!(post(&format!("{json}origin: http://attacker.example\r\n")), 403);
    assert_eq!(post(&format!("{json}sec-fetch-site: cross-site\r\n")), 403);
    let answer = Client::connect(address)
        .ask(format!("GET / HTTP/1.1\r\nhost: {address}\r\norigin: http://attacker.example\r\n\r\n"));
    assert_eq!(answer.status, 200);
    assert!(answer.header("access-control-allow-origin").is_none());
    assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
}

#[test]
fn an_address_that_others_reach_asks_for_the_token() {
    let (gateway, address) = on("0.0.0.0:0", "token = { secret = \"ADMIN\" }\n");
    let ask = |path: &str, fields: &str| {
        status(address, &format!("GET {path} HTTP/1.1\r\nhost: gateway.example\r\n{fields}"))
    };
    for path in ["/status", "/metrics", "/config", "/openapi.json", "/tail", "/nothing"] {
        assert_eq!(ask(path, ""), 401, "{path}");
        assert_eq!(ask(path, "authorization: Bearer 0123456789abcdef0123456789abcdeX\r\n"), 401, "{path}");
    }
    assert_eq!(ask("/status", &format!("authorization: Bearer {TOKEN}\r\n")), 200);
    for open in ["/live", "/ready", "/", "/dashboard/main.js"] {
        assert_eq!(ask(open, ""), 200, "{open} tells nothing");
    }
    let refused = Client::connect(address).ask("GET /status HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    // Where a change takes the token away, the socket that is bound refuses everybody.
    gateway.replace("gateway.toml", format!("[admin]\naddress = \"127.0.0.1:1\"\n{ROUTE}").as_bytes());
    until("nobody is let in any more", || {
        (ask("/status", &format!("authorization: Bearer {TOKEN}\r\n")) == 403).then_some(())
    });
    assert!(!gateway.log().contains(TOKEN));
}
