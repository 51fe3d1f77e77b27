//! What is asked of the proxies: one function for each scenario, most of them rows for [`work::measure`].

mod aggregate;
mod http2;
mod idle;
mod instructions;
mod reload;
mod telemetry;
mod threads;
mod work;

use crate::load::Ask;
use crate::machine::Cores;
use crate::peers::gateway::{Configured, HIT_PATH};
use crate::peers::{self, Kind, Proxy};
use crate::report::Table;
use crate::service::{self, Sending};
use std::net::SocketAddr;
use work::{CONNECTIONS, Row, Work, measure};

/// What every scenario needs.
pub(crate) struct Bench {
    pub(crate) rounds: usize,
    pub(crate) upstream: SocketAddr,
    pub(crate) installed: Vec<Kind>,
}

type Scenario = fn(&Bench) -> Vec<Table>;

pub(crate) const SCENARIOS: [(&str, Scenario); 16] = [
    ("plain", plain),
    ("64k", middle),
    ("1m", large),
    ("bbr", bbr),
    ("post", post),
    ("key", key),
    ("many", many),
    ("chain", chain),
    ("http2", http2::measure),
    ("routes", routes),
    ("aggregate", aggregate::measure),
    ("idle", idle::measure),
    ("reload", reload::measure),
    ("telemetry", telemetry::measure),
    ("threads", threads::measure),
    ("instructions", instructions::measure),
];

/// Load beside the proxies, never on their core.
const LOAD: Cores = Cores::First;

/// Kept-alive connections where many share the work.
const MANY_CONNECTIONS: usize = 256;

/// An answer's length where nothing else is asked.
const KIBIBYTE: u64 = 1024;

/// Those that forward without a plugin.
const FORWARDERS: [Kind; 6] = [Kind::Floor, Kind::Gateway, Kind::Base, Kind::Nginx, Kind::Haproxy, Kind::Envoy];
const GATEWAYS: [Kind; 2] = [Kind::Gateway, Kind::Base];

impl Bench {
    /// Those of some kinds that are installed, started, the gateways so configured.
    fn start(&self, kinds: &[Kind], configured: &Configured) -> Vec<Proxy> {
        let kinds = kinds.iter().filter(|kind| self.installed.contains(kind));
        kinds.map(|kind| peers::start(*kind, self.upstream, configured)).collect()
    }

    /// One kind of request to each forwarder.
    fn forward(&self, title: &str, ask: &Ask, requests: usize) -> Vec<Table> {
        let proxies = self.start(&FORWARDERS, &Configured::plain(self.upstream));
        proxies.iter().for_each(|proxy| proxy.check("/plain", false));
        let rows = proxies.iter().map(|proxy| Row::new(proxy.kind.name(), proxy, ask)).collect();
        vec![measure(self, Work { title: format!("{title}, against bare hyper"), rows, requests })]
    }
}

fn plain(bench: &Bench) -> Vec<Table> {
    bench.forward("Plain, answers of 1 KiB", &Ask::get("/plain", KIBIBYTE), 8000)
}

fn middle(bench: &Bench) -> Vec<Table> {
    bench.forward("Answers of 64 KiB", &Ask::get("/plain/64k", 64 * KIBIBYTE), 3000)
}

fn large(bench: &Bench) -> Vec<Table> {
    bench.forward("Answers of 1 MiB", &Ask::get("/plain/1m", 1024 * KIBIBYTE), 300)
}

/// The same from a service whose kernel paces what it sends, as some machines are set up to.
fn bbr(bench: &Bench) -> Vec<Table> {
    let upstream = match service::start(LOAD, Sending::Bbr) {
        Ok(upstream) => upstream,
        Err(error) => {
            eprintln!("this kernel has no BBR to pace with ({error}): left out");
            return Vec::new();
        }
    };
    let paced = Bench { upstream, rounds: bench.rounds, installed: bench.installed.clone() };
    paced.forward("Answers of 1 MiB that the service paces (BBR)", &Ask::get("/plain/1m", 1024 * KIBIBYTE), 300)
}

fn post(bench: &Bench) -> Vec<Table> {
    bench.forward("Requests of 64 KiB", &Ask { upload: 64 * 1024, ..Ask::get("/plain", KIBIBYTE) }, 3000)
}

/// A key check, the key removed, one field added.
fn key(bench: &Bench) -> Vec<Table> {
    key_check(bench, "A key check, the key removed, one field added", CONNECTIONS, 8000)
}

/// The same with more connections, so that less of what a proxy keeps for each stays in its caches.
fn many(bench: &Bench) -> Vec<Table> {
    key_check(bench, "A key check on many connections", MANY_CONNECTIONS, 16_000)
}

fn key_check(bench: &Bench, title: &str, connections: usize, requests: usize) -> Vec<Table> {
    const ABLE: [Kind; 7] =
        [Kind::Gateway, Kind::Base, Kind::Nginx, Kind::Haproxy, Kind::Envoy, Kind::EnvoyNative, Kind::EnvoyWasm];
    let proxies = bench.start(&ABLE, &Configured::key(bench.upstream));
    proxies.iter().for_each(|proxy| proxy.check("/key", true));
    let mut rows = beside_plain(&proxies, &Ask::get("/key", KIBIBYTE), "key check");
    rows.iter_mut().for_each(|row| row.plan.connections = connections);
    vec![measure(bench, Work { title: format!("{title}; against the gateway's plain route"), rows, requests })]
}

fn chain(bench: &Bench) -> Vec<Table> {
    let proxies = bench.start(&GATEWAYS, &Configured::chain(bench.upstream));
    proxies.iter().for_each(|proxy| proxy.check("/chain", true));
    let rows = beside_plain(&proxies, &Ask::get("/chain", KIBIBYTE), "five plugins");
    let title = "Five plugins: cors, ip-filter, api-key, transform of the request, transform of the response; against the plain route";
    vec![measure(bench, Work { title: title.to_owned(), rows, requests: 8000 })]
}

/// The gateways at their plain route, then all at some work.
fn beside_plain<'a>(proxies: &'a [Proxy], ask: &Ask, name: &str) -> Vec<Row<'a>> {
    let plain = proxies.iter().filter(|proxy| GATEWAYS.contains(&proxy.kind));
    let plain = plain.map(|proxy| Row::new(format!("{}, plain", proxy.kind), proxy, &Ask::get("/plain", KIBIBYTE)));
    plain.chain(proxies.iter().map(|proxy| Row::new(format!("{}, {name}", proxy.kind), proxy, ask))).collect()
}

fn routes(bench: &Bench) -> Vec<Table> {
    let start = |count| (count, bench.start(&GATEWAYS, &Configured::routes(bench.upstream, count)));
    let started = [start(1), start(1000)];
    let rows = started.iter().flat_map(|(count, proxies)| {
        let label = move |kind| format!("{kind}, {count} {}", if *count == 1 { "route" } else { "routes" });
        proxies.iter().map(move |proxy| Row::new(label(proxy.kind), proxy, &Ask::get(HIT_PATH, KIBIBYTE)))
    });
    let title = "One route and 1000 routes".to_owned();
    vec![measure(bench, Work { title, rows: rows.collect(), requests: 8000 })]
}
