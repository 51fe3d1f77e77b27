//! Endpoints in Consul, whose API a scripted server speaks: blocking queries, an index that is reset, errors, a token.

use crate::discovery::{bodies, config, connections, named, until_error, until_only};
use gateway_tests::gateway::Setup;
use gateway_tests::upstream::Received;
use gateway_tests::wait::until;
use gateway_tests::{Reply, Upstream};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What Consul knows, and when that changed.
#[derive(Default)]
struct Catalogue {
    index: u64,
    instances: Vec<(SocketAddr, u32)>,
    is_broken: bool,
}

#[derive(Clone, Default)]
struct Consul(Arc<(Mutex<Catalogue>, Condvar)>);

impl Consul {
    fn register(&self, index: u64, instances: &[(&Upstream, u32)]) {
        let instances = instances.iter().map(|(upstream, weight)| (upstream.address(), *weight)).collect();
        *self.0.0.lock().unwrap() = Catalogue { index, instances, is_broken: false };
        self.0.1.notify_all();
    }

    fn break_down(&self) {
        self.0.0.lock().unwrap().is_broken = true;
        self.0.1.notify_all();
    }

    /// Waits as its documentation says: until there is another index than the one that is known, or for as long as asked.
    fn answer(&self, request: &Received) -> Reply {
        let (path, query) = request.target().split_once('?').unwrap();
        if path != "/v1/health/service/orders" || request.value("x-consul-token") != Some("s3cret") {
            return Reply::with("403 Forbidden", "", "Permission denied");
        }
        let parameter = |name: &str| {
            query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        assert_eq!(parameter("passing").as_deref(), Some("1"));
        let known: u64 = parameter("index").map_or(0, |index| index.parse().unwrap());
        let wait = parameter("wait")
            .map_or(Duration::ZERO, |wait| Duration::from_secs(wait.strip_suffix('s').unwrap().parse().unwrap()));
        let catalogue = self.0.0.lock().unwrap();
        // Before anything was registered the first question waits as well.
        let waits =
            |catalogue: &mut Catalogue| !catalogue.is_broken && (catalogue.index == 0 || known == catalogue.index);
        let wait = wait.max(Duration::from_secs(8));
        let (catalogue, _) = self.0.1.wait_timeout_while(catalogue, wait, waits).unwrap();
        if catalogue.is_broken {
            return Reply::with("500 Internal Server Error", "", "No cluster leader");
        }
        let instances = catalogue.instances.iter().map(|(address, weight)| {
            format!(
                "{{\"Node\":{{\"Node\":\"n\",\"Address\":\"{}\"}},\"Service\":{{\"ID\":\"i\",\"Address\":\"\",\
                 \"Port\":{},\"Weights\":{{\"Passing\":{weight},\"Warning\":1}}}},\"Checks\":[]}}",
                address.ip(),
                address.port()
            )
        });
        let body = format!("[{}]", instances.collect::<Vec<_>>().join(","));
        Reply::with("200 OK", &format!("x-consul-index: {}\r\n", catalogue.index), &body)
    }
}

fn lines(server: &Upstream, token: &str) -> String {
    format!(
        "discover = {{ consul = {{ address = \"{}\", service = \"orders\", token = {{ secret = \"{token}\" }} }} }}",
        server.url()
    )
}

#[test]
fn consuls_answers_are_followed_and_kept() {
    let consul = Consul::default();
    let script = consul.clone();
    let server = Upstream::start(move |request| script.answer(request));
    let (one, two) = (named("one"), named("two"));
    let setup = Setup::new(&config(&lines(&server, "CONSUL_TOKEN"))).variable("CONSUL_TOKEN", "s3cret");
    let gateway = setup.argument("--threads=1").start();
    // A request waits for the first answer.
    let mut early = gateway.client();
    early.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    consul.register(10, &[(&one, 1)]);
    assert_eq!(early.response().unwrap().text(), "one");
    until_only(&gateway, &["one"]);
    consul.register(20, &[(&one, 1), (&two, 1)]);
    until_only(&gateway, &["one", "two"]);
    let queries = || server.received().iter().map(|request| request.target().to_owned()).collect::<Vec<_>>();
    until("the next query waits for news", || {
        queries().iter().any(|target| target.ends_with("&index=10&wait=60s")).then_some(())
    });

    consul.break_down();
    until_error(&gateway, Some("it answered with status 500: No cluster leader"));
    until_only(&gateway, &["one", "two"]);
    consul.register(30, &[]);
    until_error(&gateway, Some("no endpoint was found"));
    until_only(&gateway, &["one", "two"]);
    consul.register(40, &[(&one, 3), (&two, 1)]);
    until("the weights are taken", || (bodies(&gateway, 4).get("one") == Some(&3)).then_some(()));
    until_error(&gateway, None);

    // Another server took over, and counts from somewhere else.
    consul.register(5, &[(&two, 1)]);
    until_only(&gateway, &["two"]);
    consul.register(6, &[(&one, 1), (&two, 1)]);
    until_only(&gateway, &["one", "two"]);
    assert_eq!(connections(&two), 1, "who stays keeps its connection");
    let log = gateway.log();
    assert!(!log.contains("s3cret"));
}

#[test]
fn a_wrong_token_is_told() {
    let consul = Consul::default();
    let script = consul.clone();
    let server = Upstream::start(move |request| script.answer(request));
    let setup = Setup::new(&config(&lines(&server, "CONSUL_TOKEN"))).variable("CONSUL_TOKEN", "wrong");
    let gateway = setup.start();
    until_error(&gateway, Some("it answered with status 403: Permission denied"));
    assert_eq!(gateway.get("/").status, 503);
    assert!(!format!("{} {}", gateway.status(), gateway.log()).contains("wrong"));
}
