//! Standard components of `wasi:http`, unmodified, in one chain with plugins of our own world. What each does is told by the field `x-do`.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, TestGateway, Upstream};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Routes through the middleware, and to the two that answer; all may call the upstream `service`.
pub(crate) fn setup(upstream: &Upstream, more: &str) -> Setup {
    Setup::new(&format!(
        r#"{}
[plugin.middleware]
grants = {{ http = ["service"] }}
{more}
[plugin.proxy]
grants = {{ http = ["service"] }}
[[route]]
name = "around"
match = {{ prefix = "/around" }}
chain = ["middleware"]
upstream = "service"
[[route]]
name = "proxy"
match = {{ prefix = "/proxy" }}
answer = "proxy"
[[route]]
name = "service"
match = {{ prefix = "/service" }}
answer = "service"
[[route]]
name = "all-of-them"
match = {{ prefix = "/chain" }}
chain = ["phases", "middleware"]
answer = "proxy"
"#,
        upstream.config()
    ))
    .plugin("middleware")
    .plugin("service")
    .plugin("proxy")
    .plugin("phases")
}

pub(crate) fn served(upstream: &Upstream) -> TestGateway {
    setup(upstream, "").start()
}

pub(crate) fn plugin(gateway: &TestGateway, name: &str, count: &str) -> u64 {
    let status = gateway.status();
    let plugins = status["plugins"].as_array().unwrap();
    plugins.iter().filter(|plugin| plugin["name"] == name).filter_map(|plugin| plugin[count].as_u64()).sum()
}

pub(crate) fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: h\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn components_of_both_versions_answer_routes() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let mut client = gateway.client();
    for (path, abi) in [("/proxy/a?b=c", "wasi:http 0.2"), ("/service/a?b=c", "wasi:http 0.3")] {
        // Several on one connection: bodies end where they end.
        for _ in 0..3 {
            let response = client.ask(post(path, "", "what came"));
            assert_eq!((response.status, response.text().as_str()), (200, "what came"), "{path}");
            assert_eq!(response.header("x-abi"), Some(abi));
            assert_eq!(response.header("x-path"), Some(path));
        }
        assert_eq!(client.get(path).text(), "");
        let chunked = format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
        );
        assert_eq!(client.ask(chunked).text(), "abcdefg");
    }
    assert!(upstream.received().is_empty());
}

#[test]
fn one_request_passes_a_filter_a_middleware_and_a_component_and_back() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let response = gateway.client().ask(post("/chain/x", "x-do: \r\n", "body"));
    assert_eq!((response.status, response.text().as_str()), (200, "body"));
    // The component has seen what the middleware wrote, the middleware's mark is on the answer, and so is the filter's.
    assert_eq!(response.header("x-abi"), Some("wasi:http 0.2"));
    assert_eq!(response.header("x-seen"), Some("was-here"));
    assert_eq!(response.header("x-served"), Some("1"));
    assert_eq!(response.header("x-ran"), Some("on-request on-response"));
}

#[test]
fn a_middleware_reads_and_writes_both_ways() {
    let upstream = Upstream::start(|request| match request.target() {
        "/around/trailers" => Reply::Bytes(
            b"HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"
                .to_vec(),
        ),
        _ => Reply::ok("an answer"),
    });
    let gateway = served(&upstream);
    let mut client = gateway.client();
    let response = client.ask(post("/around", "", "a body"));
    assert_eq!((response.status, response.text().as_str()), (200, "an answer"));
    assert_eq!(upstream.last().value("x-middleware"), Some("was-here"));
    assert_eq!(upstream.last().body, b"a body");
    let response = client.get_with("/around", "x-do: upper\r\n");
    assert_eq!(response.text(), "AN ANSWER");
    let response = client.ask(post("/around", "x-do: upper-request\r\n", "a body"));
    assert_eq!(response.status, 200);
    assert!(String::from_utf8_lossy(&upstream.last().body).contains("A BODY"), "{:?}", upstream.last());
    let response = client.get_with("/around", "x-do: pass\r\n");
    assert_eq!((response.status, response.text().as_str()), (200, "an answer"));
    // What has no body is not framed as if it had one.
    assert_eq!(upstream.last().value("transfer-encoding"), None);
    let response = client.get_with("/around", "x-do: refuse\r\n");
    assert_eq!((response.status, response.text().as_str()), (403, "refused by the middleware"));
    client.send("GET /around/trailers HTTP/1.1\r\nhost: h\r\nte: trailers\r\nx-do: upper\r\nconnection: close\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.contains("ABC\r\n0\r\nx-sum: 1\r\n"), "{answer}");
}

#[test]
fn a_middleware_calls_the_rest_three_times_and_twice_at_once() {
    let upstream = Upstream::start(|request| Reply::ok(request.target()));
    let gateway = served(&upstream);
    let response = gateway.client().get_with("/around", "x-do: thrice\r\n");
    assert_eq!(response.text(), "200:/first 200:/second 200:/third");
    let targets: Vec<_> = upstream.received().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["/first", "/second", "/third"]);
    assert!(upstream.received().iter().all(|request| request.value("transfer-encoding").is_none()));

    let together = Gathering::new(2);
    let upstream = Upstream::start(move |request| {
        together.wait();
        Reply::ok(request.target())
    });
    let gateway = served(&upstream);
    let response = gateway.client().get_with("/around", "x-do: twice-at-once\r\n");
    assert_eq!(response.text(), "200:/one 200:/two");
}

/// Lets nobody go on before so many have come.
#[derive(Clone)]
struct Gathering(Arc<(Mutex<usize>, Condvar)>, usize);

impl Gathering {
    fn new(number: usize) -> Self {
        Self(Arc::default(), number)
    }

    fn wait(&self) {
        let (come, all) = &*self.0;
        let mut come = come.lock().unwrap();
        *come += 1;
        all.notify_all();
        drop(all.wait_while(come, |come| *come < self.1).unwrap());
    }
}

#[test]
fn a_middleware_asks_three_services_at_once() {
    // None of them is answered before all three have come: one after the other would wait for ever.
    let together = Gathering::new(3);
    let upstream = Upstream::start(move |request| {
        together.wait();
        Reply::ok(request.target())
    });
    let gateway = served(&upstream);
    let response = gateway.client().get_with("/around", "x-do: three-services\r\n");
    assert_eq!(response.text(), "200:/one 200:/two 200:/three");
    let response = gateway.client().get_with("/proxy", "x-do: fetch\r\n");
    assert_eq!(response.text(), "200:/fetched");
}

#[test]
fn sixteen_requests_share_an_instance_and_a_trap_costs_those_in_it() {
    let (inside, open) = (Arc::new(AtomicUsize::new(0)), Arc::new((Mutex::new(false), Condvar::new())));
    let (count, gate) = (Arc::clone(&inside), Arc::clone(&open));
    let upstream = Upstream::start(move |request| {
        if request.target().starts_with("/around/held") {
            count.fetch_add(1, Ordering::Relaxed);
            drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
        }
        Reply::ok("ok")
    });
    // One thread serves all connections, so that all requests come to one pool.
    let gateway = setup(&upstream, "").argument("--threads=1").start();
    let address = gateway.address("public");
    // One after the other: an instance takes one more when those that it has wait for something.
    let hold = |number: usize| {
        let ask = |position| {
            let asked = thread::spawn(move || {
                let response = Client::connect(address).get("/around/held");
                (response.status, response.header("x-most").map(str::to_owned))
            });
            until("it is held", || (inside.load(Ordering::Relaxed) > position).then_some(()));
            asked
        };
        (0..number).map(ask).collect::<Vec<_>>()
    };
    let set = |is_open| {
        *open.0.lock().unwrap() = is_open;
        open.1.notify_all();
    };
    let held = hold(16);
    assert_eq!(plugin_instances(&gateway), 1);
    set(true);
    for request in held {
        assert_eq!(request.join().unwrap(), (200, Some("16".to_owned())));
    }
    set(false);
    // Twenty at once are in two instances; a trap costs those that are with it in one.
    inside.store(0, Ordering::Relaxed);
    let held = hold(20);
    assert_eq!(plugin_instances(&gateway), 2);
    assert_eq!(gateway.client().get_with("/around", "x-do: trap\r\n").status, 503);
    set(true);
    let answers: Vec<_> = held.into_iter().map(|request| request.join().unwrap().0).collect();
    let lost = answers.iter().filter(|status| **status == 503).count();
    assert_eq!(lost + answers.iter().filter(|status| **status == 200).count(), 20);
    assert!((1..20).contains(&lost), "{answers:?}");
    assert_eq!(plugin(&gateway, "middleware", "traps"), lost as u64 + 1);
}

#[test]
fn r1_components_of_each_interface_are_replaced_under_load() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let (address, stop, asked) =
        (gateway.address("public"), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let ask = |path: &'static str| {
        let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
        thread::spawn(move || {
            let mut client = Client::connect(address);
            let mut failed = 0;
            while !stop.load(Ordering::Relaxed) {
                failed += usize::from(client.ask(post(path, "", "ok")).text() != "ok");
                asked.fetch_add(1, Ordering::Relaxed);
            }
            failed
        })
    };
    let clients: Vec<_> = ["/around", "/proxy", "/service", "/chain"].into_iter().map(ask).collect();
    for number in 0..5_u8 {
        for name in ["middleware", "proxy", "service", "phases"] {
            let before = hash(&gateway, name);
            // A custom section makes another component of it that does the same.
            let other = [&gateway_tests::gateway::component(name)[..], &[0, 3, 1, b'n', number]].concat();
            gateway.replace(&format!("plugins.d/{name}.wasm"), &other);
            until("the new version serves", || (hash(&gateway, name) != before).then_some(()));
        }
    }
    let so_far = asked.load(Ordering::Relaxed);
    until("requests go on", || (asked.load(Ordering::Relaxed) > so_far + 200).then_some(()));
    stop.store(true, Ordering::Relaxed);
    let failed: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert_eq!(failed, 0, "R1: of {}", asked.load(Ordering::Relaxed));
    assert_eq!(gateway.status()["reload"]["failed"], 0);
}

fn hash(gateway: &TestGateway, name: &str) -> String {
    let status = gateway.status();
    let plugins = status["plugins"].as_array().unwrap();
    plugins.iter().find(|plugin| plugin["name"] == name).unwrap()["sha256"].as_str().unwrap().to_owned()
}

pub(crate) fn plugin_instances(gateway: &TestGateway) -> u64 {
    let status = gateway.status();
    let plugins = status["plugins"].as_array().unwrap();
    plugins.iter().find(|plugin| plugin["name"] == "middleware").unwrap()["instances"]["live"].as_u64().unwrap()
}

#[test]
fn a_long_body_streams_through_in_bounded_memory() {
    // What is sent is longer than any bound; by hand with 1 GiB (`LONG_BODY=1024`).
    let mebibytes: usize = std::env::var("LONG_BODY").map_or(64, |number| number.parse().unwrap());
    let length = mebibytes << 20;
    let service = gateway_tests::service::start(move |mut stream: TcpStream| {
        gateway_tests::service::head(&mut stream);
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).unwrap();
        let piece = vec![b'a'; 64 << 10];
        for _ in 0..length / piece.len() {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
    });
    let config = format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"
[upstream.service]
endpoints = ["http://{service}"]
[plugin.middleware]
grants = {{ http = ["service"] }}
[[route]]
name = "around"
match = {{ prefix = "/" }}
chain = ["middleware"]
upstream = "service"
"#
    );
    let gateway = Setup::new(&config).plugin("middleware").start();
    for what in ["upper", "pass"] {
        let expected = if what == "upper" { b'A' } else { b'a' };
        let before = gateway.memory();
        let mut client = gateway.client();
        client.send(format!("GET / HTTP/1.1\r\nhost: h\r\nx-do: {what}\r\nconnection: close\r\n\r\n"));
        let (mut buffer, mut counted, mut most) = (vec![0; 256 << 10], 0, 0);
        let mut reads = 0_usize;
        loop {
            let read = client.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            counted += buffer[..read].iter().filter(|byte| **byte == expected).count();
            reads += 1;
            if reads.is_multiple_of(64) {
                most = most.max(gateway.memory());
            }
        }
        // The head has an `A` or an `a` or two as well.
        assert!((length..length + 64).contains(&counted), "{what}: {counted} of {length}");
        let grown = most.saturating_sub(before);
        assert!(grown < 32 << 10, "{what}: the process grew by {grown} KiB");
    }
}
