//! Services behind NATS, asked by HTTP: every way to ask, bad input, and a broker that comes and goes.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Authority, Client, Nats, Reply, Response, TestGateway, Upstream};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const LISTENER: &str = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n";

const OPERATIONS: &str = r#"operations = [
    { path = "/orders/{id}", methods = ["GET"], request = "orders.${param.id}.get", headers = { x-page = "${query.page:-1}" } },
    { path = "/orders", methods = ["POST"], request = "orders.new" },
    { path = "/search", request = "search", payload = { q = "${query.q}", limit = 3, by = ["${header.x-user:-nobody}"] } },
    { path = "/slow", request = "slow" },
    { path = "/news", methods = ["POST"], publish = "news.${query.kind}" },
    { path = "/news/{kind}", subscribe = "news.${param.kind}" },
    { path = "/all-news", subscribe = "news.>" },
    { path = "/audit", store = "audit.${header.x-user:-nobody}", id = "${header.idempotency-key}" },
    { path = "/nowhere", store = "nowhere" },
    { path = "/spaces/{space}", publish = "${param.space}.news" },
    { path = "/mine", request = "mine.${attribute.consumer}" },
]
"#;

fn upstream(nats: &Nats, keys: &str) -> String {
    format!(
        "[upstream.bus]\ntimeouts = {{ connect = \"500 ms\" }}\n[upstream.bus.nats]\nservers = [\"{}\"]\n\
         message = \"64 KiB\"\n{keys}{OPERATIONS}",
        nats.url()
    )
}

fn config(nats: &Nats) -> String {
    let upstream = upstream(nats, "");
    format!("{LISTENER}{upstream}[[route]]\nname = \"bus\"\nupstream = \"bus\"\ndeadline = \"2 s\"\n")
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
    assert_eq!(answer.json()["status"], status);
}

#[test]
fn a_request_becomes_a_message_and_its_reply_the_answer() {
    let nats = Nats::start();
    nats.serve("orders.*.get", |message| {
        let page = message.headers.lines().find_map(|line| line.strip_prefix("x-page: "));
        Some(json!({ "subject": message.subject, "page": page }).to_string())
    });
    nats.serve("orders.new", |message| Some(message.payload.to_uppercase()));
    nats.serve("search", |message| Some(message.payload.clone()));
    let gateway = TestGateway::start(&config(&nats));
    let mut client = gateway.client();
    let answer = client.get("/orders/7?page=2");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    assert_eq!(answer.json(), json!({ "subject": "orders.7.get", "page": "2" }));
    assert_eq!(client.get("/orders/7").json()["page"], "1");
    let answer = post(&mut client, "/orders", "", "as it is");
    assert_eq!(
        (answer.text().as_str(), answer.header("content-type")),
        ("AS IT IS", Some("text/plain; charset=utf-8"))
    );
    let asked = client.get_with("/search?q=a%22b+c", "x-user: ada\r\n").json();
    assert_eq!(asked, json!({ "q": "a\"b c", "limit": 3, "by": ["ada"] }));
    let status = gateway.status();
    assert_eq!(status["upstreams"]["bus"]["endpoints"][0]["state"], "up", "{status}");
    assert_eq!(status["upstreams"]["bus"]["tries"], 4);
    let metrics = String::from_utf8(gateway.admin("/metrics").unwrap().1).unwrap();
    assert!(metrics.contains("gateway_upstream_endpoint_up{gateway_upstream=\"bus\""), "{metrics}");
}

#[test]
fn what_a_service_says_in_fields_is_in_the_answer() {
    let nats = Nats::start();
    let mut service = nats.client();
    service.subscribe("orders.*.get");
    std::thread::spawn(move || {
        while let Some(message) = service.message() {
            let reply = message.reply.unwrap();
            match message.subject.as_str() {
                "orders.7.get" => service.publish_with(
                    &reply,
                    "etag: \"7\"\r\nconnection: close\r\ncontent-type: text/csv\r\n",
                    "a,b",
                ),
                _ => service.publish_with(
                    &reply,
                    "Nats-Service-Error-Code: 404\r\nNats-Service-Error: no such order\r\n",
                    "",
                ),
            }
        }
    });
    let gateway = TestGateway::start(&config(&nats));
    let mut client = gateway.client();
    let answer = client.get("/orders/7");
    assert_eq!((answer.status, answer.text().as_str(), answer.header("etag")), (200, "a,b", Some("\"7\"")));
    assert_eq!((answer.header("content-type"), answer.header("connection")), (Some("text/csv"), None));
    let answer = client.get("/orders/8");
    is_problem(&answer, 404);
    assert_eq!(answer.json()["detail"], "no such order");
}

#[test]
fn bad_input_gets_one_clear_problem() {
    let nats = Nats::start();
    nats.serve("orders.>", |_| Some("{}".into()));
    nats.serve("slow", |_| None);
    let gateway = TestGateway::start(&config(&nats));
    let mut client = gateway.client();
    // What stands for one word of a subject neither adds words nor matches several.
    for path in [
        "/orders/%2A",
        "/orders/%3E",
        "/orders/a.b",
        "/orders/a%20b",
        "/orders/%0D%0APUB",
        "/spaces/$SYS",
        "/spaces/_INBOX",
    ] {
        is_problem(&client.get(path), 400);
    }
    let answer = client.get("/search");
    is_problem(&answer, 400);
    assert_eq!(answer.json()["detail"], "the query parameter `q` is missing");
    is_problem(&client.get("/mine"), 400);
    is_problem(&client.get("/unknown"), 404);
    let answer = client.get("/orders");
    is_problem(&answer, 405);
    assert_eq!(answer.header("allow"), Some("POST"));
    is_problem(&post(&mut gateway.client(), "/orders", "", &"x".repeat(65 * 1024)), 413);
    // Nobody listens.
    is_problem(&gateway.get("/search?q=1"), 503);
    // Nobody answers.
    is_problem(&gateway.get("/slow"), 504);
    assert_eq!(gateway.get("/orders/7").status, 200);
}

#[test]
fn what_is_published_is_heard_and_a_subject_is_a_stream_of_events() {
    let nats = Nats::start();
    let gateway = TestGateway::start(&config(&nats));
    let mut reader = gateway.client();
    reader.send("GET /news/sport HTTP/1.1\r\nhost: a\r\n\r\n");
    let head = reader.read_until("\r\n\r\n");
    assert!(head.contains("content-type: text/event-stream") && head.contains("cache-control: no-store"), "{head}");
    let mut listener = nats.client();
    listener.subscribe("news.sport");
    let mut client = gateway.client();
    assert_eq!(post(&mut client, "/news?kind=sport", "content-type: text/plain\r\n", "one\ntwo").status, 202);
    assert_eq!(post(&mut client, "/news?kind=art", "", "not for them").status, 202);
    let message = listener.message().unwrap();
    assert_eq!(message.payload, "one\ntwo");
    assert!(message.headers.contains("content-type: text/plain\r\n"), "{}", message.headers);
    let read = reader.read_until("two\n\n");
    assert!(read.contains("data: one\ndata: two\n\n") && !read.contains("not for them"), "{read}");
    let active = || gateway.status()["upstreams"]["bus"]["endpoints"][0]["active"].as_u64();
    assert_eq!(active(), Some(1));
    reader.reset();
    until("the subscription is over", || (active() == Some(0)).then_some(()));
}

#[test]
fn a_reader_that_is_too_slow_is_told_and_holds_nothing() {
    let nats = Nats::start();
    let gateway = TestGateway::start(&config(&nats));
    let mut reader = gateway.client();
    reader.send("GET /all-news HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let _ = reader.read_until("\r\n\r\n");
    let before = gateway.memory();
    let (mut writer, text) = (nats.client(), "x".repeat(32 * 1024));
    let active = || gateway.status()["upstreams"]["bus"]["endpoints"][0]["active"].as_u64();
    // More than every buffer between them holds; the broker hands it on in its own time.
    for _ in 0..1000 {
        writer.publish("news.flood", &text);
    }
    until("the stream is given up", || gateway.log().contains("its stream of events ends").then_some(()));
    assert_eq!(active(), Some(1));
    let read = String::from_utf8(reader.rest()).unwrap();
    assert!(read.contains("event: overflow\n"), "{} bytes", read.len());
    assert!(gateway.memory() < before + 32 * 1024, "{} KiB, then {}", before, gateway.memory());
    until("the subscription is over", || (active() == Some(0)).then_some(()));
}

#[test]
fn a_stream_keeps_a_message_once() {
    let nats = Nats::start();
    nats.stream("AUDIT", "audit.>");
    let gateway = TestGateway::start(&config(&nats));
    let mut client = gateway.client();
    let mut store =
        |key: &str| post(&mut client, "/audit", &format!("x-user: ada\r\nidempotency-key: {key}\r\n"), "{}");
    let answer = store("a");
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json(), json!({ "stream": "AUDIT", "sequence": 1, "duplicate": false }));
    assert_eq!(store("a").json(), json!({ "stream": "AUDIT", "sequence": 1, "duplicate": true }));
    assert_eq!(store("b").json()["sequence"], 2);
    assert_eq!(nats.kept("AUDIT"), 2);
    is_problem(&post(&mut gateway.client(), "/audit", "", "{}"), 400);
    // No stream keeps it.
    is_problem(&gateway.get("/nowhere"), 503);
}

#[test]
fn a_broker_that_dies_and_comes_back_loses_and_doubles_nothing_that_was_confirmed() {
    let mut nats = Nats::start();
    nats.stream("AUDIT", "audit.>");
    let gateway = TestGateway::start(&config(&nats));
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let load = |worker: usize| {
        let (mut confirmed, mut statuses) = (Vec::new(), BTreeSet::new());
        let mut client = gateway.client();
        for number in 0.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let fields = format!("idempotency-key: {worker}-{number}\r\n");
            let answer = post(&mut client, "/audit", &fields, "{}");
            sent.fetch_add(1, Ordering::Relaxed);
            statuses.insert(answer.status);
            if answer.status == 202 {
                confirmed.push(answer.json()["sequence"].as_u64().unwrap());
            }
        }
        (confirmed, statuses)
    };
    let more = |what: &str, count: u64| {
        let before = sent.load(Ordering::Relaxed);
        until(what, || (sent.load(Ordering::Relaxed) >= before + count).then_some(()));
    };
    let (confirmed, statuses) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|worker| scope.spawn(move || load(worker))).collect();
        more("there is load", 100);
        nats.kill();
        more("requests are answered without the broker", 8);
        nats.revive();
        until("it is connected again", || {
            (gateway.status()["upstreams"]["bus"]["endpoints"][0]["state"] == "up").then_some(())
        });
        more("there is load again", 100);
        over.store(true, Ordering::Relaxed);
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        let confirmed: Vec<u64> = results.iter().flat_map(|(confirmed, _)| confirmed.clone()).collect();
        let statuses: BTreeSet<u16> = results.into_iter().flat_map(|(_, statuses)| statuses).collect();
        (confirmed, statuses)
    });
    let (sent, kept) = (sent.load(Ordering::Relaxed), nats.kept("AUDIT"));
    assert!(statuses.is_subset(&[202, 502, 503, 504].into()) && statuses.contains(&202), "{statuses:?}");
    assert!(statuses.contains(&503), "{statuses:?}");
    let distinct: BTreeSet<u64> = confirmed.iter().copied().collect();
    assert_eq!(distinct.len(), confirmed.len(), "two messages were confirmed as one");
    // Each that was confirmed is there; one that was not may be.
    assert!((confirmed.len() as u64..=sent).contains(&kept), "{} confirmed, {kept} kept, {sent} sent", confirmed.len());
}

#[test]
fn a_gateway_starts_without_its_broker_and_a_stream_ends_with_it() {
    let mut nats = Nats::start();
    nats.kill();
    let gateway = TestGateway::start(&config(&nats));
    is_problem(&gateway.get("/orders/7"), 503);
    assert_eq!(gateway.status()["upstreams"]["bus"]["endpoints"][0]["state"], "down");
    nats.revive();
    nats.serve("orders.>", |_| Some("{}".into()));
    until("it serves", || (gateway.get("/orders/7").status == 200).then_some(()));
    let mut reader = gateway.client();
    reader.send("GET /all-news HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let _ = reader.read_until("\r\n\r\n");
    nats.kill();
    // Whoever reads knows that something may be missing.
    assert!(String::from_utf8(reader.rest()).unwrap().ends_with("0\r\n\r\n"));
}

#[test]
fn credentials_come_from_secrets_and_a_wrong_one_is_told_in_no_words_of_it() {
    let nats = Nats::with(&["--user", "gateway", "--pass", "hunter2"]);
    let keys = "username = \"gateway\"\npassword = { secret = \"NATS\" }\n";
    let config = format!("{LISTENER}{}[[route]]\nname = \"bus\"\nupstream = \"bus\"\n", upstream(&nats, keys));
    let start = |password| Setup::new(&config).variable("NATS", password).start();
    let gateway = start("hunter2");
    until("it is connected", || (gateway.status()["upstreams"]["bus"]["endpoints"][0]["state"] == "up").then_some(()));
    assert_eq!(post(&mut gateway.client(), "/news?kind=art", "", "x").status, 202);
    let gateway = start("hunter3");
    is_problem(&post(&mut gateway.client(), "/news?kind=art", "", "x"), 503);
    let said = gateway.log();
    assert!(!said.contains("hunter"), "{said}");
}

#[test]
fn an_aggregate_joins_a_bridge_and_a_service() {
    let nats = Nats::start();
    nats.serve("orders.*.get", |_| Some("{\"customer\":\"c1\"}".into()));
    let crm = Upstream::start(|_| Reply::with("200 OK", "content-type: application/json\r\n", "{\"name\":\"Ada\"}"));
    let config = format!(
        "{LISTENER}{}[upstream.crm]\nendpoints = [\"{}\"]\n[plugin.aggregate]\ngrants = {{ http = [\"bus\", \"crm\"] }}\n\
         [[route]]\nname = \"home\"\nmatch = {{ path = \"/home/{{id}}\" }}\n[route.answer]\nplugin = \"aggregate\"\n\
         config = {{ parts = {{ order = {{ url = \"upstream://bus/orders/{{id}}\" }}, \
         customer = {{ url = \"upstream://crm/{{order.customer}}\" }} }} }}\n",
        upstream(&nats, ""),
        crm.url()
    );
    let gateway = Setup::new(&config).plugin("aggregate").start();
    let answer = gateway.get("/home/7");
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected: Value = json!({ "order": { "customer": "c1" }, "customer": { "name": "Ada" } });
    assert_eq!(answer.json(), expected);
}

#[test]
fn a_reload_keeps_the_connection_and_what_is_listened_to() {
    let nats = Nats::start();
    nats.serve("orders.*.get", |_| Some("{}".into()));
    let gateway = TestGateway::start(&config(&nats));
    let mut reader = gateway.client();
    reader.send("GET /all-news HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let _ = reader.read_until("\r\n\r\n");
    gateway.configure(&format!(
        "{}[[route]]\nname = \"more\"\nmatch = {{ path = \"/more\" }}\nrespond = {{ status = 204 }}\n",
        config(&nats)
    ));
    gateway.wait_for_generation(2);
    assert_eq!((gateway.get("/more").status, gateway.get("/orders/7").status), (204, 200));
    assert_eq!(gateway.log().matches("connected to NATS").count(), 1);
    // Another operation is another bridge: the old one stays for who is listening.
    gateway.configure(&config(&nats).replace("\"slow\"", "\"slower\""));
    gateway.wait_for_generation(3);
    until("it serves", || (gateway.get("/orders/7").status == 200).then_some(()));
    nats.client().publish("news.art", "still here");
    assert!(reader.read_until("\n\n").contains("data: still here"));
}

#[test]
fn an_answer_of_a_bridge_is_cached_like_any_other() {
    let nats = Nats::start();
    let asked = std::sync::Arc::new(AtomicU64::new(0));
    let count = std::sync::Arc::clone(&asked);
    nats.serve("orders.*.get", move |_| Some(format!("{{\"n\":{}}}", count.fetch_add(1, Ordering::Relaxed))));
    let config = format!("{}cache = {{ ttl = \"1 h\" }}\n", config(&nats));
    let gateway = TestGateway::start(&config);
    assert_eq!(gateway.get("/orders/7").json(), json!({ "n": 0 }));
    assert_eq!(gateway.get("/orders/7").json(), json!({ "n": 0 }));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_broker_is_spoken_to_over_tls_both_sides_proven() {
    let (authority, other, folder) = (Authority::default(), Authority::default(), tempfile::tempdir().unwrap());
    let (server, own) = (authority.server(&["127.0.0.1"]), authority.client("gateway", "urn:gateway"));
    let written = [("cert.pem", server.cert.clone()), ("key.pem", server.key.clone()), ("ca.pem", authority.pem())];
    let [cert, key, ca] = written.map(|(name, text)| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    });
    let nats = Nats::with(&["--tls", "--tlscert", &cert, "--tlskey", &key, "--tlscacert", &ca, "--tlsverify"]);
    let start = |authority: &Authority| {
        let upstream = upstream(&nats, "").replace("nats://", "tls://").replace(
            "[upstream.bus]\n",
            "[upstream.bus]\ntls = { ca = \"ca.pem\", client = { cert = \"own.pem\", key = \"own.key\" } }\n",
        );
        let config = format!("{LISTENER}{upstream}[[route]]\nname = \"bus\"\nupstream = \"bus\"\n");
        let setup = Setup::new(&config).file("ca.pem", authority.pem());
        setup.file("own.pem", &*own.cert).file("own.key", &*own.key).start()
    };
    let gateway = start(&authority);
    until("it is connected", || (gateway.status()["upstreams"]["bus"]["endpoints"][0]["state"] == "up").then_some(()));
    let mut reader = gateway.client();
    reader.send("GET /news/art HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = reader.read_until("\r\n\r\n");
    assert_eq!(post(&mut gateway.client(), "/news?kind=art", "", "by TLS").status, 202);
    assert!(reader.read_until("\n\n").contains("data: by TLS"));
    // Somebody else has signed the server's certificate.
    is_problem(&post(&mut start(&other).client(), "/news?kind=art", "", "x"), 503);
}
