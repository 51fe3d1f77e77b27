//! A configuration that changes all the time while requests come.

use super::work::{COLUMNS, Row, Taken, in_rounds, saturate_all};
use super::{Bench, GATEWAYS, KIBIBYTE};
use crate::load::Ask;
use crate::peers::Proxy;
use crate::peers::gateway::Configured;
use crate::report::Table;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Enough for several changes in each round.
const REQUESTS: usize = 40_000;
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) fn measure(bench: &Bench) -> Vec<Table> {
    let configured = Configured::key(bench.upstream);
    let proxies = bench.start(&GATEWAYS, &configured);
    let ask = Ask::get("/key", KIBIBYTE);
    let rows: Vec<(Row<'_>, bool)> = proxies
        .iter()
        .flat_map(|proxy| {
            let quiet = Row::new(format!("{}, no reload", proxy.kind), proxy, &ask);
            let busy = Row::new(format!("{}, reloading", proxy.kind), proxy, &ask);
            [(quiet, false), (busy, true)]
        })
        .collect();
    let mut taken: Vec<Taken> = rows.iter().map(|_| Taken::default()).collect();
    let (mut reloads, mut failures) = (vec![0; rows.len()], vec![0; rows.len()]);
    in_rounds(bench.rounds, rows.len(), |at| {
        let (row, reloading) = &rows[at];
        let before = generation(row.proxy);
        let done = if *reloading {
            while_changing(row.proxy, &configured.text, || saturate_all(row, REQUESTS))
        } else {
            saturate_all(row, REQUESTS)
        };
        reloads[at] += generation(row.proxy) - before;
        failures[at] += done.failures.len();
        taken[at].add(REQUESTS, done.seconds, done.cpu);
    });
    let mut table = Table::new(
        "Reload under load, key check",
        format!(
            "{REQUESTS} requests a round; the configuration is written anew every {} ms with another answer on a route of its own. \
             The last columns: generations that came to serve, and requests that failed, in all rounds.",
            PAUSE.as_millis()
        ),
        &[COLUMNS.as_slice(), &["reloads", "failed"]].concat(),
    );
    for (at, (row, _)) in rows.iter().enumerate() {
        let mut cells = taken[at].cells(&row.label, &taken[0]);
        cells.extend([reloads[at].to_string(), failures[at].to_string()]);
        table.rows.push(cells);
    }
    vec![table]
}

/// Works while another thread changes the gateway's configuration again and again.
fn while_changing<T>(proxy: &Proxy, text: &str, work: impl FnOnce() -> T) -> T {
    let gateway = proxy.gateway().unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !is_done.load(Ordering::Relaxed) {
                number += 1;
                let route = format!(
                    "[[route]]\nname = \"changing\"\nmatch = {{ path = \"/changing\" }}\nrespond = {{ status = {} }}\n",
                    400 + number % 50
                );
                gateway.configure(&format!("{text}{route}"));
                thread::sleep(PAUSE);
            }
        });
        let found = work();
        is_done.store(true, Ordering::Relaxed);
        found
    })
}

fn generation(proxy: &Proxy) -> u64 {
    proxy.gateway().unwrap().status()["reload"]["generation"].as_u64().unwrap()
}
