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
    table("plain", "/plain", &proxies, rounds);
    table("key check, the key removed, one field added", "/key", &proxies, rounds);
}

/// All proxies that do this work, against the first of them.
fn table(title: &str, path: &'static str, proxies: &[Proxy], rounds: usize) {
    let able: Vec<&Proxy> = proxies.iter().filter(|proxy| proxy.paths.contains(&path)).collect();
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); able.len()];
    for proxy in &able {
        load(proxy.address, path, REQUESTS / 2);
    }
    for _ in 0..rounds {
        for (proxy, taken) in able.iter().zip(&mut taken) {
            let before = cpu(proxy);
            load(proxy.address, path, REQUESTS);
            taken.push((cpu(proxy) - before) * 1e6 / REQUESTS as f64);
        }
    }
    println!(
        "{title}\n  {:<16} {:>8} {:>8} {:>8}   {:>8} {:>8} {:>8}",
        "", "lower", "median", "upper", "ratio", "lower", "upper"
    );
    for (proxy, own) in able.iter().zip(&taken) {
        let [lower, median, upper] = quartiles(own);
        // Round by round, so that a change of the machine's speed falls on both.
        let ratios: Vec<f64> = own.iter().zip(&taken[0]).map(|(own, first)| own / first).collect();
        let [ratio_lower, ratio, ratio_upper] = quartiles(&ratios);
        println!(
            "  {:<16} {lower:>8.2} {median:>8.2} {upper:>8.2}   {ratio:>8.2} {ratio_lower:>8.2} {ratio_upper:>8.2}",
            proxy.name
        );
    }
    println!();
}
