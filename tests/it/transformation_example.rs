//! The folder `examples/transformation`, started as it is but for its ports, and its stories played.

use gateway_tests::gateway::Setup;
use gateway_tests::{Reply, Response, TestGateway, Upstream};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

struct Example {
    gateway: TestGateway,
    orders: Upstream,
}

fn as_json(body: &Value) -> Reply {
    Reply::with("200 OK", "content-type: application/json\r\nserver: shop\r\netag: \"1\"\r\n", &body.to_string())
}

impl Example {
    fn start() -> Self {
        let orders = Upstream::start(|request| match request.target().split('?').next().unwrap() {
            "/v1/orders/7" => as_json(&json!({
                "id": 7, "customer": { "id": "c1", "name": "Ada" }, "items": [{ "sku": "a" }, { "sku": "b" }, { "sku": "a" }],
            })),
            "/v2/orders/7" | "/orders" => as_json(&json!({ "id": 7 })),
            _ => Reply::with("404 Not Found", "", ""),
        });
        let customers = Upstream::start(|_| as_json(&json!({ "name": "Ada" })));
        let prices = Upstream::start(|request| match request.target() {
            "/prices/a" => as_json(&json!({ "amount": 5, "currency": "CHF" })),
            _ => Reply::with("404 Not Found", "", ""),
        });
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/transformation");
        let mut config = fs::read_to_string(folder.join("gateway.toml")).unwrap();
        for (written, here) in [
            ("\"127.0.0.1:9901\"", "\"unix:{folder}/admin.sock\"".to_owned()),
            ("\"127.0.0.1:8080\"", "\"127.0.0.1:0\"".to_owned()),
            ("http://127.0.0.1:9001", orders.url()),
            ("http://127.0.0.1:9002", customers.url()),
            ("http://127.0.0.1:9003", prices.url()),
        ] {
            assert!(config.contains(written), "{written}");
            config = config.replace(written, &here);
        }
        let plugins = ["cors", "transform", "json", "validate", "mock", "aggregate", "ip-filter"];
        let setup = Setup::default().file("gateway.toml", config);
        let gateway = plugins.into_iter().fold(setup, Setup::plugin).compiled().start();
        Self { gateway, orders }
    }

    fn ask(&self, line: &str, fields: &str, body: &str) -> Response {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.gateway.client().ask(format!("{line} HTTP/1.1\r\nhost: a\r\n{fields}{length}\r\n{body}"))
    }
}

fn body(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
}

#[test]
fn transform_changes_what_the_service_and_the_client_see() {
    let example = Example::start();
    let answer = example.ask("GET /orders/7?debug=1&a=b", "cookie: tenant=acme\r\n", "");
    assert_eq!((answer.status, answer.header("server"), answer.header("x-order")), (200, None, Some("7")));
    let received = example.orders.last();
    assert_eq!((received.target(), received.value("x-tenant")), ("/v1/orders/7?a=b&lang=en", Some("acme")));
    assert_eq!(example.ask("GET /orders/7", "x-beta: 1\r\n", "").status, 200);
    assert_eq!(example.orders.last().target(), "/v2/orders/7?lang=en");
    assert_eq!(example.ask("GET /orders/8", "", "").status, 410);
}

#[test]
fn json_makes_a_facade() {
    let example = Example::start();
    let answer = example.ask("GET /mobile/orders/7", "", "");
    let expected =
        json!({ "id": 7, "for": "Ada", "items": [{ "article": "a" }, { "article": "b" }, { "article": "a" }] });
    assert_eq!((body(&answer), answer.header("etag")), (expected, None));
}

#[test]
fn validate_refuses_before_the_service_is_asked() {
    let example = Example::start();
    let post = |body: &str| example.ask("POST /orders", "content-type: application/json\r\n", body);
    let refused = post(r#"{"items":[3]}"#);
    assert_eq!((refused.status, body(&refused)["errors"][0]["pointer"].as_str()), (400, Some("#/items/0")));
    assert_eq!(example.ask("POST /orders", "", "x").status, 415);
    assert!(example.orders.received().is_empty());
    assert_eq!(post(r#"{"items":["a"]}"#).status, 200);
    assert_eq!(example.orders.last().body, br#"{"items":["a"]}"#);
}

#[test]
fn mock_answers_for_a_service_that_is_not_there() {
    let example = Example::start();
    assert_eq!(body(&example.ask("GET /returns/7", "", "")), json!({ "id": "7", "state": "received" }));
    assert_eq!(example.ask("GET /returns/0", "", "").status, 404);
}

#[test]
fn aggregate_follows_one_answer_to_the_next() {
    let example = Example::start();
    let answer = example.ask("GET /overview/7", "", "");
    let prices = json!([{ "amount": 5 }, null, { "amount": 5 }]);
    assert_eq!(body(&answer), json!({ "id": 7, "who": "Ada", "prices": prices }));
    assert_eq!((answer.header("x-degraded"), answer.header("cache-control")), (Some("prices"), Some("no-store")));
    assert_eq!(example.ask("GET /overview/8", "", "").status, 502);
}

#[test]
fn cors_and_ip_filter_tell_who_may() {
    let example = Example::start();
    let preflight = "origin: https://www.shop.example\r\naccess-control-request-method: POST\r\n";
    let answer = example.ask("OPTIONS /orders", preflight, "");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://www.shop.example"));
    let other = example.ask("GET /office", "origin: https://other.example\r\n", "");
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, None));
}
