//! HTTP/2 from the client, HTTP/1.1 to the upstream.

use super::work::{COLUMNS, Taken, in_rounds};
use super::{Bench, FORWARDERS, KIBIBYTE};
use crate::h2load::{self, CONNECTIONS, STREAMS};
use crate::load::Ask;
use crate::peers::gateway::Configured;
use crate::report::Table;

const REQUESTS: usize = 8000;

pub(super) fn measure(bench: &Bench) -> Vec<Table> {
    if h2load::version().is_none() {
        return Vec::new();
    }
    let proxies = bench.start(&FORWARDERS, &Configured::plain(bench.upstream));
    let ask = Ask::get("/plain", KIBIBYTE);
    let mut taken: Vec<Taken> = proxies.iter().map(|_| Taken::default()).collect();
    for proxy in &proxies {
        h2load::run(proxy.http2, &ask, REQUESTS / 2, &proxy.processes());
    }
    in_rounds(bench.rounds, proxies.len(), |at| {
        let proxy = &proxies[at];
        let (seconds, cpu) = h2load::run(proxy.http2, &ask, REQUESTS, &proxy.processes());
        taken[at].add(REQUESTS, seconds, cpu);
    });
    let about = format!(
        "{REQUESTS} requests a round by h2load, {STREAMS} at once on each of {CONNECTIONS} connections, which are opened in each \
         round."
    );
    let mut table = Table::new("HTTP/2 in cleartext, answers of 1 KiB, against bare hyper", about, &COLUMNS);
    table.rows = proxies.iter().zip(&taken).map(|(proxy, own)| own.cells(proxy.kind.name(), &taken[0])).collect();
    vec![table]
}
