//! The gateway and its base: programs, plugins, and a configuration for each scenario.

use super::{Kind, Proxy, Run};
use crate::machine::{self, Cores};
use gateway_tests::gateway::{self, Setup, component};
use gateway_tests::wait::until;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a gateway is started with.
pub(crate) struct Configured {
    plugins: &'static [&'static str],
    pub(crate) text: String,
    /// Workers; each has a core.
    threads: usize,
}

/// The program that is measured: the one beside this benchmark, or `BENCH_GATEWAY`.
pub(super) fn program() -> PathBuf {
    std::env::var_os("BENCH_GATEWAY").map_or_else(gateway::program, PathBuf::from)
}

/// The program and the plugins of another commit, where there is one to compare with.
pub(super) fn base_folder() -> Option<PathBuf> {
    std::env::var_os("BENCH_BASE").map(PathBuf::from)
}

/// Starts one; the error is what it says where it ends before it is ready.
pub(super) fn start(kind: Kind, program: &Path, configured: &Configured, arguments: &[&str]) -> Result<Proxy, String> {
    let threads = format!("--threads={}", configured.threads);
    let mut setup = Setup::new(&configured.text).program(program).argument(&threads).log("warn");
    if let Some(folder) = std::env::var_os("BENCH_CACHE") {
        setup = setup.cache(Path::new(&folder));
    }
    for argument in arguments {
        setup = setup.argument(argument);
    }
    for plugin in configured.plugins {
        let bytes = match (kind, base_folder()) {
            (Kind::Base, Some(folder)) => fs::read(folder.join("plugins").join(plugin).with_extension("wasm")).unwrap(),
            _ => component(plugin),
        };
        setup = setup.file(format!("plugins.d/{plugin}.wasm"), bytes);
    }
    let mut gateway = setup.launch();
    let is_ready = until("the gateway is ready, or ends", || match gateway.admin("/ready") {
        Some((200, _)) => Some(true),
        _ => (!gateway.is_alive()).then_some(false),
    });
    if !is_ready {
        return Err(gateway.log());
    }
    let address = gateway.address("public");
    let proxy = Proxy { kind, address, http2: address, run: Run::Gateway(Box::new(gateway)) };
    let cores = if configured.threads == 1 { Cores::Last } else { Cores::All };
    machine::place(&proxy.processes(), cores);
    Ok(proxy)
}

impl Configured {
    fn new(upstream: SocketAddr, plugins: &'static [&'static str], text: &str) -> Self {
        // More connections than the idle ones of the load; as patient as the peers.
        let common = format!(
            r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"
timeouts = {{ idle = "10 m" }}
limits = {{ connections = 12000 }}
[upstream.service]
endpoints = ["http://{upstream}"]
timeouts = {{ idle = "10 m" }}
"#
        );
        Self { plugins, text: common + text, threads: 1 }
    }

    pub(crate) fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// One route for everything.
    pub(crate) fn plain(upstream: SocketAddr) -> Self {
        Self::new(upstream, &[], PLAIN)
    }

    /// A route with the key check beside the plain one.
    pub(crate) fn key(upstream: SocketAddr) -> Self {
        Self::new(upstream, &["api-key"], &format!("{API_KEY}{KEY}{PLAIN}"))
    }

    /// Five plugins in a row beside the plain route.
    pub(crate) fn chain(upstream: SocketAddr) -> Self {
        Self::new(upstream, &["api-key", "cors", "ip-filter", "transform"], &format!("{API_KEY}{CHAIN}{PLAIN}"))
    }

    /// So many routes, told apart by their paths.
    pub(crate) fn routes(upstream: SocketAddr, count: usize) -> Self {
        let route = |number: usize| {
            let number = if count == 1 { HIT } else { number };
            format!(
                "[[route]]\nname = \"service-{number}\"\nmatch = {{ path = \"/service-{number}/items/{{id}}\" }}\nupstream = \"service\"\n"
            )
        };
        Self::new(upstream, &[], &(0..count).map(route).collect::<String>())
    }

    /// The plain route, and a `[telemetry]` section. What is sent to a collector goes to the service, which takes everything.
    pub(crate) fn telemetry(upstream: SocketAddr, section: &str) -> Self {
        let collector = format!("[upstream.collector]\nendpoints = [\"http://{upstream}\"]\n");
        Self::new(upstream, &["api-key"], &format!("{API_KEY}{KEY}{PLAIN}{collector}[telemetry]\n{section}\n"))
    }

    /// Three calls in one answer, beside the one call.
    pub(crate) fn aggregate(upstream: SocketAddr) -> Self {
        Self::new(upstream, &["aggregate"], &format!("{AGGREGATE}{PLAIN}"))
    }
}

/// The route that is asked among many: not the first, not the last.
const HIT: usize = 700;
pub(crate) const HIT_PATH: &str = "/service-700/items/7";

const PLAIN: &str = r#"
[[route]]
name = "plain"
match = { prefix = "/" }
upstream = "service"
"#;

const API_KEY: &str = r#"
[plugin.api-key]
config = { keys = { ada = "secret-key-of-ada" }, consumer-header = "x-consumer" }
grants = { identity = true }
"#;

const KEY: &str = r#"
[[route]]
name = "key"
match = { prefix = "/key" }
chain = ["api-key"]
upstream = "service"
"#;

/// Each one has something to do: the request carries a key and comes from an address that is let in; one field is set on
/// the way in and one on the way out.
const CHAIN: &str = r#"
[[route]]
name = "chain"
match = { prefix = "/chain" }
chain = [
    { plugin = "cors", config = { origins = ["https://shop.example"] } },
    { plugin = "ip-filter", config = { allow = ["127.0.0.0/8"], deny = ["10.6.6.6"] } },
    "api-key",
    { plugin = "transform", config = { request = { set = { x-tenant = "${attribute.consumer}" }, remove = ["cookie"] } } },
    { plugin = "transform", config = { response = { set = { x-served-by = "gateway" } } } },
]
upstream = "service"
"#;

const AGGREGATE: &str = r#"
[plugin.aggregate]
grants = { http = ["service"] }
[[route]]
name = "aggregate"
match = { prefix = "/aggregate" }
answer = { plugin = "aggregate", config = { parts = {
    item = { url = "upstream://service/item/slow" },
    basket = { url = "upstream://service/basket/slow" },
    reviews = { url = "upstream://service/reviews/slow" },
} } }
"#;
