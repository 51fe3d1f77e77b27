//! The folder `examples/limits`, started as it is but for its ports, and its stories played.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Client, Redis, TestGateway, Upstream};
use std::fs;
use std::path::Path;

fn start(service: &Upstream, redis: &Redis) -> TestGateway {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/limits");
    let mut config = fs::read_to_string(folder.join("gateway.toml")).unwrap();
    for (written, here) in [
        ("\"127.0.0.1:9901\"", "\"unix:{folder}/admin.sock\"".to_owned()),
        ("\"127.0.0.1:8080\"", "\"127.0.0.1:0\"".to_owned()),
        ("redis://127.0.0.1:6379", format!("redis://{}", redis.address())),
        ("http://127.0.0.1:9001", service.url()),
    ] {
        assert!(config.contains(written), "{written}");
        config = config.replace(written, &here);
    }
    let setup = Setup::default().file("gateway.toml", config).file("keys", fs::read(folder.join("keys")).unwrap());
    ["api-key", "rate-limit", "quota"].into_iter().fold(setup, Setup::plugin).start()
}

fn statuses(client: &mut Client, path: &str, key: &str, times: usize) -> Vec<u16> {
    let fields = if key.is_empty() { String::new() } else { format!("x-api-key: {key}\r\n") };
    (0..times).map(|_| client.get_with(path, &fields).status).collect()
}

#[test]
fn the_limits_of_the_example_hold_for_both_gateways_together() {
    let (service, mut redis) = (Upstream::ok(), Redis::start());
    let (one, other) = (start(&service, &redis), start(&service, &redis));
    assert_eq!(statuses(&mut one.client(), "/public", "", 1), [200]);
    assert_eq!(statuses(&mut other.client(), "/public", "", 2), [200, 429]);
    let alice = "k-1f0c7a52d1";
    assert_eq!(statuses(&mut one.client(), "/orders/1", alice, 3), [200; 3]);
    assert_eq!(statuses(&mut other.client(), "/orders/1", alice, 3), [200, 200, 429]);
    assert_eq!(statuses(&mut one.client(), "/orders/1", "", 1), [401]);
    let acme = "k-9d3e40c8b7";
    assert_eq!(statuses(&mut one.client(), "/orders/1", acme, 9), [[200; 8].as_slice(), &[429]].concat());
    let refused = other.client().get_with("/orders/1", &format!("x-api-key: {acme}\r\n"));
    assert!(refused.header("retry-after").is_some());
    assert!(String::from_utf8_lossy(&refused.body).contains("The quota of calls is used up."));
    redis.kill();
    until("each counts for itself", || (statuses(&mut one.client(), "/public", "", 1) == [200]).then_some(()));
}
