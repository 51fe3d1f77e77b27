//! CPU time for each request of the gateway and of its peers on the same work, interleaved in one run. `make bench` runs it.
//!
//! Each proxy runs on one core; load and upstream share the others. CPU time is the scheduler's own account of the process
//! and its children, so what the load costs does not count. A peer that is not installed is left out, and said so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for the terminal"
)]
#![expect(clippy::disallowed_methods, reason = "it measures")]

mod floor;
mod measure;
mod proxies;
mod service;

use measure::{cpu, load, pin, quartiles};
use proxies::Proxy;

/// Interleaved rounds; `BENCH_ROUNDS` changes it.
const ROUNDS: usize = 11;
/// Requests of each round.
const REQUESTS: usize = 8000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // This program is also the bare forwarder, as a process of its own.
    if let [_, word, listen, upstream] = arguments.as_slice()
        && word == "floor"
    {
        return floor::run(listen.parse().unwrap(), upstream.parse().unwrap());
    }
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let upstream = service::start();
    let proxies = proxies::start(upstream);
    for proxy in &proxies {
        pin(proxy);
    }
    println!(
        "CPU time for each request in µs: {rounds} interleaved rounds of {REQUESTS} requests on {} connections, answers of 1 KiB\n",
        measure::CLIENTS
    );
    let plain = proxies.iter().map(|proxy| Row { proxy, path: "/plain", label: proxy.name.to_owned() }).collect();
    table("Plain, against bare hyper", plain, rounds);
    let gateway = proxies.iter().filter(|proxy| proxy.name == "gateway");
    let plain = gateway.map(|proxy| Row { proxy, path: "/plain", label: "gateway, plain".to_owned() });
    let able = proxies.iter().filter(|proxy| proxy.paths.contains(&"/key"));
    let keys = able.map(|proxy| Row { proxy, path: "/key", label: format!("{}, key check", proxy.name) });
    table(
        "A key check, the key removed, one field added; against the gateway's plain route",
        plain.chain(keys).collect(),
        rounds,
    );
}

/// A proxy at some work.
struct Row<'a> {
    proxy: &'a Proxy,
    path: &'static str,
    label: String,
}

/// All rows, interleaved, against the first of them.
fn table(title: &str, rows: Vec<Row<'_>>, rounds: usize) {
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    for row in &rows {
        load(row.proxy.address, row.path, REQUESTS / 2);
    }
    for _ in 0..rounds {
        for (row, taken) in rows.iter().zip(&mut taken) {
            let before = cpu(row.proxy);
            load(row.proxy.address, row.path, REQUESTS);
            taken.push((cpu(row.proxy) - before) * 1e6 / REQUESTS as f64);
        }
    }
    println!(
        "{title}\n  {:<24} {:>7} {:>7} {:>7}   {:>6} {:>6} {:>6}   {:>6}",
        "", "lower", "median", "upper", "ratio", "lower", "upper", "more"
    );
    for (row, own) in rows.iter().zip(&taken) {
        let [lower, median, upper] = quartiles(own);
        // Round by round, so that a change of the machine's speed falls on both.
        let against = |compare: fn(f64, f64) -> f64| -> Vec<f64> {
            own.iter().zip(&taken[0]).map(|(own, first)| compare(*own, *first)).collect()
        };
        let [ratio_lower, ratio, ratio_upper] = quartiles(&against(|own, first| own / first));
        let [_, more, _] = quartiles(&against(|own, first| own - first));
        println!(
            "  {:<24} {lower:>7.2} {median:>7.2} {upper:>7.2}   {ratio:>6.2} {ratio_lower:>6.2} {ratio_upper:>6.2}   {more:>6.2}",
            row.label
        );
    }
    println!();
}
