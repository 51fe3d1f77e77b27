//! The folder `examples/bridge`, started as it is but for its ports, and its story played.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Nats, Rabbit, Reply, Upstream};
use serde_json::json;
use std::fs;
use std::path::Path;

#[test]
fn one_answer_joins_three_protocols() {
    let (nats, mut rabbit) = (Nats::start(), Rabbit::start());
    nats.serve("orders.*.get", |message| {
        let id = message.subject.split('.').nth(1).unwrap_or_default().to_owned();
        Some(json!({ "id": id, "customer": "c1", "sku": "a" }).to_string())
    });
    nats.stream("AUDIT", "audit");
    let prices = rabbit.client();
    prices.serve("prices", |_, payload| Some(json!({ "amount": 5, "for": payload }).to_string()));
    prices.queue("jobs");
    let customers = Upstream::start(|_| {
        Reply::with("200 OK", "content-type: application/json\r\n", "{\"name\":\"Ada\",\"secret\":1}")
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bridge");
    let mut config = fs::read_to_string(folder.join("gateway.toml")).unwrap();
    for (written, here) in [
        ("\"127.0.0.1:9901\"", "\"unix:{folder}/admin.sock\"".to_owned()),
        ("\"127.0.0.1:8080\"", "\"127.0.0.1:0\"".to_owned()),
        ("nats://127.0.0.1:4222", nats.url()),
        ("amqp://127.0.0.1:5672", rabbit.url()),
        ("http://127.0.0.1:9002", customers.url()),
    ] {
        assert!(config.contains(written), "{written}");
        config = config.replace(written, &here);
    }
    let gateway = Setup::default().file("gateway.toml", config).plugin("aggregate").compiled().start();
    for upstream in ["orders", "queues"] {
        until("it is connected", || {
            (gateway.status()["upstreams"][upstream]["endpoints"][0]["state"] == "up").then_some(())
        });
    }
    let answer = gateway.get("/home/7");
    let expected = json!({
        "order": { "id": "7", "customer": "c1", "sku": "a" },
        "customer": { "name": "Ada" },
        "price": { "amount": 5, "for": "{\"sku\":\"a\"}" },
    });
    assert_eq!((answer.status, answer.json()), (200, expected), "{answer:?}");
    let mut client = gateway.client();
    let mut post = |path: &str, fields: &str| {
        client.ask(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{fields}content-length: 2\r\n\r\n{{}}")).status
    };
    assert_eq!(post("/orders/7/events", ""), 202);
    assert_eq!(post("/audit", "idempotency-key: 1\r\n"), 202);
    assert_eq!(post("/audit", "idempotency-key: 1\r\n"), 202);
    assert_eq!(nats.kept("AUDIT"), 1);
    assert_eq!(post("/jobs", "x-user: ada\r\n"), 202);
    assert_eq!(prices.queue("jobs"), 1);
    // A part that may be missing is.
    rabbit.kill();
    let answer = gateway.get("/home/7");
    assert_eq!((answer.status, answer.json()["price"].clone()), (200, json!(null)), "{answer:?}");
    assert_eq!(answer.header("x-degraded"), Some("price"));
}
