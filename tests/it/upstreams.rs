//! Endpoints that die, stall, flap, reset and lie, in front of clients that should see nothing of it where that is allowed.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, TestGateway, Upstream};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A gateway with these endpoints; `more` stands in the upstream, `route` in the route.
fn config(endpoints: &[String], more: &str, route: &str) -> String {
    format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\nendpoints = [{}]\n{more}\n\
         [[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"service\"\n{route}\n",
        endpoints.join(", ")
    )
}

fn url(address: SocketAddr) -> String {
    format!("\"http://{address}\"")
}

fn of(upstream: &Upstream) -> String {
    url(upstream.address())
}

/// An upstream that answers with its own word.
fn named(name: &'static str) -> Upstream {
    Upstream::start(move |_| Reply::ok(name))
}

/// An address that nobody listens on; its port stays taken for as long as the socket is kept.
fn nobody() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// How often each body came.
fn bodies(gateway: &TestGateway, requests: usize) -> BTreeMap<String, usize> {
    let mut client = gateway.client();
    let mut seen = BTreeMap::new();
    for _ in 0..requests {
        let answer = client.get("/");
        *seen.entry(if answer.status == 200 { answer.text() } else { answer.status.to_string() }).or_default() += 1;
    }
    seen
}

fn endpoint(gateway: &TestGateway, position: usize) -> Value {
    gateway.status()["upstreams"]["service"]["endpoints"][position].clone()
}

fn state(gateway: &TestGateway, position: usize) -> String {
    endpoint(gateway, position)["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn each_endpoint_takes_its_weight() {
    let (one, two) = (named("one"), named("two"));
    let endpoints = [of(&one), format!("{{ url = {}, weight = 3 }}", of(&two))];
    let gateway = TestGateway::start(&config(&endpoints, "", ""));
    assert_eq!(bodies(&gateway, 40), BTreeMap::from([("one".to_owned(), 10), ("two".to_owned(), 30)]));
}

#[test]
fn a_client_stays_with_its_endpoint_by_its_cookie() {
    let upstreams = [named("a"), named("b"), named("c")];
    let endpoints: Vec<_> = upstreams.iter().map(of).collect();
    let gateway = TestGateway::start(&config(&endpoints, "balance = { hash = { cookie = \"session\" } }", ""));
    let mut all = std::collections::BTreeSet::new();
    for session in 0..30 {
        let mut client = gateway.client();
        let mut ask = || client.get_with("/", &format!("cookie: other=1; session=s{session}\r\n")).text();
        let first = ask();
        assert!((0..5).all(|_| ask() == first));
        all.insert(first);
    }
    assert_eq!(all.len(), 3);
}

#[test]
fn f1_f2_a_dead_endpoint_costs_no_client_anything_and_is_ejected() {
    let (good, (_taken, dead)) = (named("good"), nobody());
    let gateway = TestGateway::start(&config(&[of(&good), url(dead)], "", ""));
    assert_eq!(bodies(&gateway, 100), BTreeMap::from([("good".to_owned(), 100)]));
    assert_eq!(state(&gateway, 1), "ejected");
    assert_eq!(state(&gateway, 0), "up");
    // Nothing was sent, so even a POST with a body may go elsewhere.
    let gateway = TestGateway::start(&config(&[of(&good), url(dead)], "outliers = { failures = 0 }", ""));
    for _ in 0..10 {
        let answer = gateway.client().ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
        assert_eq!((answer.status, good.last().body), (200, b"abc".to_vec()));
    }
}

#[test]
fn f2_a_post_is_never_sent_twice_and_a_get_is() {
    let (good, reset) = (named("good"), Upstream::start(|_| Reply::Reset));
    let more = "outliers = { failures = 0 }";
    let gateway = TestGateway::start(&config(&[of(&good), of(&reset)], more, ""));
    assert_eq!(bodies(&gateway, 20), BTreeMap::from([("good".to_owned(), 20)]));
    let before = (good.received().len(), reset.received().len());
    assert_eq!(before, (20, 10));
    let mut failed = 0;
    for _ in 0..20 {
        let answer = gateway.client().ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
        failed += usize::from(answer.status == 502);
    }
    assert_eq!(failed, 10, "each one that was reset is told");
    assert_eq!(good.received().len() - before.0 + reset.received().len() - before.1, 20);
}

#[test]
fn f2_what_is_sent_once_more_is_bounded() {
    let reset = Upstream::start(|_| Reply::Reset);
    let more = "outliers = { failures = 0 }";
    let gateway = TestGateway::start(&config(&[of(&reset)], more, "retry = { times = 1, back-off = \"1 ms\" }"));
    let seen = bodies(&gateway, 400);
    assert_eq!(seen, BTreeMap::from([("502".to_owned(), 400)]));
    // A fifth of what was tried, which the retries are part of, and 10 a second for 10 s.
    let received = reset.received().len();
    assert!((500..=630).contains(&received), "{received}");
}

#[test]
fn an_answer_that_the_route_refuses_is_asked_for_elsewhere() {
    let (good, ill) = (named("good"), Upstream::start(|_| Reply::with("503 Service Unavailable", "", "ill")));
    let more = "outliers = { failures = 0 }";
    let gateway = TestGateway::start(&config(&[of(&good), of(&ill)], more, "retry = { on = [503] }"));
    assert_eq!(bodies(&gateway, 20), BTreeMap::from([("good".to_owned(), 20)]));
    // The last answer is the client's, whatever it is.
    let gateway = TestGateway::start(&config(&[of(&ill)], more, "retry = { on = [\"5xx\"], times = 2 }"));
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.text()), (503, "ill".to_owned()));
    assert_eq!(ill.received().len(), 10 + 3);
}

#[test]
fn a_slow_endpoint_is_not_waited_for_where_another_may_be_asked() {
    let (good, slow) = (named("good"), Upstream::start(|_| Reply::Stall(Vec::new())));
    let more = "outliers = { failures = 0 }";
    let route = "retry = { on = [\"timeout\"], per-try = \"100 ms\" }";
    let gateway = TestGateway::start(&config(&[of(&good), of(&slow)], more, route));
    assert_eq!(bodies(&gateway, 6), BTreeMap::from([("good".to_owned(), 6)]));
    // Without that it is named.
    let more = "outliers = { failures = 0 }\ntimeouts = { first-byte = \"100 ms\" }";
    let gateway = TestGateway::start(&config(&[of(&slow)], more, ""));
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.header("proxy-status")), (504, Some("gateway; error=http_response_timeout")));
}

#[test]
fn peak_ewma_leaves_a_slow_endpoint_alone() {
    let slow = Upstream::start(|_| {
        Reply::Trickle(
            vec![Vec::new(), b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow".to_vec()],
            Duration::from_millis(100),
        )
    });
    let fast = named("fast");
    let gateway = TestGateway::start(&config(&[of(&slow), of(&fast)], "balance = \"peak-ewma\"", ""));
    let seen = bodies(&gateway, 100);
    assert!(seen.get("slow").copied().unwrap_or_default() <= 3, "{seen:?}");
}

#[test]
fn f4_an_endpoint_that_answers_junk_is_ejected_comes_back_and_goes_again() {
    let ill = Arc::new(AtomicBool::new(true));
    let script = Arc::clone(&ill);
    let liar = Upstream::start(move |_| match script.load(Ordering::Relaxed) {
        true => Reply::Close(b"\x00\x01junk\r\n\r\n".to_vec()),
        false => Reply::ok("well"),
    });
    let good = named("good");
    let gateway = TestGateway::start(&config(&[of(&good), of(&liar)], "outliers = { ejection = \"300 ms\" }", ""));
    assert_eq!(bodies(&gateway, 50), BTreeMap::from([("good".to_owned(), 50)]));
    assert_eq!(state(&gateway, 1), "ejected");
    ill.store(false, Ordering::Relaxed);
    until("it is asked again", || bodies(&gateway, 2).contains_key("well").then_some(()));
    assert_eq!(state(&gateway, 1), "up");
    ill.store(true, Ordering::Relaxed);
    assert_eq!(bodies(&gateway, 50), BTreeMap::from([("good".to_owned(), 50)]));
    assert_eq!(state(&gateway, 1), "ejected");
}

#[test]
fn f4_the_last_endpoint_is_never_ejected() {
    let ill = Upstream::start(|_| Reply::with("503 Service Unavailable", "", "ill"));
    let gateway = TestGateway::start(&config(&[of(&ill)], "", ""));
    assert_eq!(bodies(&gateway, 30), BTreeMap::from([("503".to_owned(), 30)]));
    assert_eq!(state(&gateway, 0), "up");
    assert_eq!(ill.received().len(), 30);
}

#[test]
fn f1_a_cut_answer_counts_against_its_endpoint() {
    let cut = Upstream::start(|_| Reply::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()));
    let good = named("good");
    let gateway = TestGateway::start(&config(&[of(&good), of(&cut)], "", ""));
    for _ in 0..10 {
        let mut client = gateway.client();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let _ = client.response();
    }
    assert_eq!(state(&gateway, 1), "ejected");
}

#[test]
fn health_checks_take_an_endpoint_out_and_back_in() {
    let well = Arc::new(AtomicBool::new(true));
    let script = Arc::clone(&well);
    let checked = Upstream::start(move |request| match (request.target(), script.load(Ordering::Relaxed)) {
        ("/health", true) => Reply::ok(""),
        ("/health", false) => Reply::with("500 Internal Server Error", "", ""),
        _ => Reply::ok("checked"),
    });
    let other = named("other");
    let more = "health = { path = \"/health\", interval = \"50 ms\", healthy = 2, unhealthy = 2 }";
    let gateway = TestGateway::start(&config(&[of(&other), of(&checked)], more, ""));
    assert_eq!(bodies(&gateway, 10).len(), 2);
    well.store(false, Ordering::Relaxed);
    until("it is down", || (state(&gateway, 1) == "down").then_some(()));
    assert_eq!(bodies(&gateway, 10), BTreeMap::from([("other".to_owned(), 10)]));
    well.store(true, Ordering::Relaxed);
    until("it is up", || (state(&gateway, 1) == "up").then_some(()));
    assert_eq!(bodies(&gateway, 10).len(), 2);
    assert!(checked.received().iter().any(|request| request.value("user-agent") == Some("gateway-health")));
}

#[test]
fn a_second_group_takes_over_when_the_first_is_down() {
    let well = Arc::new(AtomicBool::new(true));
    let script = Arc::clone(&well);
    let first = Upstream::start(move |_| match script.load(Ordering::Relaxed) {
        true => Reply::ok("first"),
        false => Reply::Reset,
    });
    let second = named("second");
    let more =
        "health = { path = \"/\", interval = \"50 ms\", healthy = 1, unhealthy = 1 }\noutliers = { failures = 0 }";
    let endpoints = [of(&first), format!("{{ url = {}, priority = 1 }}", of(&second))];
    let gateway = TestGateway::start(&config(&endpoints, more, ""));
    assert_eq!(bodies(&gateway, 10), BTreeMap::from([("first".to_owned(), 10)]));
    well.store(false, Ordering::Relaxed);
    assert_eq!(bodies(&gateway, 10), BTreeMap::from([("second".to_owned(), 10)]), "by retries, then by health");
    until("it is down", || (state(&gateway, 0) == "down").then_some(()));
    well.store(true, Ordering::Relaxed);
    until("the first is back", || bodies(&gateway, 1).contains_key("first").then_some(()));
}

#[test]
fn f3_past_the_limits_there_is_503_at_once() {
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    let slow = Upstream::start(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Reply::Stall(Vec::new())
    });
    let gateway = TestGateway::start(&config(&[of(&slow)], "limits = { requests = 2, pending = 0 }", ""));
    let mut clients: Vec<Client> = (0..2).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    until("both are under way", || (open.load(Ordering::Relaxed) == 2).then_some(()));
    let start = Instant::now();
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.header("proxy-status"), Some("gateway; error=connection_limit_reached"));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(open.load(Ordering::Relaxed), 2);
}

#[test]
fn f8_a_route_has_so_many_requests_at_once_and_so_many_that_wait() {
    let slow = Upstream::start(|_| Reply::Stall(Vec::new()));
    let config = config(&[of(&slow)], "", "limits = { requests = 1 }\ndeadline = \"5 s\"");
    let gateway = TestGateway::start(&config);
    let mut first = gateway.client();
    first.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it is under way", || slow.received().pop());
    let start = Instant::now();
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.header("proxy-status"), Some("gateway; error=proxy_overloaded"));
    assert!(start.elapsed() < Duration::from_secs(1));
    // The place comes free when the client goes.
    drop(first);
}

#[test]
fn a_breaker_opens_probes_and_closes() {
    let ill = Arc::new(AtomicBool::new(true));
    let script = Arc::clone(&ill);
    let service = Upstream::start(move |_| match script.load(Ordering::Relaxed) {
        true => Reply::with("503 Service Unavailable", "", "ill"),
        false => Reply::ok("well"),
    });
    let more = "breaker = { requests = 10, open = \"200 ms\", probes = 2 }";
    let gateway = TestGateway::start(&config(&[of(&service)], more, ""));
    bodies(&gateway, 10);
    assert_eq!(service.received().len(), 10);
    let answer = gateway.get("/");
    assert_eq!(answer.header("proxy-status"), Some("gateway; error=destination_unavailable"));
    assert_eq!(service.received().len(), 10, "it is not asked");
    assert_eq!(gateway.status()["upstreams"]["service"]["breaker_open"], true);
    ill.store(false, Ordering::Relaxed);
    until("it is closed", || {
        let _ = gateway.get("/");
        (gateway.status()["upstreams"]["service"]["breaker_open"] == false).then_some(())
    });
    assert_eq!(bodies(&gateway, 10), BTreeMap::from([("well".to_owned(), 10)]));
}

#[test]
fn a_split_has_its_shares_and_a_client_may_stay_with_its_part() {
    let (old, new) = (named("old"), named("new"));
    let upstreams = format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.old]\nendpoints = [{}]\n[upstream.new]\nendpoints = [{}]\n",
        of(&old),
        of(&new)
    );
    let route = "[[route]]\nname = \"all\"\nmatch = { prefix = \"/\" }\nsplit = { old = 3, new = 1 }\n";
    let gateway = TestGateway::start(&format!("{upstreams}{route}"));
    let seen = bodies(&gateway, 400);
    assert!((50..=150).contains(&seen["new"]), "{seen:?}");
    let gateway = TestGateway::start(&format!("{upstreams}{route}split-by = {{ header = \"x-user\" }}\n"));
    let mut parts = BTreeMap::<String, usize>::new();
    for user in 0..200 {
        let mut client = gateway.client();
        let mut ask = || client.get_with("/", &format!("x-user: {user}\r\n")).text();
        let first = ask();
        assert_eq!(ask(), first);
        *parts.entry(first).or_default() += 1;
    }
    assert!((25..=75).contains(&parts["new"]), "{parts:?}");
}

#[test]
fn endpoints_that_stay_keep_connections_and_state_over_a_change() {
    let (stays, goes, comes) = (named("stays"), Upstream::start(|_| Reply::Reset), named("comes"));
    let gateway = Setup::new(&config(&[of(&stays), of(&goes)], "", "")).argument("--threads=1").start();
    assert_eq!(bodies(&gateway, 40), BTreeMap::from([("stays".to_owned(), 40)]));
    assert_eq!(state(&gateway, 1), "ejected");
    gateway.configure(&config(&[of(&comes), of(&goes), of(&stays)], "", ""));
    gateway.wait_for_generation(2);
    let seen = bodies(&gateway, 40);
    assert!(seen.len() == 2 && seen.values().all(|count| *count > 5), "{seen:?}");
    assert_eq!(state(&gateway, 1), "ejected");
    let connections: std::collections::BTreeSet<_> =
        stays.received().iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 1, "{connections:?}");
}

#[test]
fn an_endpoint_killed_under_load_fails_no_request() {
    let good = named("good");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let killed = Arc::new(AtomicBool::new(false));
    let is_killed = Arc::clone(&killed);
    std::thread::spawn(move || serve_until_killed(&socket, &is_killed));
    let gateway = TestGateway::start(&config(&[of(&good), url(address)], "", ""));
    let address = gateway.address("public");
    let done = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let (mut client, mut asked) = (Client::connect(address), 0);
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/").status, 200);
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    until("both are asked", || {
        (endpoint(&gateway, 1)["active"].as_u64()? > 0 || good.received().len() > 200).then_some(())
    });
    killed.store(true, Ordering::Relaxed);
    let before = good.received().len();
    until("the other one does it alone", || (good.received().len() > before + 500).then_some(()));
    done.store(true, Ordering::Relaxed);
    let asked: usize = load.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(asked > 500, "{asked}");
    assert_eq!(state(&gateway, 1), "ejected");
}

/// Answers until it is killed; then every connection is reset, and nobody listens.
fn serve_until_killed(socket: &TcpListener, killed: &Arc<AtomicBool>) {
    use std::io::{Read as _, Write as _};
    socket.set_nonblocking(true).unwrap();
    while !killed.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = socket.accept() else {
            std::thread::yield_now();
            continue;
        };
        let killed = Arc::clone(killed);
        std::thread::spawn(move || {
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            let mut buffer = [0; 4096];
            while !killed.load(Ordering::Relaxed) {
                match stream.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(_) if killed.load(Ordering::Relaxed) => return,
                    Ok(_) => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap_or_default(),
                    Err(_) => {}
                }
            }
        });
    }
}

/// An upstream that answers with this start, then with this again and again, for as long as it is read.
fn flood(start: &'static str, again: &'static str) -> SocketAddr {
    use std::io::{Read as _, Write as _};
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(start.as_bytes());
                while stream.write_all(again.repeat(100).as_bytes()).is_ok() {}
            });
        }
    });
    address
}

#[test]
fn p8_an_upstream_that_floods_heads_interim_answers_or_trailers_is_cut() {
    for (start, again, status) in [
        ("HTTP/1.1 200 OK\r\n", "x-field: value\r\n", 502),
        ("HTTP/1.1 200 OK\r\nx-field: ", "value", 502),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", 502),
        ("", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "x-field: value\r\n", 200),
    ] {
        let gateway = TestGateway::start(&config(&[url(flood(start, again))], "", "retry = { times = 0 }"));
        let begun = Instant::now();
        let mut client = gateway.client();
        client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "P8: {again:?}: {answer}");
        // The first chunk came as a whole, the answer did not.
        assert!(status == 502 || !answer.ends_with("0\r\n\r\n"), "P8: {again:?}: {answer}");
        assert!(begun.elapsed() < Duration::from_secs(10), "P8: {again:?}");
    }
}

#[test]
fn server_sent_events_arrive_one_by_one() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec();
    let events = (0..5).map(|number| format!("data: {number}\n\n").into_bytes());
    let parts: Vec<_> = std::iter::once(head).chain(events).collect();
    let service = Upstream::start(move |_| Reply::Trickle(parts.clone(), Duration::from_millis(200)));
    let gateway = TestGateway::start(&config(&[of(&service)], "", ""));
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let (mut seen, mut looks, mut buffer) = (String::new(), 0, [0; 4096]);
    while !seen.contains("data: 4") {
        let count = client.read(&mut buffer).unwrap();
        let new = String::from_utf8_lossy(&buffer[..count]).into_owned();
        assert!(new.matches("data: ").count() <= 1, "two at once: {new}");
        looks += 1;
        seen += &new;
    }
    assert!(looks >= 5);
}
