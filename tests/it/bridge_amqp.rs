//! Services behind RabbitMQ, asked by HTTP: messages that are confirmed, requests with replies, queues that are read.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Authority, Client, Rabbit, Response, TestGateway};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

fn config(rabbit: &Rabbit) -> String {
    format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[upstream.broker]
timeouts = {{ connect = "2 s" }}

[upstream.broker.amqp]
servers = ["{}"]
message = "64 KiB"
operations = [
    {{ path = "/prices/{{sku}}", methods = ["GET"], request = "prices", payload = {{ sku = "${{param.sku}}" }} }},
    {{ path = "/silent", request = "silent" }},
    {{ path = "/jobs", methods = ["POST"], publish = "jobs", id = "${{header.idempotency-key:-none}}", headers = {{ x-by = "${{header.x-user:-nobody}}" }} }},
    {{ path = "/events/{{kind}}", methods = ["POST"], publish = "orders.${{param.kind}}", exchange = "events" }},
    {{ path = "/missing", publish = "a", exchange = "no-such-exchange" }},
    {{ path = "/queues/{{name}}", methods = ["GET"], consume = "${{param.name}}" }},
    {{ path = "/queues/{{name}}", methods = ["POST"], publish = "${{param.name}}" }},
]

[[route]]
name = "broker"
upstream = "broker"
deadline = "5 s"
"#,
        rabbit.url()
    )
}

fn started(rabbit: &Rabbit) -> TestGateway {
    let gateway = TestGateway::start(&config(rabbit));
    is_up(&gateway);
    gateway
}

fn is_up(gateway: &TestGateway) {
    until("it is connected", || {
        (gateway.status()["upstreams"]["broker"]["endpoints"][0]["state"] == "up").then_some(())
    });
}

fn post(client: &mut Client, path: &str, fields: &str, body: &str) -> Response {
    let length = body.len();
    client.ask(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{fields}content-length: {length}\r\n\r\n{body}"))
}

fn is_problem(answer: &Response, status: u16) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/problem+json")),
        "{answer:?}"
    );
}

#[test]
fn every_way_to_ask_a_broker() {
    // One broker for all: it takes long to start.
    let rabbit = Rabbit::start();
    let (gateway, broker) = (started(&rabbit), rabbit.client());
    requests_have_replies(&gateway, &rabbit);
    messages_are_in_a_queue_or_refused(&gateway, &broker);
    a_queue_is_read_and_nothing_is_lost(&gateway, &broker);
    a_body_that_is_too_large_is_refused(&gateway);
}

fn requests_have_replies(gateway: &TestGateway, rabbit: &Rabbit) {
    let service = rabbit.client();
    service.serve("prices", |properties, payload| {
        let has_expiration = properties.expiration().is_some();
        Some(json!({ "asked": payload, "expires": has_expiration }).to_string())
    });
    service.serve("silent", |_, _| None);
    let answer = gateway.get("/prices/a%22b");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    assert_eq!(answer.json(), json!({ "asked": "{\"sku\":\"a\\\"b\"}", "expires": true }));
    is_problem(&gateway.get("/silent"), 504);
    assert_eq!(gateway.get("/prices/c").status, 200);
}

fn messages_are_in_a_queue_or_refused(gateway: &TestGateway, broker: &gateway_tests::rabbit::RabbitClient) {
    let mut client = gateway.client();
    // The default exchange has no queue of that name yet: the message is told as lost, not as taken.
    is_problem(&post(&mut client, "/jobs", "", "{}"), 503);
    broker.queue("jobs");
    let fields = "content-type: text/csv\r\nx-user: ada\r\nidempotency-key: k1\r\n";
    assert_eq!(post(&mut client, "/jobs", fields, "a,b").status, 202);
    let (properties, payload) = broker.take("jobs").unwrap();
    assert_eq!(payload, "a,b");
    let property = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    assert_eq!(property(properties.content_type()).as_deref(), Some("text/csv"));
    assert_eq!(property(properties.message_id()).as_deref(), Some("k1"));
    assert_eq!(*properties.delivery_mode(), Some(2));
    let headers = format!("{:?}", properties.headers());
    assert!(headers.contains("x-by") && headers.contains("x-request-id"), "{headers}");
    // A routing key decides.
    broker.queue("made");
    is_problem(&post(&mut client, "/events/made", "", "{}"), 503);
    broker.bind("events", "made", "orders.made");
    assert_eq!(post(&mut client, "/events/made", "", "{}").status, 202);
    is_problem(&post(&mut client, "/events/paid", "", "{}"), 503);
    assert_eq!(broker.queue("made"), 1);
    for kind in ["a.b", "%23", "%2A", "a%20b"] {
        is_problem(&post(&mut client, &format!("/events/{kind}"), "", "{}"), 400);
    }
    // What goes wrong with one exchange leaves the others alone.
    is_problem(&gateway.get("/missing"), 503);
    assert_eq!(post(&mut client, "/jobs", "", "{}").status, 202);
    assert_eq!(gateway.log().matches("connected to AMQP").count(), 1);
}

fn a_queue_is_read_and_nothing_is_lost(gateway: &TestGateway, broker: &gateway_tests::rabbit::RabbitClient) {
    is_problem(&gateway.get("/queues/nothing"), 404);
    broker.queue("feed");
    let mut reader = gateway.client();
    reader.send("GET /queues/feed HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = reader.read_until("\r\n\r\n");
    broker.publish("feed", "one");
    broker.publish("feed", "two\nlines");
    let read = reader.read_until("lines\n\n");
    assert!(read.contains("data: one\n\n") && read.contains("data: two\ndata: lines\n\n"), "{read}");
    reader.reset();
    let active = || gateway.status()["upstreams"]["broker"]["endpoints"][0]["active"].as_u64();
    until("nobody reads", || (active() == Some(0)).then_some(()));
    // What was written is not in the queue any more.
    assert_eq!(broker.queue("feed"), 0);
    // A client that reads nothing holds what its buffers hold; all else comes back when it goes.
    let text = "x".repeat(32 * 1024);
    for _ in 0..400 {
        broker.publish("feed", &text);
    }
    let mut reader = gateway.client();
    reader.send("GET /queues/feed HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = reader.read_until("data: ");
    until("messages are on their way", || (broker.queue("feed") < 390).then_some(()));
    reader.reset();
    until("nobody reads", || (active() == Some(0)).then_some(()));
    let left = until("what was not written is back", || Some(broker.queue("feed")).filter(|left| *left > 300));
    assert!(left < 400, "{left}");
}

fn a_body_that_is_too_large_is_refused(gateway: &TestGateway) {
    is_problem(&post(&mut gateway.client(), "/jobs", "", &"x".repeat(65 * 1024)), 413);
}

#[test]
fn a_broker_is_spoken_to_over_tls_both_sides_proven() {
    let (authority, other) = (Authority::default(), Authority::default());
    let (server, own) = (authority.server(&["rabbit.internal"]), authority.client("gateway", "urn:gateway"));
    let rabbit = Rabbit::secure(server.cert, server.key, authority.pem());
    let start = |authority: &Authority| {
        let tls = "tls = { ca = \"ca.pem\", client = { cert = \"own.pem\", key = \"own.key\" }, server-name = \"rabbit.internal\" }";
        let config = config(&rabbit).replace("amqp://", "amqps://");
        let config = config.replace("[upstream.broker]\n", &format!("[upstream.broker]\n{tls}\n"));
        let setup = Setup::new(&config).file("ca.pem", authority.pem());
        setup.file("own.pem", &*own.cert).file("own.key", &*own.key).start()
    };
    let gateway = start(&authority);
    is_up(&gateway);
    // The broker has it, and no queue for it: it has answered.
    is_problem(&post(&mut gateway.client(), "/jobs", "", "{}"), 503);
    let mut client = gateway.client();
    is_problem(&client.get("/queues/nothing"), 404);
    // Somebody else has signed the broker's certificate.
    let stranger = start(&other);
    until("it has tried", || stranger.log().contains("AMQP cannot be connected to").then_some(()));
    assert_eq!(stranger.status()["upstreams"]["broker"]["endpoints"][0]["state"], "down");
}

#[test]
fn a_broker_that_dies_and_comes_back_loses_nothing_that_was_confirmed() {
    let mut rabbit = Rabbit::start();
    rabbit.client().queue("jobs");
    rabbit.wait_until_kept("jobs");
    let gateway = started(&rabbit);
    let (over, answered, confirmations) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let load = |worker: usize| {
        let (mut confirmed, mut statuses) = (Vec::new(), BTreeSet::new());
        let mut client = gateway.client();
        for number in 0.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let id = format!("{worker}-{number}");
            let answer = post(&mut client, "/jobs", "", &id);
            answered.fetch_add(1, Ordering::Relaxed);
            statuses.insert(answer.status);
            if answer.status == 202 {
                confirmations.fetch_add(1, Ordering::Relaxed);
                confirmed.push(id);
            } else {
                // The broker needs the processor to come back.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        (confirmed, statuses)
    };
    let more = |what: &str, counter: &AtomicU64, count: u64| {
        let before = counter.load(Ordering::Relaxed);
        until(what, || (counter.load(Ordering::Relaxed) >= before + count).then_some(()));
    };
    let (confirmed, statuses) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|worker| scope.spawn(move || load(worker))).collect();
        let ended = Ends(&over);
        more("there is load", &confirmations, 50);
        rabbit.kill();
        more("requests are answered without the broker", &answered, 6);
        rabbit.revive();
        is_up(&gateway);
        // Also of a queue whose recovery takes longer than the broker's.
        more("there is load again", &confirmations, 50);
        drop(ended);
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        let confirmed: Vec<String> = results.iter().flat_map(|(confirmed, _)| confirmed.clone()).collect();
        (confirmed, results.into_iter().flat_map(|(_, statuses)| statuses).collect::<BTreeSet<u16>>())
    });
    assert!(statuses.is_subset(&[202, 502, 503, 504].into()), "{statuses:?}");
    assert!(statuses.contains(&202) && statuses.contains(&503), "{statuses:?}");
    let broker = rabbit.client();
    let kept: Vec<String> = std::iter::from_fn(|| broker.take("jobs")).map(|(_, payload)| payload).collect();
    let distinct: BTreeSet<&String> = kept.iter().collect();
    assert_eq!(distinct.len(), kept.len(), "the gateway sends nothing twice");
    let lost: Vec<_> = confirmed.iter().filter(|id| !distinct.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {} confirmed are lost: {lost:?}", lost.len(), confirmed.len());
}

/// Ends the load, also where the test fails: its scope waits for it.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
