//! What a request costs the gateway, its peers, and the least that a proxy on hyper costs, on the same work in one run.
//! `make bench` runs it.
//!
//! Each proxy runs on the last core; load and upstream, both in this process, on the first. CPU time is the scheduler's own
//! account of the proxy's processes, so what the load costs does not count. A peer that is not installed is left out, and
//! said so.
//!
//! `BENCH_ONLY=plain,key` or arguments choose scenarios, `BENCH_ROUNDS` how often each row has its turn, and `BENCH_REPORT`
//! names a Markdown file that is written with everything.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a program for the terminal"
)]
#![expect(clippy::disallowed_methods, reason = "it measures")]

mod h2load;
mod load;
mod machine;
mod peers;
mod report;
mod scenarios;
mod service;
mod statistics;
mod timer;
mod wire;

use machine::Cores;
use peers::Kind;
use scenarios::{Bench, SCENARIOS};
use service::Sending;
use std::path::Path;

/// Interleaved rounds where `BENCH_ROUNDS` does not say otherwise.
const ROUNDS: usize = 11;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // This program is also the bare forwarder, as a process of its own.
    if let [word, addresses @ ..] = arguments.as_slice()
        && word == "floor"
    {
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        return peers::floor::run(addresses[0], addresses[1], addresses[2]);
    }
    let chosen = chosen(arguments);
    machine::raise_file_limit();
    let (installed, missing): (Vec<Kind>, Vec<Kind>) = Kind::ALL.into_iter().partition(|kind| kind.version().is_some());
    let versions = installed.iter().map(|kind| format!("{kind}: {}", kind.version().unwrap_or_default()));
    let versions: Vec<_> = versions.chain(h2load::version()).collect();
    versions.iter().for_each(|version| println!("{version}"));
    // Without a base nothing is missing.
    let missing = missing.iter().filter(|kind| **kind != Kind::Base).map(|kind| kind.name());
    let missing: Vec<_> = missing.chain(h2load::version().is_none().then_some("h2load")).map(str::to_owned).collect();
    missing.iter().for_each(|name| println!("{name} is not installed (`make bench-peers`): left out"));

    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let bench = Bench { rounds, upstream: service::start(Cores::First, Sending::Unpaced).unwrap(), installed };
    let mut tables = Vec::new();
    for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| chosen.iter().any(|chosen| chosen == name)) {
        eprintln!("\n{name} …");
        for table in scenario(&bench) {
            table.print();
            tables.push(table);
        }
    }
    if let Some(path) = std::env::var_os("BENCH_REPORT") {
        report::write(Path::new(&path), rounds, &versions, &missing, &tables);
    }
}

/// The scenarios that are asked for, all where none is.
fn chosen(arguments: Vec<String>) -> Vec<String> {
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let words = arguments.into_iter().filter(|argument| !argument.starts_with('-'));
    let words: Vec<String> =
        words.chain(only.split([',', ' ']).map(str::to_owned)).filter(|word| !word.is_empty()).collect();
    let known = || SCENARIOS.iter().map(|(name, _)| (*name).to_owned());
    if let Some(unknown) = words.iter().find(|word| known().all(|name| name != **word)) {
        panic!("no scenario {unknown}; there are {}", known().collect::<Vec<_>>().join(", "));
    }
    if words.is_empty() { known().collect() } else { words }
}
