//! The folder `examples/bridge`, started as it is but for its ports, and its story played.

use gateway_tests::gateway::Setup;
use gateway_tests::library::{Book, descriptors};
use gateway_tests::wait::until;
use gateway_tests::{Library, Nats, Rabbit, Reply, Upstream};
use prost::Message as _;
use protox::prost_reflect::DescriptorPool;
use serde_json::json;
use std::fs;
use std::path::Path;

#[test]
fn one_answer_joins_four_protocols() {
    let (nats, mut rabbit, catalog) = (Nats::start(), Rabbit::start(), Library::start());
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
        ("http://127.0.0.1:50051", catalog.url()),
        ("http://127.0.0.1:9002", customers.url()),
    ] {
        assert!(config.contains(written), "{written}");
        config = config.replace(written, &here);
    }
    let described = fs::read(folder.join("catalog.pb")).unwrap();
    let setup = Setup::default().file("gateway.toml", config).file("catalog.pb", described);
    let gateway = setup.plugin("aggregate").compiled().start();
    for upstream in ["orders", "queues"] {
        until("it is connected", || {
            (gateway.status()["upstreams"][upstream]["endpoints"][0]["state"] == "up").then_some(())
        });
    }
    let answer = gateway.get("/home/7");
    let expected = json!({
        "order": { "id": "7", "customer": "c1", "sku": "a" },
        "customer": { "name": "Ada" },
        "item": { "title": "The a" },
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
    // What speaks gRPC.
    let answer = client.get("/catalog/items/a");
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "sku": "a", "title": "The a", "price": "500" })),
        "{answer:?}"
    );
    assert_eq!(client.get("/catalog/items/none").status, 404);
    let body = "{\"sku\":\"b\",\"title\":\"Boots\"}";
    let created =
        client.ask(format!("POST /catalog/items HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(created.json(), json!({ "sku": "b", "title": "Boots" }), "{created:?}");
    let events = client.get_with("/catalog/items/a/changes", "accept: text/event-stream\r\n").text();
    assert!(
        events.starts_with("data: {\"sku\":\"a\",\"price\":\"500\"}\n\n") && events.contains("event: end"),
        "{events}"
    );
    // The same by gRPC-Web; an item and a book are alike in their titles.
    let web = "POST /catalog.v1.Catalog/GetItem HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\n\
               content-length: 8\r\n\r\n\0\0\0\0\x03\x0a\x01a";
    let answer = client.ask(web);
    let book = Book::decode(&answer.body[5..5 + usize::from(answer.body[4])]).unwrap();
    assert_eq!(book.title, "The a");
    // A part that may be missing is.
    rabbit.kill();
    let answer = gateway.get("/home/7");
    assert_eq!((answer.status, answer.json()["price"].clone()), (200, json!(null)), "{answer:?}");
    assert_eq!(answer.header("x-degraded"), Some("price"));
}

#[test]
fn the_descriptor_set_of_the_example_is_that_of_its_text() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bridge/catalog.pb");
    // Not the bytes: every compiler writes them in its own order.
    let told = |encoded: &[u8]| {
        let pool = DescriptorPool::decode(encoded).unwrap();
        let messages = pool.get_file_by_name("catalog.proto").unwrap().file_descriptor_proto().message_type.clone();
        let http = pool.get_extension_by_name("google.api.http").unwrap();
        let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let methods = methods.map(|method| {
            let rule = method.options().get_extension(&http).as_message().unwrap().encode_to_vec();
            let rule = String::from_utf8_lossy(&rule).into_owned();
            format!("{} of {}: {rule}", method.full_name(), method.input().full_name())
        });
        (methods.collect::<Vec<_>>(), messages)
    };
    let (written, made) = (told(&fs::read(file).unwrap()), told(&descriptors("catalog.proto")));
    assert!(written.0.len() == 3 && written.0[0].contains("/catalog/items/{sku}"), "{:?}", written.0);
    assert_eq!(written, made, "examples/bridge/catalog.pb is older than catalog.proto, which says how it is made");
}
