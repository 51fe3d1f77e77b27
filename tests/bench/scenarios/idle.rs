//! What a connection holds of memory once its request is answered.

use super::{Bench, FORWARDERS, KIBIBYTE, LOAD};
use crate::load::{Ask, Plan, closed, open_and_hold};
use crate::machine;
use crate::peers::gateway::Configured;
use crate::peers::{self, Kind, Proxy};
use crate::report::Table;
use crate::statistics::Quartiles;
use std::time::Duration;

const CONNECTIONS: usize = 10_000;
/// Long enough for whatever gives memory back after a while.
const IDLE: Duration = Duration::from_secs(5);
/// Memory varies less than time; each round takes a fresh process and ten thousand connections.
const ROUNDS: usize = 3;

pub(super) fn measure(bench: &Bench) -> Vec<Table> {
    let rounds = bench.rounds.min(ROUNDS);
    let mut table = Table::new(
        "10,000 idle connections",
        format!(
            "Growth of RSS, over {CONNECTIONS} connections, after each has had one answer of 1 KiB and was idle for {} s; {rounds} \
             rounds, each with a fresh process that has worked before.",
            IDLE.as_secs()
        ),
        &["", "KiB each", "quartiles", "RSS MiB before", "after"],
    );
    for kind in FORWARDERS.into_iter().filter(|kind| bench.installed.contains(kind)) {
        eprintln!("  {kind}");
        let found: Vec<[f64; 2]> = (0..rounds).map(|_| hold(bench, kind)).collect();
        let each: Vec<f64> = found.iter().map(|[before, after]| (after - before) / CONNECTIONS as f64).collect();
        let each = Quartiles::of(&each);
        let middle =
            |at: usize| Quartiles::of(&found.iter().map(|found| found[at]).collect::<Vec<_>>()).median / 1024.0;
        table.rows.push(vec![
            kind.name().to_owned(),
            format!("{:.2}", each.median),
            each.spread(2),
            format!("{:.1}", middle(0)),
            format!("{:.1}", middle(1)),
        ]);
    }
    vec![table]
}

/// KiB of memory before and after.
fn hold(bench: &Bench, kind: Kind) -> [f64; 2] {
    let proxy: Proxy = peers::start(kind, bench.upstream, &Configured::plain(bench.upstream));
    let plan =
        |connections| Plan { address: proxy.address, ask: Ask::get("/plain", KIBIBYTE), connections, cores: LOAD };
    let memory = || machine::memory(&proxy.processes());
    // What the first requests bring with them is not the connections'.
    let done = closed(&plan(32), 2000, &[]);
    assert!(done.failures.is_empty(), "{kind}: {:?}", done.failures);
    let before = memory();
    [before, open_and_hold(&plan(CONNECTIONS), IDLE, memory)]
}
