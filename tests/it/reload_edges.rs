//! Reloads at the edges: what is renamed, moved, or changes what is watched.

use gateway_tests::gateway::{Setup, component};
use gateway_tests::wait::until;
use gateway_tests::{Client, TestGateway, Upstream};
use std::time::Duration;

/// Nothing more happens for as long as two changes would take to be found.
fn comes_to_rest_at(gateway: &TestGateway, generation: u64) {
    gateway.wait_for_generation(generation);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(gateway.status()["reload"]["generation"], generation);
}

#[test]
fn r2_a_change_that_adds_inputs_is_one_swap() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&upstream.config()).file("plugins.d/phases.wasm", component("phases")).start();
    let with = upstream.config().replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [\"phases\"]\n");
    gateway.configure(&with);
    comes_to_rest_at(&gateway, 2);
    gateway.configure(&upstream.config());
    comes_to_rest_at(&gateway, 3);
}

/// A file that is put back is what serves already, wherever else the broken one looked.
#[test]
fn r4_a_mistake_that_is_taken_back_is_no_swap() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&upstream.config()).plugin("phases").start();
    let missing = upstream
        .config()
        .replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [{ plugin = \"phases\", config = 3 }]\n");
    gateway.configure(&missing);
    until("the mistake is told", || (gateway.status()["reload"]["state"] == "failed").then_some(()));
    gateway.configure(&upstream.config());
    until("all is well again", || (gateway.status()["reload"]["state"] == "current").then_some(()));
    comes_to_rest_at(&gateway, 1);
    assert_eq!(gateway.status()["reload"]["failed"], 1);
}

#[test]
fn r8_a_rollback_is_of_one_file_whatever_else_holds_the_same_bytes() {
    let upstream = Upstream::ok();
    let text = upstream
        .config()
        .replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [\"changing\"]\n")
        + "[[route]]\nname = \"other\"\nmatch = { path = \"/other\" }\nupstream = \"service\"\nchain = [\"other\"]\n";
    let (good, bad) = (component("phases"), component("trapping"));
    let gateway =
        Setup::new(&text).file("plugins.d/changing.wasm", good).file("plugins.d/other.wasm", bad.clone()).start();
    let mut client = gateway.client();
    for _ in 0..50 {
        assert_eq!((client.get("/x").status, client.get("/other").status), (200, 503));
    }
    gateway.replace("plugins.d/changing.wasm", &bad);
    gateway.wait_for_generation(2);
    until("the old version is back", || (gateway.get("/x").status == 200).then_some(()));
    let status = gateway.status();
    let rolled_back = |name: &str| {
        let plugins = status["plugins"].as_array().unwrap();
        plugins.iter().find(|plugin| plugin["name"] == name).unwrap()["rolled_back_from"].is_string()
    };
    assert_eq!((rolled_back("changing"), rolled_back("other")), (true, false));
    assert_eq!(gateway.get("/other").status, 503);
}

#[test]
fn r1_a_listener_that_is_renamed_keeps_its_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::ok();
    let config = upstream.config().replace("127.0.0.1:0", &free.to_string());
    let gateway = TestGateway::start(&config);
    assert_eq!(gateway.get("/").status, 200);
    gateway.configure(&config.replace("\"public\"", "\"web\""));
    until("the new name is in force", || gateway.status()["listeners"]["web"].as_str().map(str::to_owned));
    assert_eq!(gateway.status()["reload"]["failed"], 0);
    for _ in 0..20 {
        assert_eq!(Client::connect(free).get("/").status, 200);
    }
}

#[test]
fn r1_a_listener_that_moves_to_every_address_keeps_its_port() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::ok();
    let config = upstream.config().replace("127.0.0.1:0", &free.to_string());
    let gateway = TestGateway::start(&config);
    let everywhere = format!("0.0.0.0:{}", free.port());
    gateway.configure(&config.replace(&free.to_string(), &everywhere));
    until("the new address is in force", || (gateway.status()["listeners"]["public"] == *everywhere).then_some(()));
    assert_eq!(gateway.status()["reload"]["failed"], 0);
    assert_eq!(Client::connect(free).get("/").status, 200);
}
