//! The folder `examples/bridge`, started as it is but for its ports, with its services behind, and its story played.

use gateway_tests::gateway::{Setup, program};
use gateway_tests::library::descriptors;
use gateway_tests::wait::until;
use gateway_tests::{Nats, Rabbit};
use protox::prost_reflect::DescriptorPool;
use serde_json::json;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

/// The running program of `examples/bridge/services`; it ends with this value.
struct Services {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Services {
    fn start(nats: &Nats, rabbit: &Rabbit) -> Self {
        let program = program().with_file_name("bridge-services");
        let mut child = Command::new(program)
            .args(["--nats", &nats.url(), "--amqp", &rabbit.url()])
            .args(["--catalog", "127.0.0.1:0", "--customers", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("`make test` builds the services of the example");
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, said }
    }

    /// What follows these words in the line that has them.
    fn until(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the services end before they say {words:?}");
        }
        line.split_once(words).unwrap().1.trim().to_owned()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn one_answer_joins_four_protocols() {
    let (nats, mut rabbit) = (Nats::start(), Rabbit::start());
    let mut services = Services::start(&nats, &rabbit);
    let catalog = services.until("catalog: listens at ");
    let customers = services.until("customers: listens at ");
    // Orders and prices, whichever broker is the faster one.
    for _ in 0..2 {
        services.until(": answers on");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bridge");
    let mut config = fs::read_to_string(folder.join("gateway.toml")).unwrap();
    for (written, here) in [
        ("\"127.0.0.1:9901\"", "\"unix:{folder}/admin.sock\"".to_owned()),
        ("\"127.0.0.1:8080\"", "\"127.0.0.1:0\"".to_owned()),
        ("nats://127.0.0.1:4222", nats.url()),
        ("amqp://127.0.0.1:5672", rabbit.url()),
        ("127.0.0.1:50051", catalog),
        ("127.0.0.1:9002", customers),
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
        "order": { "id": "7", "customer": "c1", "sku": "boots" },
        "customer": { "name": "Grace" },
        "item": { "title": "A pair of boots" },
        "price": { "sku": "boots", "amount": 25, "currency": "EUR" },
    });
    assert_eq!((answer.status, answer.json()), (200, expected), "{answer:?}");
    assert_eq!(gateway.get("/orders/seven").status, 404, "what the service of NATS says");

    let mut client = gateway.client();
    let mut post = |path: &str, fields: &str, body: &str| {
        let length = body.len();
        client.ask(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{fields}content-length: {length}\r\n\r\n{body}"))
    };
    // What brokers answer by themselves.
    let mut listener = gateway.client();
    listener.send("GET /orders/7/events HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = listener.read_until("\r\n\r\n");
    assert_eq!(post("/orders/7/events", "", "shipped").status, 202);
    let _ = listener.read_until("data: shipped\n\n");
    assert_eq!(post("/audit", "idempotency-key: 1\r\n", "{}").status, 202);
    assert_eq!(post("/audit", "idempotency-key: 1\r\n", "{}").json()["duplicate"], true);
    assert_eq!(nats.kept("AUDIT"), 1);
    assert_eq!(post("/jobs", "x-user: ada\r\n", "{\"job\":1}").status, 202);
    let mut reader = gateway.client();
    reader.send("GET /jobs HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = reader.read_until("data: {\"job\":1}\n\n");

    // What speaks gRPC: an item that is watched changes.
    let tea = json!({ "sku": "tea", "title": "Green tea, 100 g", "price": "990" });
    assert_eq!(gateway.get("/catalog/items/tea").json(), tea);
    assert_eq!(gateway.get("/catalog/items/none").status, 404);
    let mut watcher = gateway.client();
    watcher.send("GET /catalog/items/tea/changes HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n");
    let _ = watcher.read_until("\"price\":\"990\"}\n\n");
    let changed = json!({ "sku": "tea", "title": "Green tea, 100 g", "price": "890" });
    assert_eq!(post("/catalog/items", "", &changed.to_string()).json(), changed);
    let _ = watcher.read_until("\"price\":\"890\"}\n\n");
    // The same by gRPC-Web: the flag and the length of a message, then its field 1.
    let web = "POST /catalog.v1.Catalog/GetItem HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\n\
               content-length: 10\r\n\r\n\0\0\0\0\x05\x0a\x03tea";
    assert!(gateway.client().ask(web).text().contains("Green tea, 100 g"));

    // A part that may be missing is, until its broker is back and its service with it.
    rabbit.kill();
    let answer = gateway.get("/home/7");
    assert_eq!((answer.status, answer.json()["price"].clone()), (200, json!(null)), "{answer:?}");
    assert_eq!(answer.header("x-degraded"), Some("price"));
    rabbit.revive();
    services.until("prices: answers on");
    until("the answer is whole again", || (gateway.get("/home/7").json()["price"]["amount"] == 25).then_some(()));
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
            let rule = method.options().get_extension(&http).into_owned();
            format!("{} of {}: {rule}", method.full_name(), method.input().full_name())
        });
        (methods.collect::<Vec<_>>(), messages)
    };
    let (written, made) = (told(&fs::read(file).unwrap()), told(&descriptors("catalog.proto")));
    assert!(written.0.len() == 3 && written.0[0].contains("/catalog/items/{sku}"), "{:?}", written.0);
    assert_eq!(written, made, "examples/bridge/catalog.pb is older than catalog.proto, which says how it is made");
}
