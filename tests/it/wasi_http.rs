//! Standard components of `wasi:http`, unmodified, in one chain with plugins of our own world. What each does is told by the field `x-do`.

use gateway_tests::gateway::Setup;
use gateway_tests::http2::{END_HEADERS, END_STREAM, Http2, block, frame, kind};
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, TestGateway, Upstream};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Routes through the middleware, and to the two that answer; all may call the upstream `service`.
fn setup(upstream: &Upstream, more: &str) -> Setup {
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

fn served(upstream: &Upstream) -> TestGateway {
    setup(upstream, "").start()
}

fn plugin(gateway: &TestGateway, name: &str, count: &str) -> u64 {
    let status = gateway.status();
    let plugins = status["plugins"].as_array().unwrap();
    plugins.iter().filter(|plugin| plugin["name"] == name).filter_map(|plugin| plugin[count].as_u64()).sum()
}

fn post(path: &str, fields: &str, body: &str) -> String {
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
fn w9_a_service_that_is_not_granted_is_not_called() {
    let upstream = Upstream::ok();
    let config = upstream.config()
        + r#"
[plugin.proxy]
grants = { http = ["http://127.0.0.1:1"] }
[[route]]
name = "proxy"
match = { prefix = "/proxy" }
answer = "proxy"
"#;
    let gateway = Setup::new(&config).plugin("proxy").start();
    let response = gateway.client().get_with("/proxy", "x-do: fetch\r\n");
    assert_eq!(response.text(), "ErrorCode::HttpRequestDenied", "W9");
    assert_eq!(gateway.counter("plugin.proxy.denied"), 1, "W9");
    assert!(upstream.received().is_empty());
    // What it prints is in the log, a line each.
    gateway.client().get_with("/proxy", "x-do: say\r\n");
    until("both lines are logged", || {
        let log = gateway.log();
        (log.contains("a line of the guest's") && log.contains("and no end of another")).then_some(())
    });
}

#[test]
fn w1_w2_w5_hostile_components_cost_their_own_request() {
    let upstream = Upstream::ok();
    let gateway = served(&upstream);
    let mut client = gateway.client();
    for (path, what) in [
        ("/around", "loop"),
        ("/around", "host-loop"),
        ("/around", "memory"),
        ("/around", "trap"),
        ("/around", "trap-after"),
        ("/around", "error"),
        ("/service", "loop"),
        ("/service", "trap"),
        ("/proxy", "loop"),
        ("/proxy", "memory"),
        ("/proxy", "trap"),
    ] {
        let response = client.get_with(path, &format!("x-do: {what}\r\n"));
        assert_eq!(response.status, 503, "W1, W2, W5: {what} on {path}");
        assert_eq!(client.ask(post(path, "", "ok")).text(), "ok", "W5: after {what} on {path}");
    }
    assert_eq!(plugin(&gateway, "middleware", "cpu_exceeded"), 2);
    assert_eq!(plugin(&gateway, "middleware", "traps"), 3);
    assert_eq!(plugin(&gateway, "middleware", "bad_output"), 1);
    assert_eq!(plugin(&gateway, "proxy", "traps"), 2);
    assert_eq!(plugin(&gateway, "proxy", "cpu_exceeded"), 1);
}

#[test]
fn w5_what_was_cut_never_looks_whole() {
    let upstream = Upstream::start(|_| {
        Reply::Trickle(
            vec![
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n".to_vec(),
                b"3\r\ntwo\r\n".to_vec(),
                b"5\r\nthree\r\n".to_vec(),
                b"0\r\n\r\n".to_vec(),
            ],
            Duration::from_millis(20),
        )
    });
    let gateway = served(&upstream);
    for path in ["/around", "/proxy"] {
        let mut client = gateway.client();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\nx-do: trap-later\r\n\r\n"));
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "W5: {answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "W5: {path}: {answer}");
    }
    assert_eq!(plugin(&gateway, "middleware", "traps"), 1, "W5");
    assert_eq!(plugin(&gateway, "proxy", "traps"), 1, "W5");
}

#[test]
fn a_middleware_that_failed_is_skipped_while_nothing_was_done() {
    let upstream = Upstream::start(|_| Reply::ok("ok"));
    let gateway = setup(&upstream, "on_error = \"skip\"").start();
    let mut client = gateway.client();
    let response = client.ask(post("/around", "x-do: trap\r\n", "a body"));
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    assert_eq!(upstream.last().body, b"a body");
    // The service has had this one: it is not asked once more.
    let response = client.ask(post("/around", "x-do: trap-after\r\n", "a body"));
    assert_eq!(response.status, 503);
    assert_eq!(upstream.received().len(), 2);
}

#[test]
fn a_deadline_ends_a_call_and_not_its_neighbours() {
    let upstream = Upstream::ok();
    let gateway = setup(&upstream, "limits = { wall = \"300 ms\" }").start();
    let address = gateway.address("public");
    let waiting = thread::spawn(move || Client::connect(address).get_with("/around", "x-do: wait\r\n").status);
    let mut client = gateway.client();
    while !waiting.is_finished() {
        assert_eq!(client.get("/around").status, 200);
    }
    assert_eq!(waiting.join().unwrap(), 503);
    assert_eq!(plugin(&gateway, "middleware", "wall_exceeded"), 1);
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

#[test]
fn a_component_in_the_wrong_place_is_told_the_right_one() {
    let upstream = Upstream::ok();
    for (route, code, text) in [
        ("chain = [\"service\"]\nupstream = \"service\"", "not-a-link", "name it in `answer`"),
        ("answer = \"middleware\"", "not-an-answer", "name it in a `chain`"),
        ("answer = { plugin = \"service\", config = { a = 1 } }", "plugin-configure", "leave out `config`"),
    ] {
        let granted = "[plugin.middleware]\ngrants = { http = [\"service\"] }\n";
        let route = format!("[[route]]\nname = \"wrong\"\nmatch = {{ path = \"/wrong\" }}\n{route}\n");
        let granted = if code == "not-an-answer" { granted } else { "" };
        let config = upstream.config() + granted + &route;
        let mut gateway = Setup::new(&config).plugin("service").plugin("middleware").launch();
        assert_eq!(gateway.exit_code(), Some(2), "{code}");
        let log = gateway.log();
        assert!(
            log.contains(&format!("error[{code}]")) && log.contains(text) && log.contains("gateway.toml:"),
            "{log}"
        );
    }
}

#[test]
fn w8_w13_places_are_bounded_and_given_back_by_who_goes_away() {
    let upstream = Upstream::ok();
    // One thread and one instance more: 32 requests of 0.3 at a time.
    let gateway = setup(&upstream, "limits = { waiting = 1 }").argument("--threads=1").start();
    // By HTTP/2: that a client of HTTP/1.1 has gone is seen when it is written to.
    let mut leaving = Http2::connect(gateway.address("public"), &[]);
    let what = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/around"), ("x-do", "wait")];
    for number in 0..40 {
        leaving.send(frame(kind::HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &block(&what)));
    }
    until("the plugin is full", || (plugin(&gateway, "middleware", "refused_full") > 0).then_some(()));
    assert!(plugin_instances(&gateway) <= 2, "W8");
    let mut client = gateway.client();
    assert_eq!(client.get("/around").status, 503, "W8");
    assert_eq!(client.ask(post("/proxy", "", "ok")).text(), "ok", "W8: another plugin");
    drop(leaving);
    until("its places are free", || (client.get("/around").status == 200).then_some(()));
}

#[test]
fn a_component_of_0_2_streams_for_longer_than_its_deadline() {
    let upstream = Upstream::ok();
    let config = upstream.config()
        + "[plugin.proxy]\ngrants = { http = [\"service\"] }\nlimits = { wall = \"200 ms\" }\n\
           [[route]]\nname = \"proxy\"\nmatch = { prefix = \"/proxy\" }\nanswer = \"proxy\"\n";
    let gateway = Setup::new(&config).plugin("proxy").start();
    let mut client = gateway.client();
    client.send("POST /proxy HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    for _ in 0..6 {
        client.send("3\r\nabc\r\n");
        thread::sleep(Duration::from_millis(100));
    }
    client.send("0\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(answer.matches("abc").count(), 6, "{answer}");
}

fn plugin_instances(gateway: &TestGateway) -> u64 {
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
